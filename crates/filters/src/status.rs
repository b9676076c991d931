//! A status in an argument: the number, or the name it has in Spring's `HttpStatus`, which is the IANA registry's reason
//! phrase.

use std::borrow::Cow;
use std::fmt;

use gwanmun_config::did_you_mean;
use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// The status of a final answer, 200 to 599: `401`, `UNAUTHORIZED` or `unauthorized`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusSpec(StatusCode);

impl StatusSpec {
    /// The status.
    pub fn code(self) -> StatusCode {
        self.0
    }
}

impl From<StatusCode> for StatusSpec {
    fn from(code: StatusCode) -> Self {
        Self(code)
    }
}

/// Whether a response of this status has a body (RFC 9110 section 15.3.5, 15.3.6 and 15.4.5).
pub(crate) fn has_body(status: StatusCode) -> bool {
    !matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Names in the registry and the older ones that Spring also knows.
const NAMES: &[(&str, u16)] = &[
    ("OK", 200),
    ("CREATED", 201),
    ("ACCEPTED", 202),
    ("NON_AUTHORITATIVE_INFORMATION", 203),
    ("NO_CONTENT", 204),
    ("RESET_CONTENT", 205),
    ("PARTIAL_CONTENT", 206),
    ("MULTI_STATUS", 207),
    ("ALREADY_REPORTED", 208),
    ("IM_USED", 226),
    ("MULTIPLE_CHOICES", 300),
    ("MOVED_PERMANENTLY", 301),
    ("FOUND", 302),
    ("MOVED_TEMPORARILY", 302),
    ("SEE_OTHER", 303),
    ("NOT_MODIFIED", 304),
    ("USE_PROXY", 305),
    ("TEMPORARY_REDIRECT", 307),
    ("PERMANENT_REDIRECT", 308),
    ("BAD_REQUEST", 400),
    ("UNAUTHORIZED", 401),
    ("PAYMENT_REQUIRED", 402),
    ("FORBIDDEN", 403),
    ("NOT_FOUND", 404),
    ("METHOD_NOT_ALLOWED", 405),
    ("NOT_ACCEPTABLE", 406),
    ("PROXY_AUTHENTICATION_REQUIRED", 407),
    ("REQUEST_TIMEOUT", 408),
    ("CONFLICT", 409),
    ("GONE", 410),
    ("LENGTH_REQUIRED", 411),
    ("PRECONDITION_FAILED", 412),
    ("CONTENT_TOO_LARGE", 413),
    ("PAYLOAD_TOO_LARGE", 413),
    ("REQUEST_ENTITY_TOO_LARGE", 413),
    ("URI_TOO_LONG", 414),
    ("REQUEST_URI_TOO_LONG", 414),
    ("UNSUPPORTED_MEDIA_TYPE", 415),
    ("RANGE_NOT_SATISFIABLE", 416),
    ("REQUESTED_RANGE_NOT_SATISFIABLE", 416),
    ("EXPECTATION_FAILED", 417),
    ("I_AM_A_TEAPOT", 418),
    ("MISDIRECTED_REQUEST", 421),
    ("UNPROCESSABLE_CONTENT", 422),
    ("UNPROCESSABLE_ENTITY", 422),
    ("LOCKED", 423),
    ("FAILED_DEPENDENCY", 424),
    ("TOO_EARLY", 425),
    ("UPGRADE_REQUIRED", 426),
    ("PRECONDITION_REQUIRED", 428),
    ("TOO_MANY_REQUESTS", 429),
    ("REQUEST_HEADER_FIELDS_TOO_LARGE", 431),
    ("UNAVAILABLE_FOR_LEGAL_REASONS", 451),
    ("INTERNAL_SERVER_ERROR", 500),
    ("NOT_IMPLEMENTED", 501),
    ("BAD_GATEWAY", 502),
    ("SERVICE_UNAVAILABLE", 503),
    ("GATEWAY_TIMEOUT", 504),
    ("HTTP_VERSION_NOT_SUPPORTED", 505),
    ("VARIANT_ALSO_NEGOTIATES", 506),
    ("INSUFFICIENT_STORAGE", 507),
    ("LOOP_DETECTED", 508),
    ("BANDWIDTH_LIMIT_EXCEEDED", 509),
    ("NOT_EXTENDED", 510),
    ("NETWORK_AUTHENTICATION_REQUIRED", 511),
];

impl<'de> Deserialize<'de> for StatusSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StatusVisitor)
    }
}

struct StatusVisitor;

impl Visitor<'_> for StatusVisitor {
    type Value = StatusSpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a status such as 401 or UNAUTHORIZED")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<StatusSpec, E> {
        let code = u16::try_from(number).ok().filter(|number| (200..600).contains(number));
        match code.and_then(|number| StatusCode::from_u16(number).ok()) {
            Some(code) => Ok(StatusSpec(code)),
            None => Err(E::custom(format!("found {number}, wanted the status of a final answer, 200 to 599"))),
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<StatusSpec, E> {
        self.visit_u64(u64::try_from(number).unwrap_or(0))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<StatusSpec, E> {
        if let Ok(number) = text.parse() {
            return self.visit_u64(number);
        }
        let name = text.to_ascii_uppercase().replace('-', "_");
        let found = NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
        match found.and_then(|number| StatusCode::from_u16(number).ok()) {
            Some(code) => Ok(StatusSpec(code)),
            None => Err(E::custom(match did_you_mean(&name, NAMES.iter().map(|(known, _)| *known)) {
                Some(close) => {
                    format!("found '{text}', wanted a status such as 401 or UNAUTHORIZED: did you mean {close}?")
                }
                None => format!("found '{text}', wanted a status such as 401 or UNAUTHORIZED"),
            })),
        }
    }
}

impl JsonSchema for StatusSpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Status".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<String> = NAMES
            .iter()
            .flat_map(|(name, _)| [(*name).to_owned(), name.to_ascii_lowercase().replace('_', "-")])
            .collect();
        json_schema!({ "anyOf": [{ "type": "integer", "minimum": 200, "maximum": 599 }, { "enum": names }, { "type": "string", "pattern": "^[2-5][0-9][0-9]$" }] })
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer;
    use serde::de::value::Error;

    use super::*;

    fn named(text: &str) -> Result<u16, Error> {
        StatusSpec::deserialize(text.into_deserializer()).map(|status| status.code().as_u16())
    }

    fn numbered(number: u64) -> Result<u16, Error> {
        StatusSpec::deserialize(number.into_deserializer()).map(|status| status.code().as_u16())
    }

    #[test]
    fn numbers_and_names_are_understood() {
        assert_eq!(numbered(401), Ok(401));
        for text in ["401", "UNAUTHORIZED", "unauthorized"] {
            assert_eq!(named(text), Ok(401), "{text}");
        }
        assert_eq!(named("not-found"), Ok(404));
        assert_eq!(numbered(599), Ok(599));
    }

    #[test]
    fn every_registered_final_status_has_a_name() {
        for number in 200..600 {
            let reason = StatusCode::from_u16(number).unwrap().canonical_reason().unwrap_or_default();
            let name = reason.replace("I'm", "I am").to_ascii_uppercase().replace([' ', '-'], "_");
            assert!(name.is_empty() || named(&name) == Ok(number), "{number} {name}");
        }
    }

    #[test]
    fn informational_and_impossible_statuses_are_refused() {
        for number in [0, 100, 101, 199, 600, 70_000, u64::MAX] {
            assert!(numbered(number).is_err(), "{number}");
        }
        assert!(named("CONTINUE").is_err());
        assert!(named("-1").is_err());
    }

    #[test]
    fn a_misspelt_name_gets_a_suggestion() {
        assert!(named("UNAUTHORISED").unwrap_err().to_string().contains("did you mean UNAUTHORIZED?"));
    }
}
