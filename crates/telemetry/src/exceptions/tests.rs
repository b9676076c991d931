//! Exceptions from where they happen to the page.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use super::*;
use crate::scope;
use crate::trace::TraceContext;

/// Names of functions are found on another thread.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct NoEggs(u32);

impl fmt::Display for NoEggs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no eggs left of {}, password=hunter2", self.0)
    }
}

impl Error for NoEggs {}

fn shown(exceptions: &Exceptions) -> Vec<Value> {
    exceptions.page()["exceptions"].as_array().unwrap().clone()
}

fn detail(exceptions: &Exceptions, listed: &Value) -> Value {
    let (status, body) =
        exceptions.answer(&format!("/exceptions/{}", listed["fingerprint"].as_str().unwrap())).unwrap();
    assert_eq!(status, StatusCode::OK);
    serde_json::from_str(&body).unwrap()
}

/// The only kind there is of them; it may have taken panics of other tests besides.
fn only_egg(exceptions: &Exceptions) -> Value {
    let is_egg = |listed: &Value| listed["message"].as_str().unwrap().starts_with("egg ");
    let eggs: Vec<_> = shown(exceptions).into_iter().filter(is_egg).collect();
    assert_eq!(eggs.len(), 1, "{eggs:?}");
    eggs[0].clone()
}

fn break_an_egg(number: u32) {
    assert!(number > 1_000_000, "egg {number} is broken");
}

#[test]
fn errors_of_a_kind_are_one_on_the_page() {
    let tallies = Tallies::default();
    let exceptions = Exceptions::new(Arc::new(SystemClock), &tallies);
    for left in 0..1000 {
        exceptions.capture_error(&NoEggs(left));
    }
    exceptions.capture(Exception::new("Other", "something else").during("GET /eggs/{id}"));
    let [other, eggs] = &shown(&exceptions)[..] else { panic!("{:?}", exceptions.page()) };
    assert_eq!((&eggs["kind"], &eggs["count"]), (&json!("NoEggs"), &json!(1000)));
    assert_eq!(eggs["message"], "no eggs left of 999, password=***");
    assert_eq!((&other["transaction"], &other["trace_id"]), (&json!("GET /eggs/{id}"), &Value::Null));
    let frames = &detail(&exceptions, eggs)["frames"];
    assert!(frames[0]["file"].as_str().unwrap().ends_with("exceptions/tests.rs"), "{frames}");
    let [counted] = tallies.all().try_into().unwrap();
    assert_eq!(counted.counts(), [(vec!["error".to_owned()], 1001), (vec!["panic".to_owned()], 0)]);
}

#[test]
fn pages_that_are_not_there_are_not_found() {
    let exceptions = Exceptions::default();
    assert_eq!(exceptions.answer("/exceptions").unwrap().0, StatusCode::OK);
    for path in ["/exceptions/", "/exceptions/0123456789abcdef", "/exceptions/x/y", "/exceptions/%00"] {
        assert_eq!(exceptions.answer(path).unwrap().0, StatusCode::NOT_FOUND, "{path}");
    }
    assert!(exceptions.answer("/exceptionsx").is_none() && exceptions.answer("/health").is_none());
}

#[test]
fn panics_are_caught_and_told_with_where_they_happened() {
    let exceptions = Exceptions::default();
    exceptions.install_hook();
    let trace = TraceContext::new_root(true);
    for number in 0..100 {
        let _within = scope::enter(Some(trace));
        let caught = exceptions.catch(|| break_an_egg(number)).unwrap_err();
        assert_eq!(caught.message(), format!("egg {number} is broken"));
        drop(caught.during("eggs"));
    }
    let begin = Instant::now();
    let page = loop {
        let listed = only_egg(&exceptions);
        let page = detail(&exceptions, &listed);
        if page["frames"].as_array().unwrap().len() > 1 {
            break page;
        }
        assert!(begin.elapsed() < PATIENCE, "{page}");
        thread::yield_now();
    };
    assert_eq!((&page["kind"], &page["count"], &page["transaction"]), (&json!("panic"), &json!(100), &json!("eggs")));
    assert_eq!(page["trace_id"], &*trace.trace_id_hex());
    let innermost = &page["frames"][0];
    assert!(innermost["function"].as_str().unwrap().ends_with("tests::break_an_egg"), "{page:#}");
    // With its names known, it is still the same kind.
    assert!(exceptions.catch(|| break_an_egg(100)).is_err());
    assert_eq!(only_egg(&exceptions)["count"], 101);
}

#[test]
fn who_panics_with_something_else_is_told_too() {
    struct Bomb<'a>(&'a AtomicBool);
    impl Drop for Bomb<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
            std::panic::panic_any(7);
        }
    }
    static DROPPED: AtomicBool = AtomicBool::new(false);
    let exceptions = Exceptions::default();
    let caught = exceptions.catch(|| std::panic::panic_any(Bomb(&DROPPED))).unwrap_err();
    assert_eq!(caught.message(), "something that is no text");
    drop(caught);
    assert!(DROPPED.load(Ordering::Relaxed));
    assert_eq!(exceptions.catch(|| 5).unwrap(), 5, "what the bomb left behind hurts nobody");
}

#[test]
fn a_panic_that_somebody_else_catches_is_told_too() {
    let exceptions = Exceptions::default();
    exceptions.install_hook();
    let done = exceptions.catch(|| {
        for _ in 0..2 {
            assert!(std::panic::catch_unwind(|| panic!("within")).is_err());
        }
        5
    });
    assert_eq!(done.unwrap(), 5);
    let told = shown(&exceptions).iter().filter(|listed| listed["message"] == "within").count();
    assert_eq!(told, 1);
}

#[test]
fn an_error_that_panics_while_it_is_told_hurts_nobody() {
    #[derive(Debug)]
    struct Broken;
    impl fmt::Display for Broken {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("broken");
        }
    }
    impl Error for Broken {}
    let exceptions = Exceptions::default();
    exceptions.install_hook();
    assert!(exceptions.catch(|| exceptions.capture_error(&Broken)).is_err());
    exceptions.capture_error(&NoEggs(1));
    assert!(shown(&exceptions).iter().any(|listed| listed["kind"] == "NoEggs"));
}

#[test]
fn many_threads_that_panic_are_all_counted() {
    let exceptions = Exceptions::default();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for number in 0..50 {
                    // At a place of its own: the way to one is walked back for whoever panics there first.
                    drop(exceptions.catch(|| assert!(number > 1_000_000, "egg {number} is lost")));
                }
            });
        }
    });
    assert_eq!(only_egg(&exceptions)["count"], 400);
}
