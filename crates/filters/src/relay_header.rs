//! `relay-header`: what another service knows about the caller, in headers of the request. Asked once per caller and time,
//! whatever the number of requests and workers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gwanmun_client::{CallError, Client, Fetched, Found, LookupSettings, Lookups, Settings, State};
use gwanmun_config::{Spanned, Timespan};
use gwanmun_core::{Code, Fault};
use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Step, Verdict};
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::authorities::authorities;
use crate::header_name;
use crate::outbound::outbound;
use crate::principal_url::PrincipalUrl;

/// The longest text that becomes a value, bytes.
const LONGEST_VALUE: usize = 4096;

/// Asks another service about the caller and puts parts of its answer (JSON) into headers of the request. Fields of these
/// names that the client sent are removed. The answer is remembered for `ttl`, that there is none for `negative-ttl`;
/// while the service is down, an answer is used for `stale` longer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RelayHeaderSpec {
    /// Where to ask: `{principal.subject}` and `{principal.claims.NAME}` are filled in, percent-encoded.
    url: String,
    /// Headers, and where their values are in the answer (JSON pointers, RFC 6901). Texts, numbers and booleans become
    /// values; anything else, text with control characters and text of more than 4096 bytes count as missing.
    headers: BTreeMap<String, String>,
    /// How long an answer is good (30s).
    #[serde(default = "thirty_seconds")]
    ttl: Timespan,
    /// How long it is remembered that the service knows nothing about a caller (5s).
    #[serde(default = "five_seconds")]
    negative_ttl: Timespan,
    /// How long after `ttl` an answer is still used while the service cannot be asked (5m).
    #[serde(default = "five_minutes")]
    stale: Timespan,
    /// How long a request waits for the answer (200ms).
    #[serde(default = "two_hundred_milliseconds")]
    timeout: Timespan,
    /// Whether a request fails (503) where a value is missing; else it passes without.
    #[serde(default)]
    required: bool,
    /// Authorities (PEM) that the source's certificate must come from; by default the platform's.
    #[serde(default)]
    ca: Option<Spanned<String>>,
}

fn thirty_seconds() -> Timespan {
    Timespan(Duration::from_secs(30))
}

fn five_seconds() -> Timespan {
    Timespan(Duration::from_secs(5))
}

fn five_minutes() -> Timespan {
    Timespan(Duration::from_secs(300))
}

fn two_hundred_milliseconds() -> Timespan {
    Timespan(Duration::from_millis(200))
}

struct RelayHeader {
    source: Arc<Source>,
    timeout: Duration,
    required: bool,
}

/// What is shared by the routes and over the reloads that ask for the same.
struct Source {
    url: PrincipalUrl,
    /// Headers with their places in the answer.
    headers: Vec<(HeaderName, String)>,
    client: Client,
    answers: Lookups<String, Vec<Option<HeaderValue>>>,
    ttl: Duration,
    negative_ttl: Duration,
}

impl FilterSpec for RelayHeaderSpec {
    const NAME: &'static str = "relay-header";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: offers
    predicates:
      - path: /offers/**
    filters:
      - relay-header:
          url: "http://127.0.0.1:9005/users/{principal.subject}"
          headers: {X-Consent-Marketing: /marketing}
          ttl: 30s
    upstream: http://127.0.0.1:9001
tests:
  - name: what a client says about itself does not pass
    request: {path: /offers/1, headers: {x-consent-marketing: "true"}}
    expect: {route: offers, status: 200, upstream-headers: {x-consent-marketing: null}}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        let (tls, trusted) = authorities(self.ca.as_ref(), parts.reader).map_err(|why| Invalid::at("ca", why))?;
        let specification = format!("{self:?} {trusted:?}");
        let url = PrincipalUrl::parse("url", &self.url)?;
        if self.headers.is_empty() {
            return Err(Invalid::at("headers", "wanted at least one header, like {X-Consent-Marketing: /marketing}"));
        }
        let mut headers = Vec::with_capacity(self.headers.len());
        for (name, pointer) in self.headers {
            let name = header_name::settable_in_request("headers", &name)?;
            if !pointer.is_empty() && !pointer.starts_with('/') {
                return Err(Invalid::at(
                    "headers",
                    format!("found '{pointer}', wanted a JSON pointer like /marketing"),
                ));
            }
            if headers.iter().any(|(known, _)| *known == name) {
                return Err(Invalid::at("headers", format!("'{name}' stands here twice")));
            }
            headers.push((name, pointer));
        }
        let (timeout, stale) = (self.timeout.0, self.stale.0);
        let (ttl, negative_ttl) = (self.ttl.0, self.negative_ttl.0);
        let outbound = outbound(parts.lasting, parts.clock);
        let source = parts.lasting.shared(specification, || {
            let remembered = LookupSettings { timeout, stale, ..LookupSettings::default() };
            let answers = Lookups::new(&outbound, url.origin(), remembered);
            let client = Client::new(&outbound, url.origin(), Settings { timeout, tls, ..Settings::default() });
            Source { url, headers, client, answers, ttl, negative_ttl }
        });
        Ok(Box::new(RelayHeader { source, timeout, required: self.required }))
    }
}

impl Filter for RelayHeader {
    fn own_fields(&self) -> Vec<HeaderName> {
        self.source.headers.iter().map(|(name, _)| name.clone()).collect()
    }

    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        for (name, _) in &self.source.headers {
            header_name::take_with_lookalikes(&mut exchange.request.headers, name);
        }
        let url = exchange.principal.as_ref().and_then(|principal| self.source.url.about(principal));
        let Some(url) = url else {
            return self.without("nobody is known whom the answer could be about").map(|()| Step::Next);
        };
        if let Some(found) = self.source.answers.peek(&url) {
            return self.set(&found, &mut exchange.request.headers).map(|()| Step::Next);
        }
        Ok(Step::Wait(Box::pin(async move {
            let traceparent = exchange.record.trace.traceparent_text();
            let fetch = || Arc::clone(&self.source).fetch(url.clone(), traceparent);
            match self.source.answers.get_within(&url, self.timeout, fetch).await {
                Ok(found) => self.set(&found, &mut exchange.request.headers)?,
                Err(error) => self.without(format!("the source of headers cannot be asked: {error}"))?,
            }
            Ok(None)
        })))
    }
}

impl RelayHeader {
    /// Sets what was found.
    fn set(&self, found: &Found<Vec<Option<HeaderValue>>>, headers: &mut HeaderMap) -> Result<(), Fault> {
        if found.state == State::Negative {
            return self.without("the source of headers knows nothing about the caller");
        }
        for ((name, pointer), value) in self.source.headers.iter().zip(found.value.iter()) {
            match value {
                Some(value) => drop(headers.insert(name, value.clone())),
                None => self.without(format!("there is no usable value at {pointer}"))?,
            }
        }
        Ok(())
    }

    /// Goes on without a value, if that may be.
    fn without(&self, why: impl Into<Cow<'static, str>>) -> Result<(), Fault> {
        if self.required {
            return Err(Fault::new(Code::IdentityUnavailable, why).with_retry_after(self.source.negative_ttl));
        }
        Ok(())
    }
}

impl Source {
    /// Asks.
    async fn fetch(
        self: Arc<Self>,
        url: String,
        traceparent: String,
    ) -> Result<Fetched<Vec<Option<HeaderValue>>>, CallError> {
        let request = Request::get(url).header(http::header::ACCEPT, "application/json").body(Bytes::new());
        let request = request.map_err(|error| CallError::Invalid(error.to_string().into()))?;
        let answer = self.client.call(request, Some(&traceparent)).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NO_CONTENT | StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Ok(Fetched::negative(Vec::new(), self.negative_ttl));
            }
            status => return Err(CallError::Malformed(format!("found status {status}, wanted 200 or 404").into())),
        }
        let about: Value = serde_json::from_slice(answer.body())
            .map_err(|error| CallError::Malformed(format!("the answer is no JSON: {error}").into()))?;
        let values = self.headers.iter().map(|(_, pointer)| about.pointer(pointer).and_then(header_value));
        Ok(Fetched::new(values.collect(), self.ttl))
    }
}

/// What a header can carry of a value; text with control characters would be another message, and longer text would have
/// services refuse the whole request.
fn header_value(value: &Value) -> Option<HeaderValue> {
    let text = match value {
        Value::String(text) if text.len() > LONGEST_VALUE || text.chars().any(char::is_control) => return None,
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    HeaderValue::from_bytes(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use gwanmun_core::{Level, Principal};
    use http::Method;

    use super::*;
    use crate::fixture::{exchange_with, filter, pass, refusal};

    const SPEC: &str = "{url: 'http://127.0.0.1:1/{principal.subject}', headers: {X-A: /a}}";

    #[test]
    fn what_the_client_says_about_itself_is_removed_also_where_nobody_is_known() {
        let filter = filter::<RelayHeaderSpec>(SPEC);
        let mut exchange = exchange_with(Method::GET, "/", &[("x-a", "1"), ("x-b", "2"), ("x-a", "3")]);
        pass(&*filter, &mut exchange).unwrap();
        assert_eq!(exchange.request.headers.keys().collect::<Vec<_>>(), ["x-b"]);
    }

    #[test]
    fn names_that_services_take_for_the_same_are_removed_too() {
        let filter = filter::<RelayHeaderSpec>(SPEC);
        let mut exchange = exchange_with(Method::GET, "/", &[("x_a", "1"), ("x.a", "2"), ("x_b", "3"), ("xxa", "4")]);
        pass(&*filter, &mut exchange).unwrap();
        let left: BTreeSet<_> = exchange.request.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, BTreeSet::from(["x_b", "xxa"]));
    }

    #[test]
    fn what_is_required_and_missing_ends_the_request() {
        let filter = filter::<RelayHeaderSpec>(&SPEC.replace("headers", "required: true, headers"));
        let fault = pass(&*filter, &mut exchange_with(Method::GET, "/", &[])).unwrap_err();
        assert_eq!(fault.code(), Code::IdentityUnavailable);
        let mut exchange = exchange_with(Method::GET, "/", &[]);
        exchange.principal = Some(Arc::new(Principal::new("..", "jwt:corp", Level::High)));
        assert_eq!(pass(&*filter, &mut exchange).unwrap_err().code(), Code::IdentityUnavailable);
    }

    #[test]
    fn texts_numbers_and_booleans_become_values_and_nothing_else_does() {
        let value = |json: &str| header_value(&serde_json::from_str(json).unwrap());
        for (json, wanted) in [("\"a b\"", "a b"), ("true", "true"), ("-7.5", "-7.5"), ("\"\"", "")] {
            assert_eq!(value(json).unwrap(), wanted);
        }
        for json in ["null", "[1]", "{}", r#""a\r\nX-Admin: 1""#, r#""a\u0000""#, r#""a\u007f""#, r#""\u0085""#] {
            assert_eq!(value(json), None, "{json}");
        }
        assert!(value(&format!("\"{}\"", "a".repeat(LONGEST_VALUE))).is_some());
        assert_eq!(value(&format!("\"{}\"", "a".repeat(LONGEST_VALUE + 1))), None);
        assert_eq!(value("\"한\"").unwrap().as_bytes(), "한".as_bytes());
    }

    #[test]
    fn bad_arguments_are_refused() {
        for (arguments, wanted) in [
            ("{url: '/x', headers: {X-A: /a}}", "fixed host"),
            ("{url: 'http://a/{principal.subject}', headers: {}}", "at least one"),
            ("{url: 'http://a/{principal.subject}', headers: {X-A: a}}", "JSON pointer"),
            ("{url: 'http://a/{principal.subject}', headers: {X-A: /a, x-a: /b}}", "twice"),
            ("{url: 'http://a/{principal.subject}', headers: {Txn-Token: /a}}", "txn-token"),
        ] {
            let why = refusal::<RelayHeaderSpec>(arguments);
            assert!(why.contains(wanted), "{arguments}: {why}");
        }
    }
}
