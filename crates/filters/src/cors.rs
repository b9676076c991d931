//! `cors`: which other sites may read answers in a user's browser (the CORS protocol of the Fetch standard). Preflights are
//! answered here, with the words and meanings of Spring's `CorsConfiguration`.

mod allowed;

use std::time::Duration;

use gwanmun_config::{OneOrMany, Spanned, Timespan};
use gwanmun_core::{Code, Fault, Reason};
use gwanmun_proxy::{Body, Exchange, Filter, FilterSpec, Invalid, Parts, Response, Step, Verdict};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderName, VARY,
};
use http::{HeaderMap, HeaderValue, Method};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::origin::{Field, Origin};
use allowed::{ALL, Allowed};

/// What answers depend on.
const VARIES: [&str; 3] = ["Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"];

/// Lets pages of other origins use what is here, as far as it says, by the names of Spring's `CorsConfiguration`. Preflights
/// are answered by the gateway; what the service behind says about CORS itself is removed. Requests of another origin that
/// is not allowed, or with another method, are refused (403), and their answers have no `Access-Control-` headers.
///
/// It has to stand before filters that ask who calls, since preflights carry no credentials, and its route has to take
/// `OPTIONS`; at the door both are so.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CorsSpec {
    /// Origins whose pages may read answers: `https://app.example`, or `*` for all.
    #[serde(default)]
    allowed_origins: OneOrMany<Spanned<String>>,
    /// Patterns of such origins: in `https://*.example.com` the star stands for one or more labels of the host. Ports are
    /// listed as in `https://*.example.com:[8080,8443]`; `[*]` is any.
    #[serde(default)]
    allowed_origin_patterns: OneOrMany<Spanned<String>>,
    /// Methods that pages may use (`GET` and `HEAD`); `*` for all.
    #[serde(default = "get_and_head")]
    allowed_methods: OneOrMany<Spanned<String>>,
    /// Request headers that pages may set besides those that they always may; `*` for all.
    #[serde(default)]
    allowed_headers: OneOrMany<Spanned<String>>,
    /// Response headers that pages may read besides those that they always may; `*` for all.
    #[serde(default)]
    exposed_headers: OneOrMany<Spanned<String>>,
    /// Whether browsers send cookies and certificates along, and pages may read what comes of it.
    #[serde(default)]
    allow_credentials: bool,
    /// How long browsers may remember a preflight; by default they decide (5s).
    #[serde(default)]
    max_age: Option<Timespan>,
}

fn get_and_head() -> OneOrMany<Spanned<String>> {
    OneOrMany(vec!["GET".to_owned().into(), "HEAD".to_owned().into()])
}

struct Cors {
    origins: Allowed,
    /// `None` for all.
    methods: Option<Vec<Method>>,
    /// `methods` in one field.
    methods_told: Option<HeaderValue>,
    /// `None` for all.
    headers: Option<Vec<HeaderName>>,
    exposed: Option<HeaderValue>,
    credentials: bool,
    max_age: Option<HeaderValue>,
}

impl FilterSpec for CorsSpec {
    const NAME: &'static str = "cors";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
filters:
  - cors:
      allowed-origins: [https://app.example]
      allowed-methods: [GET, PUT]
      allowed-headers: [Content-Type]
      allow-credentials: true
      max-age: 30m
routes:
  - id: orders
    predicates:
      - path: /orders/**
    upstream: http://127.0.0.1:9001
tests:
  - name: a preflight
    request:
      method: OPTIONS
      path: /orders/7
      headers: {origin: "https://app.example", access-control-request-method: PUT, access-control-request-headers: content-type}
    expect:
      route: null
      status: 200
      headers: {access-control-allow-origin: "https://app.example", access-control-allow-methods: "GET,PUT", access-control-max-age: "1800"}
  - name: what follows
    request: {method: PUT, path: /orders/7, headers: {origin: "https://app.example"}}
    upstream-response: {headers: {access-control-allow-origin: "*"}}
    expect: {status: 200, headers: {access-control-allow-origin: "https://app.example", access-control-allow-credentials: "true"}}
  - name: another site
    request: {method: PUT, path: /orders/7, headers: {origin: "https://evil.example"}}
    expect: {status: 403, headers: {access-control-allow-origin: null}}
"#;

    fn build(self, _parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        let mut mistakes = Vec::new();
        let origins = Allowed::read(&self.allowed_origins, &self.allowed_origin_patterns, &mut mistakes);
        let methods = listed(&self.allowed_methods, method, &mut mistakes);
        let headers = listed(&self.allowed_headers, header, &mut mistakes);
        let exposed = listed(&self.exposed_headers, header, &mut mistakes);
        if mistakes.is_empty() && origins.is_nobody() {
            let message = "wanted at least one origin in allowed-origins or allowed-origin-patterns";
            mistakes.push(Invalid::new(message).with_hint("cors: {allowed-origins: [https://app.example]}"));
        }
        if self.allow_credentials && origins.are_all() {
            let message = "found '*' together with allow-credentials: any site could read what a user may";
            let hint = "name the origins, or describe them in allowed-origin-patterns";
            mistakes.push(at_star("allowed-origins", &self.allowed_origins, message).with_hint(hint));
        }
        if self.allow_credentials && exposed.is_none() {
            let message = "found '*' together with allow-credentials, where browsers take it for a name";
            mistakes.push(at_star("exposed-headers", &self.exposed_headers, message).with_hint("name the headers"));
        }
        let mut mistakes = mistakes.into_iter();
        if let Some(first) = mistakes.next() {
            return Err(first.and(mistakes));
        }
        Ok(Box::new(Cors {
            origins,
            methods_told: methods.as_deref().and_then(|methods| joined(methods.iter().map(Method::as_str))),
            methods,
            headers,
            exposed: match exposed {
                None => Some(HeaderValue::from_static(ALL)),
                Some(names) => joined(names.iter().map(HeaderName::as_str)),
            },
            credentials: self.allow_credentials,
            max_age: self.max_age.map(|Timespan(age)| whole_seconds(age)),
        }))
    }
}

impl Filter for Cors {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        let Some(origin) = other_origin(exchange) else { return Ok(Step::Next) };
        let headers = &exchange.request.headers;
        let asked = match headers.get(ACCESS_CONTROL_REQUEST_METHOD) {
            Some(method) if exchange.request.method == Method::OPTIONS => Some(method),
            _ => None,
        };
        if !self.origins.has(Origin::of(origin)) {
            return Err(refuse("its origin is not among those that are allowed"));
        }
        match asked {
            None if self.takes(&exchange.request.method) => Ok(Step::Next),
            None => Err(refuse("its method is not allowed for other origins")),
            Some(asked) => Ok(Step::Reply(Box::new(self.preflight(origin, asked, headers)?))),
        }
    }

    fn response<'a>(&'a self, exchange: &'a mut Exchange, response: &'a mut Response) -> Verdict<'a> {
        let headers = response.headers_mut();
        remove_own_words(headers);
        vary(headers);
        if let Some(origin) = other_origin(exchange) {
            self.allow(origin, headers);
            if let Some(exposed) = &self.exposed {
                headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
            }
        }
        Ok(Step::Next)
    }
}

impl Cors {
    /// The answer to a preflight from an origin that is allowed.
    fn preflight(&self, origin: &HeaderValue, asked: &HeaderValue, headers: &HeaderMap) -> Result<Response, Fault> {
        let method = Method::from_bytes(asked.as_bytes()).map_err(|_| refuse("it asks for what is no method"))?;
        if !self.takes(&method) {
            return Err(refuse("it asks for a method that is not allowed"));
        }
        let wanted = headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter();
        let wanted = wanted.flat_map(|value| value.as_bytes().split(|&byte| byte == b',')).map(<[u8]>::trim_ascii);
        let wanted: Vec<&[u8]> = wanted.filter(|name| !name.is_empty()).collect();
        let names = wanted.iter().filter_map(|name| HeaderName::from_bytes(name).ok());
        let granted: Vec<HeaderName> =
            names.filter(|name| self.headers.as_ref().is_none_or(|all| all.contains(name))).collect();
        if granted.is_empty() && !wanted.is_empty() {
            return Err(refuse("none of the headers that it asks for is allowed"));
        }
        let mut response = Response::new(Body::Empty);
        let answer = response.headers_mut();
        vary(answer);
        self.allow(origin, answer);
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods_told.as_ref().unwrap_or(asked).clone());
        if let Some(granted) = joined(granted.iter().map(HeaderName::as_str)) {
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, granted);
        }
        if let Some(age) = &self.max_age {
            answer.insert(ACCESS_CONTROL_MAX_AGE, age.clone());
        }
        Ok(response)
    }

    fn takes(&self, method: &Method) -> bool {
        self.methods.as_ref().is_none_or(|methods| methods.contains(method))
    }

    /// Says that `origin` may read the answer, if it may.
    fn allow(&self, origin: &HeaderValue, headers: &mut HeaderMap) {
        if !self.origins.has(Origin::of(origin)) {
            return;
        }
        let told = if self.origins.are_all() { HeaderValue::from_static(ALL) } else { origin.clone() };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, told);
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

/// The origin of a page elsewhere that has a browser ask.
fn other_origin(exchange: &Exchange) -> Option<&HeaderValue> {
    match Field::origin(exchange) {
        Field::Once(origin) => {
            let is_own = Origin::of(origin).is_some_and(|origin| origin.is_asked_by(exchange));
            (!is_own).then_some(origin)
        }
        // The door lets no two pass, unless they are kept: then neither is believed.
        Field::Several => Some(&NOBODY),
        Field::Absent => None,
    }
}

static NOBODY: HeaderValue = HeaderValue::from_static("null");

fn refuse(why: &'static str) -> Fault {
    Fault::new(Code::Forbidden, why).because(Reason::CrossSite)
}

/// What the service behind says of CORS gives way to what is said here.
fn remove_own_words(headers: &mut HeaderMap) {
    let is_about_it = |name: &&HeaderName| name.as_str().starts_with("access-control-");
    let said: Vec<HeaderName> = headers.keys().filter(is_about_it).cloned().collect();
    for name in said {
        headers.remove(name);
    }
}

/// Tells caches what the answer depends on, besides what they are told already.
fn vary(headers: &mut HeaderMap) {
    let said: Vec<HeaderValue> = headers.get_all(VARY).iter().cloned().collect();
    let is_said = |name: &str| {
        let names = said.iter().flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
        names.map(<[u8]>::trim_ascii).any(|said| said == b"*" || said.eq_ignore_ascii_case(name.as_bytes()))
    };
    if let Some(missing) = joined(VARIES.into_iter().filter(|name| !is_said(name))) {
        headers.append(VARY, missing);
    }
}

/// The items of a list; `None` for all, if `*` is among them.
fn listed<T>(
    texts: &[Spanned<String>],
    read: impl Fn(&str) -> Result<T, (String, Option<String>)>,
    mistakes: &mut Vec<Invalid>,
) -> Option<Vec<T>> {
    let mut items = Vec::with_capacity(texts.len());
    for text in texts.iter().filter(|text| text.value != ALL) {
        match read(text) {
            Ok(item) => items.push(item),
            Err((message, None)) => mistakes.push(Invalid::within(text.span, message)),
            Err((message, Some(hint))) => mistakes.push(Invalid::within(text.span, message).with_hint(hint)),
        }
    }
    texts.iter().all(|text| text.value != ALL).then_some(items)
}

fn method(text: &str) -> Result<Method, (String, Option<String>)> {
    let is_loud = !text.bytes().any(|byte| byte.is_ascii_lowercase());
    Method::from_bytes(text.as_bytes()).ok().filter(|_| is_loud).ok_or_else(|| {
        let upper = text.to_ascii_uppercase();
        let hint = (!is_loud).then(|| format!("methods are told apart by case: {upper}"));
        (format!("found '{text}', wanted a method like PUT, or '*'"), hint)
    })
}

fn header(text: &str) -> Result<HeaderName, (String, Option<String>)> {
    HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| (format!("found '{text}', wanted a header's name, or '*'"), None))
}

/// A mistake at the star in a list.
fn at_star(argument: &'static str, texts: &[Spanned<String>], message: &str) -> Invalid {
    match texts.iter().find(|text| text.value == ALL) {
        Some(star) => Invalid::within(star.span, message),
        None => Invalid::at(argument, message),
    }
}

/// A list in one field; `None` if there is nothing in it.
fn joined<'a>(items: impl Iterator<Item = &'a str>) -> Option<HeaderValue> {
    let items: Vec<&str> = items.collect();
    HeaderValue::try_from(items.join(",")).ok().filter(|_| !items.is_empty())
}

fn whole_seconds(age: Duration) -> HeaderValue {
    HeaderValue::from(age.as_secs())
}

#[cfg(test)]
mod tests;
