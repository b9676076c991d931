//! The PROXY protocol's parser.

use std::net::SocketAddr;

use crate::listen::proxy_protocol::{Header, Parsed, parse};

/// What the first bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyHeader {
    /// A whole header.
    Whole {
        /// Source and destination of the client, if it tells of one.
        client: Option<(SocketAddr, SocketAddr)>,
        /// The bytes it takes.
        length: usize,
    },
    /// The beginning of one, of which so many bytes are missing at least.
    Part(usize),
    /// Nothing of the kind.
    Malformed,
}

/// Looks at the first bytes of a connection.
pub fn proxy_header(bytes: &[u8]) -> ProxyHeader {
    match parse(bytes) {
        Parsed::Complete(Header::Client { source, destination }, length) => {
            ProxyHeader::Whole { client: Some((source, destination)), length }
        }
        Parsed::Complete(Header::Local | Header::Unknown, length) => ProxyHeader::Whole { client: None, length },
        Parsed::Incomplete(missing) => ProxyHeader::Part(missing),
        Parsed::Malformed(_) => ProxyHeader::Malformed,
    }
}
