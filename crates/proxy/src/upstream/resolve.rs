//! Names to addresses. Looked up at first use and again when the answer has become old, while the old one is still
//! served: a name server that is down breaks nothing that worked.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use gwanmun_core::Reason;

use crate::filter::LocalBoxFuture;
use crate::upstream::no_connection::NoConnection;

/// A host and its addresses, shared by all workers.
#[derive(Debug)]
pub(crate) struct Resolved {
    host: String,
    port: u16,
    answer: ArcSwapOption<Answer>,
    refreshing: AtomicBool,
    /// Held by whoever makes the first look-up; what failed last is inside.
    first: tokio::sync::Mutex<Option<(Instant, io::ErrorKind)>>,
    names: Names,
}

/// Where names are looked up, and how often.
#[derive(Debug, Clone, Copy)]
struct Names {
    /// The addresses of a host and port.
    ask: fn(String, u16) -> LocalBoxFuture<'static, io::Result<Vec<SocketAddr>>>,
    /// How old an answer may be before it is asked for again.
    refresh: Duration,
    /// After a failure nobody asks again for so long.
    failure_holds: Duration,
}

/// The system's resolver.
const SYSTEM: Names =
    Names { ask: ask_the_system, refresh: Duration::from_secs(5), failure_holds: Duration::from_secs(1) };

fn ask_the_system(host: String, port: u16) -> LocalBoxFuture<'static, io::Result<Vec<SocketAddr>>> {
    Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
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
        Self::asking(SYSTEM, host, port)
    }

    fn asking(names: Names, host: &str, port: u16) -> Self {
        let literal = host.parse::<IpAddr>().ok();
        let answer = literal.map(|ip| Arc::new(Answer { addresses: vec![SocketAddr::new(ip, port)], asked: None }));
        Self {
            host: host.to_owned(),
            port,
            answer: ArcSwapOption::new(answer),
            refreshing: AtomicBool::new(false),
            first: tokio::sync::Mutex::default(),
            names,
        }
    }

    /// The latest answer, if there is one.
    pub(crate) fn known(&self) -> Option<Arc<Answer>> {
        self.answer.load_full()
    }

    /// The addresses; waits only if there has never been an answer, and then at most `limit`.
    pub(crate) async fn addresses(self: &Arc<Self>, limit: Duration) -> Result<Arc<Answer>, NoConnection> {
        let Some(answer) = self.answer.load_full() else {
            return Box::pin(async {
                match tokio::time::timeout(limit, self.first_look_up()).await {
                    Ok(found) => found.map_err(NoConnection::unresolved),
                    Err(_) => Err(NoConnection::late(Reason::DnsTimeout, limit)),
                }
            })
            .await;
        };
        let old = answer.asked.is_some_and(|asked| asked.elapsed() >= self.names.refresh);
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
        if let Some((_, kind)) = failed.filter(|(at, _)| at.elapsed() < self.names.failure_holds) {
            return Err(io::Error::new(kind, format!("'{}' could not be resolved a moment ago", self.host)));
        }
        let outcome = self.look_up().await;
        *failed = outcome.as_ref().err().map(|error| (Instant::now(), error.kind()));
        outcome
    }

    async fn look_up(&self) -> io::Result<Arc<Answer>> {
        let mut addresses = (self.names.ask)(self.host.clone(), self.port).await?;
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
    use std::cell::RefCell;

    use gwanmun_core::Reason;

    use super::*;

    /// What the stand-in for a name server says, and how often it was asked.
    #[derive(Clone, Copy)]
    enum Says {
        Nothing,
        NoSuchName,
        Address(&'static str),
    }

    thread_local! {
        static NAMES: RefCell<(Says, usize)> = const { RefCell::new((Says::Nothing, 0)) };
    }

    fn say(says: Says) {
        NAMES.with_borrow_mut(|(said, _)| *said = says);
    }

    fn asked() -> usize {
        NAMES.with_borrow(|(_, count)| *count)
    }

    fn stand_in(_: String, port: u16) -> LocalBoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        NAMES.with_borrow_mut(|(_, count)| *count += 1);
        Box::pin(async move {
            match NAMES.with_borrow(|(says, _)| *says) {
                Says::Nothing => std::future::pending().await,
                Says::NoSuchName => Err(io::Error::other("no such name")),
                Says::Address(address) => Ok(vec![SocketAddr::new(address.parse().unwrap(), port)]),
            }
        })
    }

    /// A name whose answers are old after `refresh` and whose failures hold for `failure_holds`.
    fn named(refresh: Duration, failure_holds: Duration) -> Arc<Resolved> {
        Arc::new(Resolved::asking(Names { ask: stand_in, refresh, failure_holds }, "orders.test", 80))
    }

    const LIMIT: Duration = Duration::from_secs(30);

    async fn first_address(resolved: &Arc<Resolved>) -> String {
        resolved.addresses(LIMIT).await.unwrap().addresses[0].ip().to_string()
    }

    #[tokio::test]
    async fn the_system_does_not_know_every_name() {
        let nowhere = Arc::new(Resolved::new("nowhere.invalid", 80));
        let refused = nowhere.addresses(LIMIT).await.unwrap_err();
        assert_eq!(refused.reason(), Reason::DnsFailure);
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_is_asked_for_once_in_a_while() {
        say(Says::NoSuchName);
        let resolved = named(LIMIT, LIMIT);
        for _ in 0..3 {
            assert_eq!(resolved.addresses(LIMIT).await.unwrap_err().reason(), Reason::DnsFailure);
        }
        assert_eq!(asked(), 1);
        let resolved = named(LIMIT, Duration::ZERO);
        assert!(resolved.addresses(LIMIT).await.is_err());
        say(Says::Address("192.0.2.1"));
        assert_eq!(first_address(&resolved).await, "192.0.2.1");
    }

    #[tokio::test]
    async fn a_silent_name_server_is_not_waited_for_any_longer_than_for_a_connection() {
        let late = named(LIMIT, LIMIT).addresses(Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(late.reason(), Reason::DnsTimeout);
    }

    #[tokio::test]
    async fn a_name_leads_elsewhere_when_its_addresses_change() {
        tokio::task::LocalSet::new()
            .run_until(async {
                say(Says::Address("192.0.2.1"));
                let resolved = named(Duration::ZERO, LIMIT);
                assert_eq!(first_address(&resolved).await, "192.0.2.1");
                say(Says::NoSuchName);
                assert_eq!(first_address(&resolved).await, "192.0.2.1", "old answers are served");
                tokio::task::yield_now().await;
                assert_eq!((first_address(&resolved).await, asked()), ("192.0.2.1".to_owned(), 2), "and stay");
                say(Says::Address("192.0.2.2"));
                while first_address(&resolved).await != "192.0.2.2" {
                    tokio::task::yield_now().await;
                }
            })
            .await;
    }

    #[tokio::test]
    async fn an_address_needs_no_look_up() {
        let literal = Arc::new(Resolved::new("127.0.0.1", 80));
        assert_eq!(literal.addresses(Duration::ZERO).await.unwrap().addresses, ["127.0.0.1:80".parse().unwrap()]);
    }
}
