//! Single-flight, times and bounds, with a clock that the tests move; and a naive model that must agree.

use std::future::{pending, ready};
use std::sync::Barrier;
use std::time::UNIX_EPOCH;

use gwanmun_core::{ManualClock, Tallies};
use proptest::prelude::*;
use tokio::sync::{oneshot, watch};

use super::*;
use crate::fixture::{PATIENCE, alone, worker};

const SECOND: Duration = Duration::from_secs(1);
const BEGIN: SystemTime = UNIX_EPOCH;

type Numbers = Lookups<u32, u32>;

struct Desk {
    clock: Arc<ManualClock>,
    outbound: Outbound,
    lookups: Numbers,
}

fn desk(settings: LookupSettings) -> Desk {
    let clock = Arc::new(ManualClock::at(BEGIN + 1_000 * SECOND));
    let outbound = Outbound::new(Arc::clone(&clock) as Arc<dyn Clock>, Tallies::default());
    let lookups = Lookups::new(&outbound, "test", settings);
    Desk { clock, outbound, lookups }
}

fn boom() -> CallError {
    CallError::Malformed("boom".into())
}

/// Value and state; what is not expected to be fetched panics.
type Seen = Result<(u32, State), CallError>;

fn seen(outcome: Result<Found<u32>, CallError>) -> Seen {
    outcome.map(|found| (*found.value, found.state))
}

impl Desk {
    fn get(&self, key: u32, answer: Result<Fetched<u32>, CallError>) -> Seen {
        seen(alone(self.lookups.get(&key, || ready(answer))))
    }

    fn value(&self, key: u32, value: u32, seconds: u32) -> Seen {
        self.get(key, Ok(Fetched::new(value, seconds * SECOND)))
    }

    fn fail(&self, key: u32) -> Seen {
        self.get(key, Err(boom()))
    }

    /// What is known without a fetch.
    fn known(&self, key: u32) -> Seen {
        seen(alone(self.lookups.get(&key, || -> std::future::Ready<_> { panic!("fetched") })))
    }

    fn peek(&self, key: u32) -> Option<(u32, State)> {
        self.lookups.peek(&key).map(|found| (*found.value, found.state))
    }

    fn wait(&self, seconds: u32) {
        self.clock.advance(seconds * SECOND);
    }

    fn count(&self, outcome: &str) -> u64 {
        let [tally] = self.outbound.tallies().all().try_into().unwrap();
        let key = ["test".to_owned(), outcome.to_owned()];
        tally.counts().into_iter().find(|(labels, _)| *labels == key).unwrap().1
    }

    /// Ready when nothing is being fetched.
    async fn quiet(&self) {
        for shard in &self.lookups.memory.shards {
            let flights: Vec<_> = shard.lock().unwrap().flights().collect();
            for flight in flights {
                drop(flight.landed().await);
            }
        }
    }
}

fn stale(seconds: u32) -> LookupSettings {
    LookupSettings { stale: seconds * SECOND, ..LookupSettings::default() }
}

#[test]
fn a_value_is_fetched_once_and_kept_for_its_time() {
    let desk = desk(LookupSettings::default());
    assert_eq!(desk.peek(1), None);
    assert_eq!(desk.value(1, 10, 5), Ok((10, State::Fresh)));
    desk.wait(4);
    assert_eq!(desk.known(1), Ok((10, State::Fresh)));
    assert_eq!(desk.peek(1), Some((10, State::Fresh)));
    desk.wait(1);
    assert_eq!(desk.peek(1), None);
    assert_eq!(desk.value(1, 11, 5), Ok((11, State::Fresh)));
    assert_eq!(desk.count("fetched"), 2);
}

#[test]
fn a_no_is_remembered_for_its_own_time() {
    let desk = desk(stale(100));
    let no = || Ok(Fetched::negative(0, 2 * SECOND));
    assert_eq!(desk.get(1, no()), Ok((0, State::Negative)));
    desk.wait(1);
    assert_eq!(desk.known(1), Ok((0, State::Negative)));
    assert_eq!(desk.peek(1), Some((0, State::Negative)));
    desk.wait(1);
    assert_eq!(desk.fail(1), Err(boom()));
    assert_eq!(desk.count("negative"), 1);
}

#[test]
fn a_failed_fetch_serves_the_old_value_and_is_not_repeated_for_a_while() {
    let desk = desk(stale(10));
    desk.value(1, 10, 5).unwrap();
    desk.wait(5);
    assert_eq!(desk.peek(1), None);
    assert_eq!(desk.fail(1), Ok((10, State::Stale)));
    assert_eq!(desk.known(1), Ok((10, State::Stale)));
    assert_eq!(desk.peek(1), Some((10, State::Stale)));
    assert_eq!(desk.count("stale"), 3);
    desk.wait(1);
    assert_eq!(desk.value(1, 11, 5), Ok((11, State::Fresh)));
    desk.wait(15);
    assert_eq!(desk.fail(1), Err(boom()));
}

#[test]
fn an_error_is_remembered_for_the_cool_down_only() {
    let desk = desk(LookupSettings::default());
    assert_eq!(desk.fail(1), Err(boom()));
    assert_eq!(desk.known(1), Err(boom()));
    assert_eq!((desk.count("failed"), desk.count("cooling-down")), (1, 1));
    desk.wait(1);
    assert_eq!(desk.value(1, 10, 5), Ok((10, State::Fresh)));
}

#[test]
fn nothing_is_served_past_its_hard_end_and_what_came_too_late_is_an_error() {
    let desk = desk(stale(100));
    let end = desk.clock.wall() + 3 * SECOND;
    let ends = || Ok(Fetched::new(10, 60 * SECOND).not_after(end));
    assert_eq!(desk.get(1, ends()), Ok((10, State::Fresh)));
    desk.wait(2);
    assert_eq!(desk.known(1), Ok((10, State::Fresh)));
    desk.wait(1);
    assert_eq!(desk.fail(1), Err(boom()));
    assert!(matches!(desk.get(2, ends()), Err(CallError::Malformed(_))));
}

#[test]
fn a_value_without_a_lifetime_is_given_to_who_waits_and_not_kept() {
    let desk = desk(LookupSettings::default());
    assert_eq!(desk.value(1, 10, 0), Ok((10, State::Fresh)));
    assert_eq!(desk.value(1, 11, 0), Ok((11, State::Fresh)));
}

#[test]
fn what_is_about_to_expire_is_served_while_one_fetch_renews_it() {
    let desk = desk(LookupSettings { refresh_ahead: 2 * SECOND, ..LookupSettings::default() });
    desk.value(1, 10, 10).unwrap();
    desk.wait(8);
    assert_eq!(desk.peek(1), None, "somebody has to begin the fetch");
    let (go, gate) = oneshot::channel();
    alone(async {
        let fetch = || async {
            let value: u32 = gate.await.unwrap();
            Ok(Fetched::new(value, 10 * SECOND))
        };
        assert_eq!(seen(desk.lookups.get(&1, fetch).await), Ok((10, State::Fresh)));
        assert_eq!(desk.peek(1), Some((10, State::Fresh)));
        let unwanted = || -> std::future::Ready<_> { panic!("fetched") };
        assert_eq!(seen(desk.lookups.get(&1, unwanted).await), Ok((10, State::Fresh)));
        go.send(11).unwrap();
        desk.quiet().await;
        assert_eq!(desk.peek(1), Some((11, State::Fresh)));
    });
}

#[test]
fn a_renewal_that_fails_harms_nobody_and_is_not_repeated_at_once() {
    let desk = desk(LookupSettings { refresh_ahead: 2 * SECOND, ..LookupSettings::default() });
    desk.value(1, 10, 10).unwrap();
    desk.wait(8);
    assert_eq!(desk.fail(1), Ok((10, State::Fresh)));
    alone(desk.quiet());
    assert_eq!(desk.known(1), Ok((10, State::Fresh)));
    assert_eq!(desk.peek(1), Some((10, State::Fresh)));
    desk.wait(1);
    assert_eq!(desk.peek(1), None);
}

#[test]
fn a_fresh_value_can_be_renewed_but_not_again_and_again() {
    let desk = desk(LookupSettings { cool_down: 3 * SECOND, renew_after: 3 * SECOND, ..LookupSettings::default() });
    let renew = |value| {
        let answer = if value == 0 { Err(boom()) } else { Ok(Fetched::new(value, 60 * SECOND)) };
        seen(alone(desk.lookups.renew(&1, || ready(answer))))
    };
    assert_eq!(renew(10), Ok((10, State::Fresh)));
    assert_eq!(renew(11), Ok((10, State::Fresh)), "it is young");
    desk.wait(3);
    assert_eq!(renew(12), Ok((12, State::Fresh)));
    desk.wait(3);
    assert_eq!(renew(0), Ok((12, State::Fresh)), "the fetch failed, what there is is good");
    assert_eq!(renew(13), Ok((12, State::Fresh)), "it cools down");
    desk.wait(3);
    assert_eq!(renew(14), Ok((14, State::Fresh)));
}

#[test]
fn what_is_forgotten_is_fetched_anew_and_a_fetch_from_before_is_not_kept() {
    let desk = desk(LookupSettings::default());
    desk.value(1, 10, 60).unwrap();
    desk.lookups.forget(&1);
    let (go, gate) = oneshot::channel::<()>();
    alone(async {
        let slow = || async {
            gate.await.unwrap();
            Ok(Fetched::new(11, 60 * SECOND))
        };
        let waiting = desk.lookups.get(&1, slow);
        let meanwhile = async {
            desk.lookups.forget(&1);
            let newer = desk.lookups.get(&1, || ready(Ok(Fetched::new(12, 60 * SECOND)))).await;
            go.send(()).unwrap();
            seen(newer)
        };
        let (old, new) = tokio::join!(waiting, meanwhile);
        assert_eq!((seen(old), new), (Ok((11, State::Fresh)), Ok((12, State::Fresh))));
    });
    assert_eq!(desk.known(1), Ok((12, State::Fresh)));
}

#[test]
fn ten_thousand_who_ask_at_once_on_many_threads_make_one_call() {
    const THREADS: usize = 8;
    const EACH: usize = 1_250;
    let desk = desk(LookupSettings { waiting: THREADS * EACH, ..LookupSettings::default() });
    let calls = Arc::new(AtomicUsize::new(0));
    let (go, gate) = watch::channel(false);
    let start = Barrier::new(THREADS);
    let ask_one = || {
        let (lookups, calls, mut gate) = (desk.lookups.clone(), Arc::clone(&calls), gate.clone());
        async move {
            let fetch = || {
                calls.fetch_add(1, Ordering::Relaxed);
                async move {
                    gate.wait_for(|is_open| *is_open).await.unwrap();
                    Ok(Fetched::new(7, SECOND))
                }
            };
            *lookups.get(&1, fetch).await.unwrap().value
        }
    };
    let ask = || {
        start.wait();
        let everybody = async {
            let mut tasks: tokio::task::JoinSet<u32> = (0..EACH).map(|_| ask_one()).collect();
            while desk.lookups.memory.waiting.load(Ordering::Relaxed) < THREADS * EACH && !*go.borrow() {
                tokio::task::yield_now().await;
            }
            go.send_replace(true);
            let mut served = 0;
            while let Some(value) = tasks.join_next().await {
                served += usize::from(value.unwrap() == 7);
            }
            served
        };
        worker().block_on(async { tokio::time::timeout(PATIENCE, everybody).await.expect("waited in vain") })
    };
    let served: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(served, THREADS * EACH);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    assert_eq!(desk.lookups.memory.waiting.load(Ordering::Relaxed), 0);
}

#[test]
fn threads_that_never_wait_for_each_other_lose_no_wake_up() {
    const ROUNDS: u32 = 300;
    let desk = desk(LookupSettings::default());
    let calls = AtomicUsize::new(0);
    let ask = || {
        worker().block_on(async {
            for key in 0..ROUNDS {
                let fetch = || {
                    calls.fetch_add(1, Ordering::Relaxed);
                    async move {
                        tokio::task::yield_now().await;
                        Ok(Fetched::new(key, SECOND))
                    }
                };
                let asked = tokio::time::timeout(PATIENCE, desk.lookups.get(&key, fetch)).await;
                assert_eq!(*asked.expect("waited in vain").unwrap().value, key);
            }
        });
    };
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(ask))));
    assert_eq!(calls.load(Ordering::Relaxed), ROUNDS as usize);
}

#[test]
fn a_fetch_that_panics_tells_everybody_and_the_next_one_may_try() {
    let desk = desk(LookupSettings::default());
    alone(async {
        let fetch = || async {
            tokio::task::yield_now().await;
            panic!("as planned")
        };
        let unwanted = || -> std::future::Ready<_> { panic!("fetched") };
        let (one, other) = tokio::join!(desk.lookups.get(&1, fetch), desk.lookups.get(&1, unwanted));
        assert_eq!((seen(one), seen(other)), (Err(CallError::Interrupted), Err(CallError::Interrupted)));
    });
    desk.wait(1);
    assert_eq!(desk.value(1, 10, 5), Ok((10, State::Fresh)));
}

#[test]
fn who_began_the_fetch_may_go() {
    let desk = desk(LookupSettings::default());
    let (go, gate) = oneshot::channel::<()>();
    alone(async {
        let slow = || async {
            gate.await.unwrap();
            Ok(Fetched::new(10, 5 * SECOND))
        };
        let gone = desk.lookups.get_within(&1, Duration::ZERO, slow).await;
        assert_eq!(seen(gone), Err(CallError::Timeout(Duration::ZERO)));
        let unwanted = || -> std::future::Ready<_> { panic!("fetched") };
        let stays = desk.lookups.get(&1, unwanted);
        let (stays, ()) = tokio::join!(stays, async { go.send(()).unwrap() });
        assert_eq!(seen(stays), Ok((10, State::Fresh)));
    });
    assert_eq!(desk.lookups.memory.waiting.load(Ordering::Relaxed), 0);
}

#[test]
fn who_gives_up_takes_a_stale_value_if_there_is_one() {
    let desk = desk(stale(10));
    desk.value(1, 10, 5).unwrap();
    desk.wait(6);
    let gone = alone(desk.lookups.get_within(&1, Duration::ZERO, pending));
    assert_eq!(seen(gone), Ok((10, State::Stale)));
    assert_eq!(desk.count("stale"), 1);
}

#[test]
fn a_fetch_that_never_ends_is_ended() {
    let desk = desk(LookupSettings { timeout: Duration::from_millis(10), ..LookupSettings::default() });
    let endless = alone(desk.lookups.get(&1, pending));
    assert_eq!(seen(endless), Err(CallError::Timeout(Duration::from_millis(10))));
}

#[test]
fn not_more_may_wait_than_the_settings_say() {
    let desk = desk(LookupSettings { waiting: 2, ..LookupSettings::default() });
    alone(async {
        let (one, two) = (desk.lookups.get(&1, pending), desk.lookups.get(&1, pending));
        let third = async { seen(desk.lookups.get(&1, pending).await) };
        tokio::select! {
            biased;
            _ = one => panic!("ended"),
            _ = two => panic!("ended"),
            third = third => assert_eq!(third, Err(CallError::Overloaded)),
        }
    });
    assert_eq!(desk.count("overloaded"), 1);
    assert_eq!(desk.lookups.memory.waiting.load(Ordering::Relaxed), 0);
}

#[test]
fn when_every_place_is_being_fetched_a_new_key_is_refused() {
    let desk = desk(LookupSettings { capacity: 1, ..LookupSettings::default() });
    let gone = alone(desk.lookups.get_within(&1, Duration::ZERO, pending));
    assert!(gone.is_err());
    assert_eq!(desk.value(2, 20, 5), Err(CallError::Overloaded));
}

#[test]
fn it_holds_no_more_than_its_capacity() {
    let desk = desk(LookupSettings { capacity: 100, ..LookupSettings::default() });
    alone(async {
        for key in 0..1_000 {
            desk.lookups.get(&key, || ready(Ok(Fetched::new(key, SECOND)))).await.unwrap();
        }
    });
    let held: usize = desk.lookups.memory.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
    assert!((1..=100).contains(&held), "{held}");
}

#[test]
fn offline_nothing_is_fetched() {
    let outbound = Outbound::offline(Arc::new(ManualClock::at(BEGIN)), Tallies::default());
    let lookups: Numbers = Lookups::new(&outbound, "test", LookupSettings::default());
    let outcome = alone(lookups.get(&1, || -> std::future::Ready<_> { panic!("fetched") }));
    assert_eq!(seen(outcome), Err(CallError::Offline));
}

#[test]
fn when_the_thread_ends_who_waits_is_told() {
    let desk = desk(LookupSettings::default());
    let Desk { outbound, lookups, .. } = desk;
    let waiting = {
        let memory = Arc::clone(&lookups.memory);
        drop(alone(lookups.get_within(&1, Duration::ZERO, pending)));
        let flight = memory.shard(&1).flights().next().unwrap();
        async move { flight.landed().await }
    };
    drop((outbound, lookups));
    assert_eq!(seen(alone(waiting)), Err(CallError::Interrupted));
}

/// What a naive memory without threads would say.
#[derive(Default)]
struct Model {
    kept: Option<(u32, bool, u64, u64, u64, u64)>,
    failed: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
enum Answer {
    Value { ttl: u64, end: Option<u64> },
    No { ttl: u64 },
    Failure,
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Get(Answer),
    Renew(Answer),
    Peek,
    Forget,
    Wait(u64),
}

fn acts() -> impl Strategy<Value = Vec<(u32, Act)>> {
    let answer = prop_oneof![
        3 => (0u64..12, prop::option::of(0u64..15)).prop_map(|(ttl, end)| Answer::Value { ttl, end }),
        1 => (0u64..6).prop_map(|ttl| Answer::No { ttl }),
        2 => Just(Answer::Failure),
    ];
    let act = prop_oneof![
        4 => answer.clone().prop_map(Act::Get),
        1 => answer.prop_map(Act::Renew),
        2 => Just(Act::Peek),
        1 => Just(Act::Forget),
        4 => (0u64..6).prop_map(Act::Wait),
    ];
    prop::collection::vec((0u32..2, act), 1..60)
}

const STALE: u64 = 5;
const AHEAD: u64 = 3;
const COOL: u64 = 2;

impl Model {
    fn served(&self, now: u64) -> Option<(u32, State)> {
        let (value, no, _, _, until, stale) = self.kept?;
        let state = if no { State::Negative } else { State::Fresh };
        if now < until { Some((value, state)) } else { (now < stale).then_some((value, State::Stale)) }
    }

    fn cools(&self, now: u64) -> bool {
        self.failed.is_some_and(|at| now < at + COOL)
    }

    /// Whether something fresh is there, and whether it is time to renew it.
    fn fresh(&self, now: u64) -> Option<bool> {
        self.kept.filter(|kept| now < kept.4).map(|kept| now * 2 >= kept.3)
    }

    fn peek(&self, now: u64) -> Option<(u32, State)> {
        let known = self.fresh(now) == Some(false) || self.cools(now);
        self.served(now).filter(|_| known)
    }

    fn fetch(&mut self, now: u64, answer: Answer, value: u32) -> Result<(u32, State), ()> {
        let (no, ttl, end) = match answer {
            Answer::Value { ttl, end } => (false, ttl, end.map_or(u64::MAX, |end| now + end)),
            Answer::No { ttl } => (true, ttl, u64::MAX),
            Answer::Failure => (false, 0, now),
        };
        if end <= now {
            self.failed = Some(now);
            return self.served(now).ok_or(());
        }
        let until = (now + ttl).min(end);
        let stale = if no { until } else { (until + STALE).min(end) };
        // In half seconds, since half a life may be that.
        let due = (2 * until).saturating_sub((2 * AHEAD).min(until - now));
        *self = Self { kept: Some((value, no, now, due, until, stale)), failed: None };
        Ok((value, if no { State::Negative } else { State::Fresh }))
    }

    fn get(&mut self, now: u64, answer: Answer, value: u32) -> Result<(u32, State), ()> {
        match self.fresh(now) {
            Some(false) => self.served(now).ok_or(()),
            _ if self.cools(now) => self.served(now).ok_or(()),
            Some(true) => {
                let current = self.served(now).ok_or(());
                let _renewed = self.fetch(now, answer, value);
                current
            }
            None => self.fetch(now, answer, value),
        }
    }

    fn renew(&mut self, now: u64, answer: Answer, value: u32) -> Result<(u32, State), ()> {
        let young = self.kept.is_some_and(|kept| now < kept.2 + COOL);
        if self.cools(now) || (young && self.fresh(now).is_some()) {
            return self.served(now).ok_or(());
        }
        self.fetch(now, answer, value)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn it_does_what_a_naive_memory_would(acts in acts()) {
        let desk = desk(LookupSettings {
            stale: Duration::from_secs(STALE),
            refresh_ahead: Duration::from_secs(AHEAD),
            cool_down: Duration::from_secs(COOL),
            renew_after: Duration::from_secs(COOL),
            ..LookupSettings::default()
        });
        let mut models = [Model::default(), Model::default()];
        let mut now = 1_000;
        let runtime = worker();
        for (turn, (key, act)) in acts.into_iter().enumerate() {
            let model = &mut models[key as usize];
            let value = u32::try_from(turn).unwrap();
            let today = now;
            let fetch = |answer| {
                ready(match answer {
                    Answer::Value { ttl, end: None } => Ok(Fetched::new(value, Duration::from_secs(ttl))),
                    Answer::Value { ttl, end: Some(end) } => Ok(Fetched::new(value, Duration::from_secs(ttl))
                        .not_after(BEGIN + Duration::from_secs(today + end))),
                    Answer::No { ttl } => Ok(Fetched::negative(value, Duration::from_secs(ttl))),
                    Answer::Failure => Err(boom()),
                })
            };
            let plain = |outcome| seen(outcome).map_err(|_| ());
            runtime.block_on(async {
                match act {
                    Act::Get(answer) => {
                        let expected = model.get(now, answer, value);
                        prop_assert_eq!(plain(desk.lookups.get(&key, || fetch(answer)).await), expected);
                    }
                    Act::Renew(answer) => {
                        let expected = model.renew(now, answer, value);
                        prop_assert_eq!(plain(desk.lookups.renew(&key, || fetch(answer)).await), expected);
                    }
                    Act::Peek => prop_assert_eq!(desk.peek(key), model.peek(now)),
                    Act::Forget => {
                        desk.lookups.forget(&key);
                        *model = Model::default();
                    }
                    Act::Wait(seconds) => {
                        desk.clock.advance(Duration::from_secs(seconds));
                        now += seconds;
                    }
                }
                desk.quiet().await;
                Ok(())
            })?;
        }
    }
}
