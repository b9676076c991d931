//! h2load: HTTP/2 on 8 connections with 16 streams each. It prints no percentiles, so they come from its log of requests.

use std::fs;
use std::path::Path;

use super::Seen;
use crate::bench::pinned::{Core, pinned};
use crate::bench::product::{REMOVED_HEADER, Setup};
use crate::failure::{Failure, While};
use crate::steps;

const CONNECTIONS: &str = "8";
const STREAMS: &str = "16";

/// Runs it once.
pub(crate) fn run(setup: &Setup, seconds: u32, scratch: &Path) -> Result<Seen, Failure> {
    let log = scratch.join("h2load.log");
    let _ = fs::remove_file(&log);
    let mut command = pinned(Core::Around, "h2load");
    command.args(["-c", CONNECTIONS, "-m", STREAMS, "-D", &seconds.to_string()]);
    command.args(["-H", &format!("{REMOVED_HEADER}: 1")]);
    command.arg(format!("--log-file={}", log.display()));
    command.arg(format!("http://{}/items/7", setup.address));
    let text = steps::output(command)?;
    let requests = fs::read_to_string(&log).while_doing(log.display())?;
    parse(&text, &requests).ok_or_else(|| Failure::new(format!("the output of h2load is not understood:\n{text}")))
}

/// Reads what it printed, and its log, whose lines are: start, status, microseconds.
fn parse(text: &str, log: &str) -> Option<Seen> {
    let rate = text.lines().find_map(|line| line.strip_prefix("finished in "))?;
    let rate: f64 = rate.split(", ").nth(1)?.strip_suffix(" req/s")?.parse().ok()?;
    let counts = text.lines().find_map(|line| line.strip_prefix("requests: "))?;
    let count = |what: &str| -> Option<f64> {
        counts.split(", ").find_map(|count| count.strip_suffix(what))?.trim().parse().ok()
    };
    let statuses = text.lines().find_map(|line| line.strip_prefix("status codes: "))?;
    let good: f64 = statuses.split(" 2xx").next()?.parse().ok()?;
    let mut times: Vec<f64> = log.lines().filter_map(|line| line.split('\t').nth(2)?.parse().ok()).collect();
    times.sort_by(f64::total_cmp);
    let percentile = |hundredths: usize| times.get((times.len() * hundredths / 100).min(times.len().saturating_sub(1)));
    let done = count(" done")?;
    let share = if done > 0.0 { good / done } else { 0.0 };
    Some(Seen {
        requests: good,
        rate: rate * share,
        p50: *percentile(50)?,
        p99: *percentile(99)?,
        errors: (done - good) + count(" failed")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
finished in 2.00s, 15000.00 req/s, 2.16MB/s
requests: 30000 total, 30128 started, 30000 done, 29000 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 29000 2xx, 0 3xx, 1000 4xx, 0 5xx
";

    #[test]
    fn good_answers_are_told_from_bad_ones() {
        let log: String = (1..=100).map(|time| format!("1700000000\t200\t{time}\n")).collect();
        let seen = parse(TEXT, &log).unwrap();
        assert_eq!(seen, Seen { requests: 29000.0, rate: 14500.0, p50: 51.0, p99: 100.0, errors: 1000.0 });
    }

    #[test]
    fn other_talk_is_refused() {
        assert_eq!(parse("could not connect", ""), None);
    }
}
