//! A port nobody uses, for programs that cannot bind port 0 and tell.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::failure::{Failure, While};

/// A loopback address whose port was free a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).while_doing("looking for a free port")?;
    listener.local_addr().while_doing("looking for a free port")
}
