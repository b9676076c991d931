//! Names to addresses. Looked up at first use and again when the answer has become old, while the old one is still
//! served: a name server that is down breaks nothing that worked.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

/// How old an answer may be before it is asked for again.
const REFRESH: Duration = Duration::from_secs(5);

/// A host and its addresses, shared by all workers.
#[derive(Debug)]
pub(crate) struct Resolved {
    host: String,
    port: u16,
    answer: ArcSwapOption<Answer>,
    refreshing: AtomicBool,
}

#[derive(Debug)]
pub(crate) struct Answer {
    /// Never empty.
    pub(crate) addresses: Vec<SocketAddr>,
    /// `None` if it never becomes old.
    asked: Option<Instant>,
}

impl Resolved {
    /// An IP address needs no look-up, ever.
    pub(crate) fn new(host: &str, port: u16) -> Self {
        let literal = host.parse::<IpAddr>().ok();
        let answer = literal.map(|ip| Arc::new(Answer { addresses: vec![SocketAddr::new(ip, port)], asked: None }));
        Self { host: host.to_owned(), port, answer: ArcSwapOption::new(answer), refreshing: AtomicBool::new(false) }
    }

    /// The addresses; waits only if there has never been an answer.
    pub(crate) async fn addresses(self: &Arc<Self>) -> io::Result<Arc<Answer>> {
        let Some(answer) = self.answer.load_full() else { return Box::pin(self.look_up()).await };
        let old = answer.asked.is_some_and(|asked| asked.elapsed() > REFRESH);
        if old && !self.refreshing.swap(true, Ordering::Acquire) {
            let refresh = Refreshing(Arc::clone(self));
            tokio::task::spawn_local(async move {
                if let Err(error) = refresh.0.look_up().await {
                    tracing::warn!(event = "dns-failed", host = %refresh.0.host, %error, "a name could not be resolved again; the old addresses stay");
                }
            });
        }
        Ok(answer)
    }

    async fn look_up(&self) -> io::Result<Arc<Answer>> {
        let mut addresses: Vec<_> = tokio::net::lookup_host((self.host.as_str(), self.port)).await?.collect();
        addresses.sort_unstable_by_key(|address| (address.is_ipv6(), *address));
        addresses.dedup();
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        }
        let answer = Arc::new(Answer { addresses, asked: Some(Instant::now()) });
        self.answer.store(Some(Arc::clone(&answer)));
        Ok(answer)
    }
}

/// Lets the next refresh begin, however this one ends.
struct Refreshing(Arc<Resolved>);

impl Drop for Refreshing {
    fn drop(&mut self) {
        self.0.refreshing.store(false, Ordering::Release);
    }
}
