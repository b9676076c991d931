//! Families as an `ExportMetricsServiceRequest`: cumulative sums, gauges and histograms under the names that Prometheus
//! sees, so that a number is called the same wherever it is looked at.

use std::time::SystemTime;

use super::traces::nanoseconds;
use super::{attribute, write_resource, write_scope};
use crate::export::protobuf::Writer;
use crate::metrics::{Family, Kind, Sample, Value};
use crate::pipeline::Resource;
use crate::span::Attribute;

/// Points in one request. Receivers of gRPC take 4 MiB unless told otherwise, and a histogram with long labels has a
/// thousand bytes.
const MAX_POINTS: usize = 2_000;
/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u64 = 2;
/// The ends of names, and UCUM's words for the units they stand for.
const UNITS: [(&str, &str); 3] = [("_seconds", "s"), ("_bytes", "By"), ("_ratio", "1")];

/// When something was counted, in nanoseconds since 1970: from the first moment to the second.
#[derive(Debug, Clone, Copy)]
struct Times(u64, u64);

/// The requests that hand over what `families` of `resource` counted from `start` to `now`, each of bounded size.
pub(crate) fn metrics_requests(
    resource: &Resource,
    families: &[Family],
    start: SystemTime,
    now: SystemTime,
) -> Vec<Vec<u8>> {
    let times = Times(nanoseconds(start.min(now)), nanoseconds(now));
    let requests = portions(families);
    requests.iter().map(|portion| request(resource, portion, times)).collect()
}

/// Families, or parts of them, by the request they belong to.
fn portions(families: &[Family]) -> Vec<Vec<(&Family, &[Sample])>> {
    let (mut portions, mut portion, mut room) = (Vec::new(), Vec::new(), MAX_POINTS);
    for family in families {
        let mut samples = family.samples.as_slice();
        while !samples.is_empty() {
            let (now, later) = samples.split_at(samples.len().min(room));
            portion.push((family, now));
            (samples, room) = (later, room - now.len());
            if room == 0 {
                portions.push(std::mem::take(&mut portion));
                room = MAX_POINTS;
            }
        }
    }
    if !portion.is_empty() {
        portions.push(portion);
    }
    portions
}

fn request(resource: &Resource, portion: &[(&Family, &[Sample])], times: Times) -> Vec<u8> {
    let mut writer = Writer::default();
    // ResourceMetrics, and in it ScopeMetrics.
    writer.message(1, |writer| {
        write_resource(writer, 1, resource);
        writer.message(2, |writer| {
            write_scope(writer, 1);
            for (family, samples) in portion {
                writer.message(2, |writer| write_metric(writer, family, samples, times));
            }
        });
    });
    writer.finish()
}

fn write_metric(writer: &mut Writer, family: &Family, samples: &[Sample], times: Times) {
    writer.bytes(1, family.name.as_bytes());
    writer.bytes(2, family.help.as_bytes());
    let name = family.name.strip_suffix("_total").unwrap_or(&family.name);
    if let Some((_, unit)) = UNITS.iter().find(|(end, _)| name.ends_with(end)) {
        writer.bytes(3, unit.as_bytes());
    }
    let field = match family.kind {
        Kind::Gauge => 5,
        Kind::Counter => 7,
        Kind::Histogram => 9,
    };
    writer.message(field, |writer| {
        for sample in samples {
            writer.message(1, |writer| write_point(writer, family.kind, sample, times));
        }
        if family.kind != Kind::Gauge {
            writer.number(2, CUMULATIVE);
        }
        writer.flag(3, family.kind == Kind::Counter);
    });
}

/// A `NumberDataPoint` or a `HistogramDataPoint`.
fn write_point(writer: &mut Writer, kind: Kind, sample: &Sample, Times(start, now): Times) {
    if kind != Kind::Gauge {
        writer.fixed64(2, start);
    }
    writer.fixed64(3, now);
    let attributes = match &sample.value {
        Value::Number(number) => {
            writer.double(4, *number);
            7
        }
        // An `sfixed64`.
        Value::Count(count) => {
            writer.repeated_fixed64(6, (*count).min(i64::MAX.unsigned_abs()));
            7
        }
        Value::Histogram { bounds, counts, sum } => {
            writer.fixed64(4, counts.iter().sum());
            writer.double(5, *sum);
            writer.packed_fixed64(6, counts.iter().copied());
            writer.packed_fixed64(7, bounds.iter().map(|bound| bound.to_bits()));
            9
        }
    };
    for (name, value) in &sample.labels {
        attribute(writer, attributes, name, &Attribute::Text((&**value).into()));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::export::protobuf::{self, fields, number, sized};

    fn resource() -> Resource {
        Resource {
            service: "orders".into(),
            version: "1".into(),
            instance: "a".into(),
            environment: None,
            others: Vec::new(),
        }
    }

    fn all(message: &[u8], field: u64) -> Vec<Vec<u8>> {
        let fields = fields(message).unwrap().into_iter();
        fields
            .filter_map(|(known, value)| match value {
                protobuf::Value::Sized(bytes) if known == field => Some(bytes.to_vec()),
                _ => None,
            })
            .collect()
    }

    fn only(message: &[u8], field: u64) -> Vec<u8> {
        all(message, field).try_into().map(|[one]: [Vec<u8>; 1]| one).unwrap()
    }

    /// The metrics in all requests.
    fn metrics(families: &[Family]) -> Vec<Vec<Vec<u8>>> {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let requests = metrics_requests(&resource(), families, at(5), at(7));
        requests.iter().map(|request| all(&only(&only(request, 1), 2), 2)).collect()
    }

    fn metric(family: Family) -> Vec<u8> {
        metrics(&[family]).concat().try_into().map(|[one]: [Vec<u8>; 1]| one).unwrap()
    }

    fn text(message: &[u8], field: u64) -> String {
        String::from_utf8(sized(&fields(message).unwrap(), field).to_vec()).unwrap()
    }

    #[test]
    fn a_counter_is_a_sum_that_only_grows() {
        let family = Family::new("wait_seconds_total", Kind::Counter, "Time waited.")
            .sample(vec![("for", "tea".into())], Value::Number(1.5))
            .sample(vec![("for", "".into())], Value::Count(0));
        let metric = &metric(family);
        assert_eq!([1, 2, 3].map(|field| text(metric, field)), ["wait_seconds_total", "Time waited.", "s"]);
        let sum = only(metric, 7);
        let read = fields(&sum).unwrap();
        assert_eq!((number(&read, 2), number(&read, 3)), (2, 1), "cumulative and monotonic");
        let [first, second] = &all(&sum, 1)[..] else { panic!() };
        let read = fields(first).unwrap();
        assert_eq!([2, 3].map(|field| number(&read, field)), [5_000_000_000, 7_000_000_000]);
        assert_eq!(f64::from_bits(number(&read, 4)), 1.5);
        let label = only(first, 7);
        assert_eq!((text(&label, 1), text(&only(&label, 2), 1)), ("for".to_owned(), "tea".to_owned()));
        let second = fields(second).unwrap();
        assert!(second.contains(&(6, protobuf::Value::Number(0))), "a zero is a value");
    }

    #[test]
    fn a_gauge_has_no_beginning() {
        let metric = &metric(Family::gauge("size_bytes", "Size.", Value::Number(-1.0)));
        assert_eq!(text(metric, 3), "By");
        let gauge = only(metric, 5);
        let point = only(&gauge, 1);
        let read = fields(&point).unwrap();
        assert_eq!([2, 3].map(|field| number(&read, field)), [0, 7_000_000_000]);
        assert_eq!(f64::from_bits(number(&read, 4)), -1.0);
        assert_eq!(fields(&gauge).unwrap().len(), 1, "no temporality");
    }

    #[test]
    fn a_histogram_has_its_bounds_and_counts() {
        let value = Value::Histogram { bounds: [0.5, 1.0].into(), counts: vec![1, 0, 2], sum: 7.25 };
        let family = Family::new("wait_seconds", Kind::Histogram, "Wait.").sample(vec![("for", "tea".into())], value);
        let metric = &metric(family);
        let histogram = only(metric, 9);
        assert_eq!(number(&fields(&histogram).unwrap(), 2), 2);
        let point = only(&histogram, 1);
        let read = fields(&point).unwrap();
        assert_eq!([2, 3, 4].map(|field| number(&read, field)), [5_000_000_000, 7_000_000_000, 3]);
        assert_eq!(f64::from_bits(number(&read, 5)), 7.25);
        let eights = |field| sized(&read, field).chunks(8).map(|eight| u64::from_le_bytes(eight.try_into().unwrap()));
        assert_eq!(eights(6).collect::<Vec<_>>(), [1, 0, 2]);
        assert_eq!(eights(7).map(f64::from_bits).collect::<Vec<_>>(), [0.5, 1.0]);
        assert_eq!(text(&only(&point, 9), 1), "for");
    }

    #[test]
    fn many_points_leave_in_several_requests_and_none_is_lost() {
        let many = |name, count: usize| {
            let sample = |n: usize| Sample { labels: vec![("n", n.to_string().into())], value: Value::Count(1) };
            Family::new(name, Kind::Counter, "Many.").all((0..count).map(sample))
        };
        let families = [many("a_total", 1), many("b_total", 0), many("c_total", MAX_POINTS * 2), many("d_total", 3)];
        let requests = metrics(&families);
        let points = |metric: &Vec<u8>| (text(metric, 1), all(&only(metric, 7), 1).len());
        let sizes: Vec<Vec<(String, usize)>> =
            requests.iter().map(|metrics| metrics.iter().map(points).collect()).collect();
        let named = |name: &str, count| (name.to_owned(), count);
        let wanted = [
            vec![named("a_total", 1), named("c_total", MAX_POINTS - 1)],
            vec![named("c_total", MAX_POINTS)],
            vec![named("c_total", 1), named("d_total", 3)],
        ];
        assert_eq!(sizes, wanted);
        assert!(metrics(&[]).is_empty());
    }

    #[test]
    fn a_request_fits_where_grpc_is_received() {
        let value = || Value::Histogram { bounds: [1.0; 14].into(), counts: vec![u64::MAX / 15; 15], sum: 1.0 };
        let sample = |n: usize| Sample { labels: vec![("uri", format!("{n:0200}").into()); 4], value: value() };
        let family = Family::new("wait_seconds", Kind::Histogram, "Wait.").all((0..MAX_POINTS).map(sample));
        let [request] = &metrics_requests(&resource(), &[family], UNIX_EPOCH, UNIX_EPOCH)[..] else { panic!() };
        assert!(request.len() < 4 << 20, "{}", request.len());
    }
}
