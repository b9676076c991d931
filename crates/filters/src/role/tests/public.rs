//! `role: public`.

use super::{door, judged, route};

const CORP: &str = "identity: {issuers: {corp: {}}, oauth: {partner: {token-endpoint: a}}}\n";

/// A public gateway behind a proxy, where nothing is said of listeners and proxies.
fn public(rest: &str) -> super::Judged {
    let is_said = rest.contains("listeners:") || rest.contains("trusted-proxies:");
    let proxy = if is_said { "" } else { "\ntrusted-proxies: [10.0.0.1]" };
    judged(&format!("role: public\n{rest}{proxy}"))
}

#[test]
fn the_door_has_headers_a_rate_and_every_route_takes_what_identity_has() {
    let judged = public(
        &format!("{CORP}filters: [status-guard]\nroutes: [{{id: a, upstream: 'http://a:1'}}]")
            .replace("status-guard", "remove-request-header: X-A"),
    );
    let plan = judged.good();
    assert_eq!(
        door(plan),
        [
            "*secure-headers",
            "*request-rate-limiter {replenish-rate: 100, burst-capacity: 200}",
            "remove-request-header X-A"
        ]
    );
    assert_eq!(route(plan, 0), ["*authenticate {any: [{jwt: corp}, {api-client: partner}]}"]);
    assert_eq!(plan.role, Some("public"));
}

#[test]
fn with_sessions_there_is_csrf_and_without_issuers_tokens_are_introspected() {
    let identity = "identity: {oauth: {o: {introspection-endpoint: a}}, oidc: {people: {}}}";
    let judged = public(&format!("{identity}\nroutes: [{{id: a, upstream: 'http://a:1'}}]"));
    let plan = judged.good();
    assert_eq!(door(plan).last().unwrap(), "*csrf");
    assert_eq!(route(plan, 0), ["*authenticate {any: [{introspect: o}, {api-client: o}, {session: people}]}"]);
}

#[test]
fn what_is_written_at_the_door_takes_the_place_of_the_roles() {
    let judged = public(&format!(
        "{CORP}filters:\n  - remove-request-header: X-A\n  - request-rate-limiter: {{replenish-rate: 5, burst-capacity: 5}}\n  \
         - secure-headers: {{disable: X-Frame-Options}}\nroutes: [{{id: a, upstream: 'http://a:1'}}]"
    ));
    assert_eq!(
        door(judged.good()),
        [
            "secure-headers {disable: X-Frame-Options}",
            "request-rate-limiter {replenish-rate: 5, burst-capacity: 5}",
            "remove-request-header X-A"
        ]
    );
}

#[test]
fn an_authenticate_that_is_written_stays_alone_wherever_it_is() {
    let own = "authenticate: {any: [{jwt: corp}], anonymous: true}";
    let routes = "routes: [{id: a, upstream: 'http://a:1'}]";
    for text in [
        format!("{CORP}filters: [{own}]\n{routes}"),
        format!("{CORP}default-filters: [{own}]\n{routes}"),
        format!("{CORP}routes: [{{id: a, filters: [{own}], upstream: 'http://a:1'}}]"),
    ] {
        let judged = public(&text);
        let plan = judged.good();
        let all: Vec<String> = door(plan).into_iter().chain(route(plan, 0)).collect();
        let found: Vec<_> = all.iter().filter(|filter| filter.contains("authenticate")).collect();
        assert_eq!(found, ["authenticate {any: [{jwt: corp}], anonymous: true}"]);
    }
}

#[test]
fn nobody_guesses_whose_clients_are_meant() {
    let routes = "routes: [{id: a, upstream: 'http://a:1'}]";
    for (identity, said) in [
        (
            "",
            "`identity` names nobody who could tell (add an issuer under `identity.issuers`, or `authenticate` to the route; with `anonymous: true` it lets pass who brings nothing)",
        ),
        (
            "identity: {oauth: {a: {}, b: {}}}",
            "`identity.oauth` has a, b (name those it takes: `authenticate: {any: [{api-client: a}]}`)",
        ),
        (
            "identity: {oidc: {a: {}, b: {}}}",
            "`identity.oidc` has a, b (name those it takes: `authenticate: {any: [{session: a}]}`)",
        ),
    ] {
        let wanted = format!("3:15 error: route 'a' does not say who may call: {said}");
        assert_eq!(public(&format!("{identity}\n{routes}")).only(), wanted);
    }
    public("identity: {oauth: {a: {}, b: {}}}\ndefault-filters: [authenticate: [{api-client: a}]]\nroutes: [{id: a, upstream: 'http://a:1'}]").good();
}

#[test]
fn a_listener_that_others_could_listen_at_is_refused() {
    let said = public(&format!("listeners: [{{address: '0.0.0.0:8080'}}]\n{CORP}"));
    assert_eq!(
        said.only(),
        "2:23 error: this listener speaks no TLS, and no trusted proxy does it instead: credentials could be read on the way \
         (add `tls: {certificates: [{certificate: FILE, key: FILE}]}`, or name the proxy that speaks TLS in \
         `trusted-proxies`)"
    );
    for address in ["127.0.0.1:8080", "[::1]:8080", "localhost:8080", "unix:/run/gw.sock"] {
        public(&format!("listeners: [{{address: '{address}'}}]\n{CORP}")).only();
    }
    public(&format!("listeners: [{{address: '0.0.0.0:8080'}}]\ntrusted-proxies: [10.0.0.1]\n{CORP}")).good();
    for address in ["[::]:8080", "10.0.0.1:8080", "gateway.example:80", "127.0.0.1.example:80"] {
        public(&format!("listeners: [{{address: '{address}'}}]\n{CORP}")).only();
    }
}

#[test]
fn secure_headers_cannot_be_emptied() {
    let all = "X-Xss-Protection, Strict-Transport-Security, X-Frame-Options, X-Content-Type-Options, Referrer-Policy, \
               Content-Security-Policy, X-Download-Options, X-Permitted-Cross-Domain-Policies";
    let said = public(&format!("{CORP}filters: [secure-headers: {{disable: [{all}]}}]"));
    assert!(said.only().contains("no header is left that would make browsers careful"), "{}", said.only());
}

#[test]
fn nothing_answers_before_it_is_known_who_calls() {
    let own = "authenticate: {any: [{jwt: corp}]}";
    for (filters, refused) in [
        (format!("filters: [respond]\nroutes: [{{id: a, filters: [{own}], upstream: 'http://a:1'}}]"), true),
        (format!("filters: [{own}, respond]\nroutes: []"), false),
        (format!("routes: [{{id: a, filters: [respond, {own}]}}]"), true),
        (format!("default-filters: [respond]\nroutes: [{{id: a, filters: [{own}]}}]"), true),
        (format!("default-filters: [{own}]\nroutes: [{{id: a, filters: [respond]}}]"), false),
        ("routes: [{id: a, filters: [respond]}]".to_owned(), false),
    ] {
        let judged = public(&format!("{CORP}{filters}"));
        match refused {
            true => assert!(judged.only().contains("'respond' answers before 'authenticate' has seen the request")),
            false => drop(judged.good()),
        }
    }
}

#[test]
fn an_answer_of_the_gateway_itself_comes_behind_what_the_role_adds() {
    let judged = public(&format!("{CORP}default-filters: [strip-prefix: 1]\nroutes: [{{id: a, filters: [respond]}}]"));
    let filters = route(judged.good(), 0);
    assert_eq!(filters.len(), 3);
    assert!(filters[0].starts_with("*authenticate"), "{filters:?}");
}
