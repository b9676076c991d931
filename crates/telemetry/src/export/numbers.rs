//! Numbers on their way to an OTLP receiver: now and then all of them, as they are when they leave. What did not arrive is
//! in the next push too, so nothing waits and nothing is tried twice.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gwanmun_client::Outbound;
use tokio::time::{MissedTickBehavior, interval};

use super::otlp::{Receiver, Signal, metrics_requests};
use super::shipper::{Attempt, Shipper, ShipperSettings};
use crate::metrics::Source;
use crate::pipeline::Resource;
use crate::spec::{MetricsSpec, OtlpProtocol};

/// How often numbers are sent unless something else is said.
const EVERY: Duration = Duration::from_secs(10);
/// One push at a time, once.
const SETTINGS: ShipperSettings =
    ShipperSettings { queued: 1, batch: 1, linger: Duration::ZERO, attempts: 1, timeout: Duration::from_secs(30) };

/// The time to push.
#[derive(Debug)]
pub(crate) struct Push;

/// Who takes numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NumberTarget {
    /// An OTLP receiver's base URL.
    url: String,
    protocol: OtlpProtocol,
    every: Duration,
}

/// What is pushed.
#[derive(Clone)]
pub(crate) struct Pushed {
    /// Who tells.
    pub(crate) resource: Arc<Resource>,
    /// Who counts.
    pub(crate) numbers: Source,
    /// Since when.
    pub(crate) start: SystemTime,
}

impl NumberTarget {
    /// Who is named; an empty URL is nobody.
    pub(crate) fn of(spec: &MetricsSpec) -> Option<Self> {
        let url = spec.otlp.as_ref().map(|url| url.value.clone()).filter(|url| !url.is_empty())?;
        let every = spec.every.as_ref().map_or(EVERY, |every| *every.value);
        Some(Self { url, protocol: spec.protocol, every })
    }

    /// A shipper to it that is told when to push, from now on and until it is dropped.
    ///
    /// # Errors
    /// Why there can be none.
    pub(crate) fn shipper(&self, pushed: Pushed, outbound: &Outbound) -> Result<Arc<Shipper<Push>>, String> {
        let receiver = Receiver::new(outbound, &self.url, self.protocol, Signal::Metrics);
        let receiver = receiver.map_err(|error| error.to_string())?;
        let clock = outbound.clock();
        let send = move |_| {
            let (receiver, pushed, clock) = (receiver.clone(), pushed.clone(), Arc::clone(&clock));
            async move { push(&receiver, &pushed, clock.wall()).await }
        };
        let shipper =
            Shipper::start("metrics", &self.url, SETTINGS, outbound, send).map_err(|error| error.to_string())?;
        let (every, pushed_by) = (self.every, Arc::downgrade(&shipper));
        let beat = async move {
            let mut beat = interval(every);
            beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                beat.tick().await;
                let Some(shipper) = pushed_by.upgrade() else { return };
                shipper.offer(Push);
            }
        };
        outbound.spawn(beat).map_err(|error| error.to_string())?;
        Ok(shipper)
    }
}

/// Sends everything as it is now, in as many requests as it takes, while they are taken.
async fn push(receiver: &Receiver, pushed: &Pushed, now: SystemTime) -> Attempt {
    let Pushed { resource, numbers, start } = pushed;
    let requests = metrics_requests(resource, &numbers(), *start, now);
    let mut outcome = Attempt::Sent;
    for request in requests {
        match receiver.send(request).await {
            Attempt::Sent => {}
            partly @ Attempt::PartlyRefused(..) => outcome = partly,
            failed => return failed,
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    use gwanmun_core::{SystemClock, Tallies};
    use gwanmun_testkit::{Message, Reply, Script, Speaks, Upstream, eventually};
    use http::Response;

    use super::*;
    use crate::metrics::{Instruments, Numbers};

    const SOON: Duration = Duration::from_millis(10);

    /// A receiver that answers with these statuses, one after the other and then with the last, and keeps what it was sent.
    async fn receiver(statuses: &'static [u16]) -> (Upstream, Arc<Mutex<Vec<Message>>>) {
        let received: Arc<Mutex<Vec<Message>>> = Arc::default();
        let keep = Arc::clone(&received);
        let upstream = Upstream::answering(Speaks::Http1, move |request| {
            let keep = Arc::clone(&keep);
            async move {
                let message = Message::received(request).await.unwrap();
                let mut kept = keep.lock().unwrap();
                let status = statuses.get(kept.len()).or(statuses.last()).unwrap();
                kept.push(message);
                Response::builder().status(*status).body(Reply::empty()).unwrap()
            }
        });
        (upstream.await, received)
    }

    fn target(url: &str, every: Duration) -> NumberTarget {
        NumberTarget { url: url.to_owned(), protocol: OtlpProtocol::Http, every }
    }

    fn pushed(numbers: Source) -> Pushed {
        let resource = Resource {
            service: "orders".into(),
            version: "1".into(),
            instance: "a".into(),
            environment: None,
            others: Vec::new(),
        };
        Pushed { resource: Arc::new(resource), numbers, start: SystemTime::UNIX_EPOCH }
    }

    fn outbound() -> (Outbound, Tallies) {
        let tallies = Tallies::default();
        (Outbound::new(Arc::new(SystemClock), tallies.clone()), tallies)
    }

    #[tokio::test]
    async fn numbers_arrive_as_they_are_when_they_leave() {
        let (upstream, received) = receiver(&[200]).await;
        let (numbers, instruments) = (Numbers::new(), Instruments::new());
        numbers.add(instruments.source());
        let (outbound, _) = outbound();
        let shipper = target(upstream.url(), SOON).shipper(pushed(numbers.source()), &outbound).unwrap();
        let pages = instruments.counter("pages_total", "Pages.", &[]).unwrap();
        pages.with(&[]).add(5);
        let name = b"pages_total";
        eventually("the counter", async || {
            let received = received.lock().unwrap();
            let last = received.last()?;
            assert_eq!(last.target(), "/v1/metrics");
            last.body.windows(name.len()).any(|window| window == name).then_some(())
        })
        .await;
        let state = eventually("its answer", async || Some(shipper.collector().state).filter(|state| state.sent > 0));
        assert_eq!(state.await.last_failure, None);
    }

    #[tokio::test]
    async fn a_receiver_that_never_answers_gets_one_push_and_what_it_misses_is_counted() {
        let silent = Script::play(|mut connection, _| async move {
            let _ = connection.request().await;
            std::future::pending().await
        })
        .await;
        let asked = Arc::new(AtomicU64::new(0));
        let numbers: Source = Arc::new({
            let (asked, instruments) = (Arc::clone(&asked), Instruments::new());
            instruments.counter("pages_total", "Pages.", &[]).unwrap();
            move || {
                asked.fetch_add(1, Ordering::Relaxed);
                instruments.families()
            }
        });
        let (outbound, tallies) = outbound();
        let shipper = target(&silent.url(), SOON).shipper(pushed(numbers), &outbound).unwrap();
        let state = eventually("missed pushes", async || {
            let state = shipper.collector().state;
            (state.dropped > 5).then_some(state)
        })
        .await;
        assert_eq!((state.queued, state.sent, asked.load(Ordering::Relaxed)), (1, 0, 1));
        let counted = |name| tallies.all().into_iter().find(|tally| tally.name() == name).unwrap().counts();
        let dropped = counted("gwanmun_telemetry_dropped_total");
        assert!(dropped.iter().any(|(labels, count)| *labels == ["metrics", "full"] && *count > 5), "{dropped:?}");
    }

    #[tokio::test]
    async fn a_receiver_that_comes_back_has_the_next_push() {
        let (upstream, received) = receiver(&[503, 400, 200]).await;
        let (outbound, _) = outbound();
        let instruments = Instruments::new();
        instruments.counter("pages_total", "Pages.", &[]).unwrap();
        let shipper = target(upstream.url(), SOON).shipper(pushed(instruments.source()), &outbound).unwrap();
        let state = eventually("a push", async || Some(shipper.collector().state).filter(|state| state.sent > 0)).await;
        assert!(state.dropped >= 2 && received.lock().unwrap().len() >= 3, "{state:?}");
        assert_eq!((shipper.collector().signal, &*shipper.collector().target), ("metrics", upstream.url()));
    }

    #[tokio::test]
    async fn nothing_is_pushed_for_a_target_that_was_given_up() {
        let (upstream, _) = receiver(&[200]).await;
        let (outbound, _) = outbound();
        let numbers: Source = Arc::new(Vec::new);
        let held = Arc::downgrade(&numbers);
        let shipper = target(upstream.url(), SOON).shipper(pushed(numbers), &outbound).unwrap();
        drop(shipper);
        eventually("the end", async || (held.strong_count() == 0).then_some(())).await;
    }
}
