//! Numbers that code defines where it counts: a service's own, and those of its requests and calls. What is defined twice
//! is the same; what Prometheus would not take is an error where it is defined.

mod cell;
mod definition;
mod series;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

pub use cell::{CounterCell, GaugeCell, HistogramCell};
pub use definition::InvalidInstrument;

pub(super) use series::{OTHER, Place};

use super::family::{Family, Kind, Source, Value};
use cell::Cell;
use definition::Definition;
use series::Series;

/// Series under one name, unless said otherwise.
const MAX_SERIES: usize = 1000;
const REFUSED: (&str, &str) =
    ("metrics_series_refused_total", "Times that labels found no series of their own and were counted as other.");

/// The instruments of a process. Clones are the same.
///
/// ```
/// use gwanmun_telemetry::metrics::{Instruments, InvalidInstrument};
///
/// fn main() -> Result<(), InvalidInstrument> {
///     let instruments = Instruments::new();
///     let placed = instruments.counter("orders_placed_total", "Orders placed.", &["payment"])?;
///     let by_card = placed.with(&["card"]);
///     by_card.inc();
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Instruments(Arc<Shared>);

struct Shared {
    max_series: usize,
    defined: Mutex<BTreeMap<&'static str, Defined>>,
}

#[derive(Clone)]
enum Defined {
    Counter(Arc<Series<CounterCell>>),
    Gauge(Arc<Series<GaugeCell>>),
    Histogram(Arc<Series<HistogramCell>>),
}

/// Counts what only grows, with `N` labels. Clones are the same.
#[derive(Debug, Clone)]
pub struct Counter<const N: usize>(Arc<Series<CounterCell>>);

/// Shows what goes up and down, with `N` labels. Clones are the same.
#[derive(Debug, Clone)]
pub struct Gauge<const N: usize>(Arc<Series<GaugeCell>>);

/// Counts by size, with `N` labels. Clones are the same.
#[derive(Debug, Clone)]
pub struct Histogram<const N: usize>(Arc<Series<HistogramCell>>);

impl Instruments {
    /// None yet; 1,000 series under each name.
    pub fn new() -> Self {
        Self::with_max_series(MAX_SERIES)
    }

    /// None yet. Values of labels beyond so many series under one name are counted in one, whose values are `other`.
    pub fn with_max_series(max_series: usize) -> Self {
        Self(Arc::new(Shared { max_series, defined: Mutex::default() }))
    }

    /// The counter called `name`, which ends in `_total`. Without labels it is shown from now on, with 0.
    ///
    /// # Errors
    /// A name, help or label is not one, or the name is taken by something of another shape.
    pub fn counter<const N: usize>(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[&'static str; N],
    ) -> Result<Counter<N>, InvalidInstrument> {
        self.define(Definition::new(name, help, Kind::Counter, labels, &[])?).map(Counter)
    }

    /// The gauge called `name`, which ends in its unit: `_bytes`, `_seconds`, `_ratio`.
    ///
    /// # Errors
    /// A name, help or label is not one, or the name is taken by something of another shape.
    pub fn gauge<const N: usize>(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[&'static str; N],
    ) -> Result<Gauge<N>, InvalidInstrument> {
        self.define(Definition::new(name, help, Kind::Gauge, labels, &[])?).map(Gauge)
    }

    /// The histogram called `name`, which ends in its unit. `bounds` are the upper ends of the buckets, in that unit; what
    /// is larger than all has a bucket too.
    ///
    /// # Errors
    /// A name, help or label is not one, the bounds do not ascend, or the name is taken by something of another shape.
    pub fn histogram<const N: usize>(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[&'static str; N],
        bounds: &[f64],
    ) -> Result<Histogram<N>, InvalidInstrument> {
        self.define(Definition::new(name, help, Kind::Histogram, labels, bounds)?).map(Histogram)
    }

    /// What was counted, by name.
    pub fn families(&self) -> Vec<Family> {
        let defined: Vec<Defined> =
            self.0.defined.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        let mut families: Vec<Family> = defined.iter().map(Defined::family).collect();
        let refused = defined.iter().filter_map(Defined::refused);
        let refused = refused.fold(Family::new(REFUSED.0, Kind::Counter, REFUSED.1), |family, (name, times)| {
            family.sample(vec![("metric", name.into())], Value::Count(times))
        });
        if !refused.samples.is_empty() {
            families.push(refused);
        }
        families
    }

    /// The same for who shows and exports it.
    pub fn source(&self) -> Source {
        let instruments = self.clone();
        Arc::new(move || instruments.families())
    }

    fn define<C: Known>(&self, definition: Definition) -> Result<Arc<Series<C>>, InvalidInstrument> {
        let name = definition.name;
        let mut defined = self.0.defined.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = defined.get(name) {
            let same = C::of(known).filter(|known| known.definition.has_shape_of(&definition));
            return same.cloned().ok_or(InvalidInstrument::Taken(name));
        }
        let series = Arc::new(Series::new(definition, self.0.max_series));
        defined.insert(name, C::defined(Arc::clone(&series)));
        Ok(series)
    }
}

impl<const N: usize> Counter<N> {
    /// The cell for these values of the labels, to be kept by who counts often.
    pub fn with(&self, values: &[&str; N]) -> CounterCell {
        self.0.place(values).cell()
    }
}

impl<const N: usize> Gauge<N> {
    /// The cell for these values of the labels, to be kept by who counts often.
    pub fn with(&self, values: &[&str; N]) -> GaugeCell {
        self.0.place(values).cell()
    }
}

impl<const N: usize> Histogram<N> {
    /// The cell for these values of the labels, to be kept by who counts often.
    pub fn with(&self, values: &[&str; N]) -> HistogramCell {
        self.place(values).cell()
    }

    /// The cell, and whether it is that of these values alone.
    pub(super) fn place(&self, values: &[&str; N]) -> Place<HistogramCell> {
        self.0.place(values)
    }
}

impl Default for Instruments {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Instruments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instruments").finish_non_exhaustive()
    }
}

impl Defined {
    fn family(&self) -> Family {
        match self {
            Self::Counter(series) => series.family(),
            Self::Gauge(series) => series.family(),
            Self::Histogram(series) => series.family(),
        }
    }

    /// The name, and how often it was refused a series, where it ever was.
    fn refused(&self) -> Option<(&'static str, u64)> {
        let (name, times) = match self {
            Self::Counter(series) => (series.definition.name, series.refused()),
            Self::Gauge(series) => (series.definition.name, series.refused()),
            Self::Histogram(series) => (series.definition.name, series.refused()),
        };
        (times > 0).then_some((name, times))
    }
}

/// A cell whose series are kept among others.
trait Known: Cell {
    fn of(defined: &Defined) -> Option<&Arc<Series<Self>>>;
    fn defined(series: Arc<Series<Self>>) -> Defined;
}

macro_rules! known {
    ($($cell:ty => $variant:ident),*) => {$(
        impl Known for $cell {
            fn of(defined: &Defined) -> Option<&Arc<Series<Self>>> {
                if let Defined::$variant(series) = defined { Some(series) } else { None }
            }

            fn defined(series: Arc<Series<Self>>) -> Defined {
                Defined::$variant(series)
            }
        }
    )*};
}
known!(CounterCell => Counter, GaugeCell => Gauge, HistogramCell => Histogram);

#[cfg(test)]
mod tests {
    use super::super::text::text;
    use super::*;

    #[test]
    fn whoever_defines_an_instrument_again_gets_the_same() {
        let instruments = Instruments::new();
        let define = || instruments.counter("orders_total", "Orders.", &["payment"]).unwrap();
        define().with(&["card"]).inc();
        define().with(&["card"]).add(2);
        let wanted = Family::new("orders_total", Kind::Counter, "Orders.")
            .sample(vec![("payment", "card".into())], Value::Count(3));
        assert_eq!(instruments.families(), [wanted]);
    }

    #[test]
    fn a_name_of_another_shape_is_refused() {
        let instruments = Instruments::new();
        instruments.gauge("size_bytes", "Size.", &["of"]).unwrap();
        let taken = InvalidInstrument::Taken("size_bytes");
        assert_eq!(instruments.gauge("size_bytes", "Size.", &[]).unwrap_err(), taken);
        assert_eq!(instruments.gauge("size_bytes", "Size.", &["in"]).unwrap_err(), taken);
        assert_eq!(instruments.histogram("size_bytes", "Size.", &["of"], &[1.0]).unwrap_err(), taken);
        instruments.histogram("wait_seconds", "Wait.", &[], &[1.0]).unwrap();
        assert!(instruments.histogram("wait_seconds", "Wait.", &[], &[2.0]).is_err());
        assert!(instruments.gauge("size_bytes", "Another help.", &["of"]).is_ok());
    }

    #[test]
    fn all_kinds_are_shown_by_name() {
        let instruments = Instruments::with_max_series(1);
        instruments.histogram("wait_seconds", "Wait.", &[], &[0.5]).unwrap().with(&[]).observe(0.25);
        instruments.counter("orders_total", "Orders.", &[]).unwrap();
        let stock = instruments.gauge("stock_ratio", "Stock.", &["of"]).unwrap();
        stock.with(&["tea"]).set(0.5);
        stock.with(&["milk"]).set(0.75);
        let wanted = "# HELP orders_total Orders.\n# TYPE orders_total counter\norders_total 0\n\
            # HELP stock_ratio Stock.\n# TYPE stock_ratio gauge\nstock_ratio{of=\"other\"} 0.75\n\
            stock_ratio{of=\"tea\"} 0.5\n\
            # HELP wait_seconds Wait.\n# TYPE wait_seconds histogram\nwait_seconds_bucket{le=\"0.5\"} 1\n\
            wait_seconds_bucket{le=\"+Inf\"} 1\nwait_seconds_sum 0.25\nwait_seconds_count 1\n\
            # HELP metrics_series_refused_total Times that labels found no series of their own and were counted as other.\n\
            # TYPE metrics_series_refused_total counter\nmetrics_series_refused_total{metric=\"stock_ratio\"} 1\n";
        assert_eq!(text(&instruments.families()), wanted);
    }
}
