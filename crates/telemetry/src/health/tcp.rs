//! A check whether somebody takes connections: of a database or a mail server that speaks no HTTP.

use std::net::ToSocketAddrs;
use std::pin::Pin;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::aside::Aside;
use super::check::Check;
use super::outcome::Outcome;

/// How many of a name's addresses are tried.
const ADDRESSES: usize = 4;

/// Connects over TCP, and closes the connection again without a word.
#[derive(Debug)]
pub struct TcpCheck {
    host: Arc<str>,
    port: u16,
    resolver: Aside<Result<Vec<std::net::SocketAddr>, String>>,
}

impl TcpCheck {
    /// A check of `host`, a name or an address without brackets.
    pub fn new(host: &str, port: u16) -> Self {
        Self { host: host.into(), port, resolver: Aside::default() }
    }

    async fn connect(&self) -> Result<(), String> {
        let (host, port) = (Arc::clone(&self.host), self.port);
        let found = self.resolver.run(move || match (&*host, port).to_socket_addrs() {
            Ok(addresses) => Ok(addresses.take(ADDRESSES).collect()),
            Err(error) => Err(error.to_string()),
        });
        let mut last = "the name has no address".to_owned();
        for address in found.await?? {
            match TcpStream::connect(address).await {
                Ok(_) => return Ok(()),
                Err(error) => last = error.to_string(),
            }
        }
        Err(last)
    }
}

impl Check for TcpCheck {
    fn check(&self) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
        Box::pin(async {
            let outcome = self.connect().await.map_or_else(|error| Outcome::down(&error), |()| Outcome::up());
            outcome.with("host", &*self.host).with("port", self.port)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use tokio::runtime::Builder;

    use super::*;
    use crate::health::Status;

    #[test]
    fn it_works_while_somebody_listens() {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let check = TcpCheck::new("localhost", listener.local_addr().unwrap().port());
            assert_eq!(check.check().await.status, Status::Up);
            drop(listener);
            let outcome = check.check().await;
            assert_eq!(outcome.status, Status::Down);
            assert!(outcome.error().contains("refused"), "{outcome:?}");
            let outcome = TcpCheck::new("none.invalid", 1).check().await;
            assert!(outcome.status == Status::Down && !outcome.error().is_empty(), "{outcome:?}");
        });
    }
}
