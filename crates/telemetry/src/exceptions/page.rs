//! The pages `/exceptions` and `/exceptions/{fingerprint}`.

use std::time::SystemTime;

use gwanmun_core::Stamp;
use serde_json::{Value, json};

use super::exception::Frame;
use super::fingerprint::Fingerprint;
use super::kinds::{Kind, Kinds};

/// The latest of each kind, with how often they came; the last seen first.
pub(super) fn all(kinds: &Kinds) -> Value {
    let kinds: Vec<_> = kinds.latest().into_iter().map(|(fingerprint, kind)| of(fingerprint, kind)).collect();
    json!({ "exceptions": kinds })
}

/// One kind, with where it happened and why.
pub(super) fn one(kinds: &Kinds, fingerprint: Fingerprint) -> Option<Value> {
    let kind = kinds.of(fingerprint)?;
    let mut page = of(fingerprint, kind);
    let causes = kind.exception.causes.iter().map(|cause| json!({"kind": cause.kind, "message": cause.message}));
    if let Some(page) = page.as_object_mut() {
        page.insert("causes".to_owned(), causes.collect());
        // The innermost first, as people read it.
        page.insert("frames".to_owned(), kind.exception.frames.iter().rev().map(frame).collect());
    }
    Some(page)
}

/// `2026-01-02T03:04:05.678901Z`.
pub(super) fn stamp(time: SystemTime) -> String {
    let mut text = Vec::new();
    Stamp::new().push(&mut text, time);
    String::from_utf8_lossy(&text).into_owned()
}

fn of(fingerprint: Fingerprint, kind: &Kind) -> Value {
    let exception = &kind.exception;
    json!({
        "fingerprint": fingerprint.to_string(),
        "kind": exception.kind,
        "message": exception.message,
        "count": kind.count,
        "first_seen": stamp(kind.first_seen),
        "last_seen": stamp(kind.last_seen),
        "trace_id": exception.trace.map(|trace| trace.trace_id_hex().to_string()),
        "transaction": exception.transaction,
    })
}

fn frame(frame: &Frame) -> Value {
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    json!({
        "function": known(&frame.function),
        "file": known(&frame.file),
        "line": (frame.line > 0).then_some(frame.line),
        "application": frame.is_application(),
    })
}
