//! What an instrument is called, and what it may be called: Prometheus' rules and those that `promtool check metrics` adds.

use std::fmt;
use std::sync::Arc;

use super::super::family::Kind;

/// Endings that belong to the series of counters and histograms.
const SUFFIXES: [&str; 4] = ["_total", "_bucket", "_count", "_sum"];

/// An instrument as it was asked for. Only checked ones exist.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Definition {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: Box<[&'static str]>,
    /// Upper bounds of buckets; empty for all but histograms.
    pub(super) bounds: Arc<[f64]>,
}

/// Why there is no such instrument: a mistake in the program.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidInstrument {
    /// Not a name that Prometheus knows: `[a-zA-Z_][a-zA-Z0-9_]*`.
    Name(&'static str),
    /// A counter's name ends in `_total`; any other does not, nor in `_bucket`, `_count` or `_sum`.
    Suffix(&'static str, &'static str),
    /// It has no help, or help of more than one line.
    Help(&'static str),
    /// The label of this metric is not a name, is there twice, or is reserved: `le`, `quantile`, `__…`.
    Label(&'static str, &'static str),
    /// The bounds of this histogram are none, or not finite and ascending.
    Bounds(&'static str),
    /// The name is taken by one of another kind, or with other labels or bounds.
    Taken(&'static str),
}

impl Definition {
    pub(super) fn new(
        name: &'static str,
        help: &'static str,
        kind: Kind,
        labels: &[&'static str],
        bounds: &[f64],
    ) -> Result<Self, InvalidInstrument> {
        if !is_name(name) {
            return Err(InvalidInstrument::Name(name));
        }
        let suffix = SUFFIXES.into_iter().find(|suffix| name.ends_with(suffix));
        match (kind, suffix) {
            (Kind::Counter, Some("_total")) | (Kind::Gauge | Kind::Histogram, None) => {}
            (Kind::Counter, _) => return Err(InvalidInstrument::Suffix(name, "a counter's ends in `_total`")),
            (_, Some(suffix)) => return Err(InvalidInstrument::Suffix(name, suffix)),
        }
        if help.is_empty() || help.contains(char::is_control) {
            return Err(InvalidInstrument::Help(name));
        }
        for (place, label) in labels.iter().enumerate() {
            let reserved = ["le", "quantile"].contains(label) || label.starts_with("__");
            if !is_name(label) || reserved || labels.iter().take(place).any(|other| other == label) {
                return Err(InvalidInstrument::Label(name, label));
            }
        }
        let ascending = bounds.iter().all(|bound| bound.is_finite()) && bounds.is_sorted_by(|one, next| one < next);
        if !ascending || (kind == Kind::Histogram) == bounds.is_empty() {
            return Err(InvalidInstrument::Bounds(name));
        }
        Ok(Self { name, help, kind, labels: labels.into(), bounds: bounds.into() })
    }

    /// Whether both count the same; their help may differ.
    pub(super) fn has_shape_of(&self, other: &Self) -> bool {
        self.kind == other.kind && self.labels == other.labels && self.bounds == other.bounds
    }
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl fmt::Display for InvalidInstrument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "'{name}' cannot be the name of a metric: wanted letters, digits and '_'"),
            Self::Suffix(name, rule) if rule.starts_with('_') => {
                write!(f, "the metric `{name}` cannot end in `{rule}`, which belongs to counters and histograms")
            }
            Self::Suffix(name, rule) => write!(f, "the metric `{name}` has the wrong ending: {rule}"),
            Self::Help(name) => write!(f, "the metric `{name}` needs a help of one line"),
            Self::Label(name, label) => write!(
                f,
                "the metric `{name}` cannot have the label '{label}': wanted letters, digits and '_', once, not reserved"
            ),
            Self::Bounds(name) => write!(f, "the histogram `{name}` needs bounds that are finite and ascend"),
            Self::Taken(name) => write!(f, "the metric `{name}` is there with another kind, other labels or bounds"),
        }
    }
}

impl std::error::Error for InvalidInstrument {}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(name: &'static str, labels: &[&'static str]) -> Result<Definition, InvalidInstrument> {
        Definition::new(name, "Help.", Kind::Counter, labels, &[])
    }

    fn histogram(bounds: &[f64]) -> Result<Definition, InvalidInstrument> {
        Definition::new("size_bytes", "Help.", Kind::Histogram, &[], bounds)
    }

    #[test]
    fn names_are_those_of_prometheus() {
        for good in ["orders_total", "_x1_total", "Orders_total"] {
            assert!(counter(good, &[]).is_ok(), "{good}");
        }
        for bad in ["", "1_total", "orders-total", "orders:x_total", "ordérs_total", "a b_total", "a\n_total"] {
            assert_eq!(counter(bad, &[]).unwrap_err(), InvalidInstrument::Name(bad));
        }
    }

    #[test]
    fn endings_tell_the_kind() {
        for bad in ["orders", "orders_count"] {
            assert!(matches!(counter(bad, &[]), Err(InvalidInstrument::Suffix(..))), "{bad}");
        }
        for bad in ["orders_total", "orders_bucket", "orders_sum", "orders_count"] {
            let gauge = Definition::new(bad, "Help.", Kind::Gauge, &[], &[]);
            assert!(matches!(gauge, Err(InvalidInstrument::Suffix(..))), "{bad}");
        }
    }

    #[test]
    fn labels_are_names_once_and_not_reserved() {
        assert!(counter("x_total", &["a", "b"]).is_ok());
        for bad in [&["a-b"][..], &["a", "a"], &["le"], &["quantile"], &["__name"], &[""], &["1"]] {
            let bad = (counter("x_total", bad), bad.last().unwrap());
            assert_eq!(bad.0.unwrap_err(), InvalidInstrument::Label("x_total", bad.1));
        }
    }

    #[test]
    fn bounds_are_finite_and_ascend_and_only_histograms_have_them() {
        assert!(histogram(&[-1.0, 0.5]).is_ok());
        for bad in [&[][..], &[1.0, 1.0], &[2.0, 1.0], &[f64::NAN], &[1.0, f64::INFINITY]] {
            assert_eq!(histogram(bad).unwrap_err(), InvalidInstrument::Bounds("size_bytes"), "{bad:?}");
        }
        assert!(Definition::new("size_bytes", "Help.", Kind::Gauge, &[], &[1.0]).is_err());
    }

    #[test]
    fn help_is_one_line() {
        for bad in ["", "a\nb"] {
            let definition = Definition::new("size_bytes", bad, Kind::Gauge, &[], &[]);
            assert_eq!(definition.unwrap_err(), InvalidInstrument::Help("size_bytes"));
        }
    }
}
