//! Names to addresses. Looked up at first use and again when the answer has become old, while the old one is still
//! served: a name server that is down breaks nothing that worked.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

/// After a failure nobody asks again for so long.
const FAILURE_HOLDS: Duration = Duration::from_secs(1);
/// How old an answer may be before it is asked for again.
const REFRESH: Duration = Duration::from_secs(5);

/// A host and its addresses, shared by all workers.
#[derive(Debug)]
pub(crate) struct Resolved {
    host: String,
    port: u16,
    answer: ArcSwapOption<Answer>,
    refreshing: AtomicBool,
    /// Held by whoever makes the first look-up; what failed last is inside.
    first: tokio::sync::Mutex<Option<(Instant, io::ErrorKind)>>,
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
        Self {
            host: host.to_owned(),
            port,
            answer: ArcSwapOption::new(answer),
            refreshing: AtomicBool::new(false),
            first: tokio::sync::Mutex::default(),
        }
    }

    /// The latest answer, if there is one.
    pub(crate) fn known(&self) -> Option<Arc<Answer>> {
        self.answer.load_full()
    }

    /// The addresses; waits only if there has never been an answer, and then at most `limit`.
    pub(crate) async fn addresses(self: &Arc<Self>, limit: Duration) -> io::Result<Arc<Answer>> {
        let Some(answer) = self.answer.load_full() else {
            return Box::pin(async { tokio::time::timeout(limit, self.first_look_up()).await? }).await;
        };
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

    /// One look-up for everybody who waits.
    async fn first_look_up(&self) -> io::Result<Arc<Answer>> {
        let mut failed = self.first.lock().await;
        if let Some(answer) = self.known() {
            return Ok(answer);
        }
        if let Some((_, kind)) = failed.filter(|(at, _)| at.elapsed() < FAILURE_HOLDS) {
            return Err(io::Error::new(kind, format!("'{}' could not be resolved a moment ago", self.host)));
        }
        let outcome = self.look_up().await;
        *failed = outcome.as_ref().err().map(|error| (Instant::now(), error.kind()));
        outcome
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_does_not_resolve_is_asked_for_once_in_a_while() {
        let nowhere = Arc::new(Resolved::new("nowhere.invalid", 80));
        assert!(nowhere.addresses(Duration::from_secs(5)).await.is_err());
        let again = nowhere.addresses(Duration::from_secs(5)).await.unwrap_err();
        assert!(again.to_string().contains("a moment ago"), "{again}");
    }

    #[tokio::test]
    async fn an_address_needs_no_look_up() {
        let literal = Arc::new(Resolved::new("127.0.0.1", 80));
        assert_eq!(literal.addresses(Duration::ZERO).await.unwrap().addresses, ["127.0.0.1:80".parse().unwrap()]);
    }
}
