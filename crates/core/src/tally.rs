//! Counters of what happens seldom enough to share one cell between threads: calls to an auth server, refused credentials.
//! Labels come from the configuration or are our own words, never from a client, so their number is bounded.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All counters of the process; clones are the same counters.
#[derive(Clone, Default, Debug)]
pub struct Tallies(Arc<Mutex<BTreeMap<&'static str, Tally>>>);

/// One counter with its labels; clones are the same.
#[derive(Clone, Debug)]
pub struct Tally(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    cells: Mutex<BTreeMap<Vec<String>, Arc<AtomicU64>>>,
}

impl Tallies {
    /// The counter called `name`, which ends in `_total`; the first to ask decides about its help and labels.
    pub fn tally(&self, name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Tally {
        let inner = || Tally(Arc::new(Inner { name, help, labels, cells: Mutex::default() }));
        lock(&self.0).entry(name).or_insert_with(inner).clone()
    }

    /// Every counter, by name.
    pub fn all(&self) -> Vec<Tally> {
        lock(&self.0).values().cloned().collect()
    }
}

impl Tally {
    /// Adds one where the labels are `values`, in the order of their names.
    pub fn count(&self, values: &[&str]) {
        self.cell(values).fetch_add(1, Ordering::Relaxed);
    }

    /// The cell for these values, to be kept by who counts often.
    pub fn cell(&self, values: &[&str]) -> Arc<AtomicU64> {
        debug_assert_eq!(values.len(), self.0.labels.len(), "one value per label");
        let mut cells = lock(&self.0.cells);
        let key: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
        Arc::clone(cells.entry(key).or_default())
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// What it counts.
    pub fn help(&self) -> &'static str {
        self.0.help
    }

    /// The names of its labels.
    pub fn labels(&self) -> &'static [&'static str] {
        self.0.labels
    }

    /// The values of the labels, and how often.
    pub fn counts(&self) -> Vec<(Vec<String>, u64)> {
        lock(&self.0.cells).iter().map(|(key, cell)| (key.clone(), cell.load(Ordering::Relaxed))).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_for_a_counter_gets_the_same() {
        let tallies = Tallies::default();
        let ask = || tallies.tally("calls_total", "Calls.", &["to", "outcome"]);
        ask().count(&["a", "ok"]);
        ask().count(&["a", "ok"]);
        ask().cell(&["a", "failed"]).fetch_add(1, Ordering::Relaxed);
        let [tally] = tallies.all().try_into().unwrap();
        let key = |outcome: &str| vec!["a".to_owned(), outcome.to_owned()];
        assert_eq!(tally.counts(), [(key("failed"), 1), (key("ok"), 2)]);
    }
}
