use std::fs;
use std::sync::Arc;

use gwanmun_core::Principal;
use http::{HeaderValue, Method};
use serde_json::json;

use super::*;
use crate::fixture::{exchange, exchange_with, filter, pass, refusal};

/// Ann of ops at acme, who may read orders.
fn ann() -> Principal {
    let mut ann = Principal::new("ann", "jwt:corp", Level::High);
    ann.roles = vec!["ops".to_owned()];
    ann.scopes = vec!["orders.read".to_owned()];
    ann.claims.insert("tenant".to_owned(), json!("acme"));
    ann
}

fn authenticated(mut exchange: Exchange) -> Exchange {
    exchange.principal = Some(Arc::new(ann()));
    exchange.level = Level::High;
    exchange
}

/// Code, reason, detail and challenge of the fault; nothing if the request passes.
fn refused(arguments: &str, exchange: &mut Exchange) -> Option<(Code, &'static str, String, Option<String>)> {
    let fault = pass(&*filter::<AuthorizeSpec>(arguments), exchange).err()?;
    let reason = fault.reason().map_or("", Reason::name);
    Some((fault.code(), reason, fault.detail().to_owned(), fault.challenge().map(str::to_owned)))
}

#[track_caller]
fn assert_passes(arguments: &str, exchange: Exchange) {
    assert_eq!(refused(arguments, &mut authenticated(exchange)), None);
}

#[track_caller]
fn assert_refused(arguments: &str, exchange: Exchange, reason: &str, detail: &str) {
    let (code, found, told, _) = refused(arguments, &mut authenticated(exchange)).expect("it was let pass");
    assert_eq!((code, found, &*told), (Code::Forbidden, reason, detail), "{arguments}");
}

#[test]
fn who_holds_all_that_is_given_passes() {
    for arguments in [
        "",
        "{}",
        "{roles: ops}",
        "{roles: [admin, ops]}",
        "{scopes: [orders.read]}",
        "{level: high}",
        "{rule: 'principal.subject == \"ann\"'}",
        "{acl: [{who: 'group:ops', host: shop.example, path: '/orders/**', methods: GET}]}",
        "{roles: ops, scopes: orders.read, level: low, rule: 'true', acl: [{who: '*'}]}",
    ] {
        assert_passes(arguments, exchange("/orders/7"));
    }
}

#[test]
fn what_does_not_hold_is_refused_with_its_reason_and_named_in_the_log() {
    for (arguments, reason, detail) in [
        ("{roles: [admin, root]}", "missing-role", "role admin|root: the principal has none of these roles"),
        ("{scopes: orders.write}", "missing-scope", "scope orders.write: the credential does not hold this scope"),
        ("{level: highest}", "level-too-low", "level highest: the level is high"),
        ("{acl: [{who: 'user:bob'}]}", "not-in-acl", "acl: no line is for this principal and action"),
        ("{acl: []}", "not-in-acl", "acl: no line is for this principal and action"),
        (
            "{rule: 'principal.claims.tenant == \"x\"'}",
            "rule-refused",
            "rule principal.claims.tenant == \"x\": it is false",
        ),
        (
            "{rule: 'principal.claims.age > 17'}",
            "rule-failed",
            "rule principal.claims.age > 17: principal.claims.age is missing",
        ),
    ] {
        assert_refused(arguments, exchange("/orders/7"), reason, detail);
    }
}

#[test]
fn nobody_is_asked_for_a_credential() {
    for arguments in ["", "{roles: ops}", "{rule: 'true'}", "{acl: [{who: '*'}]}"] {
        let (code, reason, _, challenge) = refused(arguments, &mut exchange("/")).unwrap();
        assert_eq!((code, reason), (Code::Unauthenticated, "no-credential"), "{arguments}");
        assert_eq!(challenge.unwrap(), r#"Bearer realm="gwanmun""#);
    }
}

#[test]
fn who_lacks_a_scope_is_told_which_are_needed_and_nobody_else_is() {
    let scopes = "scopes: [orders.read, orders.write]";
    let (.., challenge) = refused(&format!("{{{scopes}}}"), &mut authenticated(exchange("/"))).unwrap();
    let wanted = r#"Bearer realm="gwanmun", error="insufficient_scope", scope="orders.read orders.write""#;
    assert_eq!(challenge.as_deref(), Some(wanted));
    assert!(HeaderValue::from_str(wanted).is_ok());
    let (.., challenge) = refused(&format!("{{roles: root, {scopes}}}"), &mut authenticated(exchange("/"))).unwrap();
    assert_eq!(challenge, None);
}

#[test]
fn the_level_is_that_of_the_request() {
    let mut exchange = authenticated(exchange("/"));
    exchange.level = Level::Low;
    let (_, reason, ..) = refused("{level: high}", &mut exchange).unwrap();
    assert_eq!(reason, "level-too-low");
}

#[test]
fn filters_before_do_not_change_what_is_asked_for() {
    let mut exchange = authenticated(exchange("/admin/users?all=1"));
    exchange.request.set_path("/orders/7").unwrap();
    exchange.request.set_query(Some("all=0")).unwrap();
    exchange.upstream_host = gwanmun_proxy::UpstreamHost::Given(HeaderValue::from_static("orders.example"));
    for arguments in [
        "{acl: [{who: '*', path: '/orders/**'}]}",
        "{acl: [{who: '*', host: orders.example}]}",
        "{rule: 'request.path.startsWith(\"/orders/\")'}",
        "{rule: 'request.query.all == \"0\"'}",
    ] {
        assert!(refused(arguments, &mut exchange).is_some(), "{arguments}");
    }
    for arguments in [
        "{acl: [{who: '*', path: '/admin/**', host: shop.example}]}",
        "{rule: 'request.path == \"/admin/users\" && request.query.all == \"1\" && request.host == \"shop.example\"'}",
    ] {
        assert_eq!(refused(arguments, &mut exchange), None, "{arguments}");
    }
}

#[test]
fn a_rule_sees_the_request_as_the_client_sent_it() {
    let rule = "{rule: 'request.method == \"PUT\" && request.scheme == \"http\" && request.client == \"203.0.113.7\" && \
                request.headers[\"x-tenant\"] == principal.claims.tenant && request.host == \"shop.example\"'}";
    let fields = [("x-tenant", "acme"), ("host", "SHOP.example:8080")];
    assert_passes(rule, exchange_with(Method::PUT, "/", &fields));
    let mut behind_tls =
        authenticated(exchange_with(Method::PUT, "/", &[&fields[..], &[("x-forwarded-proto", "https")]].concat()));
    assert_eq!(refused(rule, &mut behind_tls), None, "nobody there is trusted");
    behind_tls.trusted = true;
    assert!(refused(rule, &mut behind_tls).is_some());
}

#[test]
fn a_key_without_a_value_is_no_condition_left_out() {
    for key in ["roles", "scopes", "level", "rule", "acl"] {
        refusal::<AuthorizeSpec>(&format!("{{{key}: }}"));
        refusal::<AuthorizeSpec>(&format!("{{{key}: ''}}"));
    }
    for line in ["who: ", "who: '*', host: ", "who: '*', path: ", "who: '*', methods: ", "who: '*', methods: []", ""] {
        refusal::<AuthorizeSpec>(&format!("{{acl: [{{{line}}}]}}"));
    }
}

#[test]
fn every_mistake_is_told_at_once() {
    let told = refusal::<AuthorizeSpec>(
        "{roles: [], scopes: ['a b'], rule: 'principal.rolse', acl: [{who: ann}, {who: '*', host: 'a/b', methods: []}]}",
    );
    for mistake in [
        "found an empty list, wanted at least one",
        "found 'a b', wanted one scope each",
        "at character 10 of the rule: principal has no 'rolse'",
        "found who 'ann', wanted 'user:NAME', 'group:ROLE' or '*' (write 'user:ann' or 'group:ann')",
        "found host 'a/b'",
        "found no methods, wanted at least one",
    ] {
        assert!(told.contains(mistake), "{mistake}\n{told}");
    }
    assert!(refusal::<AuthorizeSpec>("{level: higher}").contains("higher"));
    assert!(refusal::<AuthorizeSpec>("{role: ops}").contains("role"));
    assert!(
        refusal::<AuthorizeSpec>("{acl: acl.yaml}").contains("found 'acl.yaml', wanted file:PATH or a list of lines")
    );
}

#[test]
fn a_list_may_stand_in_a_file_and_its_mistakes_are_told_with_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acl.yaml");
    let arguments = format!("{{acl: 'file:{}'}}", path.display());
    fs::write(&path, "# who may do what\n- {who: 'user:ann', path: /orders/**, methods: [GET]}\n").unwrap();
    assert_passes(&arguments, exchange("/orders/7"));
    assert_refused(&arguments, exchange("/"), "not-in-acl", "acl: no line is for this principal and action");
    fs::write(
        &path,
        "- {who: ann}\n- {who: '*', pth: /a}\n- {who: '*',\n   methods: []}\n- who: 'user:ann'\n  path: a\n- {path: /b}\n",
    )
    .unwrap();
    let told = refusal::<AuthorizeSpec>(&arguments);
    for mistake in [
        "acl.yaml:1:3: found who 'ann'",
        "acl.yaml:2:14: unknown key 'pth' (did you mean 'path'?)",
        "acl.yaml:3:3: found no methods",
        "acl.yaml:5:3: found path 'a'",
        "acl.yaml:7:3: missing key 'who'",
    ] {
        assert!(told.contains(mistake), "{mistake}\n{told}");
    }
    for (text, mistake) in
        [("who: ann\n", "expected a list"), ("- {who: [\n", "acl.yaml:"), ("- a\n- a\n", "acl.yaml:1:3")]
    {
        fs::write(&path, text).unwrap();
        let told = refusal::<AuthorizeSpec>(&arguments);
        assert!(told.contains(mistake), "{text}: {told}");
    }
    fs::write(&path, b"- {who: '\xff'}\n").unwrap();
    assert!(refusal::<AuthorizeSpec>(&arguments).contains("is not UTF-8"));
    fs::remove_file(&path).unwrap();
    assert!(refusal::<AuthorizeSpec>(&arguments).contains("cannot read"));
    // Without a line nobody passes.
    fs::write(&path, "").unwrap();
    assert_refused(&arguments, exchange("/"), "not-in-acl", "acl: no line is for this principal and action");
}

#[test]
fn what_was_weighed_is_told_part_by_part() {
    let filter = filter::<AuthorizeSpec>(
        "{roles: ops, scopes: orders.write, rule: \"principal.claims.tenant == request.headers['x-tenant']\"}",
    );
    let told = |exchange: &Exchange| {
        let parts = filter.weighed(exchange);
        parts.iter().map(|part| format!("{} {}", part.held, part.text)).collect::<Vec<_>>()
    };
    assert_eq!(
        told(&authenticated(exchange("/"))),
        [
            "true role ops: principal.roles: [\"ops\"]",
            "false scope orders.write: the credential does not hold this scope; principal.scopes: [\"orders.read\"]",
            "false rule principal.claims.tenant == request.headers['x-tenant']: request.headers['x-tenant'] is missing; \
             principal.claims.tenant: \"acme\"; request.headers['x-tenant']: is missing",
        ]
    );
    assert!(told(&exchange("/")).is_empty());
}

/// `cargo test -p gwanmun-filters --lib -- --ignored --nocapture cost`, with optimisation.
#[test]
#[ignore = "a measurement"]
fn cost() {
    let mut exchange = authenticated(exchange_with(Method::GET, "/orders/7?all=1", &[("x-tenant", "acme")]));
    for arguments in [
        "{}",
        "{roles: [admin, ops], scopes: [orders.read]}",
        "{roles: [admin, ops], scopes: [orders.read], level: high}",
        "{rule: \"principal.claims.tenant == request.headers['x-tenant']\"}",
        "{acl: [{who: 'group:ops', path: '/orders/**', methods: [GET]}]}",
        "{scopes: [orders.write]}",
    ] {
        let filter = filter::<AuthorizeSpec>(arguments);
        let rounds = 200_000;
        let started = std::time::Instant::now();
        for _ in 0..rounds {
            let _ = std::hint::black_box(filter.request(std::hint::black_box(&mut exchange)));
        }
        println!("{arguments}: {:?} each", started.elapsed() / rounds);
    }
}
