//! A line of log as a message of syslog: RFC 5424, counted octets (RFC 6587 section 3.4.1). What the header needs is read
//! from the line, on the thread that sends, so that who logs pays nothing for it.

use std::borrow::Cow;
use std::io::Write as _;

use serde::Deserialize;

/// The structured data of our messages. 32473 is the enterprise number that RFC 5612 keeps for those who have none.
const SD_ID: &str = "gwanmun@32473";
/// Says that the message is UTF-8 (RFC 5424 section 6.4).
const BOM: &[u8] = b"\xef\xbb\xbf";

/// What every message of this process begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    facility: u8,
    host: Box<str>,
    name: Box<str>,
    process: u32,
}

/// What is read from a line.
#[derive(Deserialize, Default)]
struct Line<'a> {
    #[serde(borrow, default)]
    time: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    level: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    event: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    trace_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    span_id: Option<Cow<'a, str>>,
}

impl Header {
    /// Names lose what the RFC does not let through, and `-` stands for what is not known.
    pub(super) fn new(facility: u8, host: &str, name: &str, process: u32) -> Self {
        Self { facility, host: word(host, 255).into(), name: word(name, 48).into(), process }
    }

    /// Appends the message for `line`, a JSON object and a line feed.
    pub(super) fn push(&self, out: &mut Vec<u8>, line: &[u8]) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        // Ours always are objects of this shape; whatever else it were, it would be sent as it is.
        let known: Line<'_> = serde_json::from_slice(line).unwrap_or_default();
        let level = known.level.as_deref().unwrap_or_default();
        let priority = u16::from(self.facility) * 8 + severity(level);
        let mut message = Vec::with_capacity(line.len() + 200);
        let event = word(known.event.as_deref().unwrap_or_default(), 32);
        let time = known.time.as_deref().filter(|time| time.bytes().all(is_visible)).unwrap_or("-");
        // Writing into a vector cannot fail.
        let _ = write!(message, "<{priority}>1 {time} {} {} {} {event} ", self.host, self.name, self.process);
        match known.trace_id.as_deref().filter(|id| is_id(id)) {
            Some(trace) => {
                let _ = write!(message, "[{SD_ID} trace_id=\"{trace}\"");
                if let Some(span) = known.span_id.as_deref().filter(|id| is_id(id)) {
                    let _ = write!(message, " span_id=\"{span}\"");
                }
                message.push(b']');
            }
            None => message.push(b'-'),
        }
        message.push(b' ');
        message.extend_from_slice(BOM);
        message.extend_from_slice(line);
        let _ = write!(out, "{} ", message.len());
        out.append(&mut message);
    }
}

/// RFC 5424 table 2.
fn severity(level: &str) -> u16 {
    match level {
        "error" => 3,
        "warn" => 4,
        "info" => 6,
        _ => 7,
    }
}

/// `text` as a word of the header (PRINTUSASCII, RFC 5424 section 6), or `-`.
fn word(text: &str, longest: usize) -> String {
    let kept: String = text.chars().filter(char::is_ascii_graphic).take(longest).collect();
    if kept.is_empty() { "-".to_owned() } else { kept }
}

fn is_visible(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

/// Whether nothing in it has to be escaped.
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn header() -> Header {
        Header::new(16, "edge-1", "gwanmun", 42)
    }

    fn frame(line: &str) -> String {
        let mut out = Vec::new();
        header().push(&mut out, line.as_bytes());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_is_a_message_of_rfc_5424_behind_its_length() {
        let line = json!({"time": "2026-01-02T03:04:05.678901Z", "level": "warn", "message": "m", "event": "upstream-slow",
            "trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331"});
        let frame = frame(&format!("{line}\n"));
        let (length, message) = frame.split_once(' ').unwrap();
        assert_eq!(length.parse(), Ok(message.len()));
        let header = "<132>1 2026-01-02T03:04:05.678901Z edge-1 gwanmun 42 upstream-slow \
                      [gwanmun@32473 trace_id=\"0af7651916cd43dd8448eb211c80319c\" span_id=\"b7ad6b7169203331\"] ";
        assert_eq!(message, format!("{header}\u{feff}{line}"));
    }

    #[test]
    fn what_is_not_known_is_a_dash_and_what_is_not_allowed_is_left_out() {
        assert!(frame("{}").ends_with("<135>1 - edge-1 gwanmun 42 - - \u{feff}{}"));
        assert!(frame("garbage").ends_with("<135>1 - edge-1 gwanmun 42 - - \u{feff}garbage"));
        let hostile =
            json!({"level": "error", "event": "a b\n]é", "time": "1 2", "trace_id": "x\"] y=\"", "span_id": "s"});
        assert!(frame(&hostile.to_string()).contains("<131>1 - edge-1 gwanmun 42 ab] - \u{feff}{"));
        assert_eq!(Header::new(0, "", "a b", 1), Header::new(0, "-", "ab", 1));
    }

    proptest! {
        #[test]
        fn any_line_is_one_frame(event in any::<String>(), message in any::<String>(), trace_id in any::<String>()) {
            let frame = frame(&format!("{}\n", json!({"event": event, "message": message, "trace_id": trace_id})));
            let (length, rest) = frame.split_once(' ').unwrap();
            prop_assert_eq!(length.parse(), Ok(rest.len()));
            let (header, line) = rest.split_once('\u{feff}').unwrap();
            prop_assert!(header.is_ascii() && !header.contains('\n'));
            prop_assert_eq!(&serde_json::from_str::<serde_json::Value>(line).unwrap()["message"], &message);
        }
    }
}
