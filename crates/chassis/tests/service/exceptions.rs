//! Handlers with mistakes in them, as their callers and a real tracker see them.

use std::path::Path;

use gwanmun_testkit::{Bugsink, Connection};
use serde_json::json;

use crate::program::Program;

#[tokio::test]
#[ignore = "slow: installs Bugsink"]
async fn a_handler_that_panics_a_thousand_times_is_one_issue_in_bugsink() {
    let bugsink = Bugsink::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).await;
    let settings = format!(
        "telemetry: {{access-log: off, exceptions: {{dsn: '{}', every: 10m, environment: test}}}}",
        bugsink.dsn()
    );
    let mut program = Program::start("", &settings, &[]);
    let (address, management) = program.ready().await;
    let mut connection = Connection::tcp(address).await;
    for number in 0..1000 {
        let answer = connection.get(&format!("/panics/{number}")).await;
        assert_eq!(answer.status(), 500);
        assert_eq!(answer.header("content-type").as_deref(), Some("application/problem+json"));
        let problem = answer.json();
        assert_eq!((&problem["status"], &problem["type"]), (&json!(500), &json!("urn:gwanmun:fault:internal")));
        assert!(!answer.text().contains("there is no"), "{}", answer.text());
    }
    assert_eq!(connection.get("/panics/salt").await.status(), 500);
    let issues = bugsink.known(2).await;
    let numbered = |text: &str| text.starts_with("there is no 0");
    let (those, others): (Vec<_>, Vec<_>) =
        issues.iter().partition(|issue| numbered(issue["calculated_value"].as_str().unwrap()));
    let ([issue], [_]) = (&those[..], &others[..]) else { panic!("{issues:?}") };
    assert_eq!((&issue["calculated_type"], &issue["digested_event_count"]), (&json!("panic"), &json!(1)));
    assert_eq!(issue["transaction"], "GET /panics/{what}");
    let event = bugsink.events(issue).await.swap_remove(0);
    assert_eq!((&event["release"], &event["environment"]), (&json!("orders@1.2.3"), &json!("test")));

    let mut operators = Connection::tcp(management).await;
    let listed = operators.get("/exceptions").await.json();
    let counts: Vec<_> =
        listed["exceptions"].as_array().unwrap().iter().map(|listed| listed["count"].clone()).collect();
    assert_eq!(counts, [json!(1), json!(1000)], "{listed}");
    let metrics = operators.get("/metrics").await.text();
    assert!(metrics.contains("\ngwanmun_exceptions_total{kind=\"panic\"} 1001\n"), "{metrics}");
    program.signal("TERM");
    assert_eq!(program.ended().await, 0);
    // What waited would have been told at the end.
    assert_eq!(bugsink.issues().await.len(), 2);
}
