//! One event as one line: JSON for machines, text for people. Both escape control characters, so that a value from
//! outside cannot forge a line or steer a terminal.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use crate::json;
use crate::redact;
use crate::scope;
use gwanmun_core::Stamp;

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Json,
    Plain,
    Coloured,
}

/// What is kept of one value, bytes before escaping.
const LONGEST: usize = 16 * 1024;

/// The line of an event, ended by a line feed.
pub(super) fn of(event: &Event<'_>, time: SystemTime, style: Style) -> Vec<u8> {
    let mut parts = Parts { style, message: Vec::new(), fields: Vec::new(), names_trace: false };
    event.record(&mut parts);
    let target = event.metadata().target();
    let target =
        (target != "gwanmun" && !target.starts_with("gwanmun_") && !target.starts_with("gwanmun::")).then_some(target);
    let level = *event.metadata().level();
    let mut line = Vec::with_capacity(128 + parts.message.len() + parts.fields.len());
    match style {
        Style::Json => push_json(&mut line, time, level, target, &parts),
        Style::Plain | Style::Coloured => push_text(&mut line, time, level, target, &parts),
    }
    line.push(b'\n');
    line
}

fn push_json(line: &mut Vec<u8>, time: SystemTime, level: Level, target: Option<&str>, parts: &Parts) {
    line.extend_from_slice(b"{\"time\":\"");
    Stamp::new().push(line, time);
    line.extend_from_slice(b"\",\"level\":\"");
    line.extend_from_slice(name(level).as_bytes());
    line.push(b'"');
    if let Some(target) = target {
        line.extend_from_slice(b",\"target\":");
        json::push_string(line, target.as_bytes());
    }
    line.extend_from_slice(b",\"message\":\"");
    line.extend_from_slice(&parts.message);
    line.push(b'"');
    line.extend_from_slice(&parts.fields);
    if !parts.names_trace
        && let Some(trace) = scope::current()
    {
        line.extend_from_slice(b",\"trace_id\":\"");
        line.extend_from_slice(trace.trace_id_hex().as_bytes());
        line.extend_from_slice(b"\",\"span_id\":\"");
        line.extend_from_slice(trace.span_id_hex().as_bytes());
        line.push(b'"');
    }
    line.push(b'}');
}

fn push_text(line: &mut Vec<u8>, time: SystemTime, level: Level, target: Option<&str>, parts: &Parts) {
    let (dim, colour, plain) = match parts.style {
        Style::Coloured => ("\x1b[2m", colour(level), "\x1b[0m"),
        Style::Json | Style::Plain => ("", "", ""),
    };
    let mut stamp = Vec::new();
    Stamp::new().push(&mut stamp, time);
    // The day is known to who watches a terminal: from the hour to the millisecond.
    let clock = stamp.get("2026-01-02T".len().."2026-01-02T03:04:05.678".len()).unwrap_or_default();
    line.extend_from_slice(dim.as_bytes());
    line.extend_from_slice(clock);
    for part in [plain, " ", colour, name(level), plain, if name(level).len() == 4 { "  " } else { " " }] {
        line.extend_from_slice(part.as_bytes());
    }
    if let Some(target) = target {
        json::push_escaped(line, target.as_bytes());
        line.extend_from_slice(b": ");
    }
    line.extend_from_slice(&parts.message);
    line.extend_from_slice(&parts.fields);
    if !parts.names_trace
        && let Some(trace) = scope::current()
    {
        for part in [" ", dim, "trace_id=", plain, &*trace.trace_id_hex()] {
            line.extend_from_slice(part.as_bytes());
        }
    }
}

const fn name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

const fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    }
}

/// Message and fields, already escaped for their style.
struct Parts {
    style: Style,
    message: Vec<u8>,
    fields: Vec<u8>,
    /// The event tells of which trace it is.
    names_trace: bool,
}

impl Parts {
    /// A value that stands without quotes in both styles.
    fn bare(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if self.key(field) {
            // Writing into a vector cannot fail.
            drop(io_write(&mut self.fields, value));
        }
    }

    /// A number; under the name of a secret it is one, unless it counts them.
    fn number(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if redact::is_secret_field(field.name()) && !field.name().ends_with('s') {
            self.text(field, redact::MASK);
        } else {
            self.bare(field, value);
        }
    }

    /// What has to be printed first.
    fn printed(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if let Some(text) = value.as_str() {
            return self.text(field, text);
        }
        let mut printed = Printed(String::new());
        // A value that fails to print leaves what it printed, and so does one that is too long.
        let _ = printed.write_fmt(value);
        self.text(field, &printed.0);
    }

    /// A text: quoted in JSON, and in text where it is not one plain word.
    fn text(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            push_bounded(&mut self.message, &redact::text(value));
            return;
        }
        if !self.key(field) {
            return;
        }
        let value =
            if redact::is_secret_field(field.name()) { Cow::Borrowed(redact::MASK) } else { redact::text(value) };
        let is_plain = |character: char| !character.is_control() && !matches!(character, ' ' | '=' | '"' | '\\');
        let is_word = || !value.is_empty() && value.len() < LONGEST && value.chars().all(is_plain);
        if self.style != Style::Json && is_word() {
            self.fields.extend_from_slice(value.as_bytes());
        } else {
            self.fields.push(b'"');
            push_bounded(&mut self.fields, &value);
            self.fields.push(b'"');
        }
    }

    /// Writes the key; false where the field is not shown.
    fn key(&mut self, field: &Field) -> bool {
        let name = field.name();
        self.names_trace |= name == "trace_id";
        let (dim, plain) = if self.style == Style::Coloured { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        match (self.style, name) {
            // Keys of the line itself stay its own.
            (Style::Json, "time" | "level" | "target" | "message") => {
                self.fields.extend_from_slice(b",\"field_");
                json::push_escaped(&mut self.fields, name.as_bytes());
                self.fields.extend_from_slice(b"\":");
            }
            (Style::Json, _) => {
                self.fields.push(b',');
                json::push_string(&mut self.fields, name.as_bytes());
                self.fields.push(b':');
            }
            // It names the message for machines.
            (_, "event") => return false,
            _ => {
                for part in [" ", dim, name, "=", plain] {
                    self.fields.extend_from_slice(part.as_bytes());
                }
            }
        }
        true
    }
}

impl Visit for Parts {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.number(field, format_args!("{value}"));
        } else {
            self.printed(field, format_args!("{value}"));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field, format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field, format_args!("{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut printed = Printed(String::new());
        let mut told = write!(printed, "{value}");
        let mut source = value.source();
        // One that fails to print, or has no end, leaves what it printed.
        while let (Some(cause), Ok(())) = (source, told) {
            told = write!(printed, ": {cause}");
            source = cause.source();
        }
        self.text(field, &printed.0);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.printed(field, format_args!("{value:?}"));
    }
}

/// Takes what is printed up to a length. What is masked shrinks a text, so that more is taken than is kept.
struct Printed(String);

impl fmt::Write for Printed {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() > 2 * LONGEST {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

fn push_bounded(out: &mut Vec<u8>, text: &str) {
    let kept = text.get(..text.floor_char_boundary(LONGEST)).unwrap_or_default();
    json::push_escaped(out, kept.as_bytes());
    if kept.len() < text.len() {
        out.extend_from_slice("…".as_bytes());
    }
}

fn io_write(out: &mut Vec<u8>, value: fmt::Arguments<'_>) -> std::io::Result<()> {
    std::io::Write::write_fmt(out, value)
}
