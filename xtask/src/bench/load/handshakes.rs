//! Full TLS 1.3 handshakes: a connection for each request, no session offered. The client is a Python script, since it
//! checks for every connection that nothing was resumed, whatever the server would allow.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::Seen;
use crate::bench::pinned::{Core, pinned};
use crate::bench::product::{REMOVED_HEADER, Setup};
use crate::failure::{Failure, While};
use crate::steps;

const SCRIPT: &str = include_str!("handshakes.py");

/// Connections that are open or being opened at any time.
const AT_ONCE: &str = "8";

/// Runs it once.
pub(crate) fn run(setup: &Setup, seconds: u32, scratch: &Path) -> Result<Seen, Failure> {
    let script = scratch.join("handshakes.py");
    fs::write(&script, SCRIPT).while_doing(script.display())?;
    let mut command = pinned(Core::Around, "python3");
    command.arg(script).args([&setup.address.port().to_string(), &seconds.to_string(), AT_ONCE, REMOVED_HEADER]);
    let text = steps::output(command)?;
    let seen: Value = serde_json::from_str(&text).while_doing("reading what the client for handshakes saw")?;
    let number = |name: &str| {
        seen.get(name)
            .and_then(Value::as_f64)
            .ok_or_else(|| Failure::new(format!("`{name}` is missing in what the client saw: {text}")))
    };
    if number("resumed")? > 0.0 {
        return Err(Failure::new(format!("sessions were resumed, full handshakes are wanted: {text}")));
    }
    Ok(Seen {
        requests: number("requests")?,
        rate: number("requests")? / number("seconds")?,
        p50: number("p50")?,
        p99: number("p99")?,
        errors: number("errors")?,
    })
}
