//! From what people write to what runs: every mistake of the tests is found here, at its place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use gwanmun_config::{Diagnostic, Diagnostics, Node, OneOrMany, Piece, Span, Spanned, Value, decode, did_you_mean};
use gwanmun_proxy::Invalid;
use gwanmun_proxy::rehearse::Rehearsal;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::spec::{AnswerSpec, ExpectSpec, RequestSpec, TestSpec};

/// A test that can run.
pub(crate) struct Case {
    /// Its name, or its request line.
    pub(crate) title: String,
    /// Where it stands.
    pub(crate) span: Span,
    /// The request, and what the upstream answers.
    pub(crate) rehearsal: Rehearsal,
    /// The path or URL of the request, as written.
    pub(crate) url: String,
    /// What must become of it.
    pub(crate) expected: Expected,
}

/// What must become of a request. `Some(None)` is expected not to be there.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) route: Option<Option<String>>,
    pub(crate) upstream_path: Option<String>,
    pub(crate) upstream_query: Option<Option<String>>,
    pub(crate) upstream_headers: Vec<(HeaderName, Option<String>)>,
    pub(crate) upstream_body: Option<String>,
    pub(crate) status: Option<StatusCode>,
    pub(crate) headers: Vec<(HeaderName, Option<String>)>,
    pub(crate) body: Option<String>,
}

/// What tests may name. Taken from the document as it was read, so that a route with a mistake of its own is known too.
pub(crate) struct Known {
    routes: BTreeSet<String>,
    listeners: BTreeSet<String>,
    /// Parts of the document could not be read: what seems to be unknown may be there.
    is_incomplete: bool,
}

impl Known {
    pub(crate) fn of(document: &Node, is_incomplete: bool) -> Self {
        let texts = |list: &str, key: fn(&Node) -> Option<&str>| {
            let nodes = match document.entry(list).map(|entry| &entry.node.value) {
                Some(Value::List(nodes)) => nodes.as_slice(),
                _ => &[],
            };
            nodes.iter().filter_map(key).map(str::to_owned).collect()
        };
        Self {
            routes: texts("routes", |route| route.entry("id")?.node.text()),
            listeners: texts("listeners", |listener| {
                listener.entry("name").or_else(|| listener.entry("address"))?.node.text()
            }),
            is_incomplete,
        }
    }
}

/// The tests that have no mistake; the mistakes of the others go to `diagnostics`.
pub(crate) fn cases(tests: &[Piece], known: &Known, diagnostics: &mut Diagnostics) -> Vec<Case> {
    let mut cases = Vec::new();
    for piece in tests {
        let before = diagnostics.len();
        let Some(spec) = decode::<TestSpec>(&piece.0, diagnostics) else { continue };
        let is_whole = diagnostics.len() == before;
        let rehearsal = rehearsal(&spec.request, &spec.upstream_response, known, diagnostics);
        let expected = expected(&spec.expect, known, diagnostics);
        if expected.is_empty() && is_whole {
            diagnostics.push(
                Diagnostic::error("found no expectation, so this test could not fail", spec.expect.span)
                    .with_hint("expect at least one of route, upstream-path, upstream-query, upstream-headers, upstream-body, status, headers, body"),
            );
        }
        if let (Some(rehearsal), true) = (rehearsal, diagnostics.len() == before) {
            let url = spec.request.value.path.value;
            let title = spec.name.unwrap_or_else(|| format!("{} {url}", rehearsal.method));
            cases.push(Case { title, span: piece.0.span, rehearsal, url, expected });
        }
    }
    cases
}

fn rehearsal(
    spec: &RequestSpec,
    answer: &AnswerSpec,
    known: &Known,
    diagnostics: &mut Diagnostics,
) -> Option<Rehearsal> {
    let method = match &spec.method {
        None => Method::GET,
        Some(method) => Method::from_bytes(method.as_bytes())
            .map_err(|_| {
                diagnostics
                    .push(Diagnostic::error(format!("found '{}', wanted a method like GET", method.value), method.span))
            })
            .ok()?,
    };
    let mut rehearsal =
        Rehearsal::new(method, &spec.path).map_err(|invalid| diagnostics.push(place(&invalid, spec.path.span))).ok()?;
    rehearsal.headers = headers(&spec.headers, diagnostics);
    rehearsal.body = Bytes::from(spec.body.clone());
    if let Some(listener) = &spec.listener {
        expect_known(listener, "listener", &known.listeners, known, diagnostics);
        rehearsal.listener = Some(listener.value.clone());
    }
    rehearsal.principal = spec.principal.as_ref().map(|principal| Arc::new(principal.principal()));
    if let Some(from) = &spec.from {
        match from.parse() {
            Ok(address) => rehearsal.peer = Some(address),
            Err(_) => diagnostics.push(Diagnostic::error(
                format!("found '{}', wanted an address like 203.0.113.7", from.value),
                from.span,
            )),
        }
    }
    rehearsal.answer.status = answer.status.map_or(StatusCode::OK, |status| status.code());
    rehearsal.answer.headers = headers(&answer.headers, diagnostics);
    rehearsal.answer.body = Bytes::from(answer.body.clone());
    Some(rehearsal)
}

fn expected(spec: &ExpectSpec, known: &Known, diagnostics: &mut Diagnostics) -> Expected {
    if let Some(Some(route)) = &spec.route {
        expect_known(route, "route", &known.routes, known, diagnostics);
    }
    Expected {
        route: spec.route.as_ref().map(|route| route.as_ref().map(|id| id.value.clone())),
        upstream_path: spec.upstream_path.clone(),
        upstream_query: spec.upstream_query.clone(),
        upstream_headers: expected_headers(&spec.upstream_headers, diagnostics),
        upstream_body: spec.upstream_body.clone(),
        status: spec.status.map(|status| status.code()),
        headers: expected_headers(&spec.headers, diagnostics),
        body: spec.body.clone(),
    }
}

impl Expected {
    fn is_empty(&self) -> bool {
        let Self { route, upstream_path, upstream_query, upstream_headers, upstream_body, status, headers, body } =
            self;
        let texts = [upstream_path, upstream_body, body];
        route.is_none()
            && upstream_query.is_none()
            && status.is_none()
            && upstream_headers.is_empty()
            && headers.is_empty()
            && texts.iter().all(|text| text.is_none())
    }
}

fn expect_known(
    name: &Spanned<String>,
    kind: &str,
    names: &BTreeSet<String>,
    known: &Known,
    diagnostics: &mut Diagnostics,
) {
    if known.is_incomplete || names.contains(&name.value) {
        return;
    }
    let diagnostic = Diagnostic::error(format!("there is no {kind} called '{}'", name.value), name.span);
    diagnostics.push(match did_you_mean(name, names.iter().map(String::as_str)) {
        Some(close) => diagnostic.with_hint(format!("did you mean '{close}'?")),
        None => diagnostic,
    });
}

fn headers(spec: &BTreeMap<String, OneOrMany<Spanned<String>>>, diagnostics: &mut Diagnostics) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, values) in spec {
        for value in values {
            let Some(name) = header_name(name, value.span, diagnostics) else { break };
            match HeaderValue::from_str(value) {
                Ok(value) => {
                    headers.append(name, value);
                }
                Err(_) => {
                    diagnostics.push(Diagnostic::error("found control characters, wanted a header value", value.span))
                }
            }
        }
    }
    headers
}

fn expected_headers(
    spec: &BTreeMap<String, Option<Spanned<String>>>,
    diagnostics: &mut Diagnostics,
) -> Vec<(HeaderName, Option<String>)> {
    let mut headers = Vec::new();
    for (name, value) in spec {
        let span = value.as_ref().map_or(Span::NOWHERE, |value| value.span);
        if let Some(name) = header_name(name, span, diagnostics) {
            headers.push((name, value.as_ref().map(|value| value.value.clone())));
        }
    }
    headers
}

fn header_name(name: &str, span: Span, diagnostics: &mut Diagnostics) -> Option<HeaderName> {
    let parsed = HeaderName::try_from(name);
    parsed.map_err(|_| diagnostics.push(Diagnostic::error(format!("found '{name}', wanted a header name"), span))).ok()
}

fn place(invalid: &Invalid, span: Span) -> Diagnostic {
    let diagnostic = Diagnostic::error(invalid.message(), span);
    match invalid.hint() {
        Some(hint) => diagnostic.with_hint(hint),
        None => diagnostic,
    }
}
