//! A check of where traces, numbers, exceptions and log lines go. One that takes nothing is worth knowing of, and no reason
//! to take requests away from a process that serves them well: so it is never worse than unknown.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use gwanmun_core::{Clock, Stamp};
use serde_json::{Value, json};

use super::check::Check;
use super::outcome::{Outcome, Status};
use crate::export::Collector;

/// Asks all collectors how they do.
pub(super) struct CollectorsCheck<F> {
    collectors: F,
    silence: Duration,
    clock: Arc<dyn Clock>,
    waiting: Mutex<BTreeMap<(&'static str, Arc<str>), Waiting>>,
}

/// What was seen of a collector.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    /// What it had taken.
    sent: u64,
    /// Since when it has taken nothing although something waits, or was thrown away.
    since: SystemTime,
}

impl<F: Fn() -> Vec<Collector> + Send + Sync + 'static> CollectorsCheck<F> {
    /// A check of what `collectors` gives, who may take nothing of what is there for them for `silence`.
    pub(super) fn new(collectors: F, silence: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { collectors, silence, clock, waiting: Mutex::default() }
    }

    fn look(&self) -> Outcome {
        let now = self.clock.wall();
        let mut before = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut waiting = BTreeMap::new();
        let mut outcome = Outcome::up();
        for collector in (self.collectors)() {
            let (signal, state) = (collector.signal, &collector.state);
            let key = (signal, Arc::clone(&collector.target));
            let seen = match before.get(&key) {
                Some(seen) if seen.sent == state.sent => *seen,
                _ => Waiting { sent: state.sent, since: now },
            };
            let silent = now.duration_since(seen.since).unwrap_or_default();
            // What it refuses does not wait.
            let is_owed = state.queued > 0 || state.last_failure.is_some();
            let status = if is_owed && silent >= self.silence { Status::Unknown } else { Status::Up };
            if is_owed {
                waiting.insert(key, seen);
            }
            if status == Status::Unknown {
                outcome.status = status;
            }
            outcome = outcome.with(signal, shown(&collector, status));
        }
        *before = waiting;
        outcome
    }
}

impl<F: Fn() -> Vec<Collector> + Send + Sync + 'static> Check for CollectorsCheck<F> {
    fn check(&self) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
        Box::pin(async { self.look() })
    }
}

fn shown(collector: &Collector, status: Status) -> Value {
    let state = &collector.state;
    let mut shown = json!({
        "status": status.name(),
        "target": &*collector.target,
        "sent": state.sent,
        "dropped": state.dropped,
        "queued": state.queued,
    });
    if let (Some(shown), Some(time)) = (shown.as_object_mut(), state.last_success) {
        shown.insert("last-success".to_owned(), Stamp::text(time).into());
    }
    if let (Some(shown), Some((time, error))) = (shown.as_object_mut(), &state.last_failure) {
        shown.insert("last-failure".to_owned(), Stamp::text(*time).into());
        shown.insert("error".to_owned(), (&**error).into());
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use gwanmun_core::ManualClock;

    use super::*;
    use crate::export::CollectorState;

    #[test]
    fn one_that_takes_nothing_while_something_waits_is_unknown_and_never_worse() {
        let clock = Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(1_000_000)));
        let state = Arc::new(Mutex::new(CollectorState::default()));
        let shared = Arc::clone(&state);
        let collectors = move || {
            let state = shared.lock().unwrap().clone();
            vec![Collector { signal: "traces", target: "http://127.0.0.1:4318".into(), state }]
        };
        let check = CollectorsCheck::new(collectors, Duration::from_secs(30), Arc::clone(&clock) as Arc<dyn Clock>);
        let after = |seconds, sent, queued| {
            clock.advance(Duration::from_secs(seconds));
            *state.lock().unwrap() = CollectorState { sent, queued, ..CollectorState::default() };
            check.look().status
        };
        assert_eq!(after(0, 0, 0), Status::Up, "nothing to do");
        assert_eq!(after(3600, 0, 5), Status::Up, "the first of an hour");
        assert_eq!(after(29, 0, 9), Status::Up);
        assert_eq!(after(1, 0, 9), Status::Unknown);
        assert_eq!(after(0, 1, 9), Status::Up, "it took one");
        assert_eq!(after(29, 1, 9), Status::Up);
        assert_eq!(after(1, 1, 9), Status::Unknown);
        assert_eq!(after(1, 1, 0), Status::Up, "what waited was thrown away");
    }

    #[test]
    fn one_that_refuses_everything_is_unknown_although_nothing_waits() {
        let clock = Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(1_000_000)));
        let failure = Some((clock.wall(), "the answer is 500".into()));
        let state = Arc::new(Mutex::new(CollectorState { last_failure: failure, ..CollectorState::default() }));
        let shared = Arc::clone(&state);
        let collectors = move || {
            let state = shared.lock().unwrap().clone();
            vec![Collector { signal: "metrics", target: "http://127.0.0.1:4318".into(), state }]
        };
        let check = CollectorsCheck::new(collectors, Duration::from_secs(30), Arc::clone(&clock) as Arc<dyn Clock>);
        assert_eq!(check.look().status, Status::Up, "it may pass");
        clock.advance(Duration::from_secs(30));
        assert_eq!(check.look().status, Status::Unknown);
        state.lock().unwrap().sent = 1;
        assert_eq!(check.look().status, Status::Up, "it took some");
        clock.advance(Duration::from_secs(30));
        assert_eq!(check.look().status, Status::Unknown);
        *state.lock().unwrap() = CollectorState { sent: 2, ..CollectorState::default() };
        assert_eq!(check.look().status, Status::Up);
    }

    #[test]
    fn operators_see_why() {
        let time = UNIX_EPOCH + Duration::from_secs(1);
        let collectors = move || {
            let state = CollectorState {
                last_failure: Some((time, "connection refused".into())),
                dropped: 3,
                queued: 1,
                ..CollectorState::default()
            };
            vec![Collector { signal: "logs", target: "tcp://127.0.0.1:514".into(), state }]
        };
        let check = CollectorsCheck::new(collectors, Duration::ZERO, Arc::new(ManualClock::at(time)));
        let outcome = check.look();
        let shown = &outcome.details["logs"];
        assert_eq!((&shown["status"], &shown["dropped"]), (&json!("UNKNOWN"), &json!(3)));
        assert_eq!(shown["error"], "connection refused");
        assert_eq!(shown["last-failure"], "1970-01-01T00:00:01.000000Z");
    }
}
