//! A circuit breaker with the rules and defaults of Resilience4j, which users know: closed while calls go well, open when
//! too many of the latest failed, half-open for some trial calls after a rest.
//! A call that ends after the breaker has changed its state says nothing about the new state and is not counted.

mod window;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use gwanmun_core::Clock;

use self::window::Window;

/// When a breaker opens, and for how long. Zeros count as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// It opens when this share of the calls in the window failed, in percent.
    pub failure_rate: u8,
    /// How many of the latest calls are looked at.
    pub window: usize,
    /// With fewer calls than this it does not judge; no more than there are in the window.
    pub minimum_calls: usize,
    /// How long it stays open before trial calls are let through.
    pub open: Duration,
    /// How many trial calls are let through when half-open.
    pub trials: usize,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failure_rate: 50, window: 100, minimum_calls: 100, open: Duration::from_secs(60), trials: 10 }
    }
}

/// What a breaker does with calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BreakerState {
    /// Lets them through and watches how they go.
    Closed,
    /// Refuses them. It stays so until a call comes after the rest.
    Open,
    /// Lets some of them through to learn whether it may close.
    HalfOpen,
}

impl BreakerState {
    /// Its name in kebab-case: a label of a metric.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// A call was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerOpen {
    /// When it is worth asking again. Zero when half-open: as soon as the trial calls have ended.
    pub retry_after: Duration,
}

impl fmt::Display for BreakerOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the breaker is open, ask again in {:?}", self.retry_after)
    }
}

impl std::error::Error for BreakerOpen {}

/// Counts how calls go and refuses them while too many fail. Clones are the same breaker, for any thread.
#[derive(Clone)]
pub struct Breaker(Arc<Shared>);

struct Shared {
    settings: BreakerSettings,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
}

struct Inner {
    phase: Phase,
    /// Counts the changes of state, so that a late permit is known as one.
    epoch: u64,
}

enum Phase {
    Closed(Window),
    Open { since: SystemTime },
    HalfOpen { window: Window, left: usize },
}

/// Leave to make one call. Dropped without a word, the call counts as not made: it was cancelled, which tells nothing
/// about who was called.
#[must_use = "the call counts when the permit is told how it went"]
pub struct Permit {
    shared: Arc<Shared>,
    epoch: u64,
    outcome: Outcome,
}

#[derive(Clone, Copy)]
enum Outcome {
    Unknown,
    Success,
    Failure,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(settings: BreakerSettings, clock: Arc<dyn Clock>) -> Self {
        let settings = BreakerSettings { failure_rate: settings.failure_rate.clamp(1, 100), ..settings };
        let phase = Phase::Closed(Window::new(settings.window, settings.minimum_calls));
        Self(Arc::new(Shared { settings, clock, inner: Mutex::new(Inner { phase, epoch: 0 }) }))
    }

    /// Asks for leave to make a call.
    ///
    /// # Errors
    /// When it is open, or half-open and all trial calls are under way.
    pub fn permit(&self) -> Result<Permit, BreakerOpen> {
        let Self(shared) = self;
        let mut inner = shared.lock();
        let epoch = shared.admit(&mut inner)?;
        Ok(Permit { shared: Arc::clone(shared), epoch, outcome: Outcome::Unknown })
    }

    /// What it does with calls now.
    pub fn state(&self) -> BreakerState {
        match self.0.lock().phase {
            Phase::Closed(_) => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Breaker").field(&self.state()).finish()
    }
}

impl Permit {
    /// The call went well.
    pub fn succeed(mut self) {
        self.outcome = Outcome::Success;
    }

    /// The call failed in a way that is the callee's fault.
    pub fn fail(mut self) {
        self.outcome = Outcome::Failure;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.settle(self.epoch, self.outcome);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call in; says in which epoch.
    fn admit(&self, inner: &mut Inner) -> Result<u64, BreakerOpen> {
        if let Phase::Open { since } = &mut inner.phase {
            let left = self.rest_left(since);
            if !left.is_zero() {
                return Err(BreakerOpen { retry_after: left });
            }
            let trials = self.settings.trials.max(1);
            let window = Window::new(trials, self.settings.minimum_calls);
            inner.enter(Phase::HalfOpen { window, left: trials });
        }
        if let Phase::HalfOpen { left, .. } = &mut inner.phase {
            *left = left.checked_sub(1).ok_or(BreakerOpen { retry_after: Duration::ZERO })?;
        }
        Ok(inner.epoch)
    }

    /// How much of the rest is left. A clock that was set back begins it anew, so that it never takes longer than two.
    fn rest_left(&self, since: &mut SystemTime) -> Duration {
        let now = self.clock.wall();
        let rested = now.duration_since(*since).unwrap_or_else(|_| {
            *since = now;
            Duration::ZERO
        });
        self.settings.open.saturating_sub(rested)
    }

    fn settle(&self, epoch: u64, outcome: Outcome) {
        let mut inner = self.lock();
        if inner.epoch != epoch {
            return;
        }
        let failed = match outcome {
            Outcome::Success => false,
            Outcome::Failure => true,
            Outcome::Unknown => return inner.give_back(),
        };
        let rate = self.settings.failure_rate;
        let next = match &mut inner.phase {
            Phase::Open { .. } => None,
            Phase::Closed(window) => {
                window.record(failed);
                (window.is_bad(rate) == Some(true)).then(|| self.opened())
            }
            Phase::HalfOpen { window, .. } => {
                window.record(failed);
                window.is_bad(rate).map(|bad| if bad { self.opened() } else { self.closed() })
            }
        };
        if let Some(phase) = next {
            inner.enter(phase);
        }
    }

    fn opened(&self) -> Phase {
        Phase::Open { since: self.clock.wall() }
    }

    fn closed(&self) -> Phase {
        Phase::Closed(Window::new(self.settings.window, self.settings.minimum_calls))
    }
}

impl Inner {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.epoch += 1;
    }

    fn give_back(&mut self) {
        if let Phase::HalfOpen { left, .. } = &mut self.phase {
            *left += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use gwanmun_core::ManualClock;
    use proptest::prelude::*;

    use super::*;

    const REST: Duration = Duration::from_secs(60);

    fn breaker(settings: BreakerSettings) -> (Breaker, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(1_000)));
        (Breaker::new(settings, Arc::clone(&clock) as Arc<dyn Clock>), clock)
    }

    fn calls(breaker: &Breaker, count: usize, tell: fn(Permit)) {
        (0..count).for_each(|_| tell(breaker.permit().unwrap()));
    }

    #[test]
    fn it_opens_at_half_of_a_hundred_calls_and_not_before() {
        let (breaker, _) = breaker(BreakerSettings::default());
        calls(&breaker, 50, Permit::fail);
        calls(&breaker, 49, Permit::succeed);
        assert_eq!(breaker.state(), BreakerState::Closed);
        calls(&breaker, 1, Permit::succeed);
        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!(breaker.permit().unwrap_err(), BreakerOpen { retry_after: REST });
    }

    #[test]
    fn after_the_rest_ten_trial_calls_decide() {
        for (tell, after) in [(Permit::succeed as fn(Permit), BreakerState::Closed), (Permit::fail, BreakerState::Open)]
        {
            let (breaker, clock) = breaker(BreakerSettings::default());
            calls(&breaker, 100, Permit::fail);
            clock.advance(REST - Duration::from_nanos(1));
            assert_eq!(breaker.permit().unwrap_err().retry_after, Duration::from_nanos(1));
            clock.advance(Duration::from_nanos(1));
            let trials: Vec<Permit> = (0..10).map(|_| breaker.permit().unwrap()).collect();
            assert_eq!(breaker.state(), BreakerState::HalfOpen);
            assert_eq!(breaker.permit().unwrap_err().retry_after, Duration::ZERO);
            trials.into_iter().for_each(tell);
            assert_eq!(breaker.state(), after);
        }
    }

    #[test]
    fn a_dropped_permit_counts_as_no_call_and_gives_its_trial_back() {
        let (breaker, clock) = breaker(BreakerSettings { minimum_calls: 1, ..BreakerSettings::default() });
        calls(&breaker, 1_000, drop);
        assert_eq!(breaker.state(), BreakerState::Closed);
        calls(&breaker, 1, Permit::fail);
        clock.advance(REST);
        calls(&breaker, 1_000, drop);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        calls(&breaker, 1, Permit::succeed);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn a_call_from_before_the_change_is_not_counted() {
        let (breaker, clock) = breaker(BreakerSettings { minimum_calls: 1, ..BreakerSettings::default() });
        let (late, later) = (breaker.permit().unwrap(), breaker.permit().unwrap());
        calls(&breaker, 1, Permit::fail);
        late.succeed();
        assert_eq!(breaker.state(), BreakerState::Open);
        clock.advance(REST);
        let trial = breaker.permit().unwrap();
        later.fail();
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        trial.succeed();
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_keep_it_open() {
        struct Backwards(Mutex<SystemTime>);
        impl Clock for Backwards {
            fn wall(&self) -> SystemTime {
                *self.0.lock().unwrap()
            }
        }
        let begin = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let clock = Arc::new(Backwards(Mutex::new(begin)));
        let settings = BreakerSettings { minimum_calls: 1, ..BreakerSettings::default() };
        let breaker = Breaker::new(settings, Arc::clone(&clock) as Arc<dyn Clock>);
        calls(&breaker, 1, Permit::fail);
        *clock.0.lock().unwrap() = begin - Duration::from_secs(86_400);
        assert_eq!(breaker.permit().unwrap_err().retry_after, REST);
        *clock.0.lock().unwrap() += REST;
        assert!(breaker.permit().is_ok());
    }

    #[test]
    fn threads_share_the_trials() {
        let (breaker, clock) = breaker(BreakerSettings { minimum_calls: 1, ..BreakerSettings::default() });
        calls(&breaker, 1, Permit::fail);
        clock.advance(REST);
        let permits: Vec<Permit> = std::thread::scope(|scope| {
            let ask = || (0..100).filter_map(|_| breaker.permit().ok()).collect::<Vec<_>>();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(permits.len(), 10);
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Ask,
        Succeed(usize),
        Fail(usize),
        Drop(usize),
        Wait(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => Just(Step::Ask),
            2 => (0usize..8).prop_map(Step::Succeed),
            2 => (0usize..8).prop_map(Step::Fail),
            1 => (0usize..8).prop_map(Step::Drop),
            1 => (0u64..90).prop_map(Step::Wait),
        ];
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        /// Whatever happens: an open breaker refuses for exactly its rest, a half-open one never has more than its trials
        /// under way, and with every permit settled and the rest over it always lets a call through.
        #[test]
        fn it_never_gets_stuck_and_never_lets_too_many_through(steps in steps(), trials in 1usize..5, minimum in 1usize..6) {
            let settings = BreakerSettings { window: 6, minimum_calls: minimum, trials, ..BreakerSettings::default() };
            let (breaker, clock) = breaker(settings);
            let mut held: Vec<Permit> = Vec::new();
            let take = |held: &mut Vec<Permit>, place: usize| (place < held.len()).then(|| held.swap_remove(place));
            for step in steps {
                let before = breaker.state();
                match step {
                    Step::Ask => match breaker.permit() {
                        Ok(permit) => held.push(permit),
                        Err(refusal) if before == BreakerState::Open => prop_assert!(refusal.retry_after <= REST),
                        Err(refusal) => prop_assert_eq!((before, refusal.retry_after), (BreakerState::HalfOpen, Duration::ZERO)),
                    },
                    Step::Succeed(place) => take(&mut held, place).into_iter().for_each(Permit::succeed),
                    Step::Fail(place) => take(&mut held, place).into_iter().for_each(Permit::fail),
                    Step::Drop(place) => drop(take(&mut held, place)),
                    Step::Wait(seconds) => clock.advance(Duration::from_secs(seconds)),
                }
                let epoch = breaker.0.lock().epoch;
                let under_way = held.iter().filter(|permit| permit.epoch == epoch).count();
                match breaker.state() {
                    BreakerState::Open => prop_assert_eq!(under_way, 0),
                    BreakerState::HalfOpen => prop_assert!(under_way <= trials),
                    BreakerState::Closed => prop_assert!(breaker.permit().is_ok()),
                }
            }
            held.clear();
            clock.advance(REST);
            prop_assert!(breaker.permit().is_ok());
        }
    }
}
