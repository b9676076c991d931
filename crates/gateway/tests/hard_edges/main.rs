//! HTTP/1 on the wire, form by form: what is refused never reaches the upstream, what is legal passes, and the request that
//! follows it on the connection stays itself. Each form goes through the real binary whole and in pieces. The tables are in
//! `forms/`; docs/hard-edges.md shows them, beside what nginx, HAProxy and Envoy make of the same bytes (`peers.rs`).
//!
//! `GWANMUN_WRITE=1` writes the page anew; with `--ignored` the columns of the others too.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever goes wrong in a test is a failed test"
)]

mod client;
mod form;
mod forms;
mod outcome;
mod page;
mod peers;
mod recorder;
mod truncation;

use std::net::SocketAddr;
use std::time::Duration;

use gwanmun_testkit::{Gateway, PATIENCE, Setup};

use client::{Heard, Pieces};
use form::Form;
use recorder::{Received, Recorder};

/// Forms about one thing; the name is that of their test.
pub(crate) struct Subject {
    name: &'static str,
    title: &'static str,
    forms: fn() -> Vec<Form>,
}

macro_rules! subjects {
    ($($name:ident: $title:literal;)*) => {
        /// All there are, in the order of the page.
        const SUBJECTS: &[Subject] =
            &[$(Subject { name: stringify!($name), title: $title, forms: forms::$name::forms },)*];

        $(#[tokio::test]
        async fn $name() {
            hold(forms::$name::forms()).await;
        })*
    };
}

subjects! {
    lengths: "How long a body is: `Content-Length`";
    codings: "How long a body is: `Transfer-Encoding`";
    chunks: "Chunked bodies";
    trailers: "Trailers";
    lines: "Ends of lines and of heads";
    fields: "Fields";
    request_lines: "Request lines: spaces, methods and versions";
    targets: "Targets";
    hosts: "`Host`";
    connections: "Connections and what follows on them";
    limits: "Limits";
    clients: "What clients and older proxies really send";
}

/// A gateway in front of a recorder, asked one form after the other.
struct Place {
    gateway: Gateway,
    recorder: Recorder,
}

impl Place {
    async fn open() -> Self {
        let recorder = Recorder::start().await;
        let route = format!("routes: [{{id: all, upstream: 'http://127.0.0.1:{}'}}]\n", recorder.port());
        let gateway = Setup::of(env!("CARGO_BIN_EXE_gwanmun")).start(&format!("workers: 1\n{route}")).await;
        Self { gateway, recorder }
    }

    fn address(&self) -> SocketAddr {
        self.gateway.web()
    }

    /// Sends a form and returns what came of it on both sides.
    async fn send(&self, form: &Form, pieces: Pieces, quiet: Duration) -> (Heard, Vec<Received>) {
        let heard = client::exchange(self.address(), form, pieces, quiet).await;
        assert_eq!(self.gateway.get(outcome::FENCE).await.status(), 200);
        let mut received = self.recorder.take().await;
        let all = received.len();
        received.retain(|request| request.path() != outcome::FENCE);
        assert_eq!(received.len() + 1, all, "one fence");
        (heard, received)
    }
}

/// Sends each of these, whole and in pieces, and compares what comes of it with what was wanted.
async fn hold(forms: Vec<Form>) {
    let (whole, small) = tokio::join!(failures(&forms, Pieces::Whole), failures(&forms, Pieces::Small));
    let failures = [whole, small].concat();
    assert!(
        failures.is_empty(),
        "{} of {} are not as wanted:\n{}",
        failures.len(),
        2 * forms.len(),
        failures.join("\n")
    );
}

async fn failures(forms: &[Form], pieces: Pieces) -> Vec<String> {
    let place = Place::open().await;
    let mut failures = Vec::new();
    for form in forms {
        let (heard, received) = place.send(form, pieces, PATIENCE).await;
        if let Err(why) = outcome::judge(form, &heard, &received) {
            let answers: Vec<_> = heard.answers.iter().map(|answer| answer.status).collect();
            failures.push(format!(
                "{} ({pieces:?}): {why}; wanted '{}', found '{}'\n  sent: {}\n  answers: {answers:?}, rest: {}\n  upstream: {received:?}",
                form.name,
                form.outcome(),
                outcome::describe(form, &heard, &received),
                form.bytes[..form.bytes.len().min(600)].escape_ascii(),
                heard.rest.escape_ascii(),
            ));
        }
    }
    failures
}

#[test]
fn names_are_distinct_and_forms_many() {
    let mut names: Vec<_> = SUBJECTS.iter().flat_map(|subject| (subject.forms)()).map(|form| form.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "a name twice");
    assert!(count > 200, "{count} forms");
}
