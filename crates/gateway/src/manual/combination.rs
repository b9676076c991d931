//! `all`, `any` and `not` combine predicates. The engine knows them by itself, so no specification documents them.

use super::{Kind, Page, Short};

pub(super) fn pages() -> [Page; 3] {
    [
        page(
            "all",
            "Holds when every predicate in the list below it holds. A route's own list is one already: `all` is for the inside \
             of `any` and `not`.",
            ALL,
        ),
        page(
            "any",
            "Holds when one predicate in the list below it holds; the first that does captures its variables. Filters may use \
             a variable only if every alternative captures it.",
            ANY,
        ),
        page(
            "not",
            "Holds when the predicate below it does not; below a list, when they do not all hold. Captures nothing.",
            NOT,
        ),
    ]
}

fn page(name: &'static str, description: &str, example: &'static str) -> Page {
    let (description, example) = (vec![description.to_owned()], example.trim_start_matches('\n'));
    Page { kind: Kind::Predicate, name, description, arguments: Vec::new(), short: Short::No, example }
}

const ALL: &str = r#"
routes:
  - id: orders
    predicates:
      - any:
          - path: /public/**
          - all:
              - path: /orders/**
              - header: X-Partner
    upstream: http://127.0.0.1:9001
tests:
  - request: {path: /public/terms}
    expect: {route: orders}
  - request: {path: /orders/7, headers: {x-partner: "1"}}
    expect: {route: orders}
  - request: {path: /orders/7}
    expect: {route: null}
"#;

const ANY: &str = r#"
routes:
  - id: orders
    predicates:
      - any:
          - path: "/orders/{id}"
          - host: "{id}.orders.example"
    filters:
      - add-request-header: {name: X-Order, value: "{id}"}
    upstream: http://127.0.0.1:9001
tests:
  - request: {path: /orders/7}
    expect: {route: orders, upstream-headers: {x-order: "7"}}
  - request: {path: /, headers: {host: 8.orders.example}}
    expect: {route: orders, upstream-headers: {x-order: "8"}}
  - request: {path: /}
    expect: {route: null}
"#;

const NOT: &str = r#"
routes:
  - id: reads
    predicates:
      - path: /orders/**
      - not:
          method: [POST, PUT, PATCH, DELETE]
    upstream: http://127.0.0.1:9001
tests:
  - request: {path: /orders/7}
    expect: {route: reads}
  - request: {method: DELETE, path: /orders/7}
    expect: {route: null}
"#;
