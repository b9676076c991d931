//! What counts: one series each. Every thread may write; nobody waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::super::family::Value;

/// One series of a counter. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct CounterCell(Arc<AtomicU64>);

/// One series of a gauge. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct GaugeCell(Arc<Number>);

/// One series of a histogram. Clones are the same.
#[derive(Debug, Clone)]
pub struct HistogramCell(Arc<Buckets>);

#[derive(Debug)]
struct Buckets {
    bounds: Arc<[f64]>,
    counts: Box<[AtomicU64]>,
    sum: Number,
}

/// A floating-point number that many threads add to: its bits.
#[derive(Debug, Default)]
struct Number(AtomicU64);

/// What all series have in common for who keeps them.
pub(super) trait Cell: Clone + Send + Sync + 'static {
    /// One that starts at zero. Only histograms have bounds.
    fn new(bounds: &Arc<[f64]>) -> Self;
    /// What it has counted.
    fn value(&self) -> Value;
}

impl CounterCell {
    /// Counts one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Counts so many.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }
}

impl GaugeCell {
    /// It is this now.
    pub fn set(&self, value: f64) {
        self.0.set(value);
    }

    /// It is more by this now, or less.
    pub fn add(&self, change: f64) {
        self.0.add(change);
    }

    /// It is more by one.
    pub fn inc(&self) {
        self.add(1.0);
    }

    /// It is less by one.
    pub fn dec(&self) {
        self.add(-1.0);
    }
}

impl HistogramCell {
    /// Counts one of this size. What is not a finite number has no size and is not counted.
    pub fn observe(&self, size: f64) {
        if !size.is_finite() {
            return;
        }
        let Buckets { bounds, counts, sum } = &*self.0;
        if let Some(count) = counts.get(bounds.partition_point(|bound| *bound < size)) {
            count.fetch_add(1, Ordering::Relaxed);
            sum.add(size);
        }
    }

    /// Counts one that took so long, in seconds.
    pub fn took(&self, duration: Duration) {
        self.observe(duration.as_secs_f64());
    }
}

impl Number {
    fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    fn add(&self, change: f64) {
        let add = |bits| Some((f64::from_bits(bits) + change).to_bits());
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    fn value(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

impl Cell for CounterCell {
    fn new(_: &Arc<[f64]>) -> Self {
        Self::default()
    }

    fn value(&self) -> Value {
        Value::Count(self.0.load(Ordering::Relaxed))
    }
}

impl Cell for GaugeCell {
    fn new(_: &Arc<[f64]>) -> Self {
        Self::default()
    }

    fn value(&self) -> Value {
        Value::Number(self.0.value())
    }
}

impl Cell for HistogramCell {
    fn new(bounds: &Arc<[f64]>) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::default()).collect();
        Self(Arc::new(Buckets { bounds: Arc::clone(bounds), counts, sum: Number::default() }))
    }

    fn value(&self) -> Value {
        let Buckets { bounds, counts, sum } = &*self.0;
        let counts = counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        Value::Histogram { bounds: Arc::clone(bounds), counts, sum: sum.value() }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket_and_what_has_no_size_to_none() {
        let bounds: Arc<[f64]> = [0.5, 1.0].into();
        let cell = HistogramCell::new(&bounds);
        for size in [-1.0, 0.5, 0.75, 1.0, 1.25, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            cell.observe(size);
        }
        assert_eq!(cell.value(), Value::Histogram { bounds, counts: vec![2, 2, 1], sum: 2.5 });
    }

    #[test]
    fn threads_lose_no_counts() {
        let (counter, gauge) = (CounterCell::default(), GaugeCell::default());
        let histogram = HistogramCell::new(&[1.0].into());
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        counter.inc();
                        gauge.inc();
                        histogram.took(Duration::from_secs(2));
                    }
                });
            }
        });
        assert_eq!(counter.value(), Value::Count(40_000));
        assert_eq!(gauge.value(), Value::Number(40_000.0));
        let Value::Histogram { counts, sum, .. } = histogram.value() else { panic!() };
        assert_eq!((counts, sum), (vec![0, 40_000], 80_000.0));
    }

    #[test]
    fn gauges_go_both_ways() {
        let gauge = GaugeCell::default();
        gauge.set(2.5);
        gauge.dec();
        gauge.add(-2.0);
        assert_eq!(gauge.value(), Value::Number(-0.5));
    }
}
