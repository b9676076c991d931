//! A port nobody uses, for programs that cannot bind port 0 and tell.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// A loopback address that is free now, and that nobody gets who asks the kernel for any.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Below the kernel's own range; each test process begins elsewhere.
    let begin = u16::try_from(std::process::id() % 10_000).unwrap();
    loop {
        let port = 10_000 + (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
