//! What becomes of sessions, counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gwanmun_core::Tallies;

/// `gwanmun_sessions_total` of one provider.
pub(super) struct Counts {
    pub(super) opened: Count,
    /// There were too many of the user, or of the provider's session.
    pub(super) too_many: Count,
    /// New tokens came.
    pub(super) refreshed: Count,
    /// They did not, and the session goes on for now.
    pub(super) refresh_failed: Count,
    /// The provider gives no more tokens: the session has ended.
    pub(super) refresh_refused: Count,
    /// The user logged out.
    pub(super) logged_out: Count,
    /// The provider ended it.
    pub(super) ended_by_provider: Count,
    /// What stands in the store is no session.
    pub(super) unreadable: Count,
    /// Went on though the store is lost.
    pub(super) without_store: Count,
}

/// One of them.
pub(super) struct Count(Arc<AtomicU64>);

impl Counts {
    pub(super) fn new(provider: &str, tallies: &Tallies) -> Self {
        let help = "What became of sessions of people.";
        let tally = tallies.tally("gwanmun_sessions_total", help, &["provider", "event"]);
        let count = |event| Count(tally.cell(&[provider, event]));
        Self {
            opened: count("opened"),
            too_many: count("too-many"),
            refreshed: count("refreshed"),
            refresh_failed: count("refresh-failed"),
            refresh_refused: count("refresh-refused"),
            logged_out: count("logged-out"),
            ended_by_provider: count("ended-by-provider"),
            unreadable: count("unreadable"),
            without_store: count("without-store"),
        }
    }
}

impl Count {
    pub(super) fn one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
