//! One measurement, and the median of several.

use super::accounting::CpuSpent;
use super::load::Seen;

/// One run of a client against one proxy. Times are microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    /// Processor time per request in user mode.
    pub(crate) user: f64,
    /// Processor time per request in the kernel.
    pub(crate) system: f64,
    /// Requests per second.
    pub(crate) rate: f64,
    /// Median time of a request.
    pub(crate) p50: f64,
    /// 99th percentile.
    pub(crate) p99: f64,
    /// Share of requests that failed.
    pub(crate) errors: f64,
    /// Lines in the access log per request.
    pub(crate) logged: f64,
}

impl Sample {
    /// Puts together what the kernel, the client and the access log say.
    pub(crate) fn new(spent: CpuSpent, seen: Seen, log_lines: u64) -> Self {
        let requests = seen.requests.max(1.0);
        Self {
            user: spent.user / requests,
            system: spent.system / requests,
            rate: seen.rate,
            p50: seen.p50,
            p99: seen.p99,
            errors: seen.errors / (seen.requests + seen.errors).max(1.0),
            logged: log_lines as f64 / requests,
        }
    }

    /// Processor time per request, user and system together.
    pub(crate) fn cpu(&self) -> f64 {
        self.user + self.system
    }
}

/// Several samples of the same thing: medians of each number, which a single disturbed round cannot move.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Summary {
    /// The medians; user and system are the median of their sum, split by the median share.
    pub(crate) median: Sample,
    /// Half of the distance between the cheapest and the dearest round.
    pub(crate) spread: f64,
    /// Each round, in order.
    rounds: Vec<Sample>,
}

impl Summary {
    /// The medians of samples; `None` without samples.
    pub(crate) fn of(samples: &[Sample]) -> Option<Self> {
        let over = |field: fn(&Sample) -> f64| median(samples.iter().map(field).collect());
        let lowest = samples.iter().map(Sample::cpu).min_by(f64::total_cmp)?;
        let highest = samples.iter().map(Sample::cpu).max_by(f64::total_cmp)?;
        let cpu = over(Sample::cpu)?;
        let user = cpu * over(|sample| sample.user / sample.cpu())?;
        let median = Sample {
            user,
            system: cpu - user,
            rate: over(|sample| sample.rate)?,
            p50: over(|sample| sample.p50)?,
            p99: over(|sample| sample.p99)?,
            errors: over(|sample| sample.errors)?,
            logged: over(|sample| sample.logged)?,
        };
        Some(Self { median, spread: (highest - lowest) / 2.0, rounds: samples.to_vec() })
    }

    /// Our processor time over another's: the median of the rounds' ratios, since what disturbs one round disturbs both.
    pub(crate) fn over(&self, other: &Self) -> Option<f64> {
        self.ratio(other, Sample::cpu)
    }

    /// The same of the time in user mode alone: the kernel's share is the same for every proxy, more or less.
    pub(crate) fn user_over(&self, other: &Self) -> Option<f64> {
        self.ratio(other, |sample| sample.user)
    }

    /// What we spend more than another: the median of the rounds' differences, in microseconds.
    pub(crate) fn minus(&self, other: &Self) -> Option<f64> {
        median(self.rounds.iter().zip(&other.rounds).map(|(ours, theirs)| ours.cpu() - theirs.cpu()).collect())
    }

    fn ratio(&self, other: &Self, of: fn(&Sample) -> f64) -> Option<f64> {
        median(self.rounds.iter().zip(&other.rounds).map(|(ours, theirs)| of(ours) / of(theirs)).collect())
    }
}

/// The middle value, or the mean of the two in the middle; `None` of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    match values.len() % 2 {
        1 => Some(upper),
        _ => Some((upper + *values.get(values.len() / 2 - 1)?) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(user: f64, system: f64) -> Sample {
        Sample { user, system, rate: 1.0, p50: 1.0, p99: 1.0, errors: 0.0, logged: 1.0 }
    }

    #[test]
    fn the_middle_of_odd_and_even_and_of_nothing() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(vec![]), None);
    }

    #[test]
    fn a_disturbed_round_moves_the_spread_and_not_the_median() {
        let summary = Summary::of(&[sample(10.0, 20.0), sample(50.0, 60.0), sample(11.0, 21.0)]).unwrap();
        assert_eq!((summary.median.cpu(), summary.spread), (32.0, 40.0));
    }

    #[test]
    fn user_and_system_add_up_to_the_median_of_their_sum() {
        let median = Summary::of(&[sample(10.0, 30.0), sample(20.0, 5.0), sample(15.0, 15.0)]).unwrap().median;
        assert_eq!((median.user, median.system), (15.0, 15.0));
    }

    #[test]
    fn a_drift_that_both_share_leaves_the_ratio_alone() {
        let ours = Summary::of(&[sample(5.0, 5.0), sample(10.0, 10.0), sample(20.0, 20.0)]).unwrap();
        let theirs = Summary::of(&[sample(10.0, 10.0), sample(20.0, 20.0), sample(40.0, 40.0)]).unwrap();
        assert_eq!(ours.over(&theirs), Some(0.5));
        assert_eq!(ours.user_over(&theirs), Some(0.5));
    }

    #[test]
    fn a_difference_is_taken_in_each_round() {
        let ours = Summary::of(&[sample(15.0, 5.0), sample(40.0, 10.0), sample(33.0, 0.0)]).unwrap();
        let theirs = Summary::of(&[sample(10.0, 5.0), sample(35.0, 10.0), sample(10.0, 20.0)]).unwrap();
        assert_eq!((ours.minus(&theirs), theirs.minus(&ours)), (Some(5.0), Some(-5.0)));
    }

    #[test]
    fn costs_are_per_good_request() {
        let spent = CpuSpent { user: 1000.0, system: 3000.0 };
        let seen = Seen { requests: 100.0, rate: 50.0, p50: 1.0, p99: 2.0, errors: 25.0 };
        let sample = Sample::new(spent, seen, 90);
        assert_eq!((sample.user, sample.system, sample.errors, sample.logged), (10.0, 30.0, 0.2, 0.9));
    }
}
