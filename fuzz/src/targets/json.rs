//! Strict JSON: what is read is what a lenient reader reads, and nothing is refused without one of the reasons.

use gwanmun_jose::json::{DEEPEST, JsonError, parse_object};
use serde_json::Value;

/// The input is the text.
pub(crate) fn run(input: &[u8]) {
    let lenient = serde_json::from_slice::<Value>(input);
    match parse_object(input, input.len()) {
        Ok(object) => {
            let object = Value::Object(object);
            assert!(depth(&object) <= DEEPEST, "{object}");
            assert_eq!(Some(&object), lenient.as_ref().ok());
        }
        Err(JsonError::NotAnObject) => assert!(!lenient.expect("it is JSON").is_object()),
        Err(JsonError::Malformed) => assert!(lenient.is_err(), "{lenient:?}"),
        Err(JsonError::DuplicateMember | JsonError::TooDeep) => {}
        Err(error) => panic!("{error}"),
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
