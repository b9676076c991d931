//! One exception in the words of Sentry's protocol: an envelope with one event. The field names are those of Sentry's
//! event payloads; trackers of other makes read them too.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::exception::{Exception, Frame, Origin};
use super::kinds::Told;
use super::page::stamp;
use crate::pipeline::Resource;

/// `Content-Type` of an envelope.
pub(super) const CONTENT_TYPE: &str = "application/x-sentry-envelope";

/// The envelope that tells of `told`; `id` is new for each.
pub(super) fn envelope(told: &Told, id: u128, resource: &Resource, environment: Option<&Arc<str>>) -> Bytes {
    let event = event(told, id, resource, environment).to_string();
    let head = json!({"event_id": format!("{id:032x}")}).to_string();
    let item = json!({"type": "event", "length": event.len(), "content_type": "application/json"}).to_string();
    [head, item, event, String::new()].join("\n").into()
}

fn event(told: &Told, id: u128, resource: &Resource, environment: Option<&Arc<str>>) -> Value {
    let exception = &told.exception;
    let mut event = json!({
        "event_id": format!("{id:032x}"),
        "timestamp": stamp(told.at),
        // Frames of compiled code, with their names.
        "platform": "native",
        "level": match exception.origin {
            Origin::Panic => "fatal",
            Origin::Error => "error",
        },
        "logger": &*resource.service,
        "server_name": &*resource.instance,
        "release": format!("{}@{}", resource.service, resource.version),
        "exception": { "values": values(exception) },
        "fingerprint": [told.fingerprint.to_string()],
        "tags": { "service": &*resource.service },
        "extra": {
            "count": told.count,
            "count_since_last_event": told.since,
            "first_seen": stamp(told.first_seen),
        },
    });
    let Some(fields) = event.as_object_mut() else { return event };
    if let Some(environment) = environment {
        fields.insert("environment".to_owned(), json!(**environment));
    }
    if let Some(transaction) = &exception.transaction {
        fields.insert("transaction".to_owned(), json!(transaction));
    }
    if let Some(trace) = exception.trace {
        let (trace_id, span_id) = (trace.trace_id_hex(), trace.span_id_hex());
        let trace = json!({"type": "trace", "trace_id": &*trace_id, "span_id": &*span_id});
        fields.insert("contexts".to_owned(), json!({ "trace": trace }));
    }
    event
}

/// The exception behind its causes: the first is the one that caused all others.
fn values(exception: &Exception) -> Vec<Value> {
    let causes = exception.causes.iter().rev().map(|cause| json!({"type": cause.kind, "value": cause.message}));
    let is_handled = exception.origin == Origin::Error;
    let mut last = json!({
        "type": exception.kind,
        "value": exception.message,
        "mechanism": {"type": exception.origin.name(), "handled": is_handled},
    });
    if let Some(fields) = last.as_object_mut().filter(|_| !exception.frames.is_empty()) {
        let frames: Vec<_> = exception.frames.iter().map(frame).collect();
        fields.insert("stacktrace".to_owned(), json!({ "frames": frames }));
    }
    causes.chain([last]).collect()
}

fn frame(frame: &Frame) -> Value {
    let mut value = json!({"in_app": frame.is_application()});
    let Some(fields) = value.as_object_mut() else { return value };
    for (name, known) in [("function", &frame.function), ("filename", &frame.file)] {
        if !known.is_empty() {
            fields.insert(name.to_owned(), json!(known));
        }
    }
    if frame.line > 0 {
        fields.insert("lineno".to_owned(), json!(frame.line));
    }
    value
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::exceptions::exception::Cause;
    use crate::exceptions::fingerprint::Fingerprint;
    use crate::trace::TraceContext;

    fn resource() -> Resource {
        let text = Arc::<str>::from;
        Resource {
            service: text("shop"),
            version: text("1.2.3"),
            instance: text("shop-1"),
            environment: None,
            others: Vec::new(),
        }
    }

    fn told(exception: Exception) -> Told {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        Told { fingerprint: Fingerprint::of(&exception), exception, count: 9, since: 4, first_seen: at(1), at: at(61) }
    }

    fn read(envelope: &Bytes) -> (Value, Value, Value) {
        let text = std::str::from_utf8(envelope).unwrap();
        let lines: Vec<_> = text.split('\n').collect();
        let [head, item, event, ""] = lines[..] else { panic!("{text}") };
        let item: Value = serde_json::from_str(item).unwrap();
        assert_eq!(item["length"], event.len());
        (serde_json::from_str(head).unwrap(), item, serde_json::from_str(event).unwrap())
    }

    #[test]
    fn an_event_says_all_that_is_known() {
        let frame =
            |function: &str, file: &str, line| Frame { function: function.to_owned(), file: file.to_owned(), line };
        let trace = TraceContext { trace_id: [0xab; 16], span_id: [0xcd; 8], sampled: true };
        let exception = Exception {
            causes: vec![
                Cause { kind: "Near".to_owned(), message: "near".to_owned() },
                Cause { kind: "Far".to_owned(), message: "far".to_owned() },
            ],
            frames: vec![frame("tokio::spawn", "", 0), frame("shop::place", "src/orders.rs", 12)],
            trace: Some(trace),
            transaction: Some("GET /orders/{id}".to_owned()),
            ..Exception::new("NoEggs", "no \"eggs\"\nleft")
        };
        let told = told(exception);
        let (head, item, event) = read(&envelope(&told, 0x1f, &resource(), Some(&Arc::from("test"))));
        assert_eq!(head, json!({"event_id": "0000000000000000000000000000001f"}));
        assert_eq!(item["type"], "event");
        let stacktrace = json!({"frames": [
            {"in_app": false, "function": "tokio::spawn"},
            {"in_app": true, "function": "shop::place", "filename": "src/orders.rs", "lineno": 12},
        ]});
        let wanted = json!({
            "event_id": "0000000000000000000000000000001f",
            "timestamp": "1970-01-01T00:01:01.000000Z",
            "platform": "native",
            "level": "error",
            "logger": "shop",
            "server_name": "shop-1",
            "release": "shop@1.2.3",
            "environment": "test",
            "transaction": "GET /orders/{id}",
            "exception": {"values": [
                {"type": "Far", "value": "far"},
                {"type": "Near", "value": "near"},
                {"type": "NoEggs", "value": "no \"eggs\"\nleft", "mechanism": {"type": "error", "handled": true}, "stacktrace": stacktrace},
            ]},
            "fingerprint": [told.fingerprint.to_string()],
            "tags": {"service": "shop"},
            "contexts": {"trace": {"type": "trace", "trace_id": "ab".repeat(16), "span_id": "cd".repeat(8)}},
            "extra": {"count": 9, "count_since_last_event": 4, "first_seen": "1970-01-01T00:00:01.000000Z"},
        });
        assert_eq!(event, wanted);
    }

    #[test]
    fn a_panic_is_fatal_and_what_is_not_known_is_not_said() {
        let (_, _, event) = read(&envelope(&told(Exception::of_panic("boom")), 1, &resource(), None));
        assert_eq!(event["level"], "fatal");
        let value = json!({"type": "panic", "value": "boom", "mechanism": {"type": "panic", "handled": false}});
        assert_eq!(event["exception"]["values"], json!([value]));
        for field in ["environment", "transaction", "contexts"] {
            assert!(event.get(field).is_none(), "{field}");
        }
    }
}
