//! `gwanmun test`.

use crate::{Ended, Folder, SHOP};

fn test(tests: &str) -> Ended {
    Folder::with(&[("gw.yaml", SHOP), ("tests.yaml", tests)]).gwanmun(&["test", "gw.yaml", "tests.yaml"])
}

#[test]
fn tests_that_hold_are_listed_with_their_places() {
    let ended = test(
        r#"tests:
  - name: an order is known by its number
    request: {path: "/shop/orders/7?full=1", headers: {x-forged: "1", accept: [a/b, c/d]}, body: hello}
    upstream-response: {status: CREATED, headers: {server: x, set-cookie: [a=1, b=2]}, body: made}
    expect:
      route: orders
      upstream-path: /orders/7
      upstream-query: full=1
      upstream-headers: {x-order: 7, x-forged: null, host: "127.0.0.1:9001", accept: "a/b, c/d", content-length: 5}
      upstream-body: hello
      status: 201
      headers: {server: null, set-cookie: "a=1, b=2", x-served-by: gateway}
      body: made

  - request: {method: PUT, path: /shop/orders/7}
    expect: {upstream-path: /orders/7, upstream-query: null}
  - request: {path: /, from: 198.51.100.9, listener: internal}
    expect: {route: office}
  - request: {path: /nowhere}
    expect: {route: null, status: NOT_FOUND}
"#,
    );
    assert_eq!(ended.err, "");
    assert_eq!(
        ended.out,
        "ok      tests.yaml:2  an order is known by its number\n\
         ok      tests.yaml:15  PUT /shop/orders/7\n\
         ok      tests.yaml:17  GET /\n\
         ok      tests.yaml:19  GET /nowhere\n\
         4 tests, all good\n"
    );
    assert_eq!(ended.code, 0);
}

#[test]
fn a_test_that_fails_says_what_was_expected_what_was_found_and_how_to_see_why() {
    let ended = test(
        "tests:\n  - request: {path: '/shop/orders/7', headers: {x-who: \"it's me\"}, from: 10.1.1.1}\n    expect: {route: pages, \
         status: 404}\n  - request: {path: /pages/1}\n    expect: {route: pages, upstream-path: /pages/1}\n  - request: {path: /login}\n    \
         expect: {status: 302}\n",
    );
    assert_eq!(
        ended.out,
        "FAILED  tests.yaml:2  GET /shop/orders/7\n\
        \x20       route: expected pages, found orders\n\
        \x20       status: expected 404, found 200\n\
        \x20       gwanmun explain gw.yaml tests.yaml GET /shop/orders/7 -H 'x-who: it'\\''s me' --from 10.1.1.1\n\
         FAILED  tests.yaml:4  GET /pages/1\n\
        \x20       route: expected pages, found nothing\n\
        \x20       the upstream was not asked: the gateway answered\n\
        \x20       the gateway answered by itself: no-route\n\
        \x20       gwanmun explain gw.yaml tests.yaml GET /pages/1\n\
         ok      tests.yaml:6  GET /login\n\
         3 tests, 2 failed\n"
    );
    assert_eq!((ended.code, ended.err.as_str()), (1, ""));
}

#[test]
fn every_expectation_can_fail() {
    for (expectation, why) in [
        ("route: null", "route: expected nothing, found orders"),
        ("upstream-path: /orders/8", "upstream-path: expected /orders/8, found /orders/7"),
        ("upstream-path: '/orders/7?a=c'", "upstream-path: expected /orders/7?a=c, found /orders/7?a=b"),
        ("upstream-query: a=c", "upstream-query: expected a=c, found a=b"),
        ("upstream-query: null", "upstream-query: expected nothing, found a=b"),
        ("upstream-headers: {x-order: 8}", "upstream-headers x-order: expected 8, found 7"),
        ("upstream-headers: {x-order: null}", "upstream-headers x-order: expected nothing, found 7"),
        ("upstream-headers: {x-none: 1}", "upstream-headers x-none: expected 1, found nothing"),
        ("upstream-body: no", "upstream-body: expected no, found \"\""),
        ("status: 404", "status: expected 404, found 200"),
        ("headers: {x-served-by: null}", "headers x-served-by: expected nothing, found gateway"),
        ("body: ''", "body: expected \"\", found \"hello you\""),
    ] {
        let ended = test(&format!(
            "tests:\n  - request: {{path: '/shop/orders/7?a=b'}}\n    upstream-response: {{body: hello you}}\n    expect: {{{expectation}}}\n"
        ));
        assert_eq!(ended.code, 1, "{expectation}: {}{}", ended.out, ended.err);
        assert!(ended.out.contains(&format!("        {why}\n")), "{expectation}: {}", ended.out);
    }
}

#[test]
fn nothing_to_test_is_no_failure() {
    let ended = test("tests: []\n");
    assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (0, "no tests\n", ""));
}

#[test]
fn with_a_mistake_in_the_configuration_no_test_runs() {
    let ended = test("tests:\n  - request: {path: /}\n    expect: {status: 404}\nrouts: []\n");
    assert_eq!((ended.code, ended.out.as_str()), (1, ""));
    assert!(ended.err.contains("unknown key 'routs'"), "{}", ended.err);
}
