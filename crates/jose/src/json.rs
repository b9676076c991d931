//! JSON from strangers: headers, claims and key sets. Two members of one name could be read in two ways, and deep
//! nesting costs more than it says, so both are refused (RFC 7515 section 4, RFC 7517 section 4).

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// How deep objects and arrays may stand in each other; the outermost object is the first.
pub const DEEPEST: usize = 16;

/// Reads an object of at most `longest` bytes.
///
/// # Errors
/// What is wrong with it.
pub fn parse_object(bytes: &[u8], longest: usize) -> Result<Map<String, Value>, JsonError> {
    if bytes.len() > longest {
        return Err(JsonError::TooLarge);
    }
    let found = Cell::new(None);
    let strict = Strict { levels_left: DEEPEST, found: &found };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = strict.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    match value {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(JsonError::NotAnObject),
        Err(_) => Err(found.get().unwrap_or(JsonError::Malformed)),
    }
}

/// Why JSON was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonError {
    /// More bytes than are read.
    TooLarge,
    /// More levels than [`DEEPEST`].
    TooDeep,
    /// One object names a member twice.
    DuplicateMember,
    /// JSON, but no object.
    NotAnObject,
    /// No JSON (RFC 8259), or bytes behind it.
    Malformed,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("too many bytes"),
            Self::TooDeep => write!(f, "nested deeper than {DEEPEST} levels"),
            Self::DuplicateMember => f.write_str("a member stands there twice"),
            Self::NotAnObject => f.write_str("wanted a JSON object"),
            Self::Malformed => f.write_str("not JSON"),
        }
    }
}

impl std::error::Error for JsonError {}

/// Reads a value; says in `found` what serde's error cannot tell.
#[derive(Clone, Copy)]
struct Strict<'a> {
    levels_left: usize,
    found: &'a Cell<Option<JsonError>>,
}

impl Strict<'_> {
    fn inside<E: Error>(self) -> Result<Self, E> {
        let levels_left = self.levels_left.checked_sub(1).ok_or_else(|| self.refuse(JsonError::TooDeep))?;
        Ok(Self { levels_left, ..self })
    }

    fn refuse<E: Error>(self, why: JsonError) -> E {
        self.found.set(Some(why));
        E::custom(why)
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| self.refuse(JsonError::Malformed))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(inside)? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(self.refuse(JsonError::DuplicateMember));
            }
            object.insert(name, members.next_value_seed(inside)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> Result<Map<String, Value>, JsonError> {
        parse_object(text.as_bytes(), 1000)
    }

    #[test]
    fn an_object_is_read_with_everything_in_it() {
        let text = r#" {"a": [1, -2, 2.5, true, null, "é\n"], "b": {"c": {}}} "#;
        assert_eq!(parse(text).map(Value::Object), Ok(json!({"a": [1, -2, 2.5, true, null, "é\n"], "b": {"c": {}}})));
    }

    #[test]
    fn a_member_that_stands_there_twice_is_refused_at_any_depth_and_however_it_is_spelled() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"a":[{"b":{"c":1,"d":2,"c":3}}]}"#, r#"{"alg":1,"\u0061lg":2}"#] {
            assert_eq!(parse(text), Err(JsonError::DuplicateMember), "{text}");
        }
        assert!(parse(r#"{"a":{"b":1},"b":{"a":1},"A":1}"#).is_ok());
    }

    #[test]
    fn nesting_ends_at_its_bound() {
        let nested = |arrays: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(arrays), "]".repeat(arrays));
        assert!(parse(&nested(DEEPEST - 1)).is_ok());
        assert_eq!(parse(&nested(DEEPEST)), Err(JsonError::TooDeep));
        let endless = "{\"a\":".repeat(10_000);
        assert_eq!(parse_object(endless.as_bytes(), usize::MAX), Err(JsonError::TooDeep));
    }

    #[test]
    fn size_ends_at_its_bound() {
        assert!(parse_object(b"{   }", 5).is_ok());
        assert_eq!(parse_object(b"{    }", 5), Err(JsonError::TooLarge));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["[]", "1", "null", "\"{}\""] {
            assert_eq!(parse(text), Err(JsonError::NotAnObject), "{text}");
        }
        for text in ["", "{", "{}{}", "{} x", "{'a':1}", r#"{"a":1,}"#, r#"{"a":NaN}"#, r#"{"a":1e999}"#, r#"{"a":01}"#]
        {
            assert_eq!(parse(text), Err(JsonError::Malformed), "{text}");
        }
        for bytes in [&b"{\"a\":\"\xff\"}"[..], b"\xef\xbb\xbf{}", b"{\"a\":\"\\ud800\"}", b"{\"a\":\"\n\"}"] {
            assert_eq!(parse_object(bytes, 1000), Err(JsonError::Malformed), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_a_lenient_reader_reads(bytes in any::<Vec<u8>>(), text in r#"[{}\[\]:,"ab1 ]{0,40}"#) {
            for bytes in [bytes.as_slice(), text.as_bytes()] {
                if let Ok(object) = parse_object(bytes, 1000) {
                    prop_assert_eq!(serde_json::from_slice::<Value>(bytes).ok(), Some(Value::Object(object)));
                }
            }
        }
    }
}
