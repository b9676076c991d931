//! Shippers on a runtime whose time stands still until everybody waits.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::SystemTime;

use gwanmun_core::{ManualClock, Tallies};
use tokio::runtime::Builder;
use tokio::task::yield_now;

use super::*;

const SETTINGS: ShipperSettings = ShipperSettings {
    queued: 10,
    batch: 4,
    linger: Duration::from_secs(1),
    attempts: 3,
    timeout: Duration::from_secs(5),
};

/// What a collector that keeps to a script does.
#[derive(Clone)]
enum Act {
    Answer(Attempt),
    Hang,
    Panic,
}

/// A collector that does one act after the other, then takes everything; it remembers what it was sent, and when.
#[derive(Default)]
struct Script {
    acts: Mutex<VecDeque<Act>>,
    seen: Mutex<Vec<(Duration, Vec<u32>)>>,
}

struct Stage {
    begin: Instant,
    script: Arc<Script>,
    tallies: Tallies,
    shipper: Arc<Shipper<u32>>,
}

impl Stage {
    fn with(acts: impl IntoIterator<Item = Act>) -> Self {
        let script = Arc::new(Script { acts: Mutex::new(acts.into_iter().collect()), ..Script::default() });
        let (begin, tallies, theirs) = (Instant::now(), Tallies::default(), Arc::clone(&script));
        let clock = Arc::new(ManualClock::at(SystemTime::UNIX_EPOCH));
        let ledger = Ledger::new("traces", "http://collector", clock, &tallies);
        let (shipper, work) = Shipper::prepare(ledger, SETTINGS, move |batch: Arc<[u32]>| {
            theirs.seen.lock().unwrap().push((begin.elapsed(), batch.to_vec()));
            let act = theirs.acts.lock().unwrap().pop_front().unwrap_or(Act::Answer(Attempt::Sent));
            async move {
                match act {
                    Act::Answer(attempt) => attempt,
                    Act::Hang => std::future::pending().await,
                    Act::Panic => panic!("scripted"),
                }
            }
        });
        tokio::spawn(work);
        Self { begin, script, tallies, shipper }
    }

    fn offer(&self, items: std::ops::Range<u32>) {
        items.for_each(|item| self.shipper.offer(item));
    }

    async fn at(&self, seconds: f64) {
        tokio::time::sleep_until(self.begin + Duration::from_secs_f64(seconds)).await;
    }

    fn batches(&self) -> Vec<Vec<u32>> {
        self.script.seen.lock().unwrap().iter().map(|(_, batch)| batch.clone()).collect()
    }

    fn times(&self) -> Vec<f64> {
        self.script.seen.lock().unwrap().iter().map(|(time, _)| time.as_secs_f64()).collect()
    }

    fn state(&self) -> CollectorState {
        self.shipper.collector().state
    }

    /// Sent, dropped, queued.
    fn numbers(&self) -> (u64, u64, u64) {
        let state = self.state();
        (state.sent, state.dropped, state.queued)
    }

    fn dropped(&self, reason: &str) -> u64 {
        let tallies = self.tallies.all();
        let tally = tallies.iter().find(|tally| tally.name() == "gwanmun_telemetry_dropped_total").unwrap();
        let counts = tally.counts();
        counts.iter().find(|(labels, _)| *labels == ["traces", reason]).map_or(0, |(_, count)| *count)
    }
}

fn later(after: Option<u64>) -> Act {
    Act::Answer(Attempt::Later(after.map(Duration::from_secs), "away".into()))
}

fn play<F: Future<Output = ()>>(scene: impl FnOnce() -> F) {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async { scene().await });
}

#[test]
fn a_batch_leaves_when_it_is_full_or_has_waited() {
    play(|| async {
        let stage = Stage::with([]);
        stage.offer(0..5);
        stage.at(0.5).await;
        assert_eq!(stage.batches(), [vec![0, 1, 2, 3]]);
        stage.at(1.5).await;
        assert_eq!(stage.batches(), [vec![0, 1, 2, 3], vec![4]]);
        assert_eq!(stage.times(), [0.0, 1.0]);
        assert_eq!(stage.numbers(), (5, 0, 0));
        assert_eq!(stage.state().last_success, Some(SystemTime::UNIX_EPOCH));
    });
}

#[test]
fn what_finds_no_room_is_dropped_and_counted_and_what_is_on_its_way_takes_room() {
    play(|| async {
        let stage = Stage::with([Act::Hang]);
        stage.offer(0..4);
        stage.at(0.1).await;
        stage.offer(4..20);
        assert_eq!(stage.numbers(), (0, 10, 10));
        assert_eq!(stage.dropped("full"), 10);
    });
}

#[test]
fn a_collector_that_was_away_gets_the_same_batch_after_growing_pauses() {
    play(|| async {
        let stage = Stage::with([later(None), later(None)]);
        stage.offer(0..4);
        stage.at(0.1).await;
        assert_eq!(stage.state().last_failure, Some((SystemTime::UNIX_EPOCH, "away".into())));
        stage.at(10.0).await;
        assert_eq!(stage.batches(), vec![vec![0, 1, 2, 3]; 3]);
        let times = stage.times();
        assert!((0.375..0.51).contains(&times[1]) && (0.75..1.01).contains(&(times[2] - times[1])), "{times:?}");
        assert_eq!(stage.numbers(), (4, 0, 0));
        assert_eq!(stage.state().last_failure, None);
    });
}

#[test]
fn a_collector_may_say_when_to_come_again() {
    play(|| async {
        let stage = Stage::with([later(Some(7)), later(Some(1_000_000))]);
        stage.offer(0..4);
        stage.at(100.0).await;
        assert_eq!(stage.times(), [0.0, 7.0, 67.0]);
    });
}

#[test]
fn after_some_attempts_a_batch_is_dropped_and_the_next_does_not_begin_in_haste() {
    play(|| async {
        let stage = Stage::with(vec![later(None); 4]);
        stage.offer(0..8);
        stage.at(60.0).await;
        let (first, second) = (vec![0, 1, 2, 3], vec![4, 5, 6, 7]);
        assert_eq!(stage.batches(), [first.clone(), first.clone(), first, second.clone(), second]);
        let times = stage.times();
        assert!(times[3] - times[2] > 1.4 && times[4] - times[3] > 2.9, "{times:?}");
        assert_eq!(stage.numbers(), (4, 4, 0));
        assert_eq!(stage.dropped("unreachable"), 4);
    });
}

#[test]
fn what_is_refused_is_not_sent_again() {
    play(|| async {
        let answers = [Attempt::Refused("bad".into()), Attempt::PartlyRefused(3, "some".into())];
        let stage = Stage::with(answers.map(Act::Answer));
        stage.offer(0..8);
        stage.at(1.0).await;
        assert_eq!(stage.batches().len(), 2);
        assert_eq!((stage.numbers(), stage.dropped("refused")), ((1, 7, 0), 7));
        assert_eq!(stage.state().last_failure.unwrap().1, "some".into());
    });
}

#[test]
fn a_collector_cannot_claim_to_have_refused_more_than_it_got() {
    play(|| async {
        let stage = Stage::with([Act::Answer(Attempt::PartlyRefused(u64::MAX, "x".repeat(100_000).into()))]);
        stage.offer(0..4);
        stage.at(1.0).await;
        assert_eq!(stage.numbers(), (0, 4, 0));
        assert_eq!(stage.state().last_failure.unwrap().1.len(), 200);
    });
}

#[test]
fn a_stalled_attempt_and_a_panic_cost_a_batch_at_most() {
    play(|| async {
        let stage = Stage::with([Act::Hang, Act::Panic]);
        stage.offer(0..8);
        stage.at(4.0).await;
        assert_eq!(stage.batches().len(), 1);
        stage.at(30.0).await;
        assert_eq!(stage.batches(), [vec![0, 1, 2, 3], vec![0, 1, 2, 3], vec![4, 5, 6, 7]]);
        assert_eq!(stage.numbers(), (4, 4, 0));
    });
}

#[test]
fn closed_it_sends_what_waits_at_once_and_takes_nothing_more() {
    play(|| async {
        let stage = Stage::with([]);
        stage.offer(0..6);
        stage.shipper.close(Duration::from_secs(3));
        stage.offer(6..8);
        stage.at(0.1).await;
        assert_eq!(stage.batches(), [vec![0, 1, 2, 3], vec![4, 5]]);
        assert_eq!((stage.numbers(), stage.dropped("closed")), ((6, 2, 0), 2));
        stage.shipper.wait(Duration::from_secs(3600));
    });
}

#[test]
fn closed_it_waits_for_nobody_longer_than_it_may() {
    play(|| async {
        let stage = Stage::with([Act::Hang]);
        stage.offer(0..6);
        yield_now().await;
        stage.shipper.close(Duration::from_secs(3));
        stage.at(2.9).await;
        assert_eq!(stage.numbers(), (0, 0, 6));
        stage.at(3.1).await;
        assert_eq!((stage.numbers(), stage.dropped("closed")), ((0, 6, 0), 6));
        stage.shipper.wait(Duration::from_secs(3600));
    });
}

#[test]
fn closed_in_a_pause_every_batch_gets_one_attempt_more() {
    play(|| async {
        let stage = Stage::with([later(Some(60)), later(Some(60))]);
        stage.offer(0..7);
        stage.at(5.0).await;
        stage.shipper.close(Duration::from_secs(3));
        stage.at(5.1).await;
        assert_eq!(stage.batches(), [vec![0, 1, 2, 3], vec![0, 1, 2, 3], vec![4, 5, 6]]);
        assert_eq!((stage.numbers(), stage.dropped("closed")), ((3, 4, 0), 4));
    });
}

#[test]
fn dropped_it_still_sends_what_waits() {
    play(|| async {
        let Stage { script, shipper, .. } = Stage::with([]);
        shipper.offer(1);
        drop(shipper);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(script.seen.lock().unwrap()[0].1, [1]);
        assert_eq!(Arc::strong_count(&script), 1, "the task has ended");
    });
}

#[test]
fn nobody_waits_for_a_task_that_was_cancelled() {
    let ledger = Ledger::new("traces", "", Arc::new(ManualClock::at(SystemTime::UNIX_EPOCH)), &Tallies::default());
    let (shipper, work) = Shipper::prepare(ledger, SETTINGS, |_: Arc<[u32]>| async { Attempt::Sent });
    shipper.offer(1);
    drop(work);
    shipper.wait(Duration::from_secs(3600));
    let state = shipper.collector().state;
    assert_eq!((state.dropped, state.queued), (1, 0));
}

#[test]
fn many_threads_may_offer_at_once_and_everything_is_sent_or_counted() {
    let outbound = Outbound::new(Arc::new(gwanmun_core::SystemClock), Tallies::default());
    let send = |_: Arc<[u32]>| async { Attempt::Sent };
    let settings = ShipperSettings { queued: 64, linger: Duration::from_millis(1), ..SETTINGS };
    let shipper = Shipper::start("traces", "", settings, &outbound, send).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1_000).for_each(|item| shipper.offer(item)));
        }
    });
    shipper.close(Duration::from_secs(20));
    shipper.wait(Duration::from_secs(20));
    let state = shipper.collector().state;
    assert_eq!((state.sent + state.dropped, state.queued), (4_000, 0));
}
