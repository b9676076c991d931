//! What browsers are told, and who is refused.

use super::*;
use crate::fixture::{exchange_with, filter, pass, pass_back, refusal, reply, response, values};

const STRICT: &str = "{allowed-origins: [https://app.example], allowed-methods: [GET, PUT], allowed-headers: [X-One, \
     Content-Type], exposed-headers: [X-Left], allow-credentials: true, max-age: 1h}";

const OPEN: &str = "{allowed-origins: '*', allowed-methods: '*', allowed-headers: '*', exposed-headers: '*'}";

fn asked(method: &str, headers: &str) -> Vec<(&'static str, String)> {
    let mut fields =
        vec![("origin", "https://app.example".to_owned()), ("access-control-request-method", method.to_owned())];
    if !headers.is_empty() {
        fields.push(("access-control-request-headers", headers.to_owned()));
    }
    fields
}

fn preflight(arguments: &str, fields: &[(&str, String)]) -> Result<Response, Fault> {
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    reply(&*filter::<CorsSpec>(arguments), &mut exchange_with(Method::OPTIONS, "/", &fields))
}

/// What becomes of the answer to a request with these fields.
fn answered(
    arguments: &str,
    method: Method,
    fields: &[(&str, &str)],
    upstream: &[(&str, &str)],
) -> Result<Response, Fault> {
    let filter = filter::<CorsSpec>(arguments);
    let mut exchange = exchange_with(method, "/", fields);
    pass(&*filter, &mut exchange)?;
    let mut response = response(upstream);
    pass_back(&*filter, &mut exchange, &mut response)?;
    Ok(response)
}

fn is_refused(outcome: Result<Response, Fault>) -> bool {
    outcome.is_err_and(|fault| (fault.code(), fault.reason()) == (Code::Forbidden, Some(Reason::CrossSite)))
}

#[test]
fn a_preflight_is_answered_with_what_is_allowed() {
    let response = preflight(STRICT, &asked("PUT", "x-one, X-Other ,content-type")).unwrap();
    assert_eq!(response.status(), 200);
    let value = |name: &str| values(response.headers(), name);
    assert_eq!(value("access-control-allow-origin"), ["https://app.example"]);
    assert_eq!(value("access-control-allow-credentials"), ["true"]);
    assert_eq!(value("access-control-allow-methods"), ["GET,PUT"]);
    assert_eq!(value("access-control-allow-headers"), ["x-one,content-type"]);
    assert_eq!(value("access-control-max-age"), ["3600"]);
    assert_eq!(value("vary"), ["Origin,Access-Control-Request-Method,Access-Control-Request-Headers"]);
    assert!(value("access-control-expose-headers").is_empty());
    assert!(value("access-control-allow-private-network").is_empty());
}

#[test]
fn with_stars_a_preflight_is_told_what_it_asks_for() {
    let response = preflight(OPEN, &asked("PURGE", "x-any")).unwrap();
    let value = |name: &str| values(response.headers(), name);
    assert_eq!(value("access-control-allow-origin"), ["*"]);
    assert_eq!(value("access-control-allow-methods"), ["PURGE"]);
    assert_eq!(value("access-control-allow-headers"), ["x-any"]);
    assert!(value("access-control-allow-credentials").is_empty() && value("access-control-max-age").is_empty());
}

#[test]
fn a_preflight_for_what_is_not_allowed_is_refused() {
    assert!(is_refused(preflight(STRICT, &asked("DELETE", ""))));
    assert!(is_refused(preflight(STRICT, &asked("put", ""))));
    assert!(is_refused(preflight(STRICT, &asked("P T", ""))));
    assert!(is_refused(preflight(STRICT, &asked("PUT", "x-other"))));
    for origin in ["https://evil.example", "null", "https://app.example:8443", "http://app.example", ""] {
        let mut fields = asked("PUT", "");
        fields[0].1 = origin.to_owned();
        assert!(is_refused(preflight(STRICT, &fields)), "{origin}");
    }
}

#[test]
fn an_options_that_is_no_preflight_goes_on() {
    let options = |fields: &[(&str, &str)]| {
        answered("{allowed-origins: '*', allowed-methods: [OPTIONS]}", Method::OPTIONS, fields, &[])
    };
    assert!(options(&[("origin", "https://app.example")]).is_ok());
    assert!(options(&[("access-control-request-method", "PUT")]).is_ok());
    assert!(options(&[("origin", "http://shop.example"), ("access-control-request-method", "PUT")]).is_ok());
}

#[test]
fn what_the_service_behind_says_is_replaced() {
    let upstream = [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "DELETE"),
        ("access-control-allow-private-network", "true"),
        ("vary", "accept-encoding, origin"),
    ];
    let response = answered(STRICT, Method::PUT, &[("origin", "https://app.example")], &upstream).unwrap();
    let value = |name: &str| values(response.headers(), name);
    assert_eq!(value("access-control-allow-origin"), ["https://app.example"]);
    assert_eq!(value("access-control-allow-credentials"), ["true"]);
    assert_eq!(value("access-control-expose-headers"), ["x-left"]);
    assert!(value("access-control-allow-methods").is_empty());
    assert!(value("access-control-allow-private-network").is_empty());
    assert_eq!(
        value("vary"),
        ["accept-encoding, origin", "Access-Control-Request-Method,Access-Control-Request-Headers"]
    );
}

#[test]
fn other_requests_of_origins_that_are_not_allowed_are_refused_too() {
    assert!(is_refused(answered(STRICT, Method::GET, &[("origin", "https://evil.example")], &[])));
    assert!(is_refused(answered(STRICT, Method::GET, &[("origin", "null")], &[])));
    assert!(is_refused(answered(STRICT, Method::DELETE, &[("origin", "https://app.example")], &[])));
    let twice = [("origin", "https://app.example"), ("origin", "https://app.example")];
    assert!(is_refused(answered(STRICT, Method::GET, &twice, &[])));
}

#[test]
fn requests_of_the_own_pages_and_of_no_browser_are_nobodys_business() {
    for fields in [&[][..], &[("origin", "http://shop.example")]] {
        let response = answered(STRICT, Method::DELETE, fields, &[("access-control-allow-origin", "*")]).unwrap();
        assert_eq!(response.headers().keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["vary"], "{fields:?}");
    }
}

#[test]
fn where_all_are_allowed_hidden_origins_are_too() {
    let response = answered(OPEN, Method::GET, &[("origin", "null")], &[]).unwrap();
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert_eq!(response.headers()["access-control-expose-headers"], "*");
}

#[test]
fn patterns_allow_origins_by_name() {
    let arguments = "{allowed-origin-patterns: ['https://*.example.com'], allow-credentials: true}";
    let response = answered(arguments, Method::GET, &[("origin", "https://a.b.example.com")], &[]).unwrap();
    assert_eq!(response.headers()["access-control-allow-origin"], "https://a.b.example.com");
    assert!(is_refused(answered(arguments, Method::GET, &[("origin", "https://evil-example.com")], &[])));
}

#[test]
fn bad_arguments_are_refused() {
    for (arguments, wanted) in [
        ("", "at least one origin"),
        ("{allowed-origins: '*', allow-credentials: true}", "any site could read"),
        ("{allowed-origins: 'https://a', exposed-headers: '*', allow-credentials: true}", "take it for a name"),
        ("{allowed-origins: 'https://*.a'}", "allowed-origin-patterns"),
        ("{allowed-origins: 'https://a/'}", "without a path"),
        ("{allowed-origins: 'null'}", "sandboxed"),
        ("{allowed-origin-patterns: '*'}", "wanted a pattern"),
        ("{allowed-origins: 'https://a', allowed-methods: get}", "by case: GET"),
        ("{allowed-origins: 'https://a', allowed-headers: 'a b'}", "a header's name"),
        ("{allowed-origins: 'https://a', max-age: 30}", "30s"),
        ("{allowed-origin: 'https://a'}", "allowed-origins"),
    ] {
        let said = refusal::<CorsSpec>(arguments);
        assert!(said.contains(wanted), "{arguments}: {said}");
    }
}
