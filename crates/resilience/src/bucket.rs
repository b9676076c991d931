//! A token bucket: tokens come back at a steady rate, a request takes some of them, and whoever finds too few is refused.
//! Counted in billionths of tokens, so that no rate is rounded and nothing is gained by asking at odd times.

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Billionths in a token. As many nanoseconds are in a second, so that a rate of tokens in a second is one of billionths
/// in a nanosecond.
const WHOLE: u64 = 1_000_000_000;

/// How often somebody may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Tokens that come back in a second.
    rate: u64,
    /// What a bucket holds, in billionths.
    capacity: u64,
    /// What a request takes, in billionths.
    cost: u64,
}

/// The tokens of one caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// In billionths.
    level: u64,
    /// When that was, in nanoseconds since 1970.
    at: u64,
}

/// What is left after a request that was granted, or was not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// How many more requests would be granted now.
    pub requests: u32,
    /// How long until the bucket is full, if nothing is taken.
    pub full_in: Duration,
}

/// There were too few tokens, and none was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted {
    /// How long until a request would be granted.
    pub retry_after: Duration,
}

impl Allowance {
    /// `rate` tokens come back in a second, until there are `capacity`; a request takes `cost`. `None` if it takes more than
    /// there can be.
    pub fn new(rate: NonZeroU32, capacity: NonZeroU32, cost: NonZeroU32) -> Option<Self> {
        let billionths = |tokens: NonZeroU32| u64::from(tokens.get()) * WHOLE;
        let allowance = Self { rate: rate.get().into(), capacity: billionths(capacity), cost: billionths(cost) };
        (cost <= capacity).then_some(allowance)
    }

    /// How many requests a full bucket is good for.
    pub fn requests(&self) -> u32 {
        self.requests_of(self.capacity)
    }

    /// How long an empty bucket takes to be full.
    pub fn window(&self) -> Duration {
        self.time_for(self.capacity)
    }

    /// A full bucket.
    pub fn full(&self, now: SystemTime) -> Bucket {
        Bucket { level: self.capacity, at: nanos(now) }
    }

    /// Takes what a request costs out of `bucket`.
    ///
    /// # Errors
    /// When there is too little in it.
    pub fn take(&self, bucket: &mut Bucket, now: SystemTime) -> Result<Left, Exhausted> {
        let level = self.level(bucket, now);
        *bucket = Bucket { level, at: nanos(now) };
        let Some(rest) = level.checked_sub(self.cost) else {
            return Err(Exhausted { retry_after: self.time_for(self.cost - level) });
        };
        bucket.level = rest;
        Ok(self.left_of(rest))
    }

    /// What is in `bucket`.
    pub fn left(&self, bucket: &Bucket, now: SystemTime) -> Left {
        self.left_of(self.level(bucket, now))
    }

    /// Whether `bucket` is full: it may as well be forgotten.
    pub fn is_full(&self, bucket: &Bucket, now: SystemTime) -> bool {
        self.level(bucket, now) == self.capacity
    }

    /// What is in it by now. A clock that was set back fills nothing and empties nothing.
    fn level(&self, bucket: &Bucket, now: SystemTime) -> u64 {
        let gained = nanos(now).saturating_sub(bucket.at).saturating_mul(self.rate);
        bucket.level.saturating_add(gained).min(self.capacity)
    }

    fn left_of(&self, level: u64) -> Left {
        Left { requests: self.requests_of(level), full_in: self.time_for(self.capacity - level) }
    }

    fn requests_of(&self, level: u64) -> u32 {
        // There are no more than tokens, which were 32 bits.
        u32::try_from(level / self.cost).unwrap_or(u32::MAX)
    }

    fn time_for(&self, billionths: u64) -> Duration {
        Duration::from_nanos(billionths.div_ceil(self.rate))
    }
}

fn nanos(moment: SystemTime) -> u64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allowance(rate: u32, capacity: u32, cost: u32) -> Allowance {
        let some = |number| NonZeroU32::new(number).unwrap();
        Allowance::new(some(rate), some(capacity), some(cost)).unwrap()
    }

    fn at(nanos: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(nanos)
    }

    #[test]
    fn a_burst_is_granted_and_then_the_rate() {
        let allowance = allowance(10, 3, 1);
        let mut bucket = allowance.full(at(0));
        for requests in [2, 1, 0] {
            assert_eq!(allowance.take(&mut bucket, at(0)).unwrap().requests, requests);
        }
        assert_eq!(allowance.take(&mut bucket, at(0)).unwrap_err().retry_after, Duration::from_millis(100));
        assert_eq!(allowance.take(&mut bucket, at(99_999_999)).unwrap_err().retry_after, Duration::from_nanos(1));
        assert!(allowance.take(&mut bucket, at(100_000_000)).is_ok());
        assert!(allowance.take(&mut bucket, at(100_000_000)).is_err());
    }

    #[test]
    fn one_request_in_a_minute_can_be_said() {
        let allowance = allowance(1, 60, 60);
        let mut bucket = allowance.full(at(0));
        assert_eq!(allowance.take(&mut bucket, at(0)).unwrap(), Left { requests: 0, full_in: Duration::from_secs(60) });
        assert_eq!(allowance.take(&mut bucket, at(0)).unwrap_err().retry_after, Duration::from_secs(60));
        assert!(allowance.take(&mut bucket, at(60 * WHOLE)).is_ok());
    }

    #[test]
    fn what_can_never_be_granted_is_no_allowance() {
        let some = |number| NonZeroU32::new(number).unwrap();
        assert!(Allowance::new(some(1), some(2), some(3)).is_none());
        let largest = allowance(u32::MAX, u32::MAX, 1);
        assert_eq!((largest.requests(), largest.window()), (u32::MAX, Duration::from_secs(1)));
    }

    #[test]
    fn a_clock_that_is_set_back_neither_fills_nor_empties() {
        let allowance = allowance(1, 2, 1);
        let mut bucket = allowance.full(at(100 * WHOLE));
        assert!(allowance.take(&mut bucket, at(100 * WHOLE)).is_ok());
        assert!(allowance.take(&mut bucket, at(0)).is_ok());
        assert!(allowance.take(&mut bucket, at(0)).is_err());
        assert!(allowance.take(&mut bucket, at(WHOLE)).is_ok(), "from then on the new time counts");
    }

    proptest! {
        /// In any stretch of time there are no more than a full bucket and what has come back in it.
        #[test]
        fn no_stretch_of_time_has_more_than_a_burst_and_the_rate(
            rate in 1_u32..50, capacity in 1_u32..20, cost in 1_u32..20,
            waits in prop::collection::vec(0_u64..300_000_000, 1..200),
        ) {
            prop_assume!(cost <= capacity);
            let allowance = allowance(rate, capacity, cost);
            let (mut bucket, mut now, mut granted) = (allowance.full(at(0)), 0, Vec::new());
            for wait in waits {
                now += wait;
                if allowance.take(&mut bucket, at(now)).is_ok() {
                    granted.push(now);
                }
            }
            for (first, &from) in granted.iter().enumerate() {
                for (last, &until) in granted.iter().enumerate().skip(first) {
                    let taken = (last - first + 1) as u128 * u128::from(cost) * u128::from(WHOLE);
                    let most = u128::from(capacity) * u128::from(WHOLE) + u128::from(until - from) * u128::from(rate);
                    prop_assert!(taken <= most, "{} requests within {} ns", last - first + 1, until - from);
                }
            }
        }

        /// Whoever comes when it was told to is let in, and a nanosecond earlier is not.
        #[test]
        fn whoever_waits_as_long_as_told_is_let_in(
            rate in 1_u32..1000, capacity in 1_u32..100, cost in 1_u32..100, waits in prop::collection::vec(0_u64..50_000_000, 1..50),
        ) {
            prop_assume!(cost <= capacity);
            let allowance = allowance(rate, capacity, cost);
            let (mut bucket, mut now) = (allowance.full(at(0)), 0);
            for wait in waits {
                now += wait;
                let before = bucket;
                let left = allowance.left(&bucket, at(now));
                match allowance.take(&mut bucket, at(now)) {
                    Ok(after) => prop_assert_eq!(after.requests + 1, left.requests),
                    Err(Exhausted { retry_after }) => {
                        prop_assert_eq!(left.requests, 0);
                        let due = now + u64::try_from(retry_after.as_nanos()).unwrap();
                        prop_assert!(allowance.take(&mut before.clone(), at(due)).is_ok());
                        prop_assert!(allowance.take(&mut before.clone(), at(due - 1)).is_err());
                        prop_assert!(!allowance.is_full(&bucket, at(now)));
                    }
                }
                let full_in = allowance.left(&bucket, at(now)).full_in;
                prop_assert!(allowance.is_full(&bucket, at(now) + full_in));
            }
        }
    }
}
