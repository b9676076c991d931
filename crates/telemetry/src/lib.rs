//! What a process tells about itself: a line per request, events, spans, numbers, exceptions and health; the same for the
//! gateway and for services. Nothing here makes who tells it wait: lines, spans and exceptions go into bounded queues and
//! numbers into cells; writing, merging and sending happen on other threads.

pub mod access;
mod appended;
mod calls;
pub mod exceptions;
pub mod export;
pub mod health;
mod instrumented;
mod json;
pub mod logs;
pub mod metrics;
pub mod operators;
pub mod pipeline;
pub mod redact;
pub mod sanitized;
pub mod scope;
pub mod span;
pub mod spec;
pub mod trace;
pub mod tracer;
mod writer;
