//! `add-request-headers-if-not-present`: defaults for fields that the client left out.

use std::borrow::Cow;
use std::fmt;

use gwanmun_proxy::{Exchange, Filter, FilterSpec, HeaderTemplate, Invalid, Parts, Step, Verdict};
use http::header::HeaderName;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::header_name;

/// Adds headers to the request that the client did not send, or sent blank. A name that is listed twice is added with
/// both values.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AddRequestHeadersIfNotPresentSpec {
    /// Names with values: a list of `Name:value`, a list of `{key: Name, value: value}`, or a map `{Name: value}`. In a value,
    /// `{name}` is a variable of the route's predicates.
    key_values: KeyValues,
}

/// Names with values, in order.
#[derive(Debug)]
struct KeyValues(Vec<(String, String)>);

struct AddRequestHeadersIfNotPresent {
    headers: Vec<(HeaderName, Vec<HeaderTemplate>)>,
}

impl FilterSpec for AddRequestHeadersIfNotPresentSpec {
    const NAME: &'static str = "add-request-headers-if-not-present";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: orders
    predicates:
      - path: /orders/**
    filters:
      - add-request-headers-if-not-present: ["X-Channel:web", "X-Region:eu"]
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /orders/7, headers: {x-channel: app}}
    expect: {route: orders, upstream-headers: {x-channel: app, x-region: eu}}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        let mut headers: Vec<(HeaderName, Vec<HeaderTemplate>)> = Vec::new();
        for (name, value) in &self.key_values.0 {
            let name = header_name::settable_in_request("key-values", name)?;
            let value = HeaderTemplate::parse(value, parts).map_err(|invalid| invalid.or_at("key-values"))?;
            match headers.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(value),
                None => headers.push((name, vec![value])),
            }
        }
        if headers.is_empty() {
            return Err(Invalid::at("key-values", "found nothing, wanted at least one Name:value"));
        }
        Ok(Box::new(AddRequestHeadersIfNotPresent { headers }))
    }
}

impl Filter for AddRequestHeadersIfNotPresent {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        for (name, values) in &self.headers {
            if !header_name::is_missing_or_blank(&exchange.request.headers, name) {
                continue;
            }
            for value in values {
                let value = value.render(&exchange.variables)?;
                exchange.request.headers.append(name, value);
            }
        }
        Ok(Step::Next)
    }
}

impl<'de> Deserialize<'de> for KeyValues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeyValuesVisitor)
    }
}

struct KeyValuesVisitor;

impl<'de> Visitor<'de> for KeyValuesVisitor {
    type Value = KeyValues;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Name:value, a list of these, or a map of names and values")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<KeyValues, E> {
        key_value(text).map(|pair| KeyValues(vec![pair]))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<KeyValues, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(KeyValues(pairs))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<KeyValues, A::Error> {
        let mut pairs = Vec::new();
        while let Some(KeyValue(pair)) = elements.next_element()? {
            pairs.push(pair);
        }
        Ok(KeyValues(pairs))
    }
}

/// One element of the list.
struct KeyValue((String, String));

impl<'de> Deserialize<'de> for KeyValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeyValueVisitor)
    }
}

struct KeyValueVisitor;

impl<'de> Visitor<'de> for KeyValueVisitor {
    type Value = KeyValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Name:value or {key: Name, value: value}")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<KeyValue, E> {
        key_value(text).map(KeyValue)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<KeyValue, A::Error> {
        let (mut key, mut value) = (None, None);
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "key" => key = Some(map.next_value()?),
                "value" => value = Some(map.next_value()?),
                _ => return Err(A::Error::unknown_field(&name, &["key", "value"])),
            }
        }
        let key = key.ok_or_else(|| A::Error::missing_field("key"))?;
        let value = value.ok_or_else(|| A::Error::missing_field("value"))?;
        Ok(KeyValue((key, value)))
    }
}

/// The value may have colons of its own.
fn key_value<E: Error>(text: &str) -> Result<(String, String), E> {
    match text.split_once(':') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => Err(E::custom(format!("found '{text}', wanted Name:value"))),
    }
}

impl JsonSchema for KeyValues {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "KeyValues".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let text = json_schema!({ "type": "string", "pattern": "^[^:]+:" });
        let pair = json_schema!({
            "type": "object",
            "properties": { "key": { "type": "string" }, "value": { "type": ["string", "number", "boolean"] } },
            "required": ["key", "value"],
            "additionalProperties": false
        });
        json_schema!({ "anyOf": [
            text,
            { "type": "array", "items": { "anyOf": [text, pair] } },
            { "type": "object", "additionalProperties": { "type": ["string", "number", "boolean"] } }
        ] })
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::fixture::{Fixture, exchange_capturing, exchange_with, filter, pass, refusal, values};

    fn added(arguments: &str, fields: &[(&str, &str)], name: &str) -> Vec<String> {
        let filter = filter::<AddRequestHeadersIfNotPresentSpec>(arguments);
        let mut exchange = exchange_with(Method::GET, "/", fields);
        pass(&*filter, &mut exchange).unwrap();
        values(&exchange.request.headers, name).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn every_notation_means_the_same() {
        for arguments in [
            "'X-A:1'",
            "['X-A:1']",
            "{key-values: ['X-A: 1']}",
            "{key-values: [{key: X-A, value: 1}]}",
            "{key-values: {X-A: 1}}",
            "{X-A: 1}",
        ] {
            assert_eq!(added(arguments, &[], "x-a"), ["1"], "{arguments}");
        }
    }

    #[test]
    fn what_the_client_sent_wins_unless_it_is_blank() {
        assert_eq!(added("['X-A:1', 'X-B:2']", &[("x-a", "client")], "x-a"), ["client"]);
        assert_eq!(added("['X-A:1', 'X-B:2']", &[("x-a", "client")], "x-b"), ["2"]);
        assert_eq!(added("['X-A:1']", &[("x-a", "")], "x-a").last().unwrap(), "1");
    }

    #[test]
    fn a_name_twice_has_both_values_in_whatever_case() {
        assert_eq!(added("['X-A:1', 'x-a:2:3']", &[], "x-a"), ["1", "2:3"]);
        assert_eq!(added("['X-A:1', 'x-a:2']", &[("x-a", "client")], "x-a"), ["client"]);
    }

    #[test]
    fn variables_are_filled_in() {
        let fixture = Fixture::new().with_variables(&["id"]);
        let filter = fixture.filter::<AddRequestHeadersIfNotPresentSpec>("['X-A:{id}']").unwrap();
        let mut exchange = exchange_capturing("/", &[("id", "7")]);
        pass(&*filter, &mut exchange).unwrap();
        assert_eq!(values(&exchange.request.headers, "x-a"), ["7"]);
    }

    #[test]
    fn bad_arguments_are_refused() {
        assert!(refusal::<AddRequestHeadersIfNotPresentSpec>("[X-A]").contains("Name:value"));
        assert!(refusal::<AddRequestHeadersIfNotPresentSpec>("[]").contains("nothing"));
        assert!(refusal::<AddRequestHeadersIfNotPresentSpec>("{key-values: [{key: X-A}]}").contains("value"));
        assert!(refusal::<AddRequestHeadersIfNotPresentSpec>("['Host:x']").contains("set-request-host-header"));
    }
}
