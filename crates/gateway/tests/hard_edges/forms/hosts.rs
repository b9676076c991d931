//! `Host` (RFC 9112 section 3.2): one, and a name or an address with perhaps a port.

use crate::form::{End, Form, raw};

/// The forms.
pub(crate) fn forms() -> Vec<Form> {
    let mut forms = good();
    forms.extend(bad());
    forms
}

fn good() -> Vec<Form> {
    vec![
        good_host("host", "`Host: a.test`", "a.test"),
        good_host("host-with-port", "`a.test:8080`", "a.test:8080"),
        good_host("host-with-empty-port", "`a.test:`", "a.test:"),
        good_host("host-in-upper-case", "`A.TEST`", "A.TEST"),
        good_host("host-ends-with-point", "`a.test.`", "a.test."),
        good_host("host-with-underscore", "`a_b.test`", "a_b.test"),
        good_host("host-ipv4", "`192.0.2.1:80`", "192.0.2.1:80"),
        good_host("host-ipv6", "`[2001:db8::1]`", "[2001:db8::1]"),
        good_host("host-ipv6-with-port", "`[2001:db8::1]:80`", "[2001:db8::1]:80"),
        raw("host-name-in-upper-case", "`HOST: a.test`", "GET /form HTTP/1.1\r\nHOST: a.test\r\n\r\n").passes(),
        raw("host-without-a-space", "`Host:a.test`", "GET /form HTTP/1.1\r\nHost:a.test\r\n\r\n")
            .passes_with(&["x-forwarded-host: a.test"]),
        raw("host-last", "`Host` behind other fields", "GET /form HTTP/1.1\r\nA: b\r\nHost: a.test\r\n\r\n")
            .passes_with(&["a: b"]),
        raw("host-none-in-http-1-0", "no `Host` in HTTP/1.0", "GET /form HTTP/1.0\r\n\r\n").passes().ends(End::Closed),
    ]
}

fn bad() -> Vec<Form> {
    let two = |first: &str, second: &str| format!("GET /form HTTP/1.1\r\nHost: {first}\r\nHost: {second}\r\n\r\n");
    vec![
        raw("host-none", "no `Host` in HTTP/1.1", "GET /form HTTP/1.1\r\n\r\n"),
        raw("hosts-equal", "two equal ones", two("a.test", "a.test")),
        raw("hosts-different", "two different ones", two("a.test", "b.test")),
        raw("hosts-empty-and-good", "an empty one and a good one", two("", "a.test")),
        raw(
            "hosts-in-different-case",
            "`Host` and `hOST`",
            "GET /form HTTP/1.1\r\nHost: a.test\r\nhOST: b.test\r\n\r\n",
        ),
        raw("hosts-in-http-1-0", "two in HTTP/1.0", "GET /form HTTP/1.0\r\nHost: a.test\r\nHost: b.test\r\n\r\n"),
        raw("host-space-before-colon", "`Host : a.test`", "GET /form HTTP/1.1\r\nHost : a.test\r\n\r\n"),
        raw(
            "host-space-before-colon-twice",
            "`Host: a.test` and `Host : b.test`",
            "GET /form HTTP/1.1\r\nHost: a.test\r\nHost : b.test\r\n\r\n",
        ),
        bad_host("host-empty", "an empty one", "")
            .because("legal for targets without a host, which there are none of here"),
        bad_host("host-with-path", "`a.test/x`", "a.test/x"),
        bad_host("host-with-query", "`a.test?x`", "a.test?x"),
        bad_host("host-with-fragment", "`a.test#x`", "a.test#x"),
        bad_host("host-with-user", "`u@a.test`", "u@a.test"),
        bad_host("host-with-scheme", "`http://a.test`", "http://a.test"),
        bad_host("host-with-backslash", "`a.test\\b.test`", "a.test\\b.test"),
        bad_host("host-list", "`a.test, b.test`", "a.test, b.test"),
        bad_host("host-list-without-space", "`a.test,b.test`", "a.test,b.test"),
        bad_host("host-two-words", "`a.test b.test`", "a.test b.test"),
        bad_host("host-with-tab", "a tab in the name", "a\t.test"),
        bad_host("host-with-nul", "a NUL in the name", "a.test\0"),
        bad_host("host-with-quote", "`\"a.test\"`", "\"a.test\""),
        bad_host("host-with-angles", "`<script>`", "<script>"),
        bad_host("host-in-utf-8", "`\u{e4}.test`", "\u{e4}.test"),
        bad_host("host-port-of-letters", "`a.test:x`", "a.test:x"),
        bad_host("host-port-minus", "`a.test:-1`", "a.test:-1"),
        bad_host("host-port-plus", "`a.test:+80`", "a.test:+80"),
        bad_host("host-port-too-large", "`a.test:65536`", "a.test:65536"),
        bad_host("host-port-with-name", "`a.test:80b.test`", "a.test:80b.test"),
        bad_host("host-two-ports", "`a.test:80:80`", "a.test:80:80"),
        bad_host("host-port-alone", "`:80`", ":80"),
        bad_host("host-ipv6-without-brackets", "`2001:db8::1`", "2001:db8::1"),
        bad_host("host-ipv6-open", "`[2001:db8::1`", "[2001:db8::1"),
        bad_host("host-ipv6-closed-only", "`2001:db8::1]`", "2001:db8::1]"),
        bad_host("host-ipv6-and-name", "`[2001:db8::1]a.test`", "[2001:db8::1]a.test"),
        bad_host("host-brackets-around-name", "`[a.test]`", "[a.test]"),
        bad_host("host-brackets-empty", "`[]`", "[]"),
    ]
}

fn good_host(name: &'static str, shown: &'static str, host: &str) -> Form {
    raw(name, shown, format!("GET /form HTTP/1.1\r\nHost: {host}\r\n\r\n"))
        .passes_with(&[&format!("x-forwarded-host: {host}")])
}

fn bad_host(name: &'static str, shown: &'static str, host: &str) -> Form {
    raw(name, shown, format!("GET /form HTTP/1.1\r\nHost: {host}\r\n\r\n"))
}
