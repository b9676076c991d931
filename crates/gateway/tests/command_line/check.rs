//! `gwanmun check`.

use crate::{Folder, SHOP, gwanmun};

#[test]
fn a_good_configuration_gets_one_line() {
    let ended = Folder::with(&[("gw.yaml", SHOP)]).gwanmun(&["check", "gw.yaml"]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert_eq!(ended.out, "gw.yaml: 4 routes, 1 upstream, 2 listeners: good\n");
}

/// A wrong key, a wrong type, an unquoted `{id}`, an unknown filter, and a wrong indent in another file.
#[test]
fn every_mistake_of_every_file_is_told_in_one_run() {
    let first = r"listeners:
  - adress: 127.0.0.1:8080
limits:
  header-count: many
routes:
  - id: orders
    predicates:
      - path: /orders/{id}
    filters:
      - strip-prefix: one
      - add-request-header: {name: X-Order, value: {id}}
      - add-requst-header: {name: X-Shop, value: a}
    upstream: http://127.0.0.1:9001
";
    let second = r"routes:
  - id: pages
    predicates:
      - path: /pages/**
     upstream: http://127.0.0.1:9002
";
    let ended = Folder::with(&[("gw.yaml", first), ("more.yaml", second)]).gwanmun(&["check", "gw.yaml", "more.yaml"]);
    assert_eq!((ended.code, ended.out.as_str()), (1, ""));
    insta::assert_snapshot!(ended.err);
}

#[test]
fn mistakes_in_tests_are_mistakes() {
    let tests = r#"
routes:
  - {id: orders, upstream: "http://127.0.0.1:9001"}
tests:
  - request: {path: orders, headers: {"x y": a}}
    expect: {route: ordrs}
  - request: {path: /, from: here, listener: edge}
    expect: {stauts: 200}
  - request: {method: "G T", path: /}
    expect: {status: 99}
  - request: {path: /}
    expect: {}
  - request: {path: /}
"#;
    let ended = Folder::with(&[("gw.yaml", tests)]).gwanmun(&["check", "gw.yaml"]);
    assert_eq!((ended.code, ended.out.as_str()), (1, ""));
    insta::assert_snapshot!(ended.err);
}

#[test]
fn a_warning_is_no_error() {
    let shadowed =
        "routes:\n  - {id: all, upstream: 'http://127.0.0.1:1'}\n  - {id: never, upstream: 'http://127.0.0.1:1'}\n";
    let ended = Folder::with(&[("gw.yaml", shadowed)]).gwanmun(&["check", "gw.yaml"]);
    assert_eq!((ended.code, ended.out.as_str()), (0, "gw.yaml: 2 routes, 0 upstreams, 0 listeners: good\n"));
    assert!(ended.err.starts_with("warning: route 'never' is never reached"), "{}", ended.err);
}

#[test]
fn a_file_that_cannot_be_read_is_at_fault() {
    let ended = gwanmun(&["check", "nowhere.yaml"]);
    assert_eq!((ended.code, ended.out.as_str()), (1, ""));
    assert!(ended.err.contains("cannot read 'nowhere.yaml'"), "{}", ended.err);
}

#[test]
fn without_a_file_the_usage_is_wrong() {
    for arguments in [&["check"][..], &["chek", "gw.yaml"], &[], &["routes"], &["test"], &["schema", "gw.yaml"]] {
        assert_eq!(gwanmun(arguments).code, 2, "{arguments:?}");
    }
}
