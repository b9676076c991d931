//! Clients that ask without a pause while a test breaks something else: none of their requests may fail.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::patience::eventually;

/// Requests that flow until [`Load::end`], on a thread of their own: whatever the test waits for, they go on.
pub struct Load {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    answered: AtomicUsize,
    /// In microseconds.
    slowest: AtomicU64,
}

impl Load {
    /// So many `clients` ask `address` with GET, each on one connection. `request` says the target and the header fields
    /// (lines that end in CRLF) of the request of this number of this client.
    pub fn begin<F>(address: SocketAddr, clients: usize, request: F) -> Self
    where
        F: Fn(usize, usize) -> (String, String) + Send + Sync + 'static,
    {
        let (shared, request) = (Arc::<Shared>::default(), Arc::new(request));
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let ask = |client| theirs.ask(address, client, Arc::clone(&request));
                let mut clients: JoinSet<()> = (0..clients).map(ask).collect();
                while let Some(ended) = clients.join_next().await {
                    ended.unwrap();
                }
            });
        });
        Self { shared, thread: Some(thread) }
    }

    /// Waits for `more` answers.
    ///
    /// # Panics
    /// When a request has failed.
    pub async fn goes_on(&mut self, more: usize) {
        let wanted = self.shared.answered.load(Ordering::SeqCst) + more;
        eventually("requests to flow", async || {
            if self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
                self.join();
            }
            (self.shared.answered.load(Ordering::SeqCst) >= wanted).then_some(())
        })
        .await;
    }

    /// Ends it: how many answers there were, and how long the slowest took.
    ///
    /// # Panics
    /// When a request has failed.
    pub fn end(mut self) -> (usize, Duration) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.join();
        let slowest = Duration::from_micros(self.shared.slowest.load(Ordering::SeqCst));
        (self.shared.answered.load(Ordering::SeqCst), slowest)
    }

    fn join(&mut self) {
        let ended = self.thread.take().map_or(Ok(()), JoinHandle::join);
        ended.expect("no request fails");
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
    }
}

impl Shared {
    fn ask<F>(
        self: &Arc<Self>,
        address: SocketAddr,
        client: usize,
        request: Arc<F>,
    ) -> impl Future<Output = ()> + Send + 'static
    where
        F: Fn(usize, usize) -> (String, String) + Send + Sync + 'static,
    {
        let shared = Arc::clone(self);
        async move {
            let mut connection = Connection::tcp(address).await;
            for number in 0.. {
                if shared.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let (target, fields) = request(client, number);
                let begin = Instant::now();
                let answer = connection.ask("GET", &target, &fields).await;
                assert_eq!(answer.status(), 200, "{target}: {}", answer.text());
                let took = u64::try_from(begin.elapsed().as_micros()).unwrap();
                shared.slowest.fetch_max(took, Ordering::SeqCst);
                shared.answered.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}
