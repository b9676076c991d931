//! The series of one instrument by the values of its labels: as many as allowed, and one for all others.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::family::{Family, Sample, Word};
use super::cell::Cell;
use super::definition::Definition;

/// What the labels of the series are that stands for those beyond the bound.
pub(in super::super) const OTHER: &str = "other";
/// Bytes of a label's value that are kept.
const MAX_VALUE: usize = 200;

/// One instrument.
#[derive(Debug)]
pub(super) struct Series<C> {
    pub(super) definition: Definition,
    max: usize,
    cells: Mutex<BTreeMap<Box<[Arc<str>]>, C>>,
    refused: AtomicU64,
}

/// Which cell it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Place<C> {
    /// That of these values alone.
    Own(C),
    /// That of all beyond the bound.
    Other(C),
}

impl<C: Cell> Series<C> {
    /// None yet; without labels there is the one from the beginning.
    pub(super) fn new(definition: Definition, max: usize) -> Self {
        let series = Self { definition, max, cells: Mutex::default(), refused: AtomicU64::new(0) };
        if series.definition.labels.is_empty() {
            series.place(&[]);
        }
        series
    }

    pub(super) fn place(&self, values: &[&str]) -> Place<C> {
        let key: Box<[Arc<str>]> = values.iter().map(|value| Arc::from(&*clean(value))).collect();
        let mut cells = self.cells();
        if let Some(cell) = cells.get(&key) {
            return Place::Own(cell.clone());
        }
        let new = || C::new(&self.definition.bounds);
        if cells.len() < self.max || key.is_empty() {
            return Place::Own(cells.entry(key).or_insert_with(new).clone());
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        let other = values.iter().map(|_| Arc::from(OTHER)).collect();
        Place::Other(cells.entry(other).or_insert_with(new).clone())
    }

    pub(super) fn family(&self) -> Family {
        let Definition { name, help, kind, labels, .. } = &self.definition;
        let cells = self.cells();
        let samples = cells.iter().map(|(values, cell)| {
            let labels = labels.iter().copied().zip(values.iter().cloned().map(Word::Shared)).collect();
            Sample { labels, value: cell.value() }
        });
        Family { samples: samples.collect(), ..Family::new(name, *kind, help) }
    }

    /// How often values found no series of their own.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn cells(&self) -> MutexGuard<'_, BTreeMap<Box<[Arc<str>]>, C>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> Place<C> {
    pub(super) fn cell(self) -> C {
        match self {
            Self::Own(cell) | Self::Other(cell) => cell,
        }
    }
}

/// A value without control characters and of bounded length.
fn clean(value: &str) -> Cow<'_, str> {
    let kept = value.get(..value.floor_char_boundary(MAX_VALUE)).unwrap_or_default();
    if !kept.contains(char::is_control) {
        return Cow::Borrowed(kept);
    }
    Cow::Owned(kept.replace(char::is_control, "\u{fffd}"))
}

#[cfg(test)]
mod tests {
    use super::super::super::family::{Kind, Value};
    use super::super::cell::CounterCell;
    use super::*;

    fn series(max: usize) -> Series<CounterCell> {
        let definition = Definition::new("x_total", "Help.", Kind::Counter, &["a", "b"], &[]);
        Series::new(definition.unwrap(), max)
    }

    fn shown(series: &Series<CounterCell>) -> Vec<(Vec<String>, Value)> {
        let family = series.family();
        let sample = |sample: Sample| {
            (sample.labels.iter().map(|(name, value)| format!("{name}={}", &**value)).collect(), sample.value)
        };
        family.samples.into_iter().map(sample).collect()
    }

    #[test]
    fn values_beyond_the_bound_share_a_series_and_are_counted() {
        let series = series(2);
        for values in [["2", "x"], ["1", "y"], ["3", "x"], ["2", "x"], ["4", "x"]] {
            series.place(&values).cell().inc();
        }
        let labels = |a: &str, b: &str| vec![format!("a={a}"), format!("b={b}")];
        let wanted = [
            (labels("1", "y"), Value::Count(1)),
            (labels("2", "x"), Value::Count(2)),
            (labels("other", "other"), Value::Count(2)),
        ];
        assert_eq!(shown(&series), wanted);
        assert_eq!(series.refused(), 2);
    }

    #[test]
    fn a_value_is_cut_where_it_is_long_and_cleaned_where_it_could_be_misread() {
        let series = series(9);
        series.place(&["a\r\n\0b", &"é".repeat(MAX_VALUE)]).cell().inc();
        let family = series.family();
        let [(_, a), (_, b)] = &family.samples[0].labels[..] else { panic!() };
        assert_eq!((&**a, &**b), ("a\u{fffd}\u{fffd}\u{fffd}b", &*"é".repeat(MAX_VALUE / 2)));
    }
}
