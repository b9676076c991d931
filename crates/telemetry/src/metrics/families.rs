//! The gateway's sums as families. The names are the contract's.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Reloads;
use super::family::{Family, Kind, Sample, Value, Word};
use super::series::{OTHER_STATUS, SECONDS};
use super::totals::{Durations, Totals};

/// Every family, those without a sample too, in the order in which they are shown.
pub(super) fn of(totals: Totals, reloads: &Reloads, dropped: u64) -> Vec<Family> {
    let count = |labels, count| Sample { labels, value: Value::Count(count) };
    let families =
        [
            requests(&totals),
            durations(totals.durations),
            counter("gwanmun_faults_total", "Requests the gateway answered by itself, by fault.")
                .all(totals.faults.into_iter().map(|(code, n)| count(vec![("code", code.name().into())], n))),
            counter("gwanmun_sanitized_total", "Requests changed at the door, by what was changed.")
                .all(totals.sanitized.into_iter().map(|(what, n)| count(vec![("what", what.name().into())], n))),
            counter("gwanmun_fault_reasons_total", "Faults by what exactly went wrong.").all(
                totals.reasons.into_iter().map(|((code, reason), n)| {
                    count(vec![("code", code.name().into()), ("reason", reason.name().into())], n)
                }),
            ),
            counter(
                "gwanmun_connections_aborted_total",
                "Clients' connections that the gateway ended, by listener and reason.",
            )
            .all(totals.aborts.into_iter().map(|((listener, why), n)| {
                count(vec![("listener", listener.into()), ("reason", why.name().into())], n)
            })),
            gauge("gwanmun_in_flight", "Requests not yet finished, by listener.")
                .all(totals.in_flight.into_iter().map(|(listener, n)| count(vec![("listener", listener.into())], n))),
            counter(
                "gwanmun_connections_refused_total",
                "Clients' connections closed before a request was read, by listener and reason.",
            )
            .all(totals.refused.into_iter().map(|((listener, reason), n)| {
                count(vec![("listener", listener.into()), ("reason", reason.into())], n)
            })),
            gauge("gwanmun_upstream_connections", "Open connections to upstreams, by state.").all(
                totals.connections.into_iter().flat_map(|(upstream, [active, idle])| {
                    [("active", active), ("idle", idle)].map(|(state, n)| {
                        count(vec![("upstream", Word::from(Arc::clone(&upstream))), ("state", state.into())], n)
                    })
                }),
            ),
            counter("gwanmun_upstream_retries_total", "Requests sent once more, by why that was safe.")
                .all(totals.retries.into_iter().map(|(reason, n)| count(vec![("reason", reason.name().into())], n))),
            counter("gwanmun_config_reloads_total", "Attempts to reload the configuration, by result.").all(
                [("success", &reloads.succeeded), ("failure", &reloads.failed)]
                    .map(|(result, n)| count(vec![("result", result.into())], n.load(Ordering::Relaxed))),
            ),
            gauge(
                "gwanmun_config_last_reload_successful",
                "1 if the latest reload succeeded, or there was none; 0 if the one before it is still in force.",
            )
            .all([count(vec![], u64::from(!reloads.last_failed.load(Ordering::Relaxed)))]),
            gauge(
                "gwanmun_config_last_reload_success_timestamp_seconds",
                "When the configuration in force was taken over, in seconds since 1970.",
            )
            .all([count(vec![], reloads.taken.load(Ordering::Relaxed))]),
            counter("gwanmun_log_dropped_total", "Lines of log lost because they could not be written.")
                .all([count(vec![], dropped)]),
        ];
    families.into()
}

fn requests(totals: &Totals) -> Family {
    let samples = totals.requests.iter().flat_map(|(labels, statuses)| {
        statuses.iter().map(|(status, count)| {
            let status = match *status {
                OTHER_STATUS => Word::from("other"),
                status => Word::Shared(itoa::Buffer::new().format(status).into()),
            };
            let route = ("route", Arc::clone(&labels.route).into());
            let labels = vec![route, ("upstream", Arc::clone(&labels.upstream).into()), ("status", status)];
            Sample { labels, value: Value::Count(*count) }
        })
    });
    counter("gwanmun_requests_total", "Requests answered, by route, upstream and status.").all(samples)
}

fn durations(durations: impl IntoIterator<Item = (Arc<str>, Durations)>) -> Family {
    let bounds: Arc<[f64]> = SECONDS.into();
    let samples = durations.into_iter().map(|(route, Durations { buckets, nanos })| {
        let sum = Duration::from_nanos(nanos).as_secs_f64();
        let value = Value::Histogram { bounds: Arc::clone(&bounds), counts: buckets.into(), sum };
        Sample { labels: vec![("route", route.into())], value }
    });
    let help = "Time from a request's first byte to its answer's last.";
    Family::new("gwanmun_request_duration_seconds", Kind::Histogram, help).all(samples)
}

fn counter(name: &'static str, help: &'static str) -> Family {
    Family::new(name, Kind::Counter, help)
}

fn gauge(name: &'static str, help: &'static str) -> Family {
    Family::new(name, Kind::Gauge, help)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, UNIX_EPOCH};

    use crate::sanitized::{Sanitized, What};
    use gwanmun_core::{Abort, Code, Reason};

    use super::super::{ConnectionState, Metrics, Reload, RouteLabels, Shape};

    #[test]
    fn the_text_is_the_contract() {
        let metrics = Metrics::new();
        let shape = Arc::new(Shape {
            routes: vec![RouteLabels { route: "orders".into(), upstream: "a \"b\"\\\n".into() }],
            listeners: vec!["edge".into()],
            upstreams: vec![Arc::from("orders")],
        });
        let worker = metrics.worker(&shape);
        worker.request(Some(0), 200, Duration::from_millis(3));
        worker.request(Some(0), 503, Duration::from_micros(1_500_250));
        worker.request(None, 404, Duration::from_micros(70));
        for status in 600..610 {
            worker.request(Some(0), status, Duration::ZERO);
        }
        worker.fault(Code::UpstreamUnreachable, Some(Reason::ConnectionRefused));
        worker.retry(Reason::StaleConnection);
        worker.aborted(0, Abort::Pings);
        let _request = worker.in_flight(0);
        let _connection = worker.upstream_connection(0, ConnectionState::Active);
        let mut sanitized = Sanitized::NOTHING;
        sanitized.add(What::Referer);
        worker.sanitized(sanitized);
        metrics.reload(Reload::Success, UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let text = metrics.render();
        let one_of_each = |line: &&str| {
            (!line.starts_with("gwanmun_faults_total{") || line.contains("no-route"))
                && (!line.starts_with("gwanmun_sanitized_total{") || line.contains("header:referer"))
        };
        let shown: Vec<_> = text.lines().filter(one_of_each).collect();
        assert_eq!(shown.join("\n"), include_str!("families.snapshot").trim_end());
    }
}
