//! A process of the bench while it runs: started, waited for until it listens, stopped when dropped.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::accounting::{CpuTime, Memory};
use super::backend::BACKEND_COMMAND;
use super::pinned::{Core, pin, pinned};
use super::product::{Product, Setup, checked};
use crate::failure::{Failure, While};
use crate::free_port::free_address;
use crate::signals;
use crate::wait_listening::wait_listening;

/// Envoy with 10,000 routes takes a while.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// A proxy that listens.
pub(crate) struct RunningProxy {
    /// Which one.
    pub(crate) product: Product,
    /// What it was told.
    pub(crate) setup: Setup,
    child: Child,
}

impl RunningProxy {
    /// Configures a proxy, has it check that, starts it on its core and waits until it listens.
    pub(crate) fn start(product: Product, setup: Setup) -> Result<Self, Failure> {
        let calls = product.configure(&setup)?;
        checked(product, calls.check)?;
        let output = if calls.logs_to_stdout { setup.access_log() } else { setup.folder.join("stdout.log") };
        let mut command = pin(Core::Proxy, &calls.run);
        command.stdin(Stdio::null()).stdout(append_to(&output)?).stderr(append_to(&setup.folder.join("stderr.log"))?);
        let child = start(command, setup.address, &setup.folder)?;
        Ok(Self { product, setup, child })
    }

    /// The process, for tools that attach to it.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Its processor time until now.
    pub(crate) fn cpu_time(&self) -> Result<CpuTime, Failure> {
        CpuTime::of(self.child.id()).while_doing(self.product.name())
    }

    /// Its memory now.
    pub(crate) fn memory(&self) -> Result<Memory, Failure> {
        Memory::of(self.child.id()).while_doing(self.product.name())
    }

    /// Counts the lines of its access log and empties the file.
    pub(crate) fn take_log_lines(&self) -> Result<u64, Failure> {
        let path = self.setup.access_log();
        let mut reader = BufReader::with_capacity(1 << 20, File::open(&path).while_doing(path.display())?);
        let mut lines = 0;
        loop {
            let chunk = reader.fill_buf().while_doing(path.display())?;
            if chunk.is_empty() {
                break;
            }
            lines += chunk.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
            let length = chunk.len();
            reader.consume(length);
        }
        OpenOptions::new().write(true).truncate(true).open(&path).while_doing(path.display())?;
        Ok(lines)
    }
}

impl Drop for RunningProxy {
    fn drop(&mut self) {
        signals::stop(&mut self.child);
    }
}

/// The origin while it runs.
pub(crate) struct RunningBackend {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    child: Child,
}

impl RunningBackend {
    /// Starts the origin beside the clients.
    pub(crate) fn start(folder: &Path) -> Result<Self, Failure> {
        let address = free_address()?;
        let program = std::env::current_exe().while_doing("finding this program")?;
        let mut command = pinned(Core::Around, program);
        command.args([BACKEND_COMMAND, &address.to_string()]).stdin(Stdio::null());
        Ok(Self { address, child: start(command, address, folder)? })
    }
}

impl Drop for RunningBackend {
    fn drop(&mut self) {
        signals::stop(&mut self.child);
    }
}

fn start(mut command: Command, address: SocketAddr, folder: &Path) -> Result<Child, Failure> {
    let line = crate::steps::command_line(&command);
    let mut child = command.spawn().while_doing(format_args!("starting `{line}`"))?;
    if wait_listening(address, START_PATIENCE, || matches!(child.try_wait(), Ok(None))) {
        return Ok(child);
    }
    signals::stop(&mut child);
    let stderr = std::fs::read_to_string(folder.join("stderr.log")).unwrap_or_default();
    Err(Failure::new(format!("`{line}` does not listen on {address}\n{}", last_lines(&stderr))))
}

fn append_to(path: &Path) -> Result<File, Failure> {
    OpenOptions::new().create(true).append(true).open(path).while_doing(path.display())
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
}
