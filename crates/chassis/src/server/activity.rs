//! What a connection does: whether it has requests in flight, since when it has none, since when a head is on its way, and
//! whether the client takes its answers. Written by those who read and answer, read by the timer of the connection.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use http::Version;

/// Of one connection. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<State>);

#[derive(Debug)]
struct State {
    began: Instant,
    in_flight: AtomicUsize,
    /// Requests in flight that wait for us and not for the client: without an answer yet, or without more of it.
    waiting: AtomicUsize,
    /// When something was last offered to the client or written, nanoseconds from `began`.
    moved_at: AtomicU64,
    /// Since when there are none, nanoseconds from `began`.
    idle_since: AtomicU64,
    /// Since when a head is on its way, nanoseconds from `began`; 0 is not.
    head_since: AtomicU64,
    /// Since when the client does not take what is written, nanoseconds from `began`; 0 is not.
    stalled_since: AtomicU64,
    /// What is read between requests may be anything else than a head.
    is_http2: AtomicBool,
}

/// A request in flight, until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    activity: Activity,
    is_waiting: bool,
}

impl Activity {
    /// A connection that begins at `now` and has to send a head.
    pub(super) fn begin(now: Instant) -> Self {
        Self(Arc::new(State {
            began: now,
            in_flight: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            moved_at: AtomicU64::new(0),
            idle_since: AtomicU64::new(0),
            head_since: AtomicU64::new(1),
            stalled_since: AtomicU64::new(0),
            is_http2: AtomicBool::new(false),
        }))
    }

    /// Something was read.
    pub(super) fn read(&self) {
        let is_told = |cell: &AtomicU64| cell.load(Ordering::Relaxed) != 0;
        if self.0.in_flight.load(Ordering::Relaxed) == 0
            && !is_told(&self.0.head_since)
            && !self.0.is_http2.load(Ordering::Relaxed)
        {
            self.0.head_since.store(self.nanos(Instant::now()), Ordering::Relaxed);
        }
    }

    /// The client did, or did not, take what is written.
    pub(super) fn wrote(&self, outcome: &Poll<io::Result<usize>>) {
        if outcome.is_ready() {
            let now = self.nanos(Instant::now());
            self.0.moved_at.store(now, Ordering::Relaxed);
            if self.0.in_flight.load(Ordering::Relaxed) == 0 {
                // The end of an answer that is there in whole is still on its way.
                self.0.idle_since.store(now, Ordering::Relaxed);
            }
        }
        let stalled = &self.0.stalled_since;
        match outcome {
            Poll::Ready(_) if stalled.load(Ordering::Relaxed) != 0 => stalled.store(0, Ordering::Relaxed),
            Poll::Pending if stalled.load(Ordering::Relaxed) == 0 => {
                stalled.store(self.nanos(Instant::now()), Ordering::Relaxed);
            }
            Poll::Ready(_) | Poll::Pending => {}
        }
    }

    /// A request has begun.
    pub(super) fn request(&self, version: Version) -> InFlight {
        if version == Version::HTTP_2 {
            self.0.is_http2.store(true, Ordering::Relaxed);
        }
        self.0.in_flight.fetch_add(1, Ordering::Relaxed);
        self.0.waiting.fetch_add(1, Ordering::Relaxed);
        self.0.head_since.store(0, Ordering::Relaxed);
        InFlight { activity: self.clone(), is_waiting: true }
    }

    /// When the connection has to be looked at next, and whether it has used up its time.
    pub(super) fn due(&self, header_timeout: Duration, idle_timeout: Duration, now: Instant) -> Due {
        let stalled_since = self.0.stalled_since.load(Ordering::Relaxed);
        if stalled_since > 0 && self.nanos(now).saturating_sub(stalled_since) >= nanos(idle_timeout) {
            return Due::Stalled;
        }
        if self.0.in_flight.load(Ordering::Relaxed) > 0 {
            let waits_for_us = self.0.waiting.load(Ordering::Acquire) > 0;
            let moved_at = self.0.moved_at.load(Ordering::Relaxed);
            // A window of HTTP/2 that stays shut is not seen in what is written.
            if !waits_for_us && self.nanos(now).saturating_sub(moved_at) >= nanos(idle_timeout) {
                return Due::Stalled;
            }
            return Due::In(header_timeout.min(idle_timeout));
        }
        let head_since = self.0.head_since.load(Ordering::Relaxed);
        let (since, limit) = match head_since {
            0 => (self.0.idle_since.load(Ordering::Relaxed), idle_timeout),
            since => (since, header_timeout),
        };
        let left = limit.checked_sub(Duration::from_nanos(self.nanos(now).saturating_sub(since)));
        match left.filter(|left| !left.is_zero()) {
            // A head may come meanwhile.
            Some(left) => Due::In(left.min(header_timeout)),
            None if head_since > 0 => Due::HeadTooSlow,
            None => Due::Idle,
        }
    }

    fn nanos(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.0.began)).max(1)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing before this time.
    In(Duration),
    /// It has had no request for too long.
    Idle,
    /// A head did not come in time.
    HeadTooSlow,
    /// The client has not taken anything for too long.
    Stalled,
}

impl InFlight {
    /// The answer, or a piece of it, is there: the client is to take it.
    pub(crate) fn offered(&mut self) {
        if std::mem::take(&mut self.is_waiting) {
            let state = &self.activity.0;
            state.moved_at.store(self.activity.nanos(Instant::now()), Ordering::Relaxed);
            state.waiting.fetch_sub(1, Ordering::Release);
        }
    }

    /// The client has taken what there was.
    pub(crate) fn taken(&mut self) {
        if !std::mem::replace(&mut self.is_waiting, true) {
            self.activity.0.waiting.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.offered();
        let state = &self.activity.0;
        if state.in_flight.fetch_sub(1, Ordering::Relaxed) == 1 {
            state.idle_since.store(self.activity.nanos(Instant::now()), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(75);

    fn due(activity: &Activity, seconds: u64) -> Due {
        activity.due(HEADER, IDLE, activity.0.began + Duration::from_secs(seconds))
    }

    #[test]
    fn the_first_head_has_to_come_in_time() {
        let activity = Activity::begin(Instant::now());
        assert!(matches!(due(&activity, 9), Due::In(left) if left <= Duration::from_secs(1) + Duration::from_nanos(1)));
        assert_eq!(due(&activity, 11), Due::HeadTooSlow);
    }

    #[test]
    fn requests_in_flight_have_their_own_limits() {
        let activity = Activity::begin(Instant::now());
        let first = activity.request(Version::HTTP_11);
        let second = activity.request(Version::HTTP_11);
        activity.read();
        assert_eq!(due(&activity, 1000), Due::In(HEADER));
        drop(first);
        assert_eq!(due(&activity, 1000), Due::In(HEADER));
        drop(second);
        assert_eq!(due(&activity, 70), Due::In(Duration::from_secs(5).min(HEADER)).min_of(due(&activity, 70)));
        assert_eq!(due(&activity, 76), Due::Idle);
        activity.read();
        assert_eq!(due(&activity, 11), Due::HeadTooSlow);
    }

    #[test]
    fn a_client_has_to_take_what_is_written() {
        let activity = Activity::begin(Instant::now());
        let _request = activity.request(Version::HTTP_11);
        activity.wrote(&Poll::Pending);
        assert_eq!(due(&activity, 70), Due::In(HEADER));
        assert_eq!(due(&activity, 76), Due::Stalled);
        activity.wrote(&Poll::Ready(Ok(1)));
        assert_eq!(due(&activity, 76), Due::In(HEADER));
    }

    #[test]
    fn a_client_has_to_take_what_is_offered() {
        let activity = Activity::begin(Instant::now());
        let (mut request, mut other) = (activity.request(Version::HTTP_2), activity.request(Version::HTTP_2));
        request.offered();
        assert_eq!(due(&activity, 1000), Due::In(HEADER), "the other waits for us");
        other.offered();
        assert_eq!((due(&activity, 70), due(&activity, 76)), (Due::In(HEADER), Due::Stalled));
        request.taken();
        assert_eq!(due(&activity, 1000), Due::In(HEADER));
        drop(request);
        assert_eq!(due(&activity, 76), Due::Stalled);
        drop(other);
        assert_eq!(due(&activity, 76), Due::Idle);
    }

    #[test]
    fn frames_of_http2_between_requests_are_no_head() {
        let activity = Activity::begin(Instant::now());
        drop(activity.request(Version::HTTP_2));
        activity.read();
        assert!(matches!(due(&activity, 60), Due::In(_)));
        assert_eq!(due(&activity, 76), Due::Idle);
    }

    impl Due {
        /// The same, where the real clock moved by a little.
        fn min_of(self, other: Self) -> Self {
            match (self, other) {
                (Self::In(one), Self::In(other)) if other >= one && other - one < Duration::from_secs(1) => {
                    Self::In(other)
                }
                (one, _) => one,
            }
        }
    }
}
