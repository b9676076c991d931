//! The latest kinds of exceptions with the last of each: how often they came, and whether it is time to tell of them again.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

use gwanmun_resilience::{Allowance, Bucket};

use super::exception::{Exception, Frame};
use super::fingerprint::Fingerprint;

/// How many kinds are kept.
const KINDS: usize = 100;
/// How often somebody is told of all kinds together: so many at once, then so many in a second.
const AT_ONCE: NonZeroU32 = NonZeroU32::new(20).unwrap();
const A_SECOND: NonZeroU32 = NonZeroU32::new(1).unwrap();

/// What is kept of all exceptions.
#[derive(Debug)]
pub(super) struct Kinds {
    kept: HashMap<Fingerprint, Kind>,
    /// How long nobody is told again of the same kind.
    every: Duration,
    /// Nobody is told of more than this; `None` before the first.
    bucket: Option<Bucket>,
}

/// Exceptions that are one.
#[derive(Debug, Clone)]
pub(super) struct Kind {
    /// The last of them.
    pub(super) exception: Exception,
    /// How often they came.
    pub(super) count: u64,
    pub(super) first_seen: SystemTime,
    pub(super) last_seen: SystemTime,
    /// When somebody was told last, and how many came since.
    told: Option<SystemTime>,
    since: u64,
}

/// What somebody is told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    pub(super) fingerprint: Fingerprint,
    pub(super) exception: Exception,
    /// How often it came, ever and since the kind was told of last, this time included.
    pub(super) count: u64,
    pub(super) since: u64,
    pub(super) first_seen: SystemTime,
    pub(super) at: SystemTime,
}

impl Kinds {
    /// None; of each kind somebody is told once in `every`.
    pub(super) fn new(every: Duration) -> Self {
        Self { kept: HashMap::new(), every, bucket: None }
    }

    /// From now on somebody is told once in `every`.
    pub(super) fn tell_every(&mut self, every: Duration) {
        self.every = every;
    }

    /// Takes one. It says what is to be told, if it is time.
    pub(super) fn take(&mut self, fingerprint: Fingerprint, exception: Exception, now: SystemTime) -> Option<Told> {
        if !self.kept.contains_key(&fingerprint) && self.kept.len() >= KINDS {
            self.forget_oldest();
        }
        let new =
            || Kind { exception: exception.clone(), count: 0, first_seen: now, last_seen: now, told: None, since: 0 };
        let kind = self.kept.entry(fingerprint).or_insert_with(new);
        kind.count += 1;
        kind.since += 1;
        kind.last_seen = now;
        // What is known of the way to it is kept: a backtrace is not taken every time.
        let frames = std::mem::take(&mut kind.exception.frames);
        kind.exception = exception;
        if frames.len() > kind.exception.frames.len() {
            kind.exception.frames = frames;
        }
        // A clock that was set back is no reason to be silent.
        let is_time = kind.told.is_none_or(|told| now.duration_since(told).map_or(true, |since| since >= self.every));
        if !is_time || !may_tell(&mut self.bucket, now) {
            return None;
        }
        kind.told = Some(now);
        Some(Told {
            fingerprint,
            exception: kind.exception.clone(),
            count: kind.count,
            since: std::mem::take(&mut kind.since),
            first_seen: kind.first_seen,
            at: now,
        })
    }

    /// The way to the last of a kind is known now.
    pub(super) fn learn(&mut self, fingerprint: Fingerprint, frames: &[Frame]) {
        if let Some(kind) = self.kept.get_mut(&fingerprint) {
            kind.exception.frames = frames.to_vec();
        }
    }

    /// One kind.
    pub(super) fn of(&self, fingerprint: Fingerprint) -> Option<&Kind> {
        self.kept.get(&fingerprint)
    }

    /// All kinds, the last seen first.
    pub(super) fn latest(&self) -> Vec<(Fingerprint, &Kind)> {
        let mut all: Vec<_> = self.kept.iter().map(|(fingerprint, kind)| (*fingerprint, kind)).collect();
        all.sort_by_key(|(fingerprint, kind)| (std::cmp::Reverse(kind.last_seen), *fingerprint));
        all
    }

    fn forget_oldest(&mut self) {
        let oldest = self.kept.iter().min_by_key(|(fingerprint, kind)| (kind.last_seen, **fingerprint));
        if let Some(oldest) = oldest.map(|(fingerprint, _)| *fingerprint) {
            self.kept.remove(&oldest);
        }
    }
}

/// Whether somebody may be told of one more.
fn may_tell(bucket: &mut Option<Bucket>, now: SystemTime) -> bool {
    let Some(allowance) = Allowance::new(A_SECOND, AT_ONCE, NonZeroU32::MIN) else { return true };
    allowance.take(bucket.get_or_insert_with(|| allowance.full(now)), now).is_ok()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn take(kinds: &mut Kinds, message: &str, now: SystemTime) -> Option<(u64, u64)> {
        let exception = Exception::new("panic", message);
        let told = kinds.take(Fingerprint::of(&exception), exception, now)?;
        assert_eq!(told.exception.message, message);
        Some((told.count, told.since))
    }

    #[test]
    fn a_thousand_are_told_of_once_and_the_next_says_how_many_there_were() {
        let mut kinds = Kinds::new(MINUTE);
        assert_eq!(take(&mut kinds, "no order 0", at(0)), Some((1, 1)));
        for number in 1..1000 {
            assert_eq!(take(&mut kinds, &format!("no order {number}"), at(30)), None);
        }
        assert_eq!(take(&mut kinds, "no user", at(30)), Some((1, 1)), "another kind does not wait");
        assert_eq!(take(&mut kinds, "no order 1000", at(60)), Some((1001, 1000)));
        let [(_, first), (_, second)] = kinds.latest()[..] else { panic!("{kinds:?}") };
        assert_eq!((&*first.exception.message, first.count), ("no order 1000", 1001));
        assert_eq!((first.first_seen, first.last_seen), (at(0), at(60)));
        assert_eq!(second.count, 1);
    }

    #[test]
    fn a_clock_that_is_set_back_silences_nobody() {
        let mut kinds = Kinds::new(MINUTE);
        assert!(take(&mut kinds, "x", at(1000)).is_some());
        assert!(take(&mut kinds, "x", at(10)).is_some());
    }

    #[test]
    fn all_kinds_together_are_told_of_so_often() {
        let mut kinds = Kinds::new(MINUTE);
        let word = |number: u32| char::from_u32(0x4e00 + number).unwrap().to_string();
        let told = (0..50).filter(|number| take(&mut kinds, &word(*number), at(0)).is_some()).count();
        assert_eq!(told, 20);
        assert_eq!(take(&mut kinds, &word(30), at(1)), Some((2, 2)), "what was held back is counted");
    }

    #[test]
    fn only_the_latest_kinds_are_kept() {
        let mut kinds = Kinds::new(MINUTE);
        for number in 0..250 {
            take(&mut kinds, &char::from_u32(0x4e00 + number).unwrap().to_string(), at(number.into()));
        }
        let latest = kinds.latest();
        assert_eq!((latest.len(), latest[0].1.last_seen, latest[99].1.last_seen), (100, at(249), at(150)));
    }

    #[test]
    fn what_is_known_of_the_way_is_kept() {
        let mut kinds = Kinds::new(MINUTE);
        let exception = Exception::of_error(&std::fmt::Error);
        let fingerprint = Fingerprint::of(&exception);
        kinds.take(fingerprint, exception.clone(), at(0));
        let frame = |line| Frame { function: "shop::place".to_owned(), file: "orders.rs".to_owned(), line };
        kinds.learn(fingerprint, &[frame(1), frame(2)]);
        let told = kinds.take(fingerprint, exception, at(60)).unwrap();
        assert_eq!(told.exception.frames, [frame(1), frame(2)]);
    }
}
