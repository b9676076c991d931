//! A program that runs beside a test and ends with it at the latest.

use std::fs;
use std::process::{Child, Command};

use crate::patience::PATIENCE;

/// A running program; dropped, it is killed.
pub(crate) struct Process(Option<Child>);

impl Process {
    pub(crate) fn of(child: Child) -> Self {
        Self(Some(child))
    }

    /// Its id.
    pub(crate) fn id(&self) -> u32 {
        self.0.as_ref().unwrap().id()
    }

    /// Sends a signal: `TERM`, `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let process = self.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &process]).status().unwrap();
        assert!(sent.success(), "no {name} to {process}");
    }

    /// Waits for the end and returns the exit code.
    pub(crate) async fn ended(mut self) -> i32 {
        let mut child = self.0.take().unwrap();
        let process = child.id().to_string();
        let waiting = tokio::task::spawn_blocking(move || child.wait());
        let Ok(status) = tokio::time::timeout(PATIENCE, waiting).await else {
            let _ = Command::new("kill").args(["-s", "KILL", &process]).status();
            panic!("the program did not end within {PATIENCE:?}");
        };
        status.unwrap().unwrap().code().expect("an exit code, not a signal")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The most memory that a process has had so far, in bytes. What the kernel holds for its sockets is not in it.
pub fn peak_memory(process: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    line.and_then(|kibibytes| kibibytes.parse::<usize>().ok()).expect("the kernel counts memory") * 1024
}
