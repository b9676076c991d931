//! Where spans go when they end: into a bounded queue that an exporter empties, or nowhere. After a reload it may be
//! another exporter.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;

use crate::export::{Collector, Ends, Shipper};
use crate::span::Span;

/// Spans that a test keeps, at most.
const MOST_KEPT: usize = 10_000;

/// Takes spans. Clones are the same.
#[derive(Clone, Default)]
pub struct Tracer(Arc<ArcSwapOption<Goal>>);

/// Spans that a tracer for tests was given.
#[derive(Debug, Clone, Default)]
pub struct KeptSpans(Arc<Mutex<Vec<Span>>>);

enum Goal {
    Collector(Arc<Shipper<Span>>),
    Memory(KeptSpans),
}

impl Tracer {
    /// One that throws everything away.
    pub fn off() -> Self {
        Self::default()
    }

    /// One that keeps spans for a test to look at.
    pub fn keeping() -> (Self, KeptSpans) {
        let kept = KeptSpans::default();
        (Self(Arc::new(ArcSwapOption::from_pointee(Goal::Memory(kept.clone())))), kept)
    }

    /// Whether spans go anywhere, so that they are worth making.
    pub fn is_on(&self) -> bool {
        self.0.load().is_some()
    }

    /// Hands a span over. Never waits; what finds the queue full is dropped and counted.
    pub fn record(&self, span: Span) {
        match self.0.load().as_deref() {
            Some(Goal::Collector(shipper)) => shipper.offer(span),
            Some(Goal::Memory(kept)) => kept.keep(span),
            None => {}
        }
    }

    /// Spans go there from now on, or nowhere. What waits for another collector is sent there still.
    pub(crate) fn turn_to(&self, shipper: Option<Arc<Shipper<Span>>>) {
        self.0.store(shipper.map(|shipper| Arc::new(Goal::Collector(shipper))));
    }

    /// How its collector does, where there is one.
    pub(crate) fn collector(&self) -> Option<Collector> {
        self.shipper().map(|shipper| shipper.collector())
    }

    /// What is waited for at the end, where there is a collector.
    pub(crate) fn ending(&self) -> Option<Arc<dyn Ends>> {
        Some(self.shipper()? as Arc<dyn Ends>)
    }

    fn shipper(&self) -> Option<Arc<Shipper<Span>>> {
        match self.0.load().as_deref() {
            Some(Goal::Collector(shipper)) => Some(Arc::clone(shipper)),
            Some(Goal::Memory(_)) | None => None,
        }
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("collector", &self.collector()).finish_non_exhaustive()
    }
}

impl KeptSpans {
    /// What was given since the last time, in that order.
    pub fn take(&self) -> Vec<Span> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn keep(&self, span: Span) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MOST_KEPT {
            kept.push(span);
        }
    }
}
