//! Numbers as data: what a scrape shows as text and an exporter sends in OTLP's words, made by whoever counts.

use std::borrow::Cow;
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
    pub labels: Vec<(&'static str, Arc<str>)>,
    /// The number.
    pub value: Value,
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
        /// The upper bounds of all buckets but the last.
        bounds: Arc<[f64]>,
        /// How many fell into each bucket, not added up: one more than bounds.
        counts: Vec<u64>,
        /// What was observed, added up.
        sum: f64,
    },
}

/// Somebody who counts, asked at each scrape and export.
pub type Source = Arc<dyn Fn() -> Vec<Family> + Send + Sync>;
