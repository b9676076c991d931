use std::time::Instant;

use http::HeaderMap;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::action::fixture::get;

fn texts(texts: &[&str]) -> Option<Vec<String>> {
    Some(texts.iter().map(|&text| text.to_owned()).collect())
}

fn ann() -> Principal {
    let mut ann = Principal::new("ann", "jwt:corp", Level::Highest);
    ann.roles = vec!["ops".into()];
    ann.scopes = vec!["orders.read".into()];
    ann.claims.insert("tenant".into(), json!("acme"));
    ann
}

fn for_ops() -> Option<Vec<LineSpec>> {
    Some(vec![LineSpec { who: "group:ops".into(), path: Some("/orders/**".into()), ..LineSpec::default() }])
}

fn tenant() -> Option<String> {
    Some("principal.claims.tenant == request.headers['x-tenant']".to_owned())
}

fn full() -> PolicySpec {
    let (roles, scopes) = (texts(&["admin", "ops"]), texts(&["orders.read"]));
    PolicySpec { roles, scopes, level: Some(Level::High), rule: tenant(), acl: for_ops() }
}

fn acme() -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("x-tenant"), http::HeaderValue::from_static("acme"))])
}

/// `allow` or `deny`, the rule, and why.
fn decide(spec: &PolicySpec, principal: &Principal, level: Level, path: &str) -> String {
    let (policy, headers) = (Policy::new(spec).unwrap(), acme());
    match policy.decide(Some(principal), level, &Action { path, ..get(&headers) }) {
        Decision::Allow { rule } => format!("allow: {rule}"),
        Decision::Deny { rule, why, .. } => format!("deny: {rule}: {why}"),
        Decision::NotAuthenticated => "nobody".to_owned(),
    }
}

#[test]
fn a_policy_names_what_decided() {
    let only = |change: fn(&mut PolicySpec)| {
        let mut spec = PolicySpec::default();
        change(&mut spec);
        spec
    };
    for (spec, allowed) in [
        (PolicySpec::default(), "allow: authenticated"),
        (only(|spec| spec.roles = texts(&["admin", "ops"])), "allow: role admin|ops"),
        (only(|spec| spec.scopes = texts(&["orders.read"])), "allow: scope orders.read"),
        (only(|spec| spec.level = Some(Level::High)), "allow: level high"),
        (only(|spec| spec.acl = for_ops()), "allow: acl group:ops"),
        (only(|spec| spec.rule = tenant()), "allow: rule principal.claims.tenant == request.headers['x-tenant']"),
        (
            full(),
            "allow: role admin|ops, scope orders.read, level high, rule principal.claims.tenant == \
             request.headers['x-tenant'], acl group:ops",
        ),
        (only(|spec| spec.roles = texts(&["admin"])), "deny: role admin: the principal has none of these roles"),
        (only(|spec| spec.roles = texts(&["Ops"])), "deny: role Ops: the principal has none of these roles"),
        (
            only(|spec| spec.scopes = texts(&["orders.read", "orders.write"])),
            "deny: scope orders.write: the credential does not hold this scope",
        ),
        (only(|spec| spec.level = Some(Level::Highest)), "deny: level highest: the level is high"),
        (only(|spec| spec.acl = Some(Vec::new())), "deny: acl: no line is for this principal and action"),
        (
            only(|spec| spec.rule = Some("principal.claims.tenant == 'other'".into())),
            "deny: rule principal.claims.tenant == 'other': it is false",
        ),
        (
            only(|spec| spec.rule = Some("principal.claims.nothing != 'other'".into())),
            "deny: rule principal.claims.nothing != 'other': principal.claims.nothing is missing",
        ),
    ] {
        assert_eq!(decide(&spec, &ann(), Level::High, "/orders/7"), allowed, "{spec:?}");
    }
}

#[test]
fn a_refusal_says_of_what_kind_it_is() {
    let cause = |change: fn(&mut PolicySpec)| {
        let mut spec = PolicySpec::default();
        change(&mut spec);
        let (policy, headers) = (Policy::new(&spec).unwrap(), acme());
        match policy.decide(Some(&ann()), Level::High, &get(&headers)) {
            Decision::Deny { cause, .. } => Some(cause),
            _ => None,
        }
    };
    assert_eq!(cause(|_| {}), None);
    assert_eq!(cause(|spec| spec.roles = texts(&["admin"])), Some(Cause::Role));
    assert_eq!(cause(|spec| spec.scopes = texts(&["orders.write"])), Some(Cause::Scope));
    assert_eq!(cause(|spec| spec.level = Some(Level::Highest)), Some(Cause::Level));
    assert_eq!(cause(|spec| spec.acl = Some(Vec::new())), Some(Cause::Acl));
    assert_eq!(cause(|spec| spec.rule = Some("principal.claims.tenant == ''".into())), Some(Cause::Rule));
    assert_eq!(cause(|spec| spec.rule = Some("principal.claims.x == ''".into())), Some(Cause::Failure));
}

#[test]
fn the_level_is_the_requests_not_the_principals() {
    let spec = PolicySpec { level: Some(Level::High), ..PolicySpec::default() };
    assert_eq!(decide(&spec, &ann(), Level::Low, "/"), "deny: level high: the level is low");
    assert_eq!(decide(&spec, &ann(), Level::Highest, "/"), "allow: level high");
    let spec = PolicySpec { rule: Some("principal.level == 'low'".into()), ..PolicySpec::default() };
    assert_eq!(decide(&spec, &ann(), Level::Low, "/"), "allow: rule principal.level == 'low'");
}

#[test]
fn nobody_is_never_allowed() {
    let headers = acme();
    for spec in [PolicySpec::default(), full(), PolicySpec { rule: Some("true".into()), ..PolicySpec::default() }] {
        let policy = Policy::new(&spec).unwrap();
        assert_eq!(policy.decide(None, Level::Highest, &get(&headers)), Decision::NotAuthenticated);
        let explained = policy.explain(None, Level::Highest, &get(&headers));
        assert_eq!((explained.decision, explained.parts.len()), (Decision::NotAuthenticated, 0));
    }
}

#[test]
fn a_path_that_two_could_read_in_two_ways_is_refused() {
    let everything = LineSpec { who: "*".into(), ..LineSpec::default() };
    let list = PolicySpec { acl: Some(vec![everything]), ..PolicySpec::default() };
    let rule = PolicySpec { rule: Some("request.path != '/admin'".into()), ..PolicySpec::default() };
    for path in ["/a/../admin", "/a/%2e%2e/admin", "/a/..%2Fadmin", "/..;/admin", "/%00", "/a\0", "/%", "*", ""] {
        assert_eq!(decide(&list, &ann(), Level::High, path), "deny: acl: the path is not canonical", "{path:?}");
        assert!(decide(&rule, &ann(), Level::High, path).ends_with("request.path is not canonical"), "{path:?}");
    }
}

#[test]
fn every_mistake_is_told_with_its_argument() {
    let spec = PolicySpec {
        roles: Some(Vec::new()),
        scopes: texts(&["a b", "c", "c", " d", "", "e\"f"]),
        level: None,
        rule: Some("principal.rolse && request.x".into()),
        acl: Some(vec![LineSpec { who: "*".into(), ..LineSpec::default() }, LineSpec::default()]),
    };
    let told: Vec<_> =
        Policy::new(&spec).unwrap_err().into_iter().map(|mistake| (mistake.argument, mistake.message)).collect();
    let told: Vec<_> = told.iter().map(|(argument, message)| (*argument, message.as_str())).collect();
    assert_eq!(
        told,
        [
            (Argument::Roles, "found an empty list, wanted at least one"),
            (Argument::Scopes, "found 'c' twice"),
            (Argument::Scopes, "found ' d', wanted a name without blanks around it"),
            (Argument::Scopes, "found '', wanted a name without blanks around it"),
            (Argument::Scopes, "found 'a b', wanted one scope each"),
            (Argument::Scopes, "found 'e\"f', wanted printable ASCII without quotes and backslashes (RFC 6749)"),
            (Argument::Rule { column: Some(10) }, "principal has no 'rolse'"),
            (Argument::Rule { column: Some(27) }, "request has no 'x'"),
            (Argument::Acl { line: 2 }, "found who '', wanted 'user:NAME', 'group:ROLE' or '*'"),
        ]
    );
}

#[test]
fn an_explanation_tells_every_part() {
    let mut spec = full();
    spec.scopes = texts(&["orders.write"]);
    let (policy, headers) = (Policy::new(&spec).unwrap(), acme());
    let explained = policy.explain(Some(&ann()), Level::Low, &get(&headers));
    assert_eq!(explained.decision, policy.decide(Some(&ann()), Level::Low, &get(&headers)));
    let lines: Vec<_> = explained
        .parts
        .iter()
        .map(|part| {
            let values: Vec<_> = part.values.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            format!("{} {} {:?} [{}]", part.rule, part.held, part.why, values.join(", "))
        })
        .collect();
    assert_eq!(
        lines,
        [
            "role admin|ops true None [principal.roles = [\"ops\"]]",
            "scope orders.write false Some(\"the credential does not hold this scope\") [principal.scopes = [\"orders.read\"]]",
            "level high false Some(\"the level is low\") [principal.level = low]",
            "acl group:ops true None [acl line = 1, principal.subject = ann, request.method = GET, request.host = \
             api.example, request.path = /orders/7]",
            "rule principal.claims.tenant == request.headers['x-tenant'] true None [principal.claims.tenant = \"acme\", \
             request.headers['x-tenant'] = \"acme\"]",
        ]
    );
}

/// Each condition may or may not be there, and may or may not hold.
fn spec() -> impl Strategy<Value = PolicySpec> {
    let names = |one: &'static str, other: &'static str| {
        prop::option::of(prop::sample::subsequence(vec![one, other], 1..=2).prop_map(|names| texts(&names).unwrap()))
    };
    let level = prop::option::of(prop::sample::select(Level::ALL.to_vec()));
    let rules =
        ["true", "false", "principal.claims.tenant == 'acme'", "principal.claims.x == 1", "request.path != '/b'"];
    let rule = prop::option::of(prop::sample::select(rules.to_vec()).prop_map(str::to_owned));
    let line =
        (prop::sample::select(vec!["user:ann", "group:ops", "group:x", "*"]), prop::sample::select(vec!["/a", "/**"]));
    let line =
        line.prop_map(|(who, path)| LineSpec { who: who.into(), path: Some(path.into()), ..LineSpec::default() });
    let acl = prop::option::of(prop::collection::vec(line, 0..3));
    (names("ops", "admin"), names("orders.read", "orders.write"), level, rule, acl)
        .prop_map(|(roles, scopes, level, rule, acl)| PolicySpec { roles, scopes, level, rule, acl })
}

proptest! {
    #[test]
    fn one_condition_more_never_allows_more(
        fewer in spec(),
        more in spec(),
        level in prop::sample::select(Level::ALL.to_vec()),
        path in prop::sample::select(vec!["/a", "/b", "/../a"]),
    ) {
        let both = PolicySpec {
            roles: fewer.roles.clone().or(more.roles),
            scopes: fewer.scopes.clone().or(more.scopes),
            level: fewer.level.or(more.level),
            rule: fewer.rule.clone().or(more.rule),
            acl: fewer.acl.clone().or(more.acl),
        };
        let one_scope_more = fewer.scopes.as_ref().map(|scopes| {
            let scopes = scopes.iter().cloned().chain(["other".to_owned()]).collect();
            PolicySpec { scopes: Some(scopes), ..fewer.clone() }
        });
        let is_allowed = |spec: &PolicySpec| decide(spec, &ann(), level, path).starts_with("allow");
        prop_assert!(!is_allowed(&both) || is_allowed(&fewer), "{fewer:?} {both:?}");
        if let Some(more) = one_scope_more {
            prop_assert!(!is_allowed(&more) || is_allowed(&fewer));
        }
        let (policy, headers) = (Policy::new(&fewer).unwrap(), acme());
        let action = Action { path, ..get(&headers) };
        let explained = policy.explain(Some(&ann()), level, &action);
        prop_assert_eq!(explained.parts.iter().all(|part| part.held), explained.decision.is_allowed());
    }
}

/// `cargo test -p gwanmun-authz --release -- --ignored --nocapture cost`
#[test]
#[ignore = "a measurement"]
fn cost() {
    let headers = acme();
    let lines = (0..10_000).map(|at| LineSpec {
        who: if at % 2 == 0 { "*".into() } else { format!("group:g{}", at % 10) },
        host: Some(format!("h{}.example", at % 7)),
        path: Some(format!("/a{}/{{id}}/b{at}/**", at % 3)),
        methods: vec!["GET".into()],
    });
    let list = PolicySpec { acl: Some(lines.collect()), ..PolicySpec::default() };
    let rule = |text: &str| PolicySpec { rule: Some(text.into()), ..PolicySpec::default() };
    let mut many = ann();
    many.claims.insert("many".into(), (0..1000).collect());
    many.roles.extend((0..10).map(|at| format!("g{at}")));
    let long = format!("[{}]", vec!["1"; 240].join(","));
    for (name, spec) in [
        ("nothing", PolicySpec::default()),
        ("tenant == header", rule(&tenant().unwrap())),
        ("a role in a list", rule("'ops' in principal.roles")),
        ("a loop over roles", rule("principal.roles.exists(r, r.startsWith('op'))")),
        ("a path matches", rule("request.path.matches('^/orders/[0-9]+$')")),
        ("missing", rule("principal.claims.other == 'x'")),
        ("all headers", rule("request.headers.exists(h, h == 'x-tenant')")),
        ("everything", full()),
        ("two loops, too much", rule("principal.claims.many.all(a, principal.claims.many.all(b, a + b >= 0))")),
        (
            "two loops, too much, not ended",
            rule("principal.claims.many.all(a, !principal.claims.many.exists(b, a + b < 0))"),
        ),
        ("three loops over lists, too much", rule(&format!("{0}.all(a, {0}.all(b, {0}.all(c, c in {0})))", long))),
        ("10,000 lines", list),
    ] {
        let started = Instant::now();
        let policy = Policy::new(&spec).unwrap();
        let made = started.elapsed();
        let action = Action {
            host: "h3.example",
            path: if name == "10,000 lines" { "/a1/7/b9998/x" } else { "/orders/7" },
            ..get(&headers)
        };
        let rounds = if name.contains("too much") { 20 } else { 20_000 };
        let started = Instant::now();
        for _ in 0..rounds {
            std::hint::black_box(policy.decide(Some(std::hint::black_box(&many)), Level::High, &action));
        }
        println!("{name}: made in {made:?}, {:?} each", started.elapsed() / rounds);
    }
}
