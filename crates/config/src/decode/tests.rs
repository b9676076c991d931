//! Decoding as its users see it: typed values from text, and the messages when they do not fit.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use serde::{Deserialize, Deserializer};

use super::decode;
use crate::diagnostic::Diagnostics;
use crate::environment::Environment;
use crate::load::load_texts;
use crate::merge::MergeRules;
use crate::node::{Entry, Node, Scalar, Value};
use crate::source::Span;
use crate::{ByteSize, OneOrMany, Piece, Spanned, Timespan};

/// The value, and each mistake as `line:column message (hint)`.
fn decoded<T: serde::de::DeserializeOwned>(text: &str) -> (Option<T>, Vec<String>) {
    let environment = Environment::from_pairs([("SECRET", "hunter2")]);
    let mut loaded = load_texts(&[("gw.yaml".to_owned(), text.to_owned())], &environment, &MergeRules::default());
    let value = decode(&loaded.document, &mut loaded.diagnostics);
    loaded.diagnostics.sort();
    let lines = loaded.diagnostics.iter().map(|mistake| {
        let (_, line, column) = loaded.sources.location(mistake.span.unwrap());
        let hint = mistake.hint.as_ref().map_or(String::new(), |hint| format!(" ({hint})"));
        format!("{line}:{column} {}{hint}", mistake.message)
    });
    let lines = lines.collect();
    (value, lines)
}

fn good<T: serde::de::DeserializeOwned>(text: &str) -> T {
    let (value, mistakes) = decoded(text);
    assert!(mistakes.is_empty(), "{text}: {mistakes:?}");
    value.unwrap()
}

/// One key of the given type.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Only<T> {
    a: T,
}

fn only<T: serde::de::DeserializeOwned>(value: &str) -> T {
    good::<Only<T>>(&format!("a: {value}")).a
}

fn refused<T: serde::de::DeserializeOwned>(value: &str) -> String {
    let (_, mut mistakes) = decoded::<Only<T>>(&format!("a: {value}"));
    assert_eq!(mistakes.len(), 1, "{value}: {mistakes:?}");
    mistakes.remove(0)
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
enum Keep {
    RetainFirst,
    RetainLast,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Choice {
    Off,
    Header(String),
    Window { size: u32 },
    Pair(u8, u8),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(dead_code, reason = "only decoded")]
struct Route {
    id: String,
    #[serde(default)]
    order: i32,
    #[serde(default)]
    header_timeout: Option<Timespan>,
    #[serde(default)]
    filters: Vec<Piece>,
    upstream: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only decoded")]
struct Gateway {
    routes: Vec<Route>,
    #[serde(default)]
    workers: Option<u16>,
}

#[test]
fn derived_types_decode() {
    assert_eq!(only::<u16>("80"), 80);
    assert_eq!(only::<i64>("-3"), -3);
    assert_eq!(only::<f64>("2"), 2.0);
    assert!(only::<bool>("true"));
    assert_eq!(only::<Option<u8>>("~"), None);
    assert_eq!(only::<Option<u8>>("7"), Some(7));
    assert_eq!(only::<(String, u8)>("[x, 1]"), ("x".to_owned(), 1));
    assert_eq!(only::<PathBuf>("/etc/x"), PathBuf::from("/etc/x"));
    assert_eq!(
        only::<BTreeMap<String, Vec<u8>>>("{x: [1], y: []}"),
        [("x".into(), vec![1]), ("y".into(), vec![])].into()
    );
    assert_eq!(only::<BTreeMap<u16, String>>("{404: x}"), [(404, "x".into())].into());
    assert_eq!(only::<BTreeMap<Keep, u8>>("{RETAIN_LAST: 1}"), [(Keep::RetainLast, 1)].into());
    assert_eq!(only::<Timespan>("1m30s").0, Duration::from_secs(90));
    assert_eq!(only::<ByteSize>("64KiB").0, 65_536);
}

#[test]
fn texts_take_plain_scalars_as_they_are_written() {
    for (written, text) in [("1.0", "1.0"), ("0x1F", "0x1F"), ("true", "true"), ("\"null\"", "null"), ("''", "")] {
        assert_eq!(only::<String>(written), text);
    }
}

#[test]
fn numbers_and_booleans_may_stand_in_quotes() {
    assert_eq!(only::<u16>("\"8080\""), 8080);
    assert!(!only::<bool>("'false'"));
}

#[test]
fn a_key_without_a_value_is_an_empty_list_or_map() {
    assert_eq!(only::<Vec<String>>(""), Vec::<String>::new());
    assert_eq!(only::<BTreeMap<String, u8>>(""), BTreeMap::new());
}

#[test]
fn enum_values_are_known_in_both_spellings() {
    assert_eq!(only::<Keep>("retain-last"), Keep::RetainLast);
    assert_eq!(only::<Keep>("RETAIN_LAST"), Keep::RetainLast);
    assert_eq!(only::<Keep>("Retain_First"), Keep::RetainFirst);
    assert_eq!(refused::<Keep>("retain-lst"), "1:4 unknown value: 'retain-lst' (did you mean 'retain-last'?)");
    assert_eq!(refused::<Keep>("x"), "1:4 unknown value: 'x' (known values: retain-first, retain-last)");
}

#[test]
fn enums_with_content_are_maps_of_one_key() {
    assert_eq!(only::<Choice>("off"), Choice::Off);
    assert_eq!(only::<Choice>("{header: x}"), Choice::Header("x".to_owned()));
    assert_eq!(only::<Choice>("{window: {size: 3}}"), Choice::Window { size: 3 });
    assert_eq!(only::<Choice>("{pair: [1, 2]}"), Choice::Pair(1, 2));
    assert_eq!(refused::<Choice>("{windw: 1}"), "1:5 unknown value: 'windw' (did you mean 'window'?)");
    assert_eq!(refused::<Choice>("{window: {siz: 3}}"), "1:14 unknown key 'siz' (did you mean 'size'?)");
    assert_eq!(
        refused::<Choice>("{window: {size: x}}"),
        "1:20 expected a whole number from 0 to 4294967295, found 'x' (write digits only, without a unit)"
    );
    assert_eq!(refused::<Choice>("{off: 1, header: 2}"), "1:4 expected one word, found a map");
}

#[test]
fn one_value_may_stand_for_a_list() {
    assert_eq!(only::<OneOrMany<String>>("/a").0, ["/a"]);
    assert_eq!(only::<OneOrMany<String>>("[/a, /b]").0, ["/a", "/b"]);
    assert_eq!(only::<OneOrMany<Keep>>("RETAIN_LAST").0, [Keep::RetainLast]);
    assert_eq!(
        refused::<OneOrMany<u8>>("[1, x]"),
        "1:8 expected a whole number from 0 to 255, found 'x' (write digits only, without a unit)"
    );
    assert!(refused::<OneOrMany<u8>>("").starts_with("1:1 expected a value or a list of values, found nothing"));
}

#[test]
fn values_of_the_wrong_kind_say_what_was_wanted_and_found() {
    assert_eq!(refused::<Timespan>("[1]"), "1:4 expected a duration like 250ms, found a list");
    assert_eq!(refused::<Timespan>("10"), "1:4 expected a duration like 250ms, found '10' (write 10s)");
    assert_eq!(refused::<ByteSize>("5 MB"), "1:4 expected a size like 64KiB, found '5 MB' (write 5MB)");
    assert_eq!(refused::<u16>("70000"), "1:4 expected a whole number from 0 to 65535, found '70000'");
    assert_eq!(refused::<u8>("-1"), "1:4 expected a whole number from 0 to 255, found '-1'");
    assert_eq!(refused::<f64>("x"), "1:4 expected a number, found 'x'");
    assert_eq!(refused::<bool>("yes"), "1:4 expected true or false, found 'yes' (write true)");
    assert_eq!(refused::<Vec<u8>>("x"), "1:4 expected a list, found 'x'");
    assert_eq!(refused::<(u8, u8)>("[1]"), "1:4 expected a list of 2 values, found a list");
    assert_eq!(refused::<Only<u8>>("b:1"), "1:4 expected a map, found 'b:1' (write a space after the colon: b: 1)");
    assert_eq!(refused::<std::num::NonZeroU8>("0"), "1:4 expected a whole number from 1 to 255, found '0'");
    let nothing = "1:1 expected a string, found nothing (write a value after the colon, or leave the key out)";
    assert_eq!(refused::<String>(""), nothing);
    assert_eq!(refused::<String>("[x]"), "1:4 expected a string, found a list");
}

#[test]
fn a_value_where_a_map_or_list_belongs_is_told_its_shape() {
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    #[expect(dead_code, reason = "only decoded")]
    struct Drain {
        delay: Timespan,
        timeout: Timespan,
    }
    assert_eq!(refused::<Spanned<Drain>>("5s"), "1:4 expected a map, found '5s' (its keys are delay, timeout)");
    assert_eq!(refused::<Drain>("[5s]"), "1:4 expected a map, found a list (its keys are delay, timeout)");
    let names = "1:4 expected a map, found a list (write a name and a colon in the place of each '- ')";
    assert_eq!(refused::<BTreeMap<String, u8>>("[1]"), names);
    assert!(refused::<Vec<u8>>("{b: 1}").ends_with("found a map (begin each element with '- ')"));
    assert!(refused::<Vec<u8>>("{0: 1}").contains("elements of lists cannot be set one by one"));
}

#[test]
fn an_unquoted_template_is_recognised() {
    assert_eq!(refused::<String>("{id}"), "1:4 expected a string, found a map (quote it: \"{id}\")");
    assert_eq!(refused::<String>("\n  id:"), "2:3 expected a string, found a map");
}

#[test]
fn values_from_outside_are_not_shown() {
    assert_eq!(
        refused::<u8>("${SECRET}"),
        "1:4 expected a whole number from 0 to 255, found a value from outside of the files, not shown as it may be secret"
    );
}

#[test]
fn messages_of_own_types_stand_at_the_value() {
    #[derive(Debug, PartialEq)]
    struct Even(u8);
    impl<'de> Deserialize<'de> for Even {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let number = u8::deserialize(deserializer)?;
            if number % 2 == 0 { Ok(Self(number)) } else { Err(serde::de::Error::custom("expected an even number")) }
        }
    }
    assert_eq!(only::<Vec<Even>>("[2]"), [Even(2)]);
    assert_eq!(refused::<Vec<Even>>("[2, 3]"), "1:8 expected an even number");
}

#[test]
fn every_mistake_is_found_and_the_rest_remains() {
    let text = "
routes:
  - id: a
    upstrem: x
  - id: b
    ordre: 1
    order: first
    header-timeout: soon
    upstream: x
  - order: 1
  - id: c
    upstream: x
workers: 70000
extra: 1
";
    let (value, mistakes) = decoded::<Gateway>(text);
    assert_eq!(
        mistakes,
        [
            "4:5 unknown key 'upstrem' (did you mean 'upstream'?)",
            "6:5 unknown key 'ordre' (did you mean 'order'?)",
            "7:12 expected a whole number, found 'first' (write digits only, without a unit)",
            "8:21 expected a duration like 250ms, found 'soon'",
            "10:5 missing key 'id'",
            "13:10 expected a whole number from 0 to 65535, found '70000'",
            "14:1 unknown key 'extra' (known keys: routes, workers)",
        ]
    );
    let ids: Vec<_> = value.unwrap().routes.into_iter().map(|route| route.id).collect();
    assert_eq!(ids, ["a", "b", "c"]);
}

#[test]
fn a_value_under_a_misspelt_key_is_checked_as_if_it_stood_under_the_right_one() {
    let text =
        "a: 1\nroutes: [{id: x, upstrem: [y]}, {id: z, upstrem: a, upstream: b}, {id: v, upstrem: a, upstraem: b}]";
    let (_, mistakes) = decoded::<Gateway>(text);
    assert_eq!(
        mistakes,
        [
            "1:1 unknown key 'a' (known keys: routes, workers)",
            "2:18 unknown key 'upstrem' (did you mean 'upstream'?)",
            "2:27 expected a string, found a list",
            "2:41 unknown key 'upstrem' (did you mean 'upstream'?)",
            "2:75 unknown key 'upstrem' (did you mean 'upstream'?)",
            "2:87 unknown key 'upstraem' (did you mean 'upstream'?)",
        ]
    );
}

#[test]
fn of_several_missing_keys_of_one_map_the_first_is_reported() {
    let (_, mistakes) = decoded::<Gateway>("routes: [{}]");
    assert_eq!(mistakes, ["1:10 missing key 'id'"]);
}

#[test]
fn what_is_missing_only_because_it_was_wrong_is_not_reported() {
    assert_eq!(decoded::<Gateway>("routes: [{id: [], upstream: x}]").1, ["1:15 expected a string, found a list"]);
    assert_eq!(decoded::<Gateway>("route: []").1, ["1:1 unknown key 'route' (did you mean 'routes'?)"]);
    let unset = "routes: [{id: \"${NO_SUCH}\", upstream: x}]\nworkers: ${NO_SUCH}";
    let (_, mistakes) = decoded::<Gateway>(unset);
    assert_eq!(mistakes.len(), 2, "{mistakes:?}");
    assert!(mistakes.iter().all(|mistake| mistake.contains("NO_SUCH is not set")));
    let broken = "routes:\n  - id: a\n   upstream: x\n  - id: b\n    upstream: x\n    odd: 1\n";
    let (_, mistakes) = decoded::<Gateway>(broken);
    assert!(mistakes[0].starts_with("3:4 wrong indentation"), "{mistakes:?}");
    assert!(mistakes[1].starts_with("6:5 unknown key 'odd'"), "{mistakes:?}");
    assert_eq!(mistakes.len(), 2);
}

#[test]
fn a_wrong_element_of_a_tuple_does_not_shift_the_others() {
    let (_, mistakes) = decoded::<Only<(u8, u8, String)>>("a: [1, x, y]");
    assert_eq!(mistakes, ["1:8 expected a whole number from 0 to 255, found 'x' (write digits only, without a unit)"]);
}

#[test]
fn checks_of_whole_lists_are_not_misled_by_what_was_left_out() {
    #[derive(Debug)]
    struct Pair(Vec<u8>);
    impl<'de> Deserialize<'de> for Pair {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let all = Vec::deserialize(deserializer)?;
            if all.len() > 1 { Ok(Self(all)) } else { Err(serde::de::Error::custom("expected two or more")) }
        }
    }
    assert_eq!(decoded::<Only<Pair>>("a: [1]").1, ["1:4 expected two or more"]);
    assert_eq!(
        decoded::<Only<Pair>>("a: [1, x]").1,
        ["1:8 expected a whole number from 0 to 255, found 'x' (write digits only, without a unit)"]
    );
    let (value, mistakes) = decoded::<Only<Pair>>("a: [1, 2, x, y]");
    assert_eq!(mistakes.len(), 2, "{mistakes:?}");
    assert_eq!(value.unwrap().a.0, [1, 2]);
}

#[test]
fn spans_reach_through_options_lists_and_maps() {
    type Deep = BTreeMap<String, Option<Vec<Spanned<OneOrMany<Spanned<u8>>>>>>;
    let deep: Deep = only("{x: [7, [8, 9]]}");
    let list = deep["x"].as_ref().unwrap();
    assert_eq!((list[0].span.start, list[0].value[0].span.start), (8, 8));
    assert_eq!((list[1].span.start, list[1].span.end, list[1].value[1].span.start), (11, 17, 15));
    assert_eq!(list[1].value[1].value, 9);
}

#[test]
fn pieces_keep_their_nodes_for_later() {
    let pieces: BTreeMap<String, Vec<Option<Piece>>> = only("{x: [{strip-prefix: 1}, ~, b]}");
    let first = pieces["x"][0].as_ref().unwrap();
    assert_eq!(first.0.span.start, 8);
    let mut diagnostics = Diagnostics::new();
    let later: Option<BTreeMap<String, u8>> = decode(&first.0, &mut diagnostics);
    assert_eq!(later.unwrap()["strip-prefix"], 1);
    assert!(pieces["x"][1].is_none());
    assert_eq!(pieces["x"][2].as_ref().unwrap().0.text(), Some("b"));
}

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counted;

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        COUNT.set(COUNT.get() + 1);
        u8::deserialize(deserializer).map(|_| Self)
    }
}

#[test]
fn mistakes_do_not_make_long_lists_slow() {
    let run = |text: &str| {
        COUNT.set(0);
        let mistakes = decoded::<Only<Vec<Only<Counted>>>>(text).1.len();
        (mistakes, COUNT.get())
    };
    let clean = format!("a: [{}]", "{a: 1}, ".repeat(1000));
    assert_eq!(run(&clean), (0, 1000));
    let wrong = format!("a: [{}]", "{a: 1}, {a: 2}, {a: 3}, {a: x}, {b: 1}, ".repeat(20));
    let (mistakes, count) = run(&wrong);
    assert_eq!(mistakes, 60, "a wrong value, an unknown key and a missing one in each");
    assert!(count < 1000, "{count}");
}

#[test]
fn mistakes_beyond_the_limit_end_the_search() {
    let wrong = format!("a: [{}]", "x, ".repeat(100_000));
    let (value, mistakes) = decoded::<Only<Vec<u8>>>(&wrong);
    assert_eq!(mistakes.len(), 200);
    assert!(value.is_none());
}

#[test]
fn the_deepest_document_fits_on_the_stack() {
    let block: String = (0..60).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    let text = format!("{block}{}{}{}", " ".repeat(60), "{a: ".repeat(60), "}".repeat(60));
    let value: Everything = good(&text);
    assert_eq!(std::iter::successors(Some(&value), |value| value.a.as_deref()).count(), 120);
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(dead_code, reason = "only decoded")]
struct Everything {
    a: Option<Box<Everything>>,
    #[serde(default)]
    b: Vec<Spanned<Choice>>,
    #[serde(default)]
    c: BTreeMap<String, OneOrMany<Timespan>>,
    #[serde(default)]
    d: Option<(u8, f64, Piece)>,
    #[serde(default)]
    e: Option<Keep>,
}

fn nodes() -> impl Strategy<Value = Node> {
    let text =
        prop::sample::select(vec!["", "1", "-5", "1.5", "x", "true", "off", "retain_last", "10s", "{a}", "ö", "b:c"]);
    let key = prop::sample::select(vec!["a", "b", "c", "d", "e", "header", "window", "size", "pair", "x", "b:c", ""]);
    let leaf = prop_oneof![
        Just(Value::Null),
        text.clone().prop_map(|text| Value::Scalar(Scalar::plain(text))),
        text.prop_map(|text| Value::Scalar(Scalar::quoted(text).injected())),
    ];
    let node = |value, start, length| Node::new(value, Span { start, end: start + length, ..Span::NOWHERE });
    let leaf = (leaf, 0..40_usize, 0..9_usize).prop_map(move |(value, start, length)| node(value, start, length));
    leaf.prop_recursive(4, 40, 5, move |inner| {
        let list = prop::collection::vec(inner.clone(), 0..5).prop_map(Value::List);
        let map = prop::collection::btree_map(key.clone(), inner, 0..5).prop_map(|entries| {
            let entry = |(key, node): (&str, Node)| Entry { key: key.to_owned(), key_span: node.span, node };
            Value::Map(entries.into_iter().map(entry).collect())
        });
        (prop_oneof![list, map], 0..40_usize, 0..9_usize)
            .prop_map(move |(value, start, length)| node(value, start, length))
    })
}

proptest! {
    #[test]
    fn any_node_decodes_or_says_why(node in nodes()) {
        let mut diagnostics = Diagnostics::new();
        let value: Option<Everything> = decode(&node, &mut diagnostics);
        prop_assert!(value.is_some() || diagnostics.has_errors());
    }

    #[test]
    fn decoding_again_without_mistakes_gives_no_new_ones(node in nodes()) {
        let mut first = Diagnostics::new();
        let _: Option<Everything> = decode(&node, &mut first);
        let count = first.len();
        let _: Option<Everything> = decode(&node, &mut first);
        prop_assert_eq!(first.len(), count);
    }
}

#[test]
fn strictly_read_structs_have_no_keys_but_their_own() {
    #[derive(Debug, Default, Deserialize)]
    #[serde(default, rename_all = "kebab-case")]
    struct Lenient {
        max_items: u32,
        #[serde(alias = "size")]
        inner: BTreeMap<String, Inside>,
    }
    #[derive(Debug, Default, Deserialize)]
    struct Inside {
        a: u32,
    }
    let text = "max-itmes: x\nsize: {any: {a: 1, b: 2}}\nzzz: 1\n";
    let (value, mistakes) = decoded::<Lenient>(text);
    assert!(mistakes.is_empty() && value.is_some_and(|value| value.max_items == 0 && value.inner["any"].a == 1));
    let mut loaded =
        load_texts(&[("gw.yaml".to_owned(), text.to_owned())], &Environment::default(), &MergeRules::default());
    let _: Option<Lenient> = super::decode_strictly(&loaded.document, &mut loaded.diagnostics);
    let messages: Vec<_> = loaded.diagnostics.iter().map(|mistake| mistake.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "unknown key 'max-itmes'",
            "expected a whole number from 0 to 4294967295, found 'x'",
            "unknown key 'b'",
            "unknown key 'zzz'"
        ]
    );
    assert_eq!(loaded.diagnostics.iter().next().unwrap().hint.as_deref(), Some("did you mean 'max-items'?"));
}
