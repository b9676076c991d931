//! Free ports in place of the documented ones.

use std::collections::BTreeMap;

use tokio::net::TcpSocket;

use crate::block::Block;

/// A free port for each documented one. The sockets are bound and do not listen, so that nobody else is given their ports
/// and a gateway, which sets SO_REUSEADDR as they do, can still bind them.
pub(crate) struct Ports {
    places: BTreeMap<u16, (u16, TcpSocket)>,
}

impl Ports {
    /// Ports for all that stand behind an address in `blocks`, and the default one of the management port.
    pub(crate) fn of(blocks: &[Block]) -> Self {
        let mut ports = Self { places: BTreeMap::new() };
        let addresses = blocks
            .iter()
            .flat_map(|block| block.text.match_indices("127.0.0.1:").map(|(at, host)| &block.text[at + host.len()..]));
        for port in addresses.filter_map(leading_port).chain([9901]) {
            ports.places.entry(port).or_insert_with(free);
        }
        ports
    }

    /// `text` with free ports.
    pub(crate) fn to_free(&self, text: &str) -> String {
        self.places.iter().fold(text.to_owned(), |text, (documented, (free, _))| {
            text.replace(&format!(":{documented}"), &format!(":{free}"))
        })
    }

    /// `text` with documented ports.
    pub(crate) fn to_documented(&self, text: &str) -> String {
        self.places.iter().fold(text.to_owned(), |text, (documented, (free, _))| {
            text.replace(&format!(":{free}"), &format!(":{documented}"))
        })
    }
}

fn leading_port(text: &str) -> Option<u16> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().ok().filter(|port| *port > 0)
}

fn free() -> (u16, TcpSocket) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    (socket.local_addr().unwrap().port(), socket)
}
