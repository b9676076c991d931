//! Numbers as data: what a scrape shows as text and an exporter sends in OTLP's words, made by whoever counts.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// All samples of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Prometheus' name, with its unit; that of a counter ends in `_total`.
    pub name: Cow<'static, str>,
    /// One sentence.
    pub help: Cow<'static, str>,
    /// What it counts like.
    pub kind: Kind,
    /// One for each set of labels.
    pub samples: Vec<Sample>,
}

/// What a number does over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

/// One number and what tells it from others of its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Names and values of labels, always in the same order.
    pub labels: Vec<(&'static str, Word)>,
    /// The number.
    pub value: Value,
}

/// The value of a label: one of our own words, or one that is shared with whoever counts.
#[derive(Clone)]
pub enum Word {
    /// Our own.
    Fixed(&'static str),
    /// A name from the configuration, a number, a template of a path.
    Shared(Arc<str>),
}

/// A number.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole one.
    Count(u64),
    /// Any other.
    Number(f64),
    /// Counts by size.
    Histogram {
        /// The upper bounds of all buckets but the last, finite and ascending.
        bounds: Arc<[f64]>,
        /// How many fell into each bucket, not added up: one more than bounds.
        counts: Vec<u64>,
        /// What was observed, added up.
        sum: f64,
    },
}

/// Somebody who counts, asked at each scrape and export.
pub type Source = Arc<dyn Fn() -> Vec<Family> + Send + Sync>;

impl Family {
    /// A name that nothing was counted under yet.
    pub fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), help: Cow::Borrowed(help), kind, samples: Vec::new() }
    }

    /// A counter with one sample that has no labels.
    pub fn counter(name: &'static str, help: &'static str, value: Value) -> Self {
        Self::new(name, Kind::Counter, help).sample(Vec::new(), value)
    }

    /// A gauge with one sample that has no labels.
    pub fn gauge(name: &'static str, help: &'static str, value: Value) -> Self {
        Self::new(name, Kind::Gauge, help).sample(Vec::new(), value)
    }

    /// With these samples more.
    #[must_use]
    pub fn all(mut self, samples: impl IntoIterator<Item = Sample>) -> Self {
        self.samples.extend(samples);
        self
    }

    /// With one sample more.
    #[must_use]
    pub fn sample(mut self, labels: Vec<(&'static str, Word)>, value: Value) -> Self {
        self.samples.push(Sample { labels, value });
        self
    }
}

impl Kind {
    /// Prometheus' word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The families of several sources as one list in which every name is there once, at its first place. What another source
/// says under the same name joins it, unless it is of another kind or has the labels of a sample that is there: neither
/// could be told apart by who reads it.
pub(super) fn merged(families: Vec<Family>) -> Vec<Family> {
    let mut places: HashMap<Cow<'static, str>, usize> = HashMap::with_capacity(families.len());
    let mut merged: Vec<Family> = Vec::with_capacity(families.len());
    for family in families {
        match places.get(&family.name).and_then(|place| merged.get_mut(*place)) {
            Some(known) => known.join(family),
            None => {
                places.insert(family.name.clone(), merged.len());
                merged.push(family);
            }
        }
    }
    merged
}

impl Family {
    fn join(&mut self, other: Self) {
        if self.kind != other.kind {
            return;
        }
        let known: HashSet<Vec<(&str, &str)>> = self.samples.iter().map(Sample::key).collect();
        let new: Vec<bool> = other.samples.iter().map(|sample| !known.contains(&sample.key())).collect();
        drop(known);
        self.samples.extend(other.samples.into_iter().zip(new).filter_map(|(sample, new)| new.then_some(sample)));
    }
}

impl Sample {
    fn key(&self) -> Vec<(&str, &str)> {
        self.labels.iter().map(|(name, value)| (*name, &**value)).collect()
    }
}

impl Deref for Word {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Fixed(word) => word,
            Self::Shared(word) => word,
        }
    }
}

impl PartialEq for Word {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Word {}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl From<&'static str> for Word {
    fn from(word: &'static str) -> Self {
        Self::Fixed(word)
    }
}

impl From<Arc<str>> for Word {
    fn from(word: Arc<str>) -> Self {
        Self::Shared(word)
    }
}

impl From<String> for Word {
    fn from(word: String) -> Self {
        Self::Shared(word.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(name: &'static str, values: &[&'static str]) -> Family {
        let family = Family::new(name, Kind::Counter, "Help.");
        values.iter().fold(family, |family, value| family.sample(vec![("what", (*value).into())], Value::Count(1)))
    }

    #[test]
    fn a_name_said_twice_is_there_once() {
        let sources = vec![counter("b_total", &["x"]), counter("a_total", &["x"]), counter("b_total", &["y", "x"])];
        assert_eq!(merged(sources), [counter("b_total", &["x", "y"]), counter("a_total", &["x"])]);
    }

    #[test]
    fn a_name_of_another_kind_does_not_join() {
        let other = Family::gauge("b_total", "Help.", Value::Number(1.0));
        assert_eq!(merged(vec![counter("b_total", &["x"]), other]), [counter("b_total", &["x"])]);
    }
}
