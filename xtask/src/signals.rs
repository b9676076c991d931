//! Signals without `unsafe`: `kill` sends them, and `setpriv --pdeathsig` ties a child's life to ours, so that nothing
//! survives a Ctrl-C, a failure or a kill of the task runner.

use std::ffi::OsStr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A command that is told to stop when the task runner ends, however it ends. Start it from the main thread: the kernel
/// watches the thread that forked.
pub(crate) fn tied(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM"]).arg(program);
    command
}

/// Asks a child to stop, then insists after five seconds, and reaps it.
pub(crate) fn stop(child: &mut Child) {
    end(child, "TERM");
}

/// The same the way Ctrl-C asks, after which recorders write what they have.
pub(crate) fn interrupt(child: &mut Child) {
    end(child, "INT");
}

fn end(child: &mut Child, signal: &str) {
    send(signal, child.id());
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        if matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn send(signal: &str, process: u32) {
    let _ = Command::new("kill").args(["-s", signal, &process.to_string()]).stderr(Stdio::null()).status();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_child_is_reaped_at_once() {
        let mut child = tied("sleep").arg("60").spawn().unwrap();
        let begin = Instant::now();
        stop(&mut child);
        assert!(begin.elapsed() < Duration::from_secs(4));
        assert!(child.try_wait().unwrap().is_some());
    }
}
