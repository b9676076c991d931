//! Authorisation: whatever an operator writes is refused or decides, and what it decides does not depend on how it is asked.

use std::time::SystemTime;

use gwanmun_authz::{Action, Decision, LineSpec, Policy, PolicySpec};
use gwanmun_core::{Level, Principal};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// The input's first line is a path, the second a query, the third a header field, the fourth claims as JSON; then a rule after
/// `=`, or lines of a list: who, host, path and method with a blank between.
pub(crate) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut lines = text.split('\n');
    let mut next = || lines.next().unwrap_or_default();
    let (path, query, field, claims) = (next(), next(), next(), next());
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(field) {
        headers.append(HeaderName::from_static("x-a"), value);
    }
    let mut principal = Principal::new("ann", "jwt:corp", Level::High);
    principal.roles = vec!["ops".into(), "dev".into()];
    if let Ok(Value::Object(claims)) = serde_json::from_str(claims) {
        principal.claims = claims;
    }
    let (method, host, time) = ("GET", "api.example", SystemTime::UNIX_EPOCH);
    let (query, client) = (Some(query), None);
    let action =
        Action { method, scheme: "https", host, path, query, headers: &headers, client, route: "orders", time };
    let rest = lines.collect::<Vec<_>>().join("\n");
    match rest.strip_prefix('=') {
        Some(rule) => check_rule(rule, &principal, &action),
        None => check_list(&rest, &principal, &action),
    }
}

/// A rule and its opposite never hold together, and a rule that cannot be computed allows nothing.
fn check_rule(text: &str, principal: &Principal, action: &Action<'_>) {
    let policy = |text: String| Policy::new(&PolicySpec { rule: Some(text), ..PolicySpec::default() });
    let rule = match policy(text.to_owned()) {
        Ok(rule) => rule,
        Err(mistakes) => {
            assert!(
                !mistakes.iter().any(|mistake| mistake.message == "the parser failed on this expression"),
                "the parser fails"
            );
            return;
        }
    };
    let held = allows(&rule, principal, action);
    if let Ok(opposite) = policy(format!("!(\n{text}\n)")) {
        assert!(!(held && allows(&opposite, principal, action)), "a rule and its opposite hold");
    }
}

/// A list allows what one of its lines alone allows.
fn check_list(text: &str, principal: &Principal, action: &Action<'_>) {
    let lines: Vec<LineSpec> = text.split('\n').take(16).map(line).collect();
    let policy = |lines: Vec<LineSpec>| Policy::new(&PolicySpec { acl: Some(lines), ..PolicySpec::default() });
    let Ok(list) = policy(lines.clone()) else { return };
    let alone = lines.iter().any(|line| allows(&policy(vec![line.clone()]).unwrap(), principal, action));
    assert_eq!(allows(&list, principal, action), alone, "the list says something else than its lines");
    let turned = policy(lines.into_iter().rev().collect()).unwrap();
    assert_eq!(allows(&turned, principal, action), alone, "the order of the lines matters");
}

fn line(text: &str) -> LineSpec {
    let mut words = text.split(' ');
    let who = words.next().unwrap_or_default().to_owned();
    let mut word = || words.next().filter(|word| !word.is_empty()).map(str::to_owned);
    LineSpec { who, host: word(), path: word(), methods: word().into_iter().collect() }
}

/// What the policy decides; the explanation must say the same.
fn allows(policy: &Policy, principal: &Principal, action: &Action<'_>) -> bool {
    let decision = policy.decide(Some(principal), Level::High, action);
    if let Decision::Deny { rule, why, .. } = &decision {
        assert!(!why.ends_with("its interpreter failed"), "the interpreter fails");
        assert!(!rule.contains(char::is_control) && !why.contains(char::is_control), "{rule:?} {why:?}");
    }
    let explained = policy.explain(Some(principal), Level::High, action);
    assert_eq!(explained.decision, decision);
    assert_eq!(explained.parts.iter().all(|part| part.held), decision.is_allowed());
    let values = explained.parts.iter().flat_map(|part| &part.values);
    assert!(!values.into_iter().any(|(name, value)| (name.clone() + value).contains(char::is_control)));
    decision.is_allowed()
}
