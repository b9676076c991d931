//! What a filter changed: two looks at the same request or response, compared.

use gwanmun_proxy::{Body, Exchange, Response, UpstreamHost};
use http::{HeaderMap, StatusCode};

/// One thing that is not as it was.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// `path`, `header x-order`.
    pub(super) what: String,
    /// `None`: it was not there.
    pub(super) before: Option<String>,
    /// `None`: it is gone.
    pub(super) after: Option<String>,
}

/// A request at one moment. What is on the client's side only, such as `Host`, does not change.
pub(super) struct RequestLook {
    facts: Vec<(&'static str, Option<String>)>,
    headers: HeaderMap,
}

/// A response at one moment.
pub(super) struct ResponseLook {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl RequestLook {
    pub(super) fn at(exchange: &Exchange) -> Self {
        let host = match &exchange.upstream_host {
            UpstreamHost::Endpoint => "the upstream's own".to_owned(),
            UpstreamHost::Client => "the client's".to_owned(),
            UpstreamHost::Given(host) => String::from_utf8_lossy(host.as_bytes()).into_owned(),
            _ => "another".to_owned(),
        };
        let request = &exchange.request;
        let principal = exchange.principal.as_ref().map(|principal| {
            format!("{}, {}, level {}", principal.subject.escape_debug(), principal.credential, exchange.level)
        });
        let facts = vec![
            ("principal", principal),
            ("method", Some(request.method.to_string())),
            ("path", Some(request.path().to_owned())),
            ("query", request.query().map(str::to_owned)),
            ("host for the upstream", Some(host)),
            ("destination", exchange.destination.as_ref().map(ToString::to_string)),
            ("x-forwarded-prefix", exchange.stripped_prefix.clone()),
            ("body", shown(&request.body)),
        ];
        Self { facts, headers: request.headers.clone() }
    }

    /// What became different since `before`.
    pub(super) fn since(&self, before: &Self) -> Vec<Change> {
        let facts = self.facts.iter().zip(&before.facts).filter(|(after, before)| after != before);
        let facts = facts.map(|((what, after), (_, before))| Change {
            what: (*what).to_owned(),
            before: before.clone(),
            after: after.clone(),
        });
        facts.chain(headers(&before.headers, &self.headers)).collect()
    }
}

impl ResponseLook {
    pub(super) fn at(response: &Response) -> Self {
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            body: shown(response.body()).unwrap_or_default(),
        }
    }

    /// What became different since `before`.
    pub(super) fn since(&self, before: &Self) -> Vec<Change> {
        let fact = |what: &str, before: String, after: String| {
            (before != after).then(|| Change { what: what.to_owned(), before: Some(before), after: Some(after) })
        };
        let status = fact("status", before.status.as_str().to_owned(), self.status.as_str().to_owned());
        let body = fact("body", before.body.clone(), self.body.clone());
        status.into_iter().chain(headers(&before.headers, &self.headers)).chain(body).collect()
    }
}

fn headers(before: &HeaderMap, after: &HeaderMap) -> Vec<Change> {
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    gone.chain(after.keys())
        .map(|name| Change {
            what: format!("header {name}"),
            before: values(before, name.as_str()),
            after: values(after, name.as_str()),
        })
        .filter(|change| change.before != change.after)
        .collect()
}

fn values(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<_> = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

fn shown(body: &Body) -> Option<String> {
    match body {
        Body::Empty => None,
        Body::Full(bytes) => Some(format!("{:?}", String::from_utf8_lossy(bytes))),
        _ => Some("a stream".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, fields: &[(&'static str, &'static str)]) -> Response {
        let mut response = http::Response::new(Body::from("b"));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        for (name, value) in fields {
            response.headers_mut().append(*name, http::HeaderValue::from_static(value));
        }
        response
    }

    fn change(what: &str, before: Option<&str>, after: Option<&str>) -> Change {
        Change { what: what.to_owned(), before: before.map(str::to_owned), after: after.map(str::to_owned) }
    }

    #[test]
    fn what_is_new_other_or_gone_is_seen_and_what_stayed_is_not() {
        let before = ResponseLook::at(&response(200, &[("gone", "1"), ("other", "1"), ("same", "1")]));
        let after = ResponseLook::at(&response(404, &[("other", "1"), ("other", "2"), ("same", "1"), ("new", "3")]));
        assert_eq!(
            after.since(&before),
            [
                change("status", Some("200"), Some("404")),
                change("header gone", Some("1"), None),
                change("header other", Some("1"), Some("1, 2")),
                change("header new", None, Some("3")),
            ]
        );
        assert_eq!(after.since(&after), []);
    }
}
