//! All who count in one process, asked together.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use gwanmun_core::Tallies;

use super::family::{Family, Kind, Sample, Source, Value, Word, merged};
use super::text::text;

/// All numbers of a process. Clones are the same.
///
/// ```
/// use gwanmun_telemetry::metrics::{Instruments, Numbers};
///
/// let (numbers, instruments) = (Numbers::new(), Instruments::new());
/// numbers.add(instruments.source());
/// assert_eq!(numbers.render(), "");
/// ```
#[derive(Clone, Default)]
pub struct Numbers(Arc<Mutex<Vec<Source>>>);

impl Numbers {
    /// Nobody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks `source` too from now on, after those that are there. What two sources say under one name is shown together.
    pub fn add(&self, source: Source) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(source);
    }

    /// Shows these counters too.
    pub fn add_tallies(&self, tallies: Tallies) {
        self.add(Arc::new(move || tallies.all().iter().map(family).collect()));
    }

    /// What everybody has counted. Every name is there once.
    pub fn families(&self) -> Vec<Family> {
        let sources = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        merged(sources.iter().flat_map(|source| source()).collect())
    }

    /// The same in Prometheus' text format, to be sent with [`CONTENT_TYPE`](super::CONTENT_TYPE).
    pub fn render(&self) -> String {
        text(&self.families())
    }

    /// The same for who exports it.
    pub fn source(&self) -> Source {
        let numbers = self.clone();
        Arc::new(move || numbers.families())
    }
}

impl fmt::Debug for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Numbers").finish_non_exhaustive()
    }
}

fn family(tally: &gwanmun_core::Tally) -> Family {
    let samples = tally.counts().into_iter().map(|(values, count)| {
        let labels = tally.labels().iter().copied().zip(values.into_iter().map(Word::from));
        Sample { labels: labels.collect(), value: Value::Count(count) }
    });
    Family::new(tally.name(), Kind::Counter, tally.help()).all(samples)
}
