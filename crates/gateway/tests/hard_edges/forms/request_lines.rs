//! Request lines (RFC 9112 section 3): a method, one space, a target, one space, `HTTP/1.1` or `HTTP/1.0`.

use crate::form::{End, Form, asking, line, raw};

/// The forms.
pub(crate) fn forms() -> Vec<Form> {
    let mut forms = spaces();
    forms.extend(methods());
    forms.extend(versions());
    forms
}

fn spaces() -> Vec<Form> {
    vec![
        line("spaces-behind-method", "two spaces behind the method", "GET  /form HTTP/1.1"),
        line("spaces-before-version", "two spaces before the version", "GET /form  HTTP/1.1"),
        line("space-at-the-end", "a space behind the version", "GET /form HTTP/1.1 "),
        line("tab-at-the-end", "a tab behind the version", "GET /form HTTP/1.1\t"),
        line("tab-behind-method", "a tab behind the method", "GET\t/form HTTP/1.1"),
        line("tab-before-version", "a tab before the version", "GET /form\tHTTP/1.1"),
        line("vertical-tab-behind-method", "a vertical tab behind the method", "GET\x0b/form HTTP/1.1"),
        line("cr-behind-method", "a CR behind the method", "GET\r/form HTTP/1.1"),
        line("nul-behind-method", "a NUL behind the method", "GET\0/form HTTP/1.1"),
        line("space-in-target", "`/form x`", "GET /form x HTTP/1.1"),
        line("version-in-target", "`GET /form HTTP/1.1 HTTP/1.1`", "GET /form HTTP/1.1 HTTP/1.1"),
        line("method-alone", "the method alone", "GET"),
        line("target-missing", "no target: `GET HTTP/1.1`", "GET HTTP/1.1"),
        line("target-empty", "an empty target: `GET  HTTP/1.1`", "GET  HTTP/1.1"),
        line("request-line-empty-words", "two spaces alone", "  "),
    ]
}

fn methods() -> Vec<Form> {
    vec![
        method("method-unknown", "PURGE"),
        method("method-with-dash", "M-SEARCH"),
        method("method-in-lower-case", "get"),
        method("method-of-odd-letters", "!#$%&'*+-.^_`|~"),
        line("method-empty", "no method", " /form HTTP/1.1"),
        line("method-with-at", "`G@T`", "G@T /form HTTP/1.1"),
        line("method-with-parenthesis", "`G(T)`", "G(T) /form HTTP/1.1"),
        line("method-with-colon", "`GET:`", "GET: /form HTTP/1.1"),
        line("method-with-slash", "`G/T`", "G/T /form HTTP/1.1"),
        line("method-quoted", "`\"GET\"`", "\"GET\" /form HTTP/1.1"),
        line("method-with-nul", "a NUL in the method", "G\0T /form HTTP/1.1"),
        line("method-with-control", "an escape in the method", "G\x1bT /form HTTP/1.1"),
        line("method-in-latin-1", "`G\u{c9}T` in ISO 8859-1", b"G\xc9T /form HTTP/1.1"),
        line("method-very-long", "a method of 20,000 letters", "X".repeat(20_000) + " /form HTTP/1.1").refused(414),
        line("method-long", "a method of 33 letters", "X".repeat(33) + " /form HTTP/1.1"),
        line("connect", "`CONNECT a.test:443`", "CONNECT a.test:443 HTTP/1.1").because("for forward proxies only"),
        line("connect-to-a-path", "`CONNECT /form`", "CONNECT /form HTTP/1.1"),
        asking("TRACE", "trace", "`TRACE`", "", "").because("its answer would show what the gateway tells upstreams"),
    ]
}

fn versions() -> Vec<Form> {
    vec![
        raw("http-1-0", "HTTP/1.0", "GET /form HTTP/1.0\r\n\r\n").passes().ends(End::Closed),
        version("http-1-2", "HTTP/1.2").refused(505).because("RFC 9110 would let us read it as HTTP/1.1"),
        version("http-1-9", "HTTP/1.9").refused(505),
        version("http-2-0", "HTTP/2.0").refused(505),
        version("http-3-1", "HTTP/3.1").refused(505),
        version("http-0-9", "HTTP/0.9").refused(505),
        version("http-9-9", "HTTP/9.9").refused(505),
        raw("no-version", "HTTP/0.9: `GET /form`", "GET /form\r\n"),
        line("no-version-with-fields", "`GET /form` with fields", "GET /form"),
        version("version-in-lower-case", "http/1.1"),
        version("version-in-mixed-case", "Http/1.1"),
        version("version-1-10", "HTTP/1.10"),
        version("version-01-1", "HTTP/01.1"),
        version("version-1-01", "HTTP/1.01"),
        version("version-without-point", "HTTP/11"),
        version("version-without-minor", "HTTP/1."),
        version("version-without-major", "HTTP/.1"),
        version("version-1", "HTTP/1"),
        version("version-2", "HTTP/2"),
        version("version-with-comma", "HTTP/1,1"),
        version("version-without-slash", "HTTP 1.1"),
        version("version-without-slash-or-space", "HTTP1.1"),
        version("version-with-backslash", "HTTP\\1.1"),
        version("version-of-three-parts", "HTTP/1.1.1"),
        version("version-with-letter", "HTTP/1.1x"),
        version("version-minus", "HTTP/-1.1"),
        version("version-plus", "HTTP/+1.1"),
        version("version-hexadecimal", "HTTP/0x1.1"),
        version("version-full-width", "HTTP/\u{ff11}.1"),
        version("version-nul", "HTTP/1.1\0"),
        version("version-of-https", "HTTPS/1.1"),
        version("version-of-icy", "ICY/1.1"),
        version("version-of-rtsp", "RTSP/1.0"),
        version("version-of-shttp", "HTTP/1.1HTTP/1.1"),
        raw(
            "http-2-preface-cut",
            "`PRI * HTTP/2.0` without the rest of HTTP/2's preface",
            "PRI * HTTP/2.0\r\nHost: a.test\r\n\r\n",
        )
        .refused(505),
    ]
}

/// A GET in this version.
fn version(name: &'static str, version: &'static str) -> Form {
    line(name, format!("`{}`", version.escape_debug()).leak(), format!("GET /form {version}"))
}

/// A method that nobody here knows, and which passes as it is.
fn method(name: &'static str, method: &'static str) -> Form {
    let shown = if method.contains('`') {
        "a method of every character that a token may have"
    } else {
        format!("`{method}`").leak()
    };
    let form = asking(method, name, shown, "", "");
    form.passes_as(&format!("{method} /form HTTP/1.1"), &[], "")
}
