//! What a service has seen of a request, and what it makes of the Passport in it.

use bytes::Bytes;
use gwanmun_jose::base64url;
use http::Request;
use serde_json::{Map, Value, json};

use crate::command::demo::passports::{Passports, Verdict};

/// A request as it came.
pub(super) struct Seen {
    service: &'static str,
    pub(super) method: String,
    pub(super) target: String,
    /// Names and values, in their order.
    pub(super) headers: Vec<(String, String)>,
    pub(super) passport: Option<Passport>,
}

/// A Passport, decoded.
pub(super) struct Passport {
    pub(super) token: String,
    pub(super) header: Value,
    pub(super) claims: Value,
    pub(super) verdict: Verdict,
}

impl Seen {
    pub(super) fn of(request: &Request<Bytes>, service: &'static str, passports: &Passports) -> Self {
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers: Vec<_> = request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let token = request.headers().get(gwanmun_passport::HEADER).map(text);
        Self {
            service,
            method: request.method().to_string(),
            target: request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned(),
            headers,
            passport: token.and_then(|token| Passport::read(token, passports)),
        }
    }

    /// All of it.
    pub(super) fn json(&self) -> Value {
        // The token is long, and its parts are told below.
        let short = |name: &str, value: &str| match value.get(..16) {
            Some(beginning) if name.eq_ignore_ascii_case(gwanmun_passport::HEADER) => format!("{beginning}…"),
            _ => value.to_owned(),
        };
        let headers = self.headers.iter().map(|(name, value)| (name.clone(), Value::String(short(name, value))));
        let mut seen = json!({
            "service": self.service,
            "method": self.method,
            "target": self.target,
            "headers": headers.collect::<Map<_, _>>(),
        });
        if let (Some(passport), Some(members)) = (&self.passport, seen.as_object_mut()) {
            let Passport { header, claims, verdict, .. } = passport;
            members.insert(
                "passport".to_owned(),
                json!({"header": header, "claims": claims, "signature": verdict.word()}),
            );
        }
        seen
    }
}

impl Passport {
    fn read(token: String, passports: &Passports) -> Option<Self> {
        let mut parts = token.split('.').map(|part| serde_json::from_slice(&base64url::decode(part.as_bytes())?).ok());
        let (header, claims) = (parts.next()??, parts.next()??);
        let verdict = passports.verify(&token);
        Some(Self { header, claims, verdict, token })
    }

    /// A claim by its JSON pointer, if it is text.
    pub(super) fn text(&self, pointer: &str) -> Option<&str> {
        self.claims.pointer(pointer)?.as_str()
    }

    /// The texts of a list.
    pub(super) fn list(&self, pointer: &str) -> impl Iterator<Item = &str> {
        self.claims.pointer(pointer).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }
}
