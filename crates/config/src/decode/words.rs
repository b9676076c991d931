//! Serde's vocabulary in the words of a person who writes YAML, and what usually causes a shape that does not fit.

use crate::byte_size::ByteSize;
use crate::node::{Node, Resolved, Scalar, Value};
use crate::suggest::did_you_mean;
use crate::timespan::Timespan;

/// Longer texts are cut in messages; the snippet shows them anyway.
const SHOWN: usize = 40;

/// What was wanted.
pub(super) fn expected(serde: &str) -> String {
    let known = match serde {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "u128" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "path string" => "a path",
        "unit" => "nothing",
        _ => serde,
    };
    if let Some(number) = known.strip_prefix("a nonzero ") {
        let words = expected(number);
        let positive = words.replace("from 0 to", "from 1 to").replace("0 or more", "1 or more");
        return if positive == words { format!("{words}, not 0") } else { positive };
    }
    if known.starts_with("struct ") || known.starts_with("a map") {
        return "a map".to_owned();
    }
    if known.starts_with("enum ") || known.starts_with("variant identifier") {
        return "one word".to_owned();
    }
    if known.starts_with("tuple ") || known.starts_with("a tuple ") || known.starts_with("an array ") {
        let length: String = known.chars().filter(char::is_ascii_digit).collect();
        return format!("a list of {length} values");
    }
    known.to_owned()
}

/// What stands there.
pub(super) fn found(node: &Node) -> String {
    match &node.value {
        Value::Null => "nothing".to_owned(),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a map".to_owned(),
        Value::Scalar(scalar) if scalar.is_injected() => {
            "a value from outside of the files, not shown as it may be secret".to_owned()
        }
        Value::Scalar(scalar) => found_text(scalar.text()),
    }
}

pub(super) fn found_text(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("'{}…'", text.get(..at).unwrap_or(text)),
        None => format!("'{text}'"),
    }
}

/// What to do about a value of the wrong shape; `keys` are those of the map that was expected.
pub(super) fn shape_hint(node: &Node, expected: &str, keys: &[&str]) -> Option<String> {
    match &node.value {
        Value::Map(entries) => {
            // `{id}` is a map {id: null} to YAML. In flow style the brace stands before the first key.
            let first = entries.first()?;
            let braces = node.span.start < first.key_span.start;
            let found: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
            let bare = entries.iter().all(|entry| entry.node.value == Value::Null);
            if braces && bare {
                return Some(format!("quote it: \"{{{}}}\"", found.join(", ")));
            }
            if expected != "a list" {
                return None;
            }
            let numbered = first.key.bytes().all(|byte| byte.is_ascii_digit());
            let hint = if numbered {
                "elements of lists cannot be set one by one: write the whole list"
            } else {
                "begin each element with '- '"
            };
            Some(hint.to_owned())
        }
        Value::Scalar(scalar) => {
            let shape =
                || (expected == "a map" && !keys.is_empty()).then(|| format!("its keys are {}", keys.join(", ")));
            scalar_hint(scalar, expected).or_else(shape)
        }
        Value::List(_) if expected == "a map" => Some(match keys {
            [] => "write a name and a colon in the place of each '- '".to_owned(),
            keys => format!("its keys are {}", keys.join(", ")),
        }),
        Value::Null if expected != "nothing" && !expected.starts_with("a list") && !expected.starts_with("a map") => {
            Some("write a value after the colon, or leave the key out".to_owned())
        }
        Value::Null | Value::List(_) => None,
    }
}

fn scalar_hint(scalar: &Scalar, expected: &str) -> Option<String> {
    let text = scalar.text();
    if expected == "true or false" {
        return match text.to_ascii_lowercase().as_str() {
            "yes" | "on" | "y" | "1" | "true" => Some("write true".to_owned()),
            "no" | "off" | "n" | "0" | "false" => Some("write false".to_owned()),
            _ => None,
        };
    }
    if expected.starts_with("a duration") && !scalar.is_injected() {
        return Timespan::near(text).map(|near| format!("write {near}"));
    }
    if expected.starts_with("a size") && !scalar.is_injected() {
        return ByteSize::near(text).map(|near| format!("write {near}"));
    }
    if scalar.is_injected() || scalar.is_quoted() || !matches!(scalar.resolve(), Resolved::Text(_)) {
        return None;
    }
    if expected.starts_with("a whole number") {
        return Some("write digits only, without a unit".to_owned());
    }
    if expected == "a map" || expected == "a list" {
        let (key, value) = text.split_once(':')?;
        let word =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        return (word(key) && !value.starts_with('/'))
            .then(|| format!("write a space after the colon: {key}: {value}"));
    }
    None
}

/// The nearest of the known words, or all of them.
pub(super) fn choice(found: &str, known: &[&str], kind: &str) -> String {
    if let Some((key, value)) = found.split_once(':')
        && known.contains(&key)
    {
        return format!("write a space after the colon: {key}: {value}");
    }
    match did_you_mean(found, known.iter().copied()) {
        Some(near) => format!("did you mean '{near}'?"),
        None if known.is_empty() => format!("no {kind} are expected here"),
        None => format!("known {kind}: {}", known.join(", ")),
    }
}
