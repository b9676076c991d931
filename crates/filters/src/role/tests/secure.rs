//! `role: secure`.

use super::stand_ins::IDENTITY;
use super::{Judged, door, judged, route};

/// Behind a proxy that brings certificates.
fn secure(rest: &str) -> Judged {
    judged(&format!("role: secure\ntrusted-proxies: [10.0.0.1]\n{IDENTITY}{rest}"))
}

#[test]
fn every_route_takes_the_only_certificates_before_its_own_rule() {
    let judged = secure(
        "routes: [{id: a, filters: [strip-prefix: 1, authorize: {roles: [ops]}, respond]}]\ndefault-filters: [set-path: /a]",
    );
    assert_eq!(door(judged.good()), ["*csrf"]);
    assert_eq!(
        route(judged.good(), 0),
        [
            "*authenticate {any: [{client-cert: people}]}",
            "set-path /a",
            "strip-prefix 1",
            "authorize {roles: [ops]}",
            "respond"
        ]
    );
}

#[test]
fn a_route_without_a_rule_is_refused() {
    let said = secure("routes: [{id: a, upstream: 'http://a:1'}]");
    assert_eq!(
        said.only(),
        "4:15 error: route 'a' does not say who may: it has no 'authorize' (add `authorize: {acl: file:acl.yaml}`, or \
         `authorize: {roles: [NAME]}`, to the route or to `default-filters`)"
    );
    secure("default-filters: [authorize]\nroutes: [{id: a, upstream: 'http://a:1'}]").good();
}

#[test]
fn other_credentials_and_nobody_are_refused() {
    let route = |list: &str| {
        secure(&format!("routes: [{{id: a, filters: [authenticate: {list}, authorize], upstream: 'http://a:1'}}]"))
    };
    route("{any: [{client-cert: people}]}").good();
    route("[client-cert: people]").good();
    let said = route("{any: [{client-cert: people}, {jwt: corp}]}");
    assert!(said.only().contains("error: the role 'secure' takes certificates only, found 'jwt'"), "{}", said.only());
    for anonymous in ["true", "True"] {
        let said = route(&format!("{{any: [{{client-cert: people}}], anonymous: {anonymous}}}"));
        assert!(said.only().contains("the role 'secure' lets nobody pass who is not known"), "{}", said.only());
    }
    route("{any: [{client-cert: people}], anonymous: false}").good();
}

#[test]
fn there_must_be_certificates_and_which_must_be_clear() {
    let with = |identity: &str| {
        judged(&format!(
            "role: secure\ntrusted-proxies: [10.0.0.1]\n{identity}routes: [{{id: a, filters: [authorize], upstream: 'http://a:1'}}]"
        ))
    };
    assert!(
        with("").only().starts_with("1:7 error: nobody could pass: there is nothing under `identity.certificates`")
    );
    assert_eq!(
        with("identity: {certificates: {a: {}, b: {}}}\n").only(),
        "4:15 error: route 'a' does not say which client-cert it takes (there are a, b: `authenticate: {any: \
         [{client-cert: a}]}` on the route, in `default-filters` or at the door)"
    );
}

#[test]
fn a_listener_where_no_certificate_can_come_is_refused() {
    let said = judged(&format!("role: secure\n{IDENTITY}"));
    assert!(said.only().contains("no certificate can be shown here: this listener speaks no TLS"), "{}", said.only());
    let unix = judged(&format!("role: secure\nlisteners: [{{address: 'unix:/run/gw.sock'}}]\n{IDENTITY}"));
    assert!(unix.only().contains("no certificate can be shown here"), "{}", unix.only());
}

#[test]
fn who_is_trusted_on_a_socket_is_no_proxy_of_another_listener() {
    let at = |address: &str, proxy: &str| {
        judged(&format!(
            "role: secure\nlisteners: [{{address: '{address}'}}]\ntrusted-proxies: ['{proxy}']\n{IDENTITY}"
        ))
    };
    at("0.0.0.0:80", "10.0.0.1").good();
    at("unix:/run/gw.sock", "unix:").good();
    assert!(at("0.0.0.0:80", "unix:").only().contains("no certificate can be shown here"));
    assert!(at("unix:/run/gw.sock", "10.0.0.1").only().contains("no certificate can be shown here"));
}

#[test]
fn nothing_answers_before_the_rule() {
    let own = "authenticate: {any: [{client-cert: people}]}";
    for (filters, before) in [
        ("respond, authorize".to_owned(), Some("authorize")),
        ("authorize, respond".to_owned(), None),
        (format!("authorize, respond, {own}"), Some("authenticate")),
        (format!("{own}, respond, authorize"), Some("authorize")),
        (format!("{own}, authorize, respond"), None),
    ] {
        let judged = secure(&format!("routes: [{{id: a, filters: [{filters}]}}]"));
        match before {
            Some(name) => {
                let wanted = format!("'respond' answers before '{name}' has seen the request (put it behind '{name}')");
                assert!(judged.only().ends_with(&wanted), "{filters}: {}", judged.only());
            }
            None => drop(judged.good()),
        }
    }
    let said = secure(&format!("filters: [{own}, respond]\ndefault-filters: [authorize]"));
    assert!(said.only().contains("'respond' answers before 'authorize'"), "{}", said.only());
}
