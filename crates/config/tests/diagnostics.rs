//! What a person sees: whole runs over several files, rendered.

use std::collections::BTreeMap;

use gwanmun_config::{
    Diagnostics, Environment, Loaded, MergeRules, OneOrMany, Piece, Spanned, Style, Timespan, decode, load_texts,
};
use serde::Deserialize;

const RULES: MergeRules =
    MergeRules { append: &[("routes", Some("id")), ("listeners", Some("name")), ("tests", None)] };

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(dead_code, reason = "only decoded")]
struct Gateway {
    #[serde(default)]
    workers: Option<u16>,
    #[serde(default)]
    limits: Option<Limits>,
    #[serde(default)]
    routes: Vec<Spanned<Route>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(dead_code, reason = "only decoded")]
struct Limits {
    #[serde(default)]
    header_timeout: Option<Timespan>,
    #[serde(default)]
    body_timeout: Option<Timespan>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Route {
    #[expect(dead_code, reason = "only decoded")]
    id: String,
    #[serde(default)]
    #[expect(dead_code, reason = "only decoded")]
    predicates: Vec<BTreeMap<String, OneOrMany<String>>>,
    #[serde(default)]
    filters: Vec<Piece>,
    #[expect(dead_code, reason = "only decoded")]
    upstream: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(dead_code, reason = "only decoded")]
enum Filter {
    SetPath(String),
    StripPrefix(u8),
}

/// Loads, decodes in two steps as the gateway does, and renders.
fn run(files: &[(&str, &str)], variables: &[(&str, &str)]) -> String {
    let files: Vec<_> = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let mut loaded = load_texts(&files, &Environment::from_pairs(variables.iter().copied()), &RULES);
    let gateway: Option<Gateway> = decode(&loaded.document, &mut loaded.diagnostics);
    for piece in gateway.iter().flat_map(|gateway| &gateway.routes).flat_map(|route| &route.filters) {
        let _: Option<Filter> = decode(&piece.0, &mut loaded.diagnostics);
    }
    render(&loaded)
}

fn render(loaded: &Loaded) -> String {
    loaded.diagnostics.render(&loaded.sources, Style::Plain)
}

#[test]
fn every_mistake_of_every_file_is_shown_in_one_run() {
    let edge = "\
workers: 70000
limits:
  header-timeout: 10
routes:
  - id: orders
    predicates:
      - path: /orders/**
     filters:
      - strip-prefix: 1
    upstream: orders
  - id: users
    upsteam: users
    filters:
      - set-path: {id}
      - strip-prefx: 1
";
    let more = "\
limits:
  body-timeout: [30s]
routes:
  - id: users
    predicates:
      - host: **.example.com
    upstream: ${USERS}
  - id: pages
    upstream: pages
    upstream: others
  - filters: [set-path: \"x]
";
    insta::assert_snapshot!(run(&[("edge.yaml", edge), ("more.yaml", more)], &[("GWANMUN__LIMITS__BODY_TIMOUT", "5s")]), @r#"
    error: expected a whole number from 0 to 65535, found '70000'
     --> edge.yaml:1:10
      |
    1 | workers: 70000
      |          ^^^^^

    error: expected a duration like 250ms, found '10'
     --> edge.yaml:3:19
      |
    3 |   header-timeout: 10
      |                   ^^
      |
      = help: write 10s

    error: wrong indentation: this line belongs to nothing above
     --> edge.yaml:8:6
      |
    8 |      filters:
      |      ^^^^^^^^
      |
      = help: indent it by 4 spaces like line 6, or by 8 spaces like line 7

    error: unknown key 'upsteam'
      --> edge.yaml:12:5
       |
    12 |     upsteam: users
       |     ^^^^^^^
       |
       = help: did you mean 'upstream'?

    error: expected a string, found a map
      --> edge.yaml:14:19
       |
    14 |       - set-path: {id}
       |                   ^^^^
       |
       = help: quote it: "{id}"

    error: unknown value: 'strip-prefx'
      --> edge.yaml:15:9
       |
    15 |       - strip-prefx: 1
       |         ^^^^^^^^^^^
       |
       = help: did you mean 'strip-prefix'?

    error: expected a duration like 250ms, found a list
     --> more.yaml:2:17
      |
    2 |   body-timeout: [30s]
      |                 ^^^^^

    error: the id 'users' stands twice in routes
      --> more.yaml:4:9
       |
     4 |   - id: users
       |         ^^^^^ again here
       |
      ::: edge.yaml:11:9
       |
    11 |   - id: users
       |         ----- first here

    error: '**.example.com' names an anchor that does not exist
     --> more.yaml:6:15
      |
    6 |       - host: **.example.com
      |               ^^^^^^^^^^^^^^
      |
      = help: a value that begins with * must be quoted: "**.example.com"

    error: the variable USERS is not set
     --> more.yaml:7:15
      |
    7 |     upstream: ${USERS}
      |               ^^^^^^^^
      |
      = help: set USERS, or write a default: ${USERS:-default}

    error: the key 'upstream' stands twice in one map
      --> more.yaml:10:5
       |
     9 |     upstream: pages
       |     -------- first here
    10 |     upstream: others
       |     ^^^^^^^^ again here

    error: the " is never closed by a "
      --> more.yaml:11:25
       |
    11 |   - filters: [set-path: "x]
       |                         ^
       |
       = help: close it in the same line, or indent the lines after it deeper than its key

    error: unknown key 'body-timout'
     --> environment GWANMUN__LIMITS__BODY_TIMOUT:1:1
      |
    1 | ***
      | ^^^
      |
      = help: did you mean 'body-timeout'?
    "#);
}

#[test]
fn a_wrong_key() {
    insta::assert_snapshot!(run(&[("gw.yaml", "limits:\n  header-timout: 10s\n")], &[]), @r#"
    error: unknown key 'header-timout'
     --> gw.yaml:2:3
      |
    2 |   header-timout: 10s
      |   ^^^^^^^^^^^^^
      |
      = help: did you mean 'header-timeout'?
    "#);
}

#[test]
fn a_wrong_indent() {
    insta::assert_snapshot!(run(&[("gw.yaml", "routes:\n  - id: a\n   upstream: x\n")], &[]), @r#"
    error: wrong indentation: this line belongs to nothing above
     --> gw.yaml:3:4
      |
    3 |    upstream: x
      |    ^^^^^^^^^^^
      |
      = help: indent it by 4 spaces like line 2, or by 0 spaces like line 1
    "#);
}

#[test]
fn a_wrong_type() {
    insta::assert_snapshot!(run(&[("gw.yaml", "limits:\n  header-timeout: [10s]\n")], &[]), @r#"
    error: expected a duration like 250ms, found a list
     --> gw.yaml:2:19
      |
    2 |   header-timeout: [10s]
      |                   ^^^^^
    "#);
}

#[test]
fn an_unquoted_template() {
    let text = "routes:\n  - {id: a, upstream: x, filters: [set-path: {id}]}\n  - {id: b, upstream: x, filters: [set-path: /x/{id}]}\n";
    insta::assert_snapshot!(run(&[("gw.yaml", text)], &[]), @r#"
    error: expected a string, found a map
     --> gw.yaml:2:46
      |
    2 |   - {id: a, upstream: x, filters: [set-path: {id}]}
      |                                              ^^^^
      |
      = help: quote it: "{id}"

    error: a value with braces or brackets that is not quoted
     --> gw.yaml:3:46
      |
    3 |   - {id: b, upstream: x, filters: [set-path: /x/{id}]}
      |                                              ^^^^^^^
      |
      = help: quote it: "/x/{id}"
    "#);
}

#[test]
fn a_duplicate_key_and_a_duplicate_id() {
    let first = "workers: 1\nroutes:\n  - {id: a, upstream: x}\nworkers: 2\n";
    let second = "routes:\n  - {id: a, upstream: y}\n";
    insta::assert_snapshot!(run(&[("a.yaml", first), ("b.yaml", second)], &[]), @r#"
    error: the key 'workers' stands twice in one map
     --> a.yaml:4:1
      |
    1 | workers: 1
      | ------- first here
    ...
    4 | workers: 2
      | ^^^^^^^ again here

    error: the id 'a' stands twice in routes
     --> b.yaml:2:10
      |
    2 |   - {id: a, upstream: y}
      |          ^ again here
      |
     ::: a.yaml:3:10
      |
    3 |   - {id: a, upstream: x}
      |          - first here
    "#);
}

#[test]
fn an_unset_variable() {
    let text = "routes:\n  - id: a\n    upstream: \"http://${ORDERS_HOST}:80\"\n";
    insta::assert_snapshot!(run(&[("gw.yaml", text)], &[("ORDER_HOST", "x")]), @r#"
    error: the variable ORDERS_HOST is not set
     --> gw.yaml:3:23
      |
    3 |     upstream: "http://${ORDERS_HOST}:80"
      |                       ^^^^^^^^^^^^^^
      |
      = help: did you mean '${ORDER_HOST}'?
    "#);
}

#[test]
fn a_bomb() {
    let mut text = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, of) in ('b'..='z').zip('a'..) {
        text.push_str(&format!("{name}: &{name} [{}]\n", vec![format!("*{of}"); 9].join(", ")));
    }
    insta::assert_snapshot!(run(&[("bomb.yaml", &text), ("good.yaml", "wrkers: 1\n")], &[]), @r#"
    error: the aliases of this file expand to too much
     --> bomb.yaml:5:7
      |
    5 | e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write it out, or split it over several files

    error: unknown key 'wrkers'
     --> good.yaml:1:1
      |
    1 | wrkers: 1
      | ^^^^^^
      |
      = help: did you mean 'workers'?
    "#);
}

#[test]
fn tabs_colons_and_reserved_characters() {
    let text = "\
limits:
\theader-timeout: 1s
workers:2
routes:
  - id: a
    upstream: @x
  - id: b
    upstream: http://x: y
  - id: c
    upstream: \"a\\d\"
";
    insta::assert_snapshot!(run(&[("gw.yaml", text)], &[]), @r#"
    error: a tab in the indentation
     --> gw.yaml:2:1
      |
    2 |     header-timeout: 1s
      | ^^^^
      |
      = help: indent with spaces only

    error: a colon without a space after it
     --> gw.yaml:3:1
      |
    3 | workers:2
      | ^^^^^^^^^
      |
      = help: write workers: 2

    error: a value cannot begin with @
     --> gw.yaml:6:15
      |
    6 |     upstream: @x
      |               ^^
      |
      = help: quote it: "@x"

    error: a second ': ' in one value
     --> gw.yaml:8:15
      |
    8 |     upstream: http://x: y
      |               ^^^^^^^^^
      |
      = help: quote the value: "http://x: y"

    error: \d is no escape that YAML knows
      --> gw.yaml:10:17
       |
    10 |     upstream: "a\d"
       |                 ^^
       |
       = help: in double quotes write \\d, or use single quotes
    "#);
}

#[test]
fn mistakes_beyond_the_limit_are_counted() {
    let text = format!("limits: {{{}}}\n", "x: 1, ".repeat(300));
    let shown = run(&[("gw.yaml", &text)], &[]);
    assert_eq!(shown.matches("stands twice").count(), 200);
    assert!(shown.ends_with("\n\nand 100 more\n"), "{}", &shown[shown.len() - 100..]);
}

#[test]
fn diagnostics_of_later_steps_join_those_of_loading() {
    let mut loaded = load_texts(&[("gw.yaml".to_owned(), "a: 1\n".to_owned())], &Environment::default(), &RULES);
    let later: Diagnostics =
        [gwanmun_config::Diagnostic::warning("the route is shadowed", loaded.document.span)].into_iter().collect();
    loaded.diagnostics.extend(later);
    insta::assert_snapshot!(render(&loaded), @r#"
    warning: the route is shadowed
     --> gw.yaml:1:1
      |
    1 | a: 1
      | ^^^^
    "#);
}
