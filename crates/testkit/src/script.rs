//! A service that does on each connection exactly what a test says, byte by byte: for everything a decent server would
//! not do.

use std::future::Future;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::connection::Connection;

/// A TCP service that follows a script; dropped, it ends.
pub struct Script {
    address: SocketAddr,
    connections: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Script {
    /// Plays `scene` on every connection; its second argument counts them from 0. The connection closes when the scene ends.
    pub async fn play<F: Future<Output = ()> + Send + 'static>(
        scene: impl Fn(Connection, usize) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (count, connections) = watch::channel(0);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = *count.borrow();
                count.send_replace(number + 1);
                tokio::spawn(scene(Connection::over(stream), number));
            }
        });
        Self { address, connections, task }
    }

    /// Reads a whole request on every connection, says `answer` and closes.
    pub async fn saying(answer: impl AsRef<[u8]>) -> Self {
        let answer = answer.as_ref().to_vec();
        Self::play(move |mut connection, _| {
            let answer = answer.clone();
            async move {
                if connection.request().await.is_ok() {
                    let _ = connection.try_send(answer).await;
                }
            }
        })
        .await
    }

    /// Says `words` on every connection without having been asked, and then reads until the other side closes.
    pub async fn saying_at_once(words: &'static str) -> Self {
        Self::play(move |mut connection, _| async move {
            let _ = connection.try_send(words).await;
            let _ = connection.rest().await;
        })
        .await
    }

    /// An address where nobody listens.
    pub async fn absent() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    /// Where it listens, as an upstream is written.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        *self.connections.borrow()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.task.abort();
    }
}
