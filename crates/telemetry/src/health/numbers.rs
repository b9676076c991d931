//! Health as numbers, for Prometheus and OTLP.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::outcome::Status;
use super::watched::{BOUNDS, Watched};
use crate::metrics::{Family, Kind, Sample, Value, Word};

/// Names are those of checks, which come from code and configuration; statuses are four.
pub(super) fn families(components: &BTreeMap<Arc<str>, Watched>) -> Vec<Family> {
    let bounds: Arc<[f64]> = BOUNDS.into();
    let (mut statuses, mut changes, mut durations) = (Vec::new(), Vec::new(), Vec::new());
    for (name, watched) in components {
        let label = || ("check", Word::Shared(Arc::clone(name)));
        let now = watched.latest().map_or(Status::Unknown, |(outcome, _)| outcome.status);
        for status in Status::ALL {
            let labels = vec![label(), ("status", Word::Fixed(status.name()))];
            statuses.push(Sample { labels, value: Value::Count(u64::from(status == now)) });
        }
        let seen = watched.seen();
        changes.push(Sample { labels: vec![label()], value: Value::Count(seen.changes) });
        if watched.looking().is_some() {
            let (bounds, counts) = (Arc::clone(&bounds), seen.durations.to_vec());
            let value = Value::Histogram { bounds, counts, sum: seen.total.as_secs_f64() };
            durations.push(Sample { labels: vec![label()], value });
        }
    }
    let family = |name: &'static str, help: &'static str, kind, samples| Family {
        name: name.into(),
        help: help.into(),
        kind,
        samples,
    };
    vec![
        family("health_status", "1 where a check has this status, 0 for the others.", Kind::Gauge, statuses),
        family("health_changes_total", "How often the status of a check became another.", Kind::Counter, changes),
        family("health_check_duration_seconds", "How long checks took.", Kind::Histogram, durations),
    ]
}
