//! Parsing: structure, places, budgets, and that no text is too odd.

use proptest::prelude::*;

use super::parse;
use crate::diagnostic::Diagnostics;
use crate::node::{Node, Value};
use crate::source::{SourceId, Sources};

fn parsed(text: &str) -> (Node, Vec<String>) {
    let mut sources = Sources::default();
    let source = sources.add("gw.yaml", text);
    let mut diagnostics = Diagnostics::new();
    let node = parse(source, text, &mut diagnostics);
    let place = |span| {
        let (_, line, column) = sources.location(span);
        format!("{line}:{column}")
    };
    let messages = diagnostics.iter().map(|mistake| format!("{} {}", place(mistake.span.unwrap()), mistake.message));
    (node, messages.collect())
}

fn good(text: &str) -> Node {
    let (node, messages) = parsed(text);
    assert!(messages.is_empty(), "{text}: {messages:?}");
    node
}

fn at<'n>(node: &'n Node, path: &[&str]) -> &'n Node {
    path.iter().fold(node, |node, key| match &node.value {
        Value::List(items) => &items[key.parse::<usize>().unwrap()],
        _ => &node.entry(key).unwrap_or_else(|| panic!("no {key} in {node:?}")).node,
    })
}

fn text<'n>(node: &'n Node, path: &[&str]) -> &'n str {
    at(node, path).text().unwrap()
}

#[test]
fn a_hint_to_quote_leaves_out_what_closes_the_map_around() {
    for (text, hint) in [
        ("a: {body: `x`}", "quote it: \"`x`\""),
        ("a: {headers: {X: %a}}", "quote it: \"%a\""),
        ("a: {b: 1,\n  c: @x}", "quote it: \"@x\""),
        ("a: @x}", "quote it: \"@x}\""),
    ] {
        let mut sources = Sources::default();
        let source = sources.add("gw.yaml", text);
        let mut diagnostics = Diagnostics::new();
        parse(source, text, &mut diagnostics);
        assert_eq!(diagnostics.iter().next().unwrap().hint.as_deref(), Some(hint), "{text}");
    }
}

#[test]
fn an_empty_text_is_an_empty_map() {
    for empty in ["", "\n\n", "# only a comment\n", "---\n", "\u{feff}"] {
        let node = good(empty);
        assert!(matches!(&node.value, Value::Null) || node.value == Value::Map(Vec::new()), "{empty:?}: {node:?}");
    }
}

#[test]
fn nodes_know_where_they_stand() {
    let written = "a: {x: 1}\nb:\n  - ö: \"q\"\n    d: plain text\n";
    let node = good(written);
    let slice = |path: &[&str]| &written[at(&node, path).span.start..at(&node, path).span.end];
    assert_eq!(slice(&["a"]), "{x: 1}");
    assert_eq!(slice(&["b", "0", "ö"]), "\"q\"");
    assert_eq!(slice(&["b", "0", "d"]), "plain text");
    let key = at(&node, &["b", "0"]).entry("d").unwrap().key_span;
    assert_eq!(&written[key.start..key.end], "d");
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_are_read() {
    let written = "\u{feff}a: 1\r\nb: \"x\"\r\n";
    let node = good(written);
    let span = at(&node, &["b"]).span;
    assert_eq!(&written[span.start..span.end], "\"x\"");
    assert_eq!(text(&node, &["a"]), "1");
}

#[test]
fn aliases_and_merge_keys_copy() {
    let node = good("base: &b {x: 1, y: 2}\nsame: *b\nmore: {<<: *b, y: 3}\nboth: {<<: [{y: 9, z: 8}, *b]}");
    assert_eq!(text(&node, &["same", "x"]), "1");
    assert_eq!(text(&node, &["more", "x"]), "1");
    assert_eq!(text(&node, &["more", "y"]), "3");
    assert_eq!(text(&node, &["both", "y"]), "9");
    assert_eq!(text(&node, &["both", "x"]), "1");
    assert!(at(&node, &["more"]).entry("<<").is_none());
    assert_eq!(parsed("a: {<<: 1}").1, ["1:5 expected a map to merge with '<<'"]);
}

#[test]
fn tags_of_the_core_schema_are_followed_and_others_refused() {
    let node = good("a: !!str 1\nb: !!int \"2\"\nc: !!map {}\nd: ! 4");
    let quoted = |key| matches!(&at(&node, &[key]).value, Value::Scalar(scalar) if scalar.is_quoted());
    assert!(quoted("a") && !quoted("b") && quoted("d"));
    assert_eq!(parsed("a: !secret x").1, ["1:12 the tag '!secret' means nothing here"]);
}

#[test]
fn a_key_twice_is_an_error_in_small_and_large_maps() {
    assert_eq!(parsed("a: 1\nb: 2\na: 3").1, ["3:1 the key 'a' stands twice in one map"]);
    let large: String = (0..40).map(|number| format!("k{number}: 1\n")).collect();
    assert_eq!(parsed(&format!("{large}k7: 2\nk39: 2\n")).1.len(), 2);
    assert!(parsed(&format!("{large}k40: 2\nx: {{k7: 1}}\n")).1.is_empty());
}

#[test]
fn one_document_for_each_file() {
    assert_eq!(parsed("a: 1\n---\nb: 2\n").1, ["2:1 a second document in one file"]);
    assert!(parsed("---\na: 1\n...\n").1.is_empty());
}

#[test]
fn a_key_is_a_word() {
    let node = good("null: 1\ntrue: 2\n3: 4\n");
    assert_eq!((text(&node, &["null"]), text(&node, &["true"]), text(&node, &["3"])), ("1", "2", "4"));
    assert_eq!(parsed("? [a]\n: 1").1, ["1:3 expected a word as key, found a list or map"]);
}

#[test]
fn bombs_are_refused() {
    let deep = |open: &str, count: usize| parsed(&open.repeat(count)).1;
    assert_eq!(deep("[", 100_000), ["1:65 lists and maps are nested too deeply"]);
    assert_eq!(deep("- ", 100_000).len(), 1);
    assert_eq!(deep("{a: ", 100_000).len(), 1);
    let laughs: String = (1..40).map(|level| format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1)).collect();
    assert!(parsed(&format!("a0: &a0 [x, x]\n{laughs}")).1[0].ends_with("expand to too much"));
    let chain: String = (1..80).map(|level| format!("a{level}: &a{level} [[*a{}]]\n", level - 1)).collect();
    assert!(parsed(&format!("a0: &a0 [x]\n{chain}")).1[0].ends_with("nested too deeply through aliases"));
    let long = format!("a: &a \"{}\"\nb: [{}]", "x".repeat(1 << 20), "*a,".repeat(20));
    assert!(parsed(&long).1[0].ends_with("expand to too much"));
    assert!(parsed(&"-\n".repeat(1_100_000)).1[0].ends_with("more than a million values"));
    assert!(parsed(&" ".repeat((16 << 20) + 1)).1[0].contains("more than the 16777216 that are read"));
    assert_eq!(parsed("a: &a [*a]").1, ["1:8 an alias inside of the value that it stands for"]);
}

#[test]
fn the_text_around_a_syntax_error_is_still_read() {
    let (node, messages) = parsed("a: 1\nb: @x\nc:\n  - d: [1\n  - e: 2\nf: 3\n\tg: 4\nh: 5\n");
    assert_eq!(
        messages,
        ["2:4 a value cannot begin with @", "4:8 the [ is never closed by a ]", "7:1 a tab in the indentation"]
    );
    assert_eq!(text(&node, &["a"]), "1");
    assert_eq!(text(&node, &["c", "0", "e"]), "2");
    assert_eq!(text(&node, &["h"]), "5");
}

#[test]
fn syntax_errors_say_what_to_look_at() {
    for (written, message) in [
        ("a:\n  b: 1\n c: 2\n", "3:2 wrong indentation: this line belongs to nothing above"),
        ("a: 1\n  b: 2\n", "2:3 wrong indentation: a key inside the value above"),
        ("  a: 1\nb: 2\n", "2:1 wrong indentation: this line belongs to nothing above"),
        ("a: 1\n- b\n", "2:1 a list item where a key was expected"),
        ("a:1\nb: 2\n", "1:1 a colon without a space after it"),
        ("a: 1\nb:2\nc: 3\n", "2:1 a colon without a space after it"),
        ("a: 1\nb\nc: 3\n", "2:1 expected a key with a colon"),
        ("a: b: c\n", "1:4 a second ': ' in one value"),
        ("a: {id}/x\n", "1:8 text after the value"),
        ("a: {b: {id}/x}\n", "1:8 a value with braces or brackets that is not quoted"),
        ("a: {b: /{id}}\n", "1:8 a value with braces or brackets that is not quoted"),
        ("a: {b: c d: e}\n", "1:11 expected ',' or '}'"),
        ("a: [[b] c]\n", "1:9 expected ',' or ']'"),
        ("a: {b: 1\nc: 2\n", "1:4 the { is never closed by a }"),
        ("a: [b\n", "1:4 the [ is never closed by a ]"),
        ("a: \"b\nc: 2\n", "1:4 the \" is never closed by a \""),
        ("a: 'b\n", "1:4 the ' is never closed by a '"),
        ("a: 'it's'\n", "1:8 text after the closing quote"),
        ("a: \"b\" c\n", "1:8 text after the closing quote"),
        ("a: \"\\d\"\n", "1:5 \\d is no escape that YAML knows"),
        ("a: ]\n", "1:4 a ']' that closes nothing"),
        ("a: `b`\n", "1:4 a value cannot begin with `"),
        ("a: %b\n", "1:4 a value cannot begin with %"),
        ("a: *\n", "1:4 a value cannot begin with *"),
        ("a: **.b\n", "1:4 '**.b' names an anchor that does not exist"),
        ("a:\n\tb: 1\n", "2:1 a tab in the indentation"),
    ] {
        let (_, messages) = parsed(written);
        assert_eq!(messages, [message], "{written}");
    }
}

/// Text made of what YAML cares about.
fn yamlish() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "a", "b: ", "- ", ": ", ":", "\n", "\n  ", "\n    ", "\t", "{", "}", "[", "]", ", ", "\"", "'", "\\", "|\n",
        ">-\n", "&x ", "*x", "*", "<<: ", "!t ", "!!str ", "#", " # c\n", "---\n", "...\n", "%Y 1\n", "?", "? ", "@",
        "`", "ö", "\u{feff}", "\r\n", "\0", "${A}", "1", "~",
    ]);
    prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

fn every_span_fits(node: &Node, text: &str) -> bool {
    text.get(node.span.start..node.span.end).is_some()
        && match &node.value {
            Value::Null | Value::Scalar(_) => true,
            Value::List(items) => items.iter().all(|item| every_span_fits(item, text)),
            Value::Map(entries) => entries.iter().all(|entry| {
                text.get(entry.key_span.start..entry.key_span.end).is_some() && every_span_fits(&entry.node, text)
            }),
        }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_text_is_read_or_refused(text in prop_oneof![yamlish(), ".{0,60}"]) {
        let mut sources = Sources::default();
        let source = sources.add("gw.yaml", text.clone());
        let mut diagnostics = Diagnostics::new();
        let node = parse(source, &text, &mut diagnostics);
        prop_assert!(every_span_fits(&node, &text), "{:?}", node);
        prop_assert_eq!(source, SourceId::from_raw(0));
        for mistake in &diagnostics {
            prop_assert!(mistake.span.is_some_and(|span| span.start <= text.len()));
        }
        let shown = diagnostics.render(&sources, crate::Style::Plain);
        prop_assert_eq!(shown.is_empty(), diagnostics.is_empty());
    }
}
