//! Expressions and inputs that nobody in their senses would write: neither the parser nor the interpreter may fail, and what is
//! allowed must not also be allowed by its opposite.

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::action::fixture::get;

const TOKENS: [&str; 84] = [
    "principal",
    "request",
    ".",
    "subject",
    "roles",
    "scopes",
    "level",
    "claims",
    "headers",
    "query",
    "path",
    "time",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ",",
    ":",
    "?",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "&&",
    "||",
    "!",
    "-",
    "+",
    "*",
    "/",
    "%",
    "in",
    "has",
    "all",
    "exists",
    "exists_one",
    "filter",
    "map",
    "size",
    "contains",
    "matches",
    "int",
    "string",
    "true",
    "false",
    "null",
    "0",
    "1",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615u",
    "1e308",
    "0x7f",
    "1u",
    "'a'",
    "''",
    "\"b\"",
    "b'\\xff'",
    "r'\\d'",
    "'''x'''",
    "'\\u00e9'",
    "'\\ud800'",
    "'\\x'",
    "'é'",
    "x",
    "y",
    "a",
    "`",
    "@0",
    "@count",
    "@result",
    "//c",
    "\n",
    " ",
    ".?",
    "[?",
    "principal.claims.a",
    "request.headers['x-a']",
    "principal.roles.exists(x,",
    "\\",
];

/// Tokens in any order.
fn soup() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(TOKENS.to_vec()), 0..14).prop_map(|tokens| tokens.join(" "))
}

/// As long as an expression may be.
fn long_soup() -> impl Strategy<Value = String> {
    let some = prop::collection::vec(prop::sample::select(TOKENS.to_vec()), 1..8);
    some.prop_map(|tokens| tokens.concat().chars().cycle().take(1000).collect())
}

/// Expressions that mostly read, of any kinds.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "principal.subject",
        "principal.roles",
        "principal.claims",
        "principal.claims.a",
        "principal.claims.b",
        "principal.claims.c",
        "principal.claims.d[0]",
        "request.headers",
        "request.headers['x-a']",
        "request.query.q",
        "request.path",
        "request.time",
        "true",
        "false",
        "null",
        "0",
        "1",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "1u",
        "0.5",
        "'a'",
        "'é'",
        "b'a'",
        "[]",
        "{}",
        "x",
        "y",
    ]);
    let leaf = leaf.prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        let operators = vec!["==", "!=", "<", "<=", ">", ">=", "&&", "||", "+", "-", "*", "/", "%", "in"];
        let functions = vec!["size", "int", "uint", "double", "string", "bool"];
        let members = vec!["contains", "startsWith", "endsWith"];
        let loops = vec!["all", "exists", "exists_one", "filter", "map"];
        prop_oneof![
            4 => (inner.clone(), prop::sample::select(operators), inner.clone()).prop_map(|(one, by, other)| format!("({one} {by} {other})")),
            1 => inner.clone().prop_map(|of| format!("!({of})")),
            1 => inner.clone().prop_map(|of| format!("-({of})")),
            1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            2 => (inner.clone(), inner.clone()).prop_map(|(of, index)| format!("{of}[{index}]")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{{a}: {b}, 'k': {a}}}")),
            1 => (prop::sample::select(functions), inner.clone()).prop_map(|(name, of)| format!("{name}({of})")),
            1 => (inner.clone(), prop::sample::select(members), inner.clone()).prop_map(|(of, name, with)| format!("{of}.{name}({with})")),
            1 => inner.clone().prop_map(|of| format!("{of}.lowerAscii().matches('[a-z]+')")),
            1 => inner.clone().prop_map(|of| format!("has({of}.a)")),
            2 => (inner.clone(), prop::sample::select(loops), prop::sample::select(vec!["x", "y"]), inner)
                .prop_map(|(of, name, each, that)| format!("{of}.{name}({each}, {that})")),
        ]
    })
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop::sample::select(vec![0, 1, -1, i64::MIN, i64::MAX]).prop_map(Value::from),
        Just(Value::from(u64::MAX)),
        prop::sample::select(vec![0.5, -0.0, f64::MAX]).prop_map(Value::from),
        prop::sample::select(vec!["", "a", "é", "\0", "1"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let members = prop::collection::btree_map("[ab]", inner.clone(), 0..3);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Neither `text` nor its opposite may fail; at most one of them holds.
fn survive(
    text: &str,
    claims: &[(String, Value)],
    header: &[u8],
    query: &str,
    path: &str,
) -> Result<(), TestCaseError> {
    let rule = match Rule::new(text) {
        Ok(rule) => rule,
        Err(mistakes) => {
            prop_assert!(!mistakes.is_empty(), "refused without a word: {text}");
            for mistake in &mistakes {
                prop_assert!(mistake.message != "the parser failed on this expression", "the parser fails on {text:?}");
                prop_assert!(
                    !mistake.message.contains('\n') && mistake.message.chars().count() < 300,
                    "{text:?}: {mistake:?}"
                );
                let Argument::Rule { column } = mistake.argument else { panic!("another argument") };
                prop_assert!(
                    column.is_none_or(|column| (1..=text.chars().count() + 2).contains(&column)),
                    "{text:?}: {mistake:?}"
                );
            }
            return Ok(());
        }
    };
    let mut principal = Principal::new("ann", "jwt:corp", Level::High);
    principal.roles = vec!["a".into(), "b".into()];
    principal.claims.extend(claims.iter().cloned());
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(header) {
        headers.append(HeaderName::from_static("x-a"), value);
    }
    let action = Action { query: Some(query), path, ..get(&headers) };
    let facts = Facts { principal: &principal, level: Level::High, action: &action };
    let outcome = rule.holds(&facts);
    prop_assert_ne!(outcome.as_ref().err().map(String::as_str), Some("its interpreter failed"), "{}", text);
    prop_assert_eq!(&outcome, &rule.holds(&facts), "{} is not the same twice", text);
    if let Err(why) = &outcome {
        prop_assert!(!why.contains(char::is_control) && why.chars().count() < 400, "{text:?}: {why:?}");
    }
    rule.values(&facts);
    if let Ok(opposite) = Rule::new(&format!("!(\n{text}\n)")) {
        let both = outcome == Ok(true) && opposite.holds(&facts) == Ok(true);
        prop_assert!(!both, "{text:?} holds, and so does its opposite");
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_expression_is_refused_or_evaluated(
        text in prop_oneof![2 => soup(), 5 => expression(), 1 => "\\PC{0,40}", 1 => ".{0,20}"],
        claims in prop::collection::vec(("[abcd]", json()), 0..4),
        header in prop::collection::vec(any::<u8>(), 0..6),
        query in "[q=&%+a0-9]{0,12}",
        path in prop_oneof![Just("/a/b".to_owned()), ".{0,10}"],
    ) {
        survive(&text, &claims, &header, &query, &path)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 8))]

    #[test]
    fn a_long_expression_is_refused_or_evaluated(text in long_soup()) {
        survive(&text, &[], b"a", "", "/")?;
    }
}
