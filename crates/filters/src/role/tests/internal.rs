//! `role: internal`.

use super::stand_ins::IDENTITY;
use super::{Judged, door, judged, route};

fn internal(rest: &str) -> Judged {
    judged(&format!("role: internal\n{IDENTITY}{rest}"))
}

#[test]
fn every_route_takes_the_session_lets_in_who_is_known_and_tells_the_tool() {
    let judged = internal("routes: [{id: a, filters: [strip-prefix: 1], upstream: 'http://a:1'}]");
    let plan = judged.good();
    assert_eq!(door(plan), ["*csrf"]);
    assert_eq!(
        route(plan, 0),
        ["*authenticate {any: [{session: staff}]}", "*authorize", "*user-headers", "strip-prefix 1"]
    );
}

#[test]
fn what_is_added_stands_behind_what_is_written() {
    let own = "authenticate: {any: [{session: staff}]}";
    let session = "authenticate {any: [{session: staff}]}";
    let added = format!("*{session}");
    for (written, wanted) in [
        (
            &["authorize: {roles: [ops]}", "set-path: /a"][..],
            &[&*added, "authorize {roles: [ops]}", "*user-headers", "set-path /a"][..],
        ),
        (
            &["set-path: /a", own, "set-path: /b"],
            &["set-path /a", session, "*authorize", "*user-headers", "set-path /b"],
        ),
        (&[own, own], &[session, session, "*authorize", "*user-headers"]),
    ] {
        let filters = written.join("\n      - ");
        let judged =
            internal(&format!("routes:\n  - id: a\n    upstream: http://a:1\n    filters:\n      - {filters}\n"));
        assert_eq!(route(judged.good(), 0), wanted);
    }
    let judged = internal(&format!("filters: [{own}]\nroutes: [{{id: a, upstream: 'http://a:1'}}]"));
    assert_eq!(route(judged.good(), 0), ["*authorize", "*user-headers"]);
}

#[test]
fn what_is_added_stands_behind_the_session_of_one_provider_among_several() {
    let identity = "role: internal\nidentity: {oidc: {staff: {}, guests: {}}}\n";
    let own = "authenticate: {any: [{session: guests}]}";
    let said =
        judged(&format!("{identity}routes: [{{id: a, filters: [set-path: /a, {own}], upstream: 'http://a:1'}}]"));
    assert_eq!(
        route(said.good(), 0),
        ["set-path /a", "authenticate {any: [{session: guests}]}", "*authorize", "*user-headers"]
    );
    let said = judged(&format!("{identity}routes: [{{id: a, upstream: 'http://a:1'}}]"));
    assert!(said.only().contains("does not say which session it takes"), "{}", said.only());
}

#[test]
fn a_list_without_a_session_is_refused_and_one_with_it_is_not() {
    let list = |list: &str| {
        internal(&format!("routes: [{{id: a, filters: [authenticate: {{any: [{list}]}}], upstream: 'http://a:1'}}]"))
    };
    let said = list("{jwt: corp}");
    assert!(said.only().contains("this takes no session, which is how colleagues are known here"), "{}", said.only());
    list("{jwt: corp}, {session: staff}").good();
}

#[test]
fn a_cookie_never_goes_in_clear_beyond_this_machine() {
    let said = internal("listeners: [{address: '0.0.0.0:80'}]");
    assert!(said.only().contains("the cookie of a session would go without `Secure`"), "{}", said.only());
    internal("listeners: [{address: '0.0.0.0:80'}]\ntrusted-proxies: [10.0.0.1]").good();
}

#[test]
fn a_route_does_not_begin_without_a_provider() {
    let said = judged("role: internal\nroutes: [{id: a, upstream: 'http://a:1'}]");
    assert!(said.only().contains("nobody could pass: there is nothing under `identity.oidc`"), "{}", said.only());
}

#[test]
fn an_answer_before_the_rule_that_the_role_adds_is_refused() {
    let own = "authenticate: {any: [{session: staff}]}";
    // The rule would stand behind the last `authenticate`, and so behind the answer.
    let said = internal(&format!("routes: [{{id: a, filters: [{own}, respond, {own}]}}]"));
    assert!(said.only().contains("'respond' answers before 'authorize'"), "{}", said.only());
    internal("routes: [{id: a, filters: [respond]}]").good();
}

#[test]
fn the_tool_is_told_who_calls_behind_what_finds_it_out() {
    let own = "authenticate: {any: [{session: staff}]}";
    let wanted = "nobody is known here yet, and so the tool is told nobody";
    let route = "routes: [{id: a, predicates: [path: /a], upstream: 'http://a:1'}, {id: b, upstream: 'http://a:1'}]";
    for (door, is_good) in
        [("user-headers", false), (&format!("user-headers, {own}"), false), (&format!("{own}, user-headers"), true)]
    {
        let judged = internal(&format!("filters: [{door}]\n{route}"));
        match is_good {
            true => drop(judged.good()),
            false => assert!(judged.only().contains(wanted), "{door}: {}", judged.only()),
        }
    }
    internal(&format!("default-filters: [user-headers]\n{route}")).good();
    internal(&format!("default-filters: [{own}, user-headers]\n{route}")).good();
    internal(&format!("filters: [{own}]\ndefault-filters: [user-headers, {own}]\n{route}")).good();
    let said = internal(&format!("default-filters: [user-headers, {own}]\n{route}"));
    assert!(said.only().contains(wanted), "{}", said.only());
}
