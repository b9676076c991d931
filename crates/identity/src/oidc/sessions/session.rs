//! A session as this process knows it, and the rules of its times. The moments at which it was used and refreshed outlive
//! each reading.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use gwanmun_core::Principal;

use super::record::Record;
use crate::oauth::stored::millis;
use crate::oidc::SessionSettings;

/// Used more often than this, a session is not written every time.
const LONGEST_TOUCH_GAP: Duration = Duration::from_secs(60);

/// A session that was read or written.
pub(super) struct Session {
    pub(super) opened: Arc<Opened>,
    /// As it stands in the store.
    pub(super) sealed: Bytes,
    /// When the store was asked.
    pub(super) read: SystemTime,
    pub(super) pace: Arc<Pace>,
}

/// What it says; the same as long as it stands unchanged in the store.
pub(super) struct Opened {
    pub(super) record: Record,
    /// Its principal without the token, once somebody needs it.
    bare: OnceLock<Arc<Principal>>,
}

/// What happens to a session again and again.
#[derive(Default)]
pub(super) struct Pace {
    /// When it was last written that the session is used, in milliseconds since 1970; 0: not by this process.
    touched: AtomicU64,
    /// Whether the last refresh came to nothing.
    is_failing: AtomicBool,
}

impl Session {
    pub(super) fn new(record: Record, sealed: Bytes, read: SystemTime, pace: Arc<Pace>) -> Self {
        Self { opened: Arc::new(Opened { record, bare: OnceLock::new() }), sealed, read, pace }
    }

    /// The same, read once more and found unchanged.
    pub(super) fn read_again(&self, read: SystemTime) -> Self {
        Self { opened: Arc::clone(&self.opened), sealed: self.sealed.clone(), read, pace: Arc::clone(&self.pace) }
    }

    pub(super) fn record(&self) -> &Record {
        &self.opened.record
    }

    /// Who it is; with the access token while that is good.
    pub(super) fn principal(&self, now: SystemTime) -> Arc<Principal> {
        let principal = &self.record().principal;
        if self.has_token(now) {
            return Arc::clone(principal);
        }
        let bare = || Arc::new(Principal { token: None, ..Principal::clone(principal) });
        Arc::clone(self.opened.bare.get_or_init(bare))
    }

    /// Whether the access token is good.
    pub(super) fn has_token(&self, now: SystemTime) -> bool {
        self.record().tokens.access_until.is_none_or(|until| now < until)
    }

    /// When new tokens are due, if there is a way to have them: `refresh_ahead` of the end of the access token, yet not in
    /// the first half of its life.
    pub(super) fn due(&self, settings: &SessionSettings) -> Option<SystemTime> {
        let Record { tokens, renewed, .. } = self.record();
        let until = tokens.refresh.as_ref().and(tokens.access_until)?;
        let life = until.duration_since(*renewed).unwrap_or_default();
        until.checked_sub(settings.refresh_ahead.min(life / 2))
    }

    pub(super) fn is_due(&self, now: SystemTime, settings: &SessionSettings) -> bool {
        self.due(settings).is_some_and(|due| now >= due)
    }

    /// Whether it may go on without new tokens.
    pub(super) fn is_in_grace(&self, now: SystemTime, settings: &SessionSettings) -> bool {
        self.record().tokens.access_until.is_none_or(|until| now < later(until, settings.grace))
    }

    /// When it ends, whatever happens.
    pub(super) fn end(&self, settings: &SessionSettings) -> SystemTime {
        later(self.record().begun, settings.lifetime)
    }

    /// Until when it is believed.
    pub(super) fn believed(&self, settings: &SessionSettings) -> SystemTime {
        later(self.read, settings.cache)
    }

    /// Whether it goes on while the store is lost: as long as it lived if nobody used it since it was last written or read.
    pub(super) fn is_usable(&self, now: SystemTime, settings: &SessionSettings) -> bool {
        let seen = self.pace.touched().max(self.read);
        now < later(seen, settings.idle) && now < self.end(settings)
    }

    /// How long it is kept if it is used now.
    pub(super) fn kept_for(&self, now: SystemTime, settings: &SessionSettings) -> Duration {
        self.end(settings).duration_since(now).unwrap_or_default().min(settings.idle)
    }

    /// When a worker has to look at it again, be it to write that it is used.
    pub(super) fn look_again(&self, now: SystemTime, settings: &SessionSettings) -> SystemTime {
        let ahead = |moment: SystemTime| Some(moment).filter(|moment| *moment > now);
        let moments = [
            ahead(self.believed(settings)),
            Some(self.end(settings)),
            self.record().tokens.access_until.and_then(ahead),
            self.due(settings).and_then(ahead),
            ahead(later(self.pace.touched(), touch_gap(settings))),
        ];
        moments.into_iter().flatten().fold(later(now, settings.cache), SystemTime::min)
    }

    /// About how many bytes are kept of it.
    pub(super) fn weight(&self) -> usize {
        self.sealed.len() * 3 + 512
    }
}

impl Pace {
    /// Of a session that was written at `now`.
    pub(super) fn begun(now: SystemTime) -> Self {
        Self { touched: AtomicU64::new(millis(now)), is_failing: AtomicBool::new(false) }
    }

    /// Whether the caller is the one who has to write now that the session is used; if so, when that was done before.
    pub(super) fn claim_touch(&self, now: SystemTime, settings: &SessionSettings) -> Option<u64> {
        let before = self.touched.load(Ordering::Relaxed);
        let is_due = now >= later(self.touched(), touch_gap(settings));
        let claim = || self.touched.compare_exchange(before, millis(now), Ordering::Relaxed, Ordering::Relaxed);
        if is_due { claim().ok() } else { None }
    }

    /// It came to nothing: it was done `before`.
    pub(super) fn return_touch(&self, before: u64) {
        self.touched.store(before, Ordering::Relaxed);
    }

    /// It was done.
    pub(super) fn touch(&self, now: SystemTime) {
        self.touched.store(millis(now), Ordering::Relaxed);
    }

    pub(super) fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    pub(super) fn set_failing(&self, is_failing: bool) {
        self.is_failing.store(is_failing, Ordering::Relaxed);
    }

    fn touched(&self) -> SystemTime {
        later(UNIX_EPOCH, Duration::from_millis(self.touched.load(Ordering::Relaxed)))
    }
}

/// The moment `span` after `moment`, or that moment where time has no such end.
pub(super) fn later(moment: SystemTime, span: Duration) -> SystemTime {
    moment.checked_add(span).unwrap_or(moment)
}

fn touch_gap(settings: &SessionSettings) -> Duration {
    (settings.idle / 10).min(LONGEST_TOUCH_GAP)
}
