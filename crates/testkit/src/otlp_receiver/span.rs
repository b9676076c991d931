//! A span as a receiver reads it.

use std::collections::BTreeMap;

use super::wire::{Field, all, bytes, fields, number, text};

/// One span. Ids are lower-case hex, empty where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedSpan {
    /// `service.name` and the other attributes of who tells.
    pub resource: BTreeMap<String, String>,
    /// Its trace.
    pub trace_id: String,
    /// Its own.
    pub span_id: String,
    /// Its parent's.
    pub parent_id: String,
    /// Its name.
    pub name: String,
    /// 1 internal, 2 server, 3 client.
    pub kind: u64,
    /// When it began, in nanoseconds since 1970.
    pub begin: u64,
    /// When it ended.
    pub end: u64,
    /// All values as text.
    pub attributes: BTreeMap<String, String>,
    /// Traces and spans that belong to it.
    pub links: Vec<(String, String)>,
    /// What its status says, if that is an error.
    pub error: Option<String>,
}

/// All spans of an `ExportTraceServiceRequest`.
pub(super) fn of_request(message: &[u8]) -> Vec<ReceivedSpan> {
    let mut spans = Vec::new();
    for of_resource in all(message, 1) {
        let resource = attributes(&all(&bytes(&of_resource, 1), 1));
        for of_scope in all(&of_resource, 2) {
            assert_eq!(text(&bytes(&of_scope, 1), 1), "gwanmun", "the scope's name");
            spans.extend(all(&of_scope, 2).iter().map(|span| read(span, &resource)));
        }
    }
    spans
}

fn read(span: &[u8], resource: &BTreeMap<String, String>) -> ReceivedSpan {
    let status = bytes(span, 15);
    let (trace_id, span_id) = (bytes(span, 1), bytes(span, 2));
    assert_eq!((trace_id.len(), span_id.len()), (16, 8), "the lengths of ids");
    ReceivedSpan {
        resource: resource.clone(),
        trace_id: hex(&trace_id),
        span_id: hex(&span_id),
        parent_id: hex(&bytes(span, 4)),
        name: text(span, 5),
        kind: number(span, 6),
        begin: number(span, 7),
        end: number(span, 8),
        attributes: attributes(&all(span, 9)),
        links: all(span, 13).iter().map(|link| (hex(&bytes(link, 1)), hex(&bytes(link, 2)))).collect(),
        error: (number(&status, 3) == 2).then(|| text(&status, 2)),
    }
}

fn attributes(pairs: &[Vec<u8>]) -> BTreeMap<String, String> {
    pairs.iter().map(|pair| (text(pair, 1), value(&bytes(pair, 2)))).collect()
}

fn value(value: &[u8]) -> String {
    match fields(value).pop() {
        Some((1, Field::Bytes(text))) => String::from_utf8(text).unwrap(),
        Some((2, Field::Number(flag))) => (flag == 1).to_string(),
        Some((3, Field::Number(number))) => i64::from_ne_bytes(number.to_ne_bytes()).to_string(),
        Some((4, Field::Number(bits))) => f64::from_bits(bits).to_string(),
        other => panic!("the value of an attribute is {other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
