//! A span: one step of a trace that has ended. Made only where the trace is sampled; what it tells is bounded.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::trace::{HexId, TraceContext};

/// One step of a trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// What was done, of few different words: `GET /orders/{id}`, never a path as it came.
    pub name: Cow<'static, str>,
    /// Whose side of a call it is.
    pub kind: SpanKind,
    /// The trace, and this step in it.
    pub context: TraceContext,
    /// The step that caused it.
    pub parent: Option<[u8; 8]>,
    /// Other traces that belong to it.
    pub links: Vec<TraceContext>,
    /// When it began.
    pub begin: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// Whether and how it failed.
    pub error: Option<Cow<'static, str>>,
    /// OpenTelemetry's semantic conventions for HTTP, and what business code adds.
    pub attributes: Vec<(Cow<'static, str>, Attribute)>,
}

impl Span {
    /// The parent's id as 16 lower-case hex digits.
    pub fn parent_hex(&self) -> Option<HexId<16>> {
        self.parent.map(|span_id| TraceContext { span_id, ..self.context }.span_id_hex())
    }
}

/// Whose side of a call a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// A step within a process.
    Internal,
    /// Somebody was answered.
    Server,
    /// Somebody was asked.
    Client,
}

/// What a span tells beside its times.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// Text.
    Text(Arc<str>),
    /// A whole number.
    Whole(i64),
    /// Any other number.
    Number(f64),
    /// Yes or no.
    Flag(bool),
}
