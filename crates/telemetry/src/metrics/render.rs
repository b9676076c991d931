//! Sums as Prometheus' text format 0.0.4. The names are the contract's.

use std::sync::atomic::Ordering;

use gwanmun_core::Tallies;

use super::Reloads;
use super::series::{BOUNDS, OTHER_STATUS};
use super::totals::{Durations, Totals};

/// Every family with its help, type and samples.
pub(super) fn text(totals: &Totals, reloads: &Reloads, dropped: u64, tallies: &Tallies) -> String {
    let mut out = String::with_capacity(4096 + 128 * totals.requests.len() + 1024 * totals.durations.len());
    family(&mut out, "gwanmun_requests_total", "counter", "Requests answered, by route, upstream and status.");
    for (labels, statuses) in &totals.requests {
        for (status, count) in statuses {
            let mut digits = itoa::Buffer::new();
            let status = if *status == OTHER_STATUS { "other" } else { digits.format(*status) };
            let labels = [("route", &*labels.route), ("upstream", &*labels.upstream), ("status", status)];
            sample(&mut out, "gwanmun_requests_total", &labels, *count);
        }
    }
    let help = "Time from a request's first byte to its answer's last.";
    family(&mut out, "gwanmun_request_duration_seconds", "histogram", help);
    for (route, durations) in &totals.durations {
        histogram(&mut out, route, durations);
    }
    family(&mut out, "gwanmun_faults_total", "counter", "Requests the gateway answered by itself, by fault.");
    for (code, count) in &totals.faults {
        sample(&mut out, "gwanmun_faults_total", &[("code", code.name())], *count);
    }
    family(&mut out, "gwanmun_sanitized_total", "counter", "Requests changed at the door, by what was changed.");
    for (what, count) in &totals.sanitized {
        sample(&mut out, "gwanmun_sanitized_total", &[("what", what.name())], *count);
    }
    family(&mut out, "gwanmun_fault_reasons_total", "counter", "Faults by what exactly went wrong.");
    for ((code, reason), count) in &totals.reasons {
        let labels = [("code", code.name()), ("reason", reason.name())];
        sample(&mut out, "gwanmun_fault_reasons_total", &labels, *count);
    }
    let help = "Clients' connections that the gateway ended, by listener and reason.";
    family(&mut out, "gwanmun_connections_aborted_total", "counter", help);
    for ((listener, why), count) in &totals.aborts {
        let labels = [("listener", &**listener), ("reason", why.name())];
        sample(&mut out, "gwanmun_connections_aborted_total", &labels, *count);
    }
    family(&mut out, "gwanmun_in_flight", "gauge", "Requests not yet finished, by listener.");
    for (listener, count) in &totals.in_flight {
        sample(&mut out, "gwanmun_in_flight", &[("listener", listener)], *count);
    }
    let help = "Clients' connections closed before a request was read, by listener and reason.";
    family(&mut out, "gwanmun_connections_refused_total", "counter", help);
    for ((listener, reason), count) in &totals.refused {
        sample(&mut out, "gwanmun_connections_refused_total", &[("listener", listener), ("reason", reason)], *count);
    }
    family(&mut out, "gwanmun_upstream_connections", "gauge", "Open connections to upstreams, by state.");
    for (upstream, counts) in &totals.connections {
        for (state, count) in ["active", "idle"].into_iter().zip(counts) {
            sample(&mut out, "gwanmun_upstream_connections", &[("upstream", upstream), ("state", state)], *count);
        }
    }
    family(&mut out, "gwanmun_upstream_retries_total", "counter", "Requests sent once more, by why that was safe.");
    for (reason, count) in &totals.retries {
        sample(&mut out, "gwanmun_upstream_retries_total", &[("reason", reason.name())], *count);
    }
    family(&mut out, "gwanmun_config_reloads_total", "counter", "Attempts to reload the configuration, by result.");
    for (result, count) in [("success", &reloads.succeeded), ("failure", &reloads.failed)] {
        sample(&mut out, "gwanmun_config_reloads_total", &[("result", result)], count.load(Ordering::Relaxed));
    }
    let help = "1 if the latest reload succeeded, or there was none; 0 if the one before it is still in force.";
    family(&mut out, "gwanmun_config_last_reload_successful", "gauge", help);
    let successful = u64::from(!reloads.last_failed.load(Ordering::Relaxed));
    sample(&mut out, "gwanmun_config_last_reload_successful", &[], successful);
    let help = "When the configuration in force was taken over, in seconds since 1970.";
    family(&mut out, "gwanmun_config_last_reload_success_timestamp_seconds", "gauge", help);
    let taken = reloads.taken.load(Ordering::Relaxed);
    sample(&mut out, "gwanmun_config_last_reload_success_timestamp_seconds", &[], taken);
    family(&mut out, "gwanmun_log_dropped_total", "counter", "Lines of log lost because they could not be written.");
    sample(&mut out, "gwanmun_log_dropped_total", &[], dropped);
    for tally in tallies.all() {
        family(&mut out, tally.name(), "counter", tally.help());
        for (values, count) in tally.counts() {
            let labels: Vec<_> = tally.labels().iter().copied().zip(values.iter().map(String::as_str)).collect();
            sample(&mut out, tally.name(), &labels, count);
        }
    }
    out
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    for part in ["# HELP ", name, " ", help, "\n# TYPE ", name, " ", kind, "\n"] {
        out.push_str(part);
    }
}

fn histogram(out: &mut String, route: &str, durations: &Durations) {
    let bounds = BOUNDS.iter().map(|(_, label)| *label).chain(["+Inf"]);
    let mut count = 0;
    for (bound, within) in bounds.zip(durations.buckets) {
        count += within;
        sample(out, "gwanmun_request_duration_seconds_bucket", &[("route", route), ("le", bound)], count);
    }
    series(out, "gwanmun_request_duration_seconds_sum", &[("route", route)]);
    push_seconds(out, durations.nanos);
    sample(out, "gwanmun_request_duration_seconds_count", &[("route", route)], count);
}

fn sample(out: &mut String, name: &str, labels: &[(&str, &str)], value: u64) {
    series(out, name, labels);
    out.push_str(itoa::Buffer::new().format(value));
    out.push('\n');
}

fn series(out: &mut String, name: &str, labels: &[(&str, &str)]) {
    out.push_str(name);
    let mut before = '{';
    for (label, value) in labels {
        out.push(before);
        out.push_str(label);
        out.push_str("=\"");
        push_escaped(out, value);
        out.push('"');
        before = ',';
    }
    out.push_str(if labels.is_empty() { " " } else { "} " });
}

fn push_escaped(out: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

/// Nanoseconds as seconds, exactly.
fn push_seconds(out: &mut String, nanos: u64) {
    let (seconds, fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    out.push_str(&format!("{seconds}.{fraction:09}\n"));
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
        assert_eq!(shown.join("\n"), include_str!("render.snapshot").trim_end());
    }
}
