//! `Content-Length` (RFC 9112 section 6.2, RFC 9110 section 8.6): digits, once, and not beside a coding.

use crate::form::{Form, SMUGGLED, asking, get, post, raw};

/// The forms.
pub(crate) fn forms() -> Vec<Form> {
    let mut forms = good();
    forms.extend(bad());
    forms.extend(twice());
    forms
}

fn good() -> Vec<Form> {
    let smuggling = format!("Content-Length: {}\r\n", SMUGGLED.len());
    vec![
        length("length", "`Content-Length: 5`", " 5").passes_body("hello"),
        length("length-without-a-space", "`Content-Length:5`", "5").passes_body("hello"),
        length("length-in-spaces", "spaces around the number", "   5   ").passes_body("hello"),
        length("length-in-tabs", "tabs around the number", "\t5\t").passes_body("hello"),
        length("length-with-a-leading-zero", "`Content-Length: 05`", " 05").passes_body("hello"),
        post("length-in-lower-case", "`content-length: 5`", "content-length: 5\r\n", "hello").passes_body("hello"),
        post("length-in-upper-case", "`CONTENT-LENGTH: 5`", "CONTENT-LENGTH: 5\r\n", "hello").passes_body("hello"),
        post("length-in-mixed-case", "`cOnTeNt-lEnGtH: 5`", "cOnTeNt-lEnGtH: 5\r\n", "hello").passes_body("hello"),
        post("length-zero", "`POST` with `Content-Length: 0`", "Content-Length: 0\r\n", "").passes_body(""),
        post("no-length", "`POST` with neither length nor coding", "", "").passes_body(""),
        get("get-with-length-zero", "`GET` with `Content-Length: 0`", "Content-Length: 0\r\n").passes(),
        asking("GET", "get-with-a-body", "`GET` with a body", "Content-Length: 5\r\n", "hello").passes_as(
            "GET /form HTTP/1.1",
            &[],
            "hello",
        ),
        asking("DELETE", "delete-with-a-body", "`DELETE` with a body", "Content-Length: 5\r\n", "hello").passes_as(
            "DELETE /form HTTP/1.1",
            &[],
            "hello",
        ),
        asking("HEAD", "head-with-a-body", "`HEAD` with a body", "Content-Length: 5\r\n", "hello").passes_as(
            "HEAD /form HTTP/1.1",
            &[],
            "hello",
        ),
        asking("OPTIONS", "options-with-a-body", "`OPTIONS` with a body", "Content-Length: 5\r\n", "hello").passes_as(
            "OPTIONS /form HTTP/1.1",
            &[],
            "hello",
        ),
        post("body-like-a-request", "`POST` whose body is a request", &smuggling, SMUGGLED).passes_body(SMUGGLED),
        asking("GET", "get-body-like-a-request", "`GET` whose body is a request", &smuggling, SMUGGLED).passes_as(
            "GET /form HTTP/1.1",
            &[],
            SMUGGLED,
        ),
        raw("length-in-http-1-0", "a body in HTTP/1.0", "POST /form HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello")
            .passes_body("hello")
            .ends(crate::form::End::Closed),
        post("length-in-another-name", "`Content_Length: 5`: taken out, and no length", "Content_Length: 5\r\n", "")
            .passes_body(""),
        post(
            "body-shorter-than-told",
            "the client leaves in the middle of the body",
            "Content-Length: 50\r\n",
            "hello",
        )
        .finishing()
        .ends(crate::form::End::Gone),
    ]
}

fn bad() -> Vec<Form> {
    vec![
        length("length-empty", "`Content-Length:` without a value", ""),
        length("length-of-spaces", "`Content-Length:` of spaces only", "   "),
        length("length-plus", "`Content-Length: +5`", " +5"),
        length("length-minus", "`Content-Length: -5`", " -5"),
        length("length-minus-zero", "`Content-Length: -0`", " -0"),
        length("length-hexadecimal", "`Content-Length: 0x5`", " 0x5"),
        length("length-hexadecimal-digit", "`Content-Length: a`", " a"),
        length("length-fraction", "`Content-Length: 5.0`", " 5.0"),
        length("length-exponent", "`Content-Length: 5e0`", " 5e0"),
        length("length-underscore", "`Content-Length: 5_0`", " 5_0"),
        length("length-word", "`Content-Length: five`", " five"),
        length("length-two-words", "`Content-Length: 5 5`", " 5 5"),
        length("length-list-of-equals", "`Content-Length: 5, 5`", " 5, 5")
            .because("RFC 9110 would let us read it as 5"),
        length("length-list-without-spaces", "`Content-Length: 5,5`", " 5,5"),
        length("length-list-of-differents", "`Content-Length: 5, 6`", " 5, 6"),
        length("length-list-with-empty-end", "`Content-Length: 5,`", " 5,"),
        length("length-list-with-empty-begin", "`Content-Length: ,5`", " ,5"),
        length("length-semicolon", "`Content-Length: 5;`", " 5;"),
        length("length-quoted", "`Content-Length: \"5\"`", " \"5\""),
        length("length-full-width", "`Content-Length: ５`, a full-width digit", " ５"),
        length("length-vertical-tab", "`5` and a vertical tab", " 5\x0b"),
        length("length-form-feed", "a form feed and `5`", " \x0c5"),
        length("length-nul", "`5` and a NUL", " 5\0"),
        length("length-no-break-space", "`5` and a no-break space", " 5\u{a0}"),
        length("length-of-2-64", "2⁶⁴, which wraps to 0", " 18446744073709551616"),
        length("length-of-2-64-and-5", "2⁶⁴+5, which wraps to 5", " 18446744073709551621"),
        length("length-of-thirty-digits", "a number of 30 digits", " 100000000000000000000000000005"),
        length("length-folded", "the number on a line of its own", "\r\n 5"),
        length("length-continued", "`5`, continued by ` 6`", " 5\r\n 6"),
        length("length-bare-cr", "`5`, a CR and more", " 5\rX: y"),
        post("length-space-before-colon", "`Content-Length : 5`", "Content-Length : 5\r\n", "hello"),
        post("length-tab-before-colon", "`Content-Length`, a tab, `: 5`", "Content-Length\t: 5\r\n", "hello"),
        post("length-behind-a-space", "` Content-Length: 5`", "X: y\r\n Content-Length: 5\r\n", "hello"),
        post("length-behind-bare-lf", "`X: y`, a bare LF, `Content-Length: 5`", "X: y\nContent-Length: 5\r\n", "hello"),
        post("length-behind-bare-cr", "`X: y`, a bare CR, `Content-Length: 5`", "X: y\rContent-Length: 5\r\n", "hello"),
    ]
}

fn twice() -> Vec<Form> {
    let lines = |values: [&str; 2]| format!("Content-Length: {}\r\nContent-Length: {}\r\n", values[0], values[1]);
    let all = format!("hello{SMUGGLED}");
    let long = all.len().to_string();
    vec![
        post("lengths-equal", "`Content-Length: 5` twice", lines(["5", "5"]), "hello")
            .because("RFC 9110 would let us read it as 5"),
        post("lengths-short-and-long", "two lengths, the shorter one first", lines(["5", &long]), &all),
        post("lengths-long-and-short", "two lengths, the longer one first", lines([&long, "5"]), &all),
        post(
            "lengths-zero-and-more",
            "`0` and then the body's length",
            lines(["0", &SMUGGLED.len().to_string()]),
            SMUGGLED,
        ),
        post("lengths-good-and-bad", "`5` and then `x`", lines(["5", "x"]), "hello"),
        post("lengths-bad-and-good", "`x` and then `5`", lines(["x", "5"]), "hello"),
        post("lengths-empty-and-good", "an empty one and then `5`", lines(["", "5"]), "hello"),
        post(
            "lengths-in-different-case",
            "`Content-Length: 5` and `content-length: 6`",
            "Content-Length: 5\r\ncontent-length: 6\r\n",
            "hello",
        ),
        post(
            "lengths-far-apart",
            "two lengths with fields between",
            "Content-Length: 5\r\nA: b\r\nC: d\r\nContent-Length: 6\r\n",
            "hello",
        ),
    ]
}

/// A POST with this behind `Content-Length:`.
fn length(name: &'static str, shown: &'static str, value: &str) -> Form {
    post(name, shown, format!("Content-Length:{value}\r\n"), "hello")
}
