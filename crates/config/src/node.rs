//! The tree between text and types: what YAML said, each part with its place. Merging, interpolation and decoding work
//! on it; nothing here knows what a route is.

use crate::source::Span;

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What was written.
    pub value: Value,
    /// Where; of a map or list in block style, from its first key or dash to the line after its last.
    pub span: Span,
}

/// What a node holds. Complete: YAML has no more kinds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A word, number or text.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file; keys are unique.
    Map(Vec<Entry>),
}

/// A text that may stand for a boolean or a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    text: String,
    quoted: bool,
    injected: bool,
}

/// One key of a map with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub node: Node,
}

/// What a plain scalar means by YAML 1.2's core schema. Complete: the schema has no more kinds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Resolved<'a> {
    /// Empty, `~`, `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number, decimal, `0x` or `0o`.
    Integer(i128),
    /// A number with a fraction or an exponent, `.inf`, `.nan`.
    Float(f64),
    /// Anything else.
    Text(&'a str),
}

impl Node {
    /// A node of `value` at `span`.
    pub fn new(value: Value, span: Span) -> Self {
        Self { value, span }
    }

    /// The value under `key`, if this is a map that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The text of a scalar, as written.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar.text()),
            _ => None,
        }
    }
}

impl Scalar {
    /// A scalar that was written in quotes, or as a block: always text.
    pub fn quoted(text: impl Into<String>) -> Self {
        Self { text: text.into(), quoted: true, injected: false }
    }

    /// A scalar that was written plainly: may stand for a number or a boolean.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), quoted: false, injected: false }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// Whether it was written in quotes or as a block.
    pub fn is_quoted(&self) -> bool {
        self.quoted
    }

    /// Whether a part came from the environment or from a file named by `${file:…}`: it may be a secret, so messages and
    /// dumps do not show it.
    pub fn is_injected(&self) -> bool {
        self.injected
    }

    /// What the text means.
    pub fn resolve(&self) -> Resolved<'_> {
        if self.quoted { Resolved::Text(&self.text) } else { resolve_plain(&self.text) }
    }

    pub(crate) fn injected(mut self) -> Self {
        self.injected = true;
        self
    }
}

/// YAML 1.2, section 10.3.2.
pub(crate) fn resolve_plain(text: &str) -> Resolved<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Resolved::Null,
        "true" | "True" | "TRUE" => return Resolved::Bool(true),
        "false" | "False" | "FALSE" => return Resolved::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Resolved::Float(f64::NAN),
        _ => {}
    }
    if !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.')) {
        return Resolved::Text(text);
    }
    if let Some(integer) = integer(text) {
        return Resolved::Integer(integer);
    }
    float(text).map_or(Resolved::Text(text), Resolved::Float)
}

fn integer(text: &str) -> Option<i128> {
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn radix(digits: &str, radix: u32) -> Option<i128> {
    if digits.starts_with(['+', '-']) {
        return None;
    }
    i128::from_str_radix(digits, radix).ok()
}

fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_float = digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent));
    if is_float { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_resolve_by_the_core_schema() {
        for (text, meaning) in [
            ("", Resolved::Null),
            ("~", Resolved::Null),
            ("null", Resolved::Null),
            ("true", Resolved::Bool(true)),
            ("False", Resolved::Bool(false)),
            ("yes", Resolved::Text("yes")),
            ("0", Resolved::Integer(0)),
            ("-17", Resolved::Integer(-17)),
            ("+3", Resolved::Integer(3)),
            ("0x1F", Resolved::Integer(31)),
            ("0o17", Resolved::Integer(15)),
            ("0x", Resolved::Text("0x")),
            ("0x-1", Resolved::Text("0x-1")),
            ("1.5", Resolved::Float(1.5)),
            (".5", Resolved::Float(0.5)),
            ("1.", Resolved::Float(1.0)),
            ("-1e3", Resolved::Float(-1000.0)),
            ("-.inf", Resolved::Float(f64::NEG_INFINITY)),
            (".", Resolved::Text(".")),
            ("-", Resolved::Text("-")),
            ("1e", Resolved::Text("1e")),
            ("1.2.3.4", Resolved::Text("1.2.3.4")),
            ("10s", Resolved::Text("10s")),
            ("inf", Resolved::Text("inf")),
            ("1_000", Resolved::Text("1_000")),
        ] {
            assert_eq!(resolve_plain(text), meaning, "{text}");
        }
        assert!(matches!(resolve_plain(".nan"), Resolved::Float(nan) if nan.is_nan()));
    }

    #[test]
    fn quoted_scalars_are_text() {
        assert_eq!(Scalar::quoted("1").resolve(), Resolved::Text("1"));
        assert_eq!(Scalar::plain("1").resolve(), Resolved::Integer(1));
    }
}
