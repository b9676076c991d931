//! What became of a request beside what was expected of it.

use std::io;

use gwanmun_proxy::Plan;
use gwanmun_proxy::handle::Unwatched;
use gwanmun_proxy::rehearse::{Rehearsed, Sent};
use http::{HeaderMap, HeaderName};

use super::case::{Case, Expected};

/// An expectation that was not met.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// Something is not as expected.
    Differs {
        /// What was looked at: `status`, `upstream-headers x-order`.
        what: String,
        /// What was expected of it.
        expected: String,
        /// What it was.
        found: String,
    },
    /// Something was expected of the request to the upstream, and there was none.
    NotAsked {
        /// Who answered instead.
        by: &'static str,
    },
}

/// Runs `case` through `plan`: the fault, if the gateway answered with one, and every expectation that was not met.
pub(crate) fn judge(case: &Case, plan: &Plan) -> io::Result<(Vec<Difference>, Rehearsed)> {
    let rehearsed = case.rehearsal.clone().run(plan, &mut Unwatched)?;
    Ok((differences(&case.expected, &rehearsed), rehearsed))
}

fn differences(expected: &Expected, rehearsed: &Rehearsed) -> Vec<Difference> {
    let mut found = Comparison::default();
    if let Some(route) = &expected.route {
        found.compare("route", route.as_deref(), rehearsed.route.as_deref());
    }
    let by = if rehearsed.fault.is_some() { "the gateway" } else { "a filter" };
    found.upstream(expected, rehearsed.sent.as_ref(), by);
    let response = &rehearsed.response;
    if let Some(status) = expected.status {
        found.compare("status", Some(status.as_str()), Some(response.status().as_str()));
    }
    found.headers("headers", &expected.headers, response.headers());
    if let Some(body) = &expected.body {
        found.compare("body", Some(body), Some(&String::from_utf8_lossy(response.body())));
    }
    found.differences
}

#[derive(Default)]
struct Comparison {
    differences: Vec<Difference>,
}

impl Comparison {
    fn upstream(&mut self, expected: &Expected, sent: Option<&Sent>, by: &'static str) {
        let Some(sent) = sent else {
            let wanted = expected.upstream_path.is_some()
                || expected.upstream_query.is_some()
                || expected.upstream_body.is_some()
                || !expected.upstream_headers.is_empty();
            if wanted {
                self.differences.push(Difference::NotAsked { by });
            }
            return;
        };
        if let Some(path) = &expected.upstream_path {
            let found = if path.contains('?') { sent.target.as_str() } else { sent.target.path() };
            self.compare("upstream-path", Some(path), Some(found));
        }
        if let Some(query) = &expected.upstream_query {
            self.compare("upstream-query", query.as_deref(), sent.target.query());
        }
        self.headers("upstream-headers", &expected.upstream_headers, &sent.headers);
        if let Some(body) = &expected.upstream_body {
            self.compare("upstream-body", Some(body), Some(&String::from_utf8_lossy(&sent.body)));
        }
    }

    fn headers(&mut self, what: &str, expected: &[(HeaderName, Option<String>)], found: &HeaderMap) {
        for (name, value) in expected {
            self.compare(&format!("{what} {name}"), value.as_deref(), joined(found, name).as_deref());
        }
    }

    fn compare(&mut self, what: &str, expected: Option<&str>, found: Option<&str>) {
        if expected != found {
            let (what, expected, found) = (what.to_owned(), shown(expected), shown(found));
            self.differences.push(Difference::Differs { what, expected, found });
        }
    }
}

/// All values of a field as one (RFC 9110 section 5.3).
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<_> = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

fn shown(text: Option<&str>) -> String {
    match text {
        None => "nothing".to_owned(),
        Some(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.is_empty() => text.to_owned(),
        Some(text) => format!("{text:?}"),
    }
}
