//! The parts of the shop as processes: each with its own log, started in the order in which they need each other.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::place::Place;
use crate::failure::{Failure, While};
use crate::signals;
use crate::wait_listening::wait_listening;
use crate::workspace;

const PATIENCE: Duration = Duration::from_secs(30);

/// All parts. Dropped, they stop in reverse order.
pub(crate) struct Parts(Vec<Part>);

struct Part {
    name: &'static str,
    log: PathBuf,
    child: Child,
}

impl Parts {
    /// Starts every part and waits until each listens.
    pub(crate) fn start(place: &Place) -> Result<Self, Failure> {
        let python = place.python()?;
        let mut parts = Self(Vec::new());
        let receiver = rotel(&python)?;
        let at = |name: &str| place.address(name).to_string();
        parts.add(
            place,
            "rotel",
            "OTLP",
            &receiver,
            &[
                "start",
                "--otlp-http-endpoint",
                &at("OTLP"),
                "--otlp-grpc-endpoint",
                &at("OTLP_GRPC"),
                "--exporter",
                "blackhole",
                "--debug-log",
                "traces",
                "--debug-log-verbosity",
                "detailed",
            ],
        )?;
        let script = |name: &str| place.folder.join(name).display().to_string();
        parts.add(place, "login", "LOGIN", &python, &[&script("login/login.py")])?;
        let binaries = workspace::target().join("debug");
        let gateway = binaries.join("gwanmun");
        let gateways = |file: &str| place.folder.join("gateways").join(file).display().to_string();
        parts.add(place, "public", "PUBLIC", &gateway, &["run", &gateways("public.yaml")])?;
        parts.add(place, "internal", "INTERNAL", &gateway, &["run", &gateways("internal.yaml")])?;
        parts.add(place, "consumers", "CONSUMERS", &binaries.join("consumers"), &[])?;
        parts.add(place, "kitchen", "KITCHEN", &binaries.join("kitchen"), &[])?;
        parts.add(place, "orders", "ORDERS", &binaries.join("orders"), &[])?;
        parts.add(place, "receipts", "RECEIPTS", &python, &[&script("receipts/receipts.py")])?;
        Ok(parts)
    }

    fn add(
        &mut self,
        place: &Place,
        name: &'static str,
        address: &str,
        program: &Path,
        arguments: &[&str],
    ) -> Result<(), Failure> {
        let log = place.folder.join("logs").join(format!("{name}.log"));
        let file = File::create(&log).while_doing(log.display())?;
        let folder = place.folder.join(name);
        let folder = if folder.is_dir() { folder } else { place.folder.clone() };
        let mut command = signals::tied(program);
        command.args(arguments).current_dir(folder).stdin(Stdio::null());
        command.stdout(file.try_clone().while_doing(log.display())?).stderr(file);
        for (name, value) in environment(place, name) {
            command.env(name, value);
        }
        let child = command.spawn().while_doing(format_args!("starting {name}"))?;
        self.0.push(Part { name, log, child });
        let address = place.address(address);
        let Some(part) = self.0.last_mut() else { return Ok(()) };
        let child = &mut part.child;
        if wait_listening(address, PATIENCE, || matches!(child.try_wait(), Ok(None))) {
            println!("    {name} at {address}, log in {}", part.log.display());
            return Ok(());
        }
        Err(Failure::new(format!("{name} does not listen at {address}; its log says:\n{}", part.last_words())))
    }

    /// Fails when a part has ended.
    pub(crate) fn all_run(&mut self) -> Result<(), Failure> {
        for part in &mut self.0 {
            if let Ok(Some(status)) = part.child.try_wait() {
                return Err(Failure::new(format!(
                    "{} ended with {status}; its log says:\n{}",
                    part.name,
                    part.last_words()
                )));
            }
        }
        Ok(())
    }

    /// Prints the end of every log.
    pub(crate) fn show_last_words(&self) {
        for part in &self.0 {
            println!("---- {}\n{}", part.name, part.last_words());
        }
    }
}

impl Part {
    fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(15)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        while let Some(mut part) = self.0.pop() {
            signals::stop(&mut part.child);
        }
    }
}

/// Addresses as the configurations ask for them.
fn environment(place: &Place, name: &str) -> Vec<(String, String)> {
    let url = |address: SocketAddr| format!("http://{address}");
    let mut variables: Vec<(String, String)> = [
        "PUBLIC",
        "INTERNAL",
        "ORDERS",
        "CONSUMERS",
        "KITCHEN",
        "RECEIPTS",
        "PUBLIC_MANAGEMENT",
        "INTERNAL_MANAGEMENT",
        "ORDERS_MANAGEMENT",
        "CONSUMERS_MANAGEMENT",
        "KITCHEN_MANAGEMENT",
    ]
    .into_iter()
    .map(|name| (name.to_owned(), place.address(name).to_string()))
    .collect();
    variables.push(("LOGIN".to_owned(), url(place.address("LOGIN"))));
    variables.push(("OTLP".to_owned(), url(place.address("OTLP"))));
    variables.push(("CERTIFICATES".to_owned(), place.folder.join("certificates").display().to_string()));
    match name {
        "login" => variables.push(("ADDRESS".to_owned(), place.address("LOGIN").to_string())),
        "receipts" => {
            variables.push(("ADDRESS".to_owned(), place.address("RECEIPTS").to_string()));
            variables.push(("JWKS".to_owned(), format!("{}/jwks.json", url(place.address("PUBLIC_MANAGEMENT")))));
            variables.retain(|(name, _)| name != "ORDERS");
            variables.push(("ORDERS".to_owned(), url(place.address("ORDERS"))));
        }
        _ => {}
    }
    variables
}

/// The receiver's program, which its package has inside.
fn rotel(python: &Path) -> Result<PathBuf, Failure> {
    let mut ask = Command::new(python);
    ask.args(["-c", "import pathlib, rotel; print(next(path for path in pathlib.Path(rotel.__file__).parent.rglob('rotel-agent') if path.is_file()))"]);
    Ok(PathBuf::from(crate::steps::output(ask)?.trim()))
}
