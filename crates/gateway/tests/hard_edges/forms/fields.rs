//! Field lines (RFC 9112 section 5, RFC 9110 section 5): a token, a colon at once, and a value without control bytes.

use crate::form::{Form, get, raw};

/// The forms.
pub(crate) fn forms() -> Vec<Form> {
    let mut forms = good();
    forms.extend(names());
    forms.extend(values());
    forms.extend(folds());
    forms
}

fn good() -> Vec<Form> {
    vec![
        get("field", "`X-A: 1`", "X-A: 1\r\n").passes_with(&["x-a: 1"]),
        get("field-without-a-space", "`X-A:1`", "X-A:1\r\n").passes_with(&["x-a: 1"]),
        get("field-in-spaces", "spaces and tabs around the value", "X-A: \t 1 \t \r\n").passes_with(&["x-a: 1"]),
        get("field-empty", "`X-A:` without a value", "X-A:\r\n").passes_with(&["x-a: "]),
        get("field-of-spaces", "`X-A:` and spaces", "X-A:   \r\n").passes_with(&["x-a: "]),
        get("field-with-colons", "`X-A: :a:b:`", "X-A: :a:b:\r\n").passes_with(&["x-a: :a:b:"]),
        get("field-with-tab", "a tab within the value", "X-A: a\tb\r\n").passes_with(&["x-a: a\tb"]),
        get("field-in-utf-8", "UTF-8 in the value", "X-A: gw\u{e4}nm\u{fc}n\r\n")
            .passes_with(&["x-a: gw\u{e4}nm\u{fc}n"]),
        get("field-in-latin-1", "ISO 8859-1 in the value", b"X-A: caf\xe9\r\n").passes_bytes(
            "GET /form HTTP/1.1",
            &[b"x-a: caf\xe9"],
            "",
        ),
        get("field-twice", "`X-A` twice", "X-A: 1\r\nX-A: 2\r\n").passes_with(&["x-a: 1", "x-a: 2"]),
        get(
            "field-name-of-odd-letters",
            "a name of every character that a token may have",
            "!#$%&'*+-.^_`|~09azAZ: 1\r\n",
        )
        .passes_with(&["!#$%&'*+-.^_`|~09azaz: 1"]),
        get("field-name-of-one-letter", "`x: 1`", "x: 1\r\n").passes_with(&["x: 1"]),
        get("field-name-of-digits", "`1: 1`", "1: 1\r\n").passes_with(&["1: 1"]),
    ]
}

fn names() -> Vec<Form> {
    vec![
        get("name-space-before-colon", "`X-A : 1`", "X-A : 1\r\n"),
        get("name-tab-before-colon", "`X-A`, a tab, `: 1`", "X-A\t: 1\r\n"),
        get("name-empty", "`: 1`", ": 1\r\n"),
        get("name-without-colon", "a line without a colon", "garbage\r\n"),
        get("name-with-space", "`X A: 1`", "X A: 1\r\n"),
        get("name-with-tab", "a tab in the name", "X\tA: 1\r\n"),
        get("name-with-parenthesis", "`X(A): 1`", "X(A): 1\r\n"),
        get("name-with-at", "`X@A: 1`", "X@A: 1\r\n"),
        get("name-with-comma", "`X,A: 1`", "X,A: 1\r\n"),
        get("name-with-semicolon", "`X;A: 1`", "X;A: 1\r\n"),
        get("name-with-slash", "`X/A: 1`", "X/A: 1\r\n"),
        get("name-with-backslash", "`X\\A: 1`", "X\\A: 1\r\n"),
        get("name-with-bracket", "`X[A]: 1`", "X[A]: 1\r\n"),
        get("name-with-brace", "`X{A}: 1`", "X{A}: 1\r\n"),
        get("name-with-equals", "`X=A: 1`", "X=A: 1\r\n"),
        get("name-with-question-mark", "`X?A: 1`", "X?A: 1\r\n"),
        get("name-with-angle", "`X<A>: 1`", "X<A>: 1\r\n"),
        get("name-quoted", "`\"X-A\": 1`", "\"X-A\": 1\r\n"),
        get("name-with-nul", "a NUL in the name", "X\0A: 1\r\n"),
        get("name-with-control", "an escape in the name", "X\x1bA: 1\r\n"),
        get("name-with-del", "a DEL in the name", "X\x7fA: 1\r\n"),
        get("name-with-cr", "a bare CR in the name", "X\rA: 1\r\n"),
        get("name-in-utf-8", "UTF-8 in the name", "X-\u{c4}: 1\r\n"),
        get("name-in-latin-1", "ISO 8859-1 in the name", b"X-\xc4: 1\r\n"),
        get("name-of-http-2", "`:path: /other`, a pseudo-field of HTTP/2", ":path: /other\r\n"),
        raw(
            "name-of-http-2-authority",
            "`:authority: b.test` beside `Host`",
            "GET /form HTTP/1.1\r\n:authority: b.test\r\nHost: a.test\r\n\r\n",
        ),
    ]
}

fn values() -> Vec<Form> {
    vec![
        get("value-with-nul", "a NUL in a value", "X-A: a\0b\r\n"),
        get("value-ends-with-nul", "a NUL at the end of a value", "X-A: a\0\r\n"),
        get("value-with-cr", "a bare CR in a value", "X-A: a\rb\r\n"),
        get("value-with-backspace", "a backspace in a value", "X-A: a\x08b\r\n"),
        get("value-with-vertical-tab", "a vertical tab in a value", "X-A: a\x0bb\r\n"),
        get("value-with-form-feed", "a form feed in a value", "X-A: a\x0cb\r\n"),
        get("value-with-escape", "an escape in a value", "X-A: a\x1bb\r\n"),
        get("value-with-del", "a DEL in a value", "X-A: a\x7fb\r\n"),
        get("value-begins-with-control", "a value that begins with byte 1", "X-A: \x01\r\n"),
    ]
}

fn folds() -> Vec<Form> {
    vec![
        get("folded-by-space", "a value continued behind a space", "X-A: 1\r\n 2\r\n"),
        get("folded-by-tab", "a value continued behind a tab", "X-A: 1\r\n\t2\r\n"),
        get("folded-at-once", "an empty value, continued", "X-A:\r\n 1\r\n"),
        get("folded-to-another-field", "` X-B: 2` behind a field", "X-A: 1\r\n X-B: 2\r\n"),
        get("folded-to-nothing", "a continuation of spaces", "X-A: 1\r\n  \r\n"),
        raw("folded-host", "`Host:`, continued", "GET /form HTTP/1.1\r\nHost:\r\n a.test\r\n\r\n"),
        raw(
            "folded-first-field",
            "the first field behind a space",
            "GET /form HTTP/1.1\r\n X-A: 1\r\nHost: a.test\r\n\r\n",
        ),
        raw(
            "folded-first-field-by-tab",
            "the first field behind a tab",
            "GET /form HTTP/1.1\r\n\tX-A: 1\r\nHost: a.test\r\n\r\n",
        ),
    ]
}
