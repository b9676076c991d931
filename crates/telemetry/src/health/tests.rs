//! Checks whose answers each test gives, one by one.

use serde_json::{Value, json};
use std::sync::atomic::AtomicUsize;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Mutex as Turn, mpsc};

use super::*;

/// The longest wait for anything; nothing waits so long when all is well.
const PATIENCE: Duration = Duration::from_secs(20);

/// A check that answers what it is told to.
struct Scripted {
    begun: mpsc::UnboundedSender<()>,
    answers: Turn<mpsc::UnboundedReceiver<Outcome>>,
}

/// Tells a check what to answer.
struct Script {
    begun: mpsc::UnboundedReceiver<()>,
    answers: mpsc::UnboundedSender<Outcome>,
}

fn scripted() -> (Scripted, Script) {
    let ((begin, begun), (answer, answers)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
    (Scripted { begun: begin, answers: Turn::new(answers) }, Script { begun, answers: answer })
}

impl Check for Scripted {
    fn check(&self) -> std::pin::Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
        Box::pin(async {
            self.begun.send(()).unwrap();
            self.answers.lock().await.recv().await.unwrap()
        })
    }
}

impl Script {
    /// Waits until the check looks.
    async fn looks(&mut self) {
        tokio::time::timeout(PATIENCE, self.begun.recv()).await.expect("nobody looks").unwrap();
    }

    /// Gives the answer to the look that is under way, and waits for the next one: then it is remembered.
    async fn answer(&mut self, outcome: Outcome) {
        self.answers.send(outcome).unwrap();
        self.looks().await;
    }
}

/// Often, and for as long as a test may take.
fn often() -> CheckSettings {
    CheckSettings { every: Duration::ZERO, timeout: PATIENCE, ..CheckSettings::default() }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn alone<T>(test: impl Future<Output = T>) -> T {
    runtime().block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("waited in vain") })
}

/// A process that is ready for requests.
fn ready() -> Health {
    let health = Health::default();
    health.set_process(Process::Ready);
    health
}

fn page(health: &Health, path: &str) -> (u16, Value) {
    let (code, text) = health.page(path, Audience::Operators).expect("a page");
    (code, serde_json::from_str(&text).expect("JSON"))
}

fn code(health: &Health, path: &str) -> u16 {
    page(health, path).0
}

#[test]
fn before_the_first_answer_nothing_is_known_and_nobody_welcome() {
    alone(async {
        let (health, (check, mut script)) = (Health::default(), scripted());
        health.add("db", often(), check);
        health.set_process(Process::Ready);
        script.looks().await;
        let (code, shown) = page(&health, "/health");
        assert_eq!((code, &shown["status"]), (503, &json!("OUT_OF_SERVICE")));
        assert_eq!(shown["components"]["db"]["status"], "UNKNOWN");
        assert!(!health.is_ready());
        script.answer(Outcome::up()).await;
        assert!(health.is_ready());
        assert_eq!(page(&health, "/health").1["status"], "UP");
    });
}

#[test]
fn one_that_comes_to_a_process_at_work_counts_from_its_first_answer_on() {
    alone(async {
        let (health, (check, mut script)) = (ready(), scripted());
        health.add("db", often(), check);
        script.looks().await;
        assert_eq!((page(&health, "/health/db").1["status"].as_str(), health.is_ready()), (Some("UNKNOWN"), true));
        script.answer(Outcome::down("gone")).await;
        assert!(!health.is_ready());
    });
}

#[test]
fn a_reload_changes_what_it_says_and_forgets_nothing_that_was_found() {
    alone(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let follow = |health: &Health, text: &str| {
            let texts = [("gw.yaml".to_owned(), text.to_owned())];
            let loaded = gwanmun_config::load_texts(&texts, &Default::default(), &Default::default());
            let mut diagnostics = loaded.diagnostics;
            let spec: crate::spec::HealthSpec = gwanmun_config::decode(&loaded.document, &mut diagnostics).unwrap();
            let configured = spec.configured(&["db"], &mut diagnostics);
            assert!(diagnostics.is_empty(), "{diagnostics:?}");
            health.follow(configured, &Outbound::new(Arc::new(SystemClock), gwanmun_core::Tallies::default()));
        };
        let seen =
            |health: &Health, name: &str| Arc::as_ptr(health.components()[name].looking().map(|it| &it.check).unwrap());
        let (health, (check, mut script)) = (Health::default(), scripted());
        follow(
            &health,
            &format!("checks: {{port: {{tcp: '127.0.0.1:{port}'}}, disk: {{path: /}}, db: {{every: 200ms}}}}"),
        );
        health.add("db", often(), check);
        health.set_process(Process::Ready);
        assert_eq!(health.components()["db"].settings().every, Duration::from_millis(200));
        script.looks().await;
        script.answer(Outcome::down("gone")).await;
        while !["port", "disk"].iter().all(|name| health.components()[*name].was_up()) {
            tokio::task::yield_now().await;
        }
        let (port_check, disk_check, db_check) = (seen(&health, "port"), seen(&health, "disk"), seen(&health, "db"));
        assert!(!health.is_ready());
        follow(
            &health,
            &format!(
                "checks: {{port: {{tcp: '127.0.0.1:{port}', every: 1s}}, disk: {{path: /}}, db: {{readiness: false}}}}"
            ),
        );
        assert!(health.is_ready(), "the database does not count any more");
        assert_eq!(page(&health, "/health/port").1["status"], "UP", "remembered");
        assert_eq!(page(&health, "/health/db").1["details"]["error"], "gone");
        assert!(
            std::ptr::addr_eq(seen(&health, "disk"), disk_check) && std::ptr::addr_eq(seen(&health, "db"), db_check)
        );
        assert!(!std::ptr::addr_eq(seen(&health, "port"), port_check));
        follow(&health, "{}");
        let names: Vec<_> = health.components().keys().map(|name| name.to_string()).collect();
        assert_eq!((names, health.is_ready()), (vec!["db".to_owned()], false));
    });
}

#[test]
fn a_failure_flips_readiness_but_not_liveness_and_back() {
    alone(async {
        let (health, (check, mut script)) = (ready(), scripted());
        health.add("db", often(), check);
        script.looks().await;
        for _ in 0..2 {
            script.answer(Outcome::up().with("version", 3)).await;
            assert_eq!(["/health", "/health/readiness", "/health/db"].map(|path| code(&health, path)), [200; 3]);
            script.answer(Outcome::down("connection refused")).await;
            assert_eq!(["/health", "/health/readiness", "/health/db"].map(|path| code(&health, path)), [503; 3]);
            assert_eq!(code(&health, "/health/liveness"), 200);
        }
        let (_, shown) = page(&health, "/health/readiness");
        assert_eq!(shown["components"]["db"]["details"]["error"], "connection refused");
        assert!(shown["components"]["db"]["details"]["checked-at"].is_string(), "{shown}");
    });
}

#[test]
fn a_check_for_no_group_turns_only_the_whole_down() {
    alone(async {
        let (health, (check, mut script)) = (ready(), scripted());
        health.add("mail", CheckSettings { readiness: false, ..often() }, check);
        script.looks().await;
        assert!(health.is_ready(), "it does not wait for what does not count");
        script.answer(Outcome::down("no route")).await;
        assert_eq!((code(&health, "/health"), code(&health, "/health/readiness")), (503, 200));
        assert_eq!(page(&health, "/health/readiness").1["components"].get("mail"), None);
        script.answer(Outcome::unknown("it does not say")).await;
        assert_eq!(page(&health, "/health").1["status"], "UP");
    });
}

#[test]
fn a_check_for_liveness_ends_the_process_only_once_it_has_failed() {
    alone(async {
        let (health, (check, mut script)) = (ready(), scripted());
        health.add("deadlocks", CheckSettings { readiness: false, liveness: true, ..often() }, check);
        script.looks().await;
        assert_eq!(code(&health, "/health/liveness"), 200, "no answer yet is no reason to start anew");
        script.answer(Outcome::down("two threads wait for each other")).await;
        assert_eq!(code(&health, "/health/liveness"), 503);
    });
}

#[test]
fn a_start_that_was_up_once_stays_up() {
    alone(async {
        let (health, (check, mut script)) = (Health::default(), scripted());
        health.add("migrations", CheckSettings { readiness: false, startup: true, ..often() }, check);
        script.looks().await;
        health.set_process(Process::Ready);
        assert_eq!((code(&health, "/health/startup"), health.is_ready()), (503, false));
        script.answer(Outcome::down("not yet")).await;
        assert_eq!((code(&health, "/health/startup"), health.is_ready()), (503, false));
        script.answer(Outcome::up()).await;
        assert_eq!((code(&health, "/health/startup"), health.is_ready()), (200, true));
        script.answer(Outcome::down("gone again")).await;
        assert_eq!((code(&health, "/health/startup"), health.is_ready()), (200, true));
        health.set_process(Process::Draining);
        assert_eq!((code(&health, "/health/startup"), health.is_ready()), (200, false));
    });
}

#[test]
fn the_process_itself_is_part_of_readiness() {
    let health = Health::default();
    let codes =
        || ["/health", "/health/readiness", "/health/startup", "/health/liveness"].map(|path| code(&health, path));
    assert_eq!(codes(), [503, 503, 503, 200]);
    health.set_process(Process::Ready);
    assert_eq!(codes(), [200; 4]);
    health.set_process(Process::Draining);
    assert_eq!(codes(), [503, 503, 200, 200]);
    let shown = json!({"status": "OUT_OF_SERVICE", "details": {"state": "draining"}});
    assert_eq!(page(&health, "/health/process"), (503, shown));
}

#[test]
fn the_platform_sees_no_component() {
    let health = ready();
    health.tell("configuration", Outcome::up().with("file", "secret.yaml"));
    let platform = |path: &str| health.page(path, Audience::Platform);
    let groups = r#"{"groups":["liveness","readiness","startup"],"status":"UP"}"#;
    assert_eq!(platform("/health"), Some((200, groups.to_owned())));
    for group in ["/health/liveness", "/health/readiness", "/health/startup"] {
        assert_eq!(platform(group), Some((200, r#"{"status":"UP"}"#.to_owned())));
    }
    for path in ["/health/configuration", "/health/process", "/health/", "/health/none", "/healthy", "/", "/health//"] {
        assert_eq!(platform(path), None, "{path}");
    }
    assert_eq!(page(&health, "/health/configuration").1["details"]["file"], "secret.yaml");
}

#[test]
fn what_is_told_is_shown_at_once_and_counts_for_the_whole() {
    let health = ready();
    for outcome in [Outcome::up(), Outcome::unknown("the last reload failed"), Outcome::down("gone")] {
        let status = outcome.status;
        health.tell("configuration", outcome);
        assert_eq!(page(&health, "/health/configuration").1["status"], status.name());
        assert_eq!(code(&health, "/health"), status.code());
        assert!(health.is_ready());
    }
    health.remove("configuration");
    assert_eq!(health.page("/health/configuration", Audience::Operators), None);
}

#[test]
fn a_check_that_hangs_is_stopped_and_is_never_there_twice() {
    static RUNNING: AtomicUsize = AtomicUsize::new(0);
    struct Running;
    impl Drop for Running {
        fn drop(&mut self) {
            RUNNING.fetch_sub(1, Ordering::SeqCst);
        }
    }
    alone(async {
        let health = ready();
        let (looked, mut looks) = mpsc::unbounded_channel();
        let check = from_fn(move || {
            assert_eq!(RUNNING.fetch_add(1, Ordering::SeqCst), 0, "two of one");
            let running = Running;
            looked.send(()).unwrap();
            async move {
                std::future::pending::<()>().await;
                drop(running);
                Outcome::up()
            }
        });
        let limit = Duration::from_millis(2);
        health.add("slow", CheckSettings { every: Duration::ZERO, timeout: limit, ..CheckSettings::default() }, check);
        for _ in 0..5 {
            looks.recv().await.unwrap();
        }
        let (outcome, ..) = health.components()["slow"].seen().latest.unwrap();
        assert_eq!(outcome, Outcome::down("timed out after 2ms"));
    });
}

#[test]
fn a_check_that_panics_is_down_and_looked_at_again() {
    alone(async {
        let health = ready();
        let (looked, mut looks) = mpsc::unbounded_channel();
        let times = AtomicUsize::new(0);
        let check = from_fn(move || {
            let time = times.fetch_add(1, Ordering::SeqCst);
            looked.send(()).unwrap();
            assert!(time != 0, "where the future is made");
            async move {
                assert!(time != 1, "in the future");
                Outcome::up()
            }
        });
        health.add("odd", often(), check);
        for status in ["DOWN", "DOWN", "UP"] {
            looks.recv().await.unwrap();
            let (_, shown) = page(&health, "/health/odd");
            assert_eq!(shown["status"], status);
            assert_eq!(shown["details"]["error"] == "the check panicked", status == "DOWN");
        }
    });
}

#[test]
fn answers_that_are_too_old_are_not_believed() {
    let runtime = runtime();
    let health = Health::new(runtime.handle().clone(), Arc::new(SystemClock), Exceptions::default());
    let (looked, mut looks) = mpsc::unbounded_channel();
    let check = from_fn(move || {
        looked.send(()).unwrap();
        async { Outcome::up() }
    });
    let often = Duration::from_millis(1);
    health.add("disk", CheckSettings { every: often, timeout: often, ..CheckSettings::default() }, check);
    runtime.block_on(async { (looks.recv().await, looks.recv().await) });
    // Nobody drives the runtime any more.
    let begin = std::time::Instant::now();
    while page(&health, "/health/disk").1["status"] != "UNKNOWN" {
        assert!(begin.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    assert_eq!(page(&health, "/health/disk").1["details"]["error"], "the latest answer is too old");
}

#[test]
fn a_check_that_is_removed_or_replaced_looks_no_more() {
    alone(async {
        let (health, (check, mut script)) = (ready(), scripted());
        health.add("db", often(), check);
        script.looks().await;
        health.add("db", often(), from_fn(async || Outcome::up()));
        assert_eq!(script.begun.recv().await, None, "the check is dropped");
        let (check, mut script) = scripted();
        health.add("db", often(), check);
        script.looks().await;
        health.remove("db");
        assert_eq!(script.begun.recv().await, None);
        let (check, mut script) = scripted();
        health.add("db", often(), check);
        script.looks().await;
        drop(health);
        assert_eq!(script.begun.recv().await, None, "nobody could see what it found");
    });
}

#[test]
fn statuses_changes_and_durations_are_counted() {
    alone(async {
        let (health, (check, mut script)) = (ready(), scripted());
        health.add("db", often(), check);
        script.looks().await;
        for outcome in [Outcome::up(), Outcome::up(), Outcome::down("x"), Outcome::down("y"), Outcome::up()] {
            script.answer(outcome).await;
        }
        let families = health.families();
        let value = |family: usize, status: &str| {
            let samples = &families[family].samples;
            let found = samples.iter().find(|sample| &*sample.labels.last().unwrap().1 == status);
            found.unwrap().value.clone()
        };
        assert_eq!(families[0].name, "health_status");
        let statuses = ["UNKNOWN", "UP", "OUT_OF_SERVICE", "DOWN"].map(|status| value(0, status));
        assert_eq!(statuses, [0, 1, 0, 0].map(crate::metrics::Value::Count));
        assert_eq!(value(1, "db"), crate::metrics::Value::Count(2));
        let crate::metrics::Value::Histogram { counts, bounds, .. } = value(2, "db") else { panic!("a histogram") };
        assert_eq!((counts.iter().sum::<u64>(), counts.len()), (5, bounds.len() + 1));
    });
}

#[test]
fn an_error_is_cut_where_a_character_begins() {
    let error = "ü".repeat(600);
    let Some(Value::String(kept)) = Outcome::down(&error).details.remove("error") else { panic!("an error") };
    assert_eq!(kept, "ü".repeat(256));
}

#[test]
fn collectors_are_shown_while_there_are_any_and_a_reload_forgives_none() {
    alone(async {
        let health = ready();
        let (looked, mut looks) = mpsc::unbounded_channel();
        let there = move || {
            let _ = looked.send(());
            let state = crate::export::CollectorState::default();
            vec![crate::export::Collector { signal: "traces", target: "http://there".into(), state }]
        };
        health.look_at_collectors(there);
        looks.recv().await.unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let again = Arc::clone(&asked);
        health.look_at_collectors(move || {
            again.fetch_add(1, Ordering::SeqCst);
            vec![crate::export::Collector { signal: "logs", target: "tcp://there".into(), state: Default::default() }]
        });
        // The first goes on: the second was asked once, whether there are any.
        looks.recv().await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        health.look_at_collectors(Vec::new);
        assert!(health.page("/health/collectors", Audience::Operators).is_none());
    });
}
