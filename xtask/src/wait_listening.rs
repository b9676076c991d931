//! Waits until a program that was just started answers on its address.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Connects again and again until it works (`true`) or the patience is used up or `still_running` says no (`false`).
pub(crate) fn wait_listening(address: SocketAddr, patience: Duration, mut still_running: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline && still_running() {
        if TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_listening_address_is_seen() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(wait_listening(listener.local_addr().unwrap(), Duration::from_secs(5), || true));
    }

    #[test]
    fn a_program_that_died_ends_the_wait() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let mut asked = 0;
        let listens = wait_listening(address, Duration::from_secs(60), || {
            asked += 1;
            asked < 3
        });
        assert!(!listens);
    }
}
