//! One contest: several running proxies under the same load in turn (A B C D, A B C D, ...), so that whatever drifts on
//! the machine drifts for all.

use std::path::Path;

use super::load;
use super::row::Row;
use super::running::RunningProxy;
use super::sample::{Sample, Summary};
use crate::failure::Failure;

/// How long and how often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Rounds that are measured.
    pub(crate) rounds: u32,
    /// Seconds of load per proxy and round.
    pub(crate) seconds: u32,
}

/// The unmeasured load before the first round: connections, caches, branch predictors.
const WARM_UP_SECONDS: u32 = 1;

/// Runs the rounds; the summaries come in the order of the proxies.
pub(crate) fn run(row: Row, proxies: &[RunningProxy], pace: Pace, scratch: &Path) -> Result<Vec<Summary>, Failure> {
    for proxy in proxies {
        let seen = load::run(row, &proxy.setup, WARM_UP_SECONDS, scratch)?;
        if seen.requests < 1.0 {
            let name = proxy.product.name();
            return Err(Failure::new(format!("no request through {name} succeeded, {} failed", seen.errors)));
        }
        proxy.take_log_lines()?;
    }
    let mut samples = vec![Vec::new(); proxies.len()];
    for round in 1..=pace.rounds {
        let mut line = format!("    round {round}/{}:", pace.rounds);
        for (proxy, samples) in proxies.iter().zip(&mut samples) {
            let sample = measure(row, proxy, pace.seconds, scratch)?;
            line.push_str(&format!("  {} {:.1}", label(proxy), sample.cpu()));
            samples.push(sample);
        }
        println!("{line}  (µs/request)");
    }
    Ok(samples.iter().filter_map(|samples| Summary::of(samples)).collect())
}

fn measure(row: Row, proxy: &RunningProxy, seconds: u32, scratch: &Path) -> Result<Sample, Failure> {
    let before = proxy.cpu_time()?;
    let seen = load::run(row, &proxy.setup, seconds, scratch)?;
    let spent = proxy.cpu_time()?.since(before);
    Ok(Sample::new(spent, seen, proxy.take_log_lines()?))
}

fn label(proxy: &RunningProxy) -> String {
    if let Some(identity) = &proxy.setup.identity {
        return identity.rung.name().to_owned();
    }
    match proxy.setup.routes.count() {
        1 if proxy.setup.spans => format!("{} with spans", proxy.product.name()),
        1 => proxy.product.name().to_owned(),
        count => format!("{}/{count}", proxy.product.name()),
    }
}
