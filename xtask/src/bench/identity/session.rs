//! The rung `session`: an OpenID provider to log in at, and a login, by curl and with cookies as a browser's.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use super::tokens::claims;
use crate::bench::pinned::{Core, pinned};
use crate::failure::{Failure, While};
use crate::free_port::free_address;
use crate::wait_listening::wait_listening;
use crate::{signals, steps};

/// The name of the session's cookie.
pub(super) const COOKIE: &str = "gwanmun";

const SCRIPT: &str = include_str!("provider.mjs");

/// The provider while it runs.
pub(super) struct RunningProvider {
    /// Where it listens.
    pub(super) address: SocketAddr,
    child: Child,
}

impl RunningProvider {
    /// Starts it beside the clients.
    pub(super) fn start(folder: &Path) -> Result<Self, Failure> {
        let address = free_address()?;
        let script = folder.join("provider.mjs");
        fs::write(&script, SCRIPT).while_doing(script.display())?;
        let mut command = pinned(Core::Around, "node");
        command.arg(&script).args([address.to_string(), claims()]);
        let mut child = command.spawn().while_doing("starting the OpenID provider")?;
        if wait_listening(address, Duration::from_secs(10), || matches!(child.try_wait(), Ok(None))) {
            return Ok(Self { address, child });
        }
        signals::stop(&mut child);
        Err(Failure::new(format!("the OpenID provider does not listen on {address}")))
    }
}

impl Drop for RunningProvider {
    fn drop(&mut self) {
        signals::stop(&mut self.child);
    }
}

/// Logs somebody in at the gateway that listens on `address`, and returns what the browser shows from then on.
pub(super) fn log_in(address: SocketAddr, folder: &Path) -> Result<String, Failure> {
    let jar = folder.join("cookies");
    let mut curl = Command::new("curl");
    curl.args([
        "--silent",
        "--show-error",
        "--fail",
        "--max-time",
        "10",
        "--ipv4",
        "--location",
        "--output",
        "/dev/null",
    ]);
    curl.args(["-H", "Accept: text/html"])
        .arg("--cookie-jar")
        .arg(&jar)
        .arg(format!("http://localhost:{}/items/7", address.port()));
    steps::output(curl)?;
    let jar = fs::read_to_string(&jar).while_doing(jar.display())?;
    session_in(&jar)
        .map(str::to_owned)
        .ok_or_else(|| Failure::new(format!("a cookie `{COOKIE}` is wanted after the login, found:\n{jar}")))
}

/// The value of the session's cookie in a jar of curl's: lines of seven fields.
fn session_in(jar: &str) -> Option<&str> {
    let mut lines = jar.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    lines.find_map(|fields| match fields.as_slice() {
        [_, _, _, _, _, COOKIE, value] => Some(*value),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let jar = "# Netscape HTTP Cookie File\n\n#HttpOnly_127.0.0.1\tFALSE\t/\tFALSE\t0\tother\tx\n\
                   #HttpOnly_127.0.0.1\tFALSE\t/\tFALSE\t0\tgwanmun\tabc\n";
        assert_eq!(session_in(jar), Some("abc"));
        assert_eq!(session_in("gwanmun abc\n"), None);
    }
}
