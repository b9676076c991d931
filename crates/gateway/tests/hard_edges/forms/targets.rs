//! Targets (RFC 9112 section 3.2): a path; a whole URL that agrees with `Host`; `*` for OPTIONS.

use crate::form::{Form, asking, line, raw};

/// The forms.
pub(crate) fn forms() -> Vec<Form> {
    let mut forms = paths();
    forms.extend(characters());
    forms.extend(absolute());
    forms.extend(others());
    forms
}

fn paths() -> Vec<Form> {
    vec![
        target("target-root", "`/`", "/", "/"),
        target("target-query", "`/form?a=b&c`", "/form?a=b&c", "/form?a=b&c"),
        target("target-empty-query", "`/form?`", "/form?", "/form?"),
        target("target-query-with-slashes", "`/form?a=/../b//c?d`", "/form?a=/../b//c?d", "/form?a=/../b//c?d"),
        target(
            "target-query-with-odd-escapes",
            "`/form?a=%zz%00%`: queries pass as they are",
            "/form?a=%zz%00%",
            "/form?a=%zz%00%",
        ),
        target(
            "target-reserved",
            "`/a;b=c,d=e!f$g&h'i(j)k*l+m:n@o`",
            "/a;b=c,d=e!f$g&h'i(j)k*l+m:n@o",
            "/a;b=c,d=e!f$g&h'i(j)k*l+m:n@o",
        ),
        target("target-escaped-letters", "`/%66orm` is `/form`", "/%66orm", "/form"),
        target("target-escapes-in-lower-case", "`/a%c3%a4` is `/a%C3%A4`", "/a%c3%a4", "/a%C3%A4"),
        target("target-dot-segments", "`/a/./b/../form` is `/a/form`", "/a/./b/../form", "/a/form"),
        target("target-escaped-dot-segments", "`/a/%2e%2E/form` is `/form`", "/a/%2e%2E/form", "/form"),
        target("target-double-slash", "`/a//form` is `/a/form`", "/a//form", "/a/form"),
        target("target-double-slash-first", "`//form` is `/form`, and no host", "//form", "/form"),
        line("target-above-root", "`/../form`", "GET /../form HTTP/1.1"),
        line("target-above-root-escaped", "`/%2e%2e/form`", "GET /%2e%2e/form HTTP/1.1"),
        line("target-hidden-dot-segment", "`/a/..;/form`", "GET /a/..;/form HTTP/1.1"),
        line("target-hidden-slash", "`/a/..%2fform`", "GET /a/..%2fform HTTP/1.1"),
        line("target-hidden-backslash", "`/a/..\\form`", "GET /a/..\\form HTTP/1.1"),
        line("target-escaped-nul", "`/form%00`", "GET /form%00 HTTP/1.1"),
        line("target-broken-escape", "`/form%zz`", "GET /form%zz HTTP/1.1"),
        line("target-half-an-escape", "`/form%4`", "GET /form%4 HTTP/1.1"),
    ]
}

fn characters() -> Vec<Form> {
    vec![
        line("target-fragment", "`/form#x`", "GET /form#x HTTP/1.1"),
        line("target-nul", "a NUL in the target", "GET /fo\0rm HTTP/1.1"),
        line("target-control", "an escape in the target", "GET /fo\x1brm HTTP/1.1"),
        line("target-tab", "a tab in the target", "GET /fo\trm HTTP/1.1"),
        line("target-cr", "a bare CR in the target", "GET /fo\rrm HTTP/1.1"),
        line("target-lf", "a bare LF in the target", "GET /fo\nrm HTTP/1.1"),
        line("target-del", "a DEL in the target", "GET /fo\x7frm HTTP/1.1"),
        line("target-latin-1", "ISO 8859-1 in the path", b"GET /caf\xe9 HTTP/1.1"),
        target("target-utf-8", "UTF-8 in the path is escaped", "/caf\u{e9}", "/caf%C3%A9"),
        target("target-braces-in-query", "`/form?a={b}|c`, as browsers send it", "/form?a={b}|c", "/form?a={b}|c"),
        target("target-brackets-in-query", "`/form?a[]=b^`, as browsers send it", "/form?a[]=b^", "/form?a[]=b^"),
        line("target-quote-in-query", "`/form?a=\"b\"`", "GET /form?a=\"b\" HTTP/1.1"),
        line("target-angles-in-query", "`/form?a=<b>`", "GET /form?a=<b> HTTP/1.1"),
        target("target-quote-in-path", "`/\"form\"` is `/%22form%22`", "/\"form\"", "/%22form%22"),
        line("target-angles-in-path", "`/<form>`", "GET /<form> HTTP/1.1"),
        line("target-nul-in-query", "a NUL in the query", "GET /form?\0 HTTP/1.1"),
        line("target-control-in-query", "an escape in the query", "GET /form?\x1b HTTP/1.1"),
        line("target-fragment-in-query", "`/form?a#b`", "GET /form?a#b HTTP/1.1"),
    ]
}

fn absolute() -> Vec<Form> {
    vec![
        target("absolute", "`http://a.test/form`", "http://a.test/form", "/form"),
        target("absolute-without-path", "`http://a.test`", "http://a.test", "/"),
        target("absolute-with-query", "`http://a.test?a=b`", "http://a.test?a=b", "/?a=b"),
        target("absolute-in-upper-case", "`HTTP://A.TEST/form` with `Host: a.test`", "HTTP://A.TEST/form", "/form"),
        line("absolute-other-host", "`http://b.test/form` with `Host: a.test`", "GET http://b.test/form HTTP/1.1")
            .because("RFC 9112 would let the target win"),
        line(
            "absolute-other-port",
            "`http://a.test:81/form` with `Host: a.test`",
            "GET http://a.test:81/form HTTP/1.1",
        ),
        raw("absolute-without-host", "`http://a.test/form` without `Host`", "GET http://a.test/form HTTP/1.1\r\n\r\n"),
        raw(
            "absolute-with-empty-host",
            "`http://a.test/form` with an empty `Host`",
            "GET http://a.test/form HTTP/1.1\r\nHost:\r\n\r\n",
        ),
        line("absolute-with-user", "`http://u:p@a.test/form`", "GET http://u:p@a.test/form HTTP/1.1"),
        line("absolute-user-like-host", "`http://a.test@b.test/form`", "GET http://a.test@b.test/form HTTP/1.1"),
        line("absolute-of-no-host", "`http:///form`", "GET http:///form HTTP/1.1"),
        line("absolute-one-slash", "`http:/form`", "GET http:/form HTTP/1.1"),
        line("absolute-bad-port", "`http://a.test:x/form`", "GET http://a.test:x/form HTTP/1.1"),
        line("absolute-other-scheme", "`ftp://a.test/form`", "GET ftp://a.test/form HTTP/1.1"),
        line("absolute-no-scheme", "`://a.test/form`", "GET ://a.test/form HTTP/1.1"),
        line("absolute-javascript", "`javascript:alert(1)`", "GET javascript:alert(1) HTTP/1.1"),
        line("absolute-backslash-host", "`http://a.test\\@b.test/form`", "GET http://a.test\\@b.test/form HTTP/1.1"),
        line("absolute-fragment", "`http://a.test/form#x`", "GET http://a.test/form#x HTTP/1.1"),
    ]
}

fn others() -> Vec<Form> {
    vec![
        line("relative", "`form`", "GET form HTTP/1.1"),
        line("relative-dots", "`../form`", "GET ../form HTTP/1.1"),
        line("backslash-first", "`\\form`", "GET \\form HTTP/1.1"),
        line("query-alone", "`?a=b`", "GET ?a=b HTTP/1.1"),
        line("authority", "`a.test:80` with GET", "GET a.test:80 HTTP/1.1"),
        line("asterisk-with-get", "`GET *`", "GET * HTTP/1.1"),
        line("asterisk-and-more", "`OPTIONS */x`", "OPTIONS */x HTTP/1.1"),
        asking("OPTIONS", "options", "`OPTIONS /form`", "", "").passes_as("OPTIONS /form HTTP/1.1", &[], ""),
        line("options-asterisk", "`OPTIONS *`", "OPTIONS * HTTP/1.1").passes_as("OPTIONS * HTTP/1.1", &[], ""),
    ]
}

/// A GET of `target`, which the upstream sees as `seen`.
fn target(name: &'static str, shown: &'static str, target: &str, seen: &str) -> Form {
    line(name, shown, format!("GET {target} HTTP/1.1")).passes_as(&format!("GET {seen} HTTP/1.1"), &[], "")
}
