//! Which traces that begin here are sampled. Those of callers are as the callers say.

use std::sync::atomic::{AtomicU64, Ordering};

/// A share, which may change while the service runs.
#[derive(Debug)]
pub(crate) struct Sampling(AtomicU64);

impl Sampling {
    /// The share of traces, 0 to 1; none where nothing is said.
    pub(crate) fn new(share: Option<f64>) -> Self {
        Self(AtomicU64::new(share.unwrap_or(0.0).to_bits()))
    }

    /// Samples this share from now on.
    pub(crate) fn set(&self, share: Option<f64>) {
        self.0.store(share.unwrap_or(0.0).to_bits(), Ordering::Relaxed);
    }

    /// Whether the next trace is sampled.
    pub(super) fn decide(&self) -> bool {
        let share = f64::from_bits(self.0.load(Ordering::Relaxed));
        share > 0.0 && fastrand::f64() < share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_none_or_a_share_are_sampled() {
        let sampling = Sampling::new(None);
        let sampled = |sampling: &Sampling| (0..1000).filter(|_| sampling.decide()).count();
        assert_eq!(sampled(&sampling), 0);
        sampling.set(Some(1.0));
        assert_eq!(sampled(&sampling), 1000);
        sampling.set(Some(0.5));
        assert!((300..700).contains(&sampled(&sampling)));
    }
}
