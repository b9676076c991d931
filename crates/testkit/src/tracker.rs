//! A receiver of exceptions that reads Sentry's protocol as strictly as it is written.

use std::ops::Deref;

use serde_json::{Value, json};

use crate::endpoints::{Answer, Endpoints, Paths};
use crate::message::Message;

const PATHS: Paths = &[("envelope", "/api/7/envelope/")];

/// What lets a client in.
const KEY: &str = "0123456789abcdef0123456789abcdef";

/// A running tracker on a loopback port; dropped, it ends. Its only one of [`Endpoints`] is `envelope`. What is not in the
/// protocol gets 400, and without the key 403.
pub struct Tracker(Endpoints);

impl Tracker {
    /// One without events.
    pub async fn start() -> Self {
        let usual = |_: String| {
            |_: &str, message: &Message| match event(message) {
                Ok(event) => Answer::json(json!({"id": event["event_id"]})),
                Err(status) => Answer::status(status),
            }
        };
        Self(Endpoints::start(PATHS, usual).await)
    }

    /// Where clients send what happens.
    pub fn dsn(&self) -> String {
        format!("http://{KEY}@{}/7", self.0.address())
    }

    /// What lets clients in, and must be seen nowhere.
    pub fn key(&self) -> &'static str {
        KEY
    }

    /// The events that came so far, whatever was answered.
    ///
    /// # Panics
    /// When something came that is no event.
    pub fn events(&self) -> Vec<Value> {
        let event = |message: &Message| event(message).unwrap_or_else(|_| panic!("no event: {message:?}"));
        self.0.requests("envelope").iter().map(event).collect()
    }
}

impl Deref for Tracker {
    type Target = Endpoints;

    fn deref(&self) -> &Endpoints {
        &self.0
    }
}

/// The event in an envelope, or the status of its refusal.
fn event(message: &Message) -> Result<Value, u16> {
    let says = |name: &str, wanted: &str| message.header(name).is_some_and(|value| value.contains(wanted));
    if !says("x-sentry-auth", &format!("sentry_key={KEY}")) || !says("x-sentry-auth", "sentry_version=7") {
        return Err(403);
    }
    if message.method() != "POST" || !says("content-type", "application/x-sentry-envelope") {
        return Err(400);
    }
    let read = || {
        let (head, rest) = split(&message.body)?;
        let (item, rest) = split(rest)?;
        let (head, item): (Value, Value) = (serde_json::from_slice(head).ok()?, serde_json::from_slice(item).ok()?);
        let length = usize::try_from(item["length"].as_u64()?).ok()?;
        let event: Value = serde_json::from_slice(rest.get(..length)?).ok()?;
        let is_whole = matches!(rest.get(length..)?, b"" | b"\n") && item["type"] == "event";
        let is_id =
            |id: &Value| id.as_str().is_some_and(|id| id.len() == 32 && !id.contains(|c: char| !c.is_ascii_hexdigit()));
        (is_whole && is_id(&head["event_id"]) && head["event_id"] == event["event_id"]).then_some(event)
    };
    read().ok_or(400)
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}
