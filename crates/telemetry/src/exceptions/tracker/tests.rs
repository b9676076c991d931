//! Exceptions on their way to a tracker, good and bad.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use gwanmun_core::{ManualClock, SystemClock, Tallies};
use gwanmun_testkit::{Answer, PATIENCE, eventually};
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue};
use serde_json::json;

use super::*;
use crate::exceptions::{Exception, Exceptions};
use crate::spec::ExceptionsSpec;

fn resource() -> Resource {
    let text = Arc::<str>::from;
    Resource {
        service: text("shop"),
        version: text("1.2.3"),
        instance: text("shop-1"),
        environment: Some(text("staging")),
        others: Vec::new(),
    }
}

fn spec(text: &str) -> ExceptionsSpec {
    let loaded = gwanmun_config::load_texts(
        &[("x.yaml".to_owned(), text.to_owned())],
        &gwanmun_config::Environment::default(),
        &gwanmun_config::MergeRules::default(),
    );
    gwanmun_config::decode(&loaded.document, &mut gwanmun_config::Diagnostics::default()).unwrap()
}

/// Who tells, and a clock for it.
struct Teller {
    exceptions: Exceptions,
    outbound: Outbound,
    clock: Arc<ManualClock>,
    tallies: Tallies,
}

impl Teller {
    fn new() -> Self {
        let (clock, tallies) =
            (Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(1_000_000))), Tallies::default());
        let exceptions = Exceptions::new(Arc::clone(&clock) as Arc<dyn Clock>, &tallies);
        // Rests are told by the real time, since pauses are.
        let outbound = Outbound::new(Arc::new(SystemClock), tallies.clone());
        Self { exceptions, outbound, clock, tallies }
    }

    fn follow(&self, text: &str) {
        self.exceptions.follow(&spec(text), &resource(), &self.outbound);
    }

    fn tell(&self, message: &str) {
        self.exceptions.capture(Exception::new("NoEggs", message).during("GET /eggs"));
    }

    fn state(&self) -> crate::export::CollectorState {
        self.exceptions.collector().unwrap().state
    }
}

async fn came(tracker: &gwanmun_testkit::Tracker, events: usize) -> Vec<serde_json::Value> {
    tracker.called("envelope", events).await;
    let came = tracker.events();
    assert_eq!(came.len(), events, "{came:?}");
    came
}

#[tokio::test]
async fn a_tracker_is_told_once_and_after_a_while_how_many_more_there_were() {
    let (tracker, teller) = (gwanmun_testkit::Tracker::start().await, Teller::new());
    teller.follow(&format!("dsn: {}\nenvironment: test\nevery: 10s", tracker.dsn()));
    (0..1000).for_each(|number| teller.tell(&format!("{number} eggs")));
    let [first] = &came(&tracker, 1).await[..] else { panic!() };
    let value = &first["exception"]["values"][0];
    assert_eq!((&value["type"], &value["value"]), (&json!("NoEggs"), &json!("0 eggs")));
    assert_eq!((&first["environment"], &first["transaction"]), (&json!("test"), &json!("GET /eggs")));
    assert_eq!((&first["release"], &first["server_name"]), (&json!("shop@1.2.3"), &json!("shop-1")));
    teller.tell("no user");
    came(&tracker, 2).await;
    teller.clock.advance(Duration::from_secs(10));
    teller.tell("5 eggs");
    let events = came(&tracker, 3).await;
    assert_eq!(events[2]["extra"]["count_since_last_event"], 1000);
    assert_eq!((&events[2]["fingerprint"], &events[2]["extra"]["count"]), (&first["fingerprint"], &json!(1001)));
    eventually("all to be acknowledged", async || (teller.state().sent == 3).then_some(())).await;
}

#[tokio::test]
async fn another_tracker_is_told_after_a_reload_and_none_where_there_is_none() {
    let (one, other, teller) =
        (gwanmun_testkit::Tracker::start().await, gwanmun_testkit::Tracker::start().await, Teller::new());
    teller.follow("dsn: ''");
    teller.tell("nobody is told of this");
    assert!(teller.exceptions.collector().is_none());
    teller.follow(&format!("dsn: {}", one.dsn()));
    teller.tell("one");
    assert_eq!(came(&one, 1).await[0]["environment"], "staging");
    teller.follow(&format!("dsn: {}", one.dsn()));
    eventually("what was told to be acknowledged", async || (teller.state().sent == 1).then_some(())).await;
    teller.follow(&format!("dsn: {}", other.dsn()));
    assert_eq!(teller.state().sent, 0, "it is another");
    assert!(!format!("{:?} {:?}", teller.exceptions, teller.exceptions.collector()).contains(other.key()));
    teller.tell("two words");
    came(&other, 1).await;
    assert_eq!(one.calls("envelope"), 1);
    teller.follow("{}");
    assert!(teller.exceptions.collector().is_none());
}

#[tokio::test]
async fn a_tracker_that_refuses_is_not_told_the_same_again() {
    let (tracker, teller) = (gwanmun_testkit::Tracker::start().await, Teller::new());
    teller.follow(&format!("dsn: {}", tracker.dsn()));
    for answer in [Answer::status(403), Answer::redirect("http://127.0.0.1:1/"), Answer::status(413)] {
        tracker.answer_once("envelope", answer);
    }
    for (calls, (message, why)) in [("one", "403"), ("two", "302"), ("three", "413")].into_iter().enumerate() {
        teller.tell(message);
        came(&tracker, calls + 1).await;
        let wanted = format!("status {why}");
        eventually(why, async || teller.state().last_failure.filter(|(_, why)| **why == *wanted)).await;
    }
    teller.tell("four");
    let state = async || Some(teller.state()).filter(|state| state.sent == 1);
    let state = eventually("the last to be acknowledged", state).await;
    assert_eq!((state.dropped, state.queued, tracker.calls("envelope")), (3, 0, 4));
}

#[tokio::test]
async fn what_a_tracker_does_not_take_now_it_gets_later() {
    let (tracker, teller) = (gwanmun_testkit::Tracker::start().await, Teller::new());
    teller.follow(&format!("dsn: {}", tracker.dsn()));
    tracker.answer_once("envelope", Answer::status(503));
    tracker.answer_once("envelope", Answer::oversized(1 << 20));
    teller.tell("one");
    let events = came(&tracker, 3).await;
    assert!(events.iter().all(|event| event["event_id"] == events[0]["event_id"]), "trackers know it by its id");
    tracker.down().await;
    teller.tell("two");
    eventually("a failure", async || teller.state().last_failure.filter(|(_, why)| why.contains("refused"))).await;
    tracker.up().await;
    came(&tracker, 4).await;
}

#[tokio::test]
async fn a_tracker_that_wants_to_be_left_alone_is() {
    let (tracker, teller) = (gwanmun_testkit::Tracker::start().await, Teller::new());
    teller.follow(&format!("dsn: {}", tracker.dsn()));
    let limits = Answer::usual().with_field("x-sentry-rate-limits", "1:error:organization");
    tracker.answer_once("envelope", limits);
    tracker.answer_once("envelope", Answer::status(429).with_field("retry-after", "1"));
    teller.tell("one");
    came(&tracker, 1).await;
    let begin = std::time::Instant::now();
    teller.tell("two");
    eventually("it to be left alone", async || teller.state().last_failure.filter(|(_, why)| why.contains("alone")))
        .await;
    came(&tracker, 3).await;
    // Once by a good answer and once by a bad one.
    assert!(begin.elapsed() > Duration::from_millis(1500), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_tracker_that_never_answers_costs_what_does_not_fit() {
    let (tracker, teller) = (gwanmun_testkit::Tracker::start().await, Teller::new());
    teller.follow(&format!("dsn: {}", tracker.dsn()));
    let held = tracker.hold("envelope");
    let begin = std::time::Instant::now();
    for number in 0..300_u32 {
        // So that the limit of all kinds together is not what keeps them.
        teller.clock.advance(Duration::from_secs(1));
        teller.tell(&char::from_u32(0x4e00 + number).unwrap().to_string());
    }
    assert!(begin.elapsed() < PATIENCE / 3, "nobody waits: {:?}", begin.elapsed());
    let state = teller.state();
    assert_eq!((state.queued, state.dropped), (100, 200));
    drop(held);
    let calls = async || (tracker.calls("envelope") == 100).then_some(());
    eventually("those that fitted", calls).await;
    let tallies = teller.tallies.all();
    let counted = tallies.iter().find(|tally| tally.name() == "gwanmun_exceptions_total").unwrap();
    assert_eq!(counted.counts()[0], (vec!["error".to_owned()], 300));
}

#[test]
fn a_tracker_says_how_long_it_wants_no_errors() {
    let limits = |limits: &[&str]| {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        for limit in limits {
            headers.append(RATE_LIMITS, HeaderValue::from_str(limit).unwrap());
        }
        rest_asked(&headers).map(|rest| rest.as_secs())
    };
    assert_eq!(limits(&[]), Some(7));
    assert_eq!(limits(&["60:error;transaction:key"]), Some(60));
    assert_eq!(limits(&["60:transaction:key, 2700:default:organization", "5::key"]), Some(2700));
    assert_eq!(limits(&["60:transaction;session:key"]), None);
    assert_eq!(limits(&["12.5::key:reason"]), Some(12));
    for nonsense in ["", "x", ":", "x:error", "-1:error", "99999999999999999999999:error", "60"] {
        assert_eq!(limits(&[nonsense]), None, "{nonsense}");
    }
}
