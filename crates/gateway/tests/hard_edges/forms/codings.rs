//! `Transfer-Encoding` (RFC 9112 section 6.1): `chunked`, once, in HTTP/1.1, and not beside a length.

use crate::form::{Form, SMUGGLED, asking, post, raw};

const HELLO: &str = "5\r\nhello\r\n0\r\n\r\n";

/// The forms.
pub(crate) fn forms() -> Vec<Form> {
    let mut forms = good();
    forms.extend(bad_values());
    forms.extend(lists());
    forms.extend(hidden());
    forms.extend(beside_a_length());
    forms
}

fn good() -> Vec<Form> {
    vec![
        coding("coding", "`Transfer-Encoding: chunked`", " chunked").passes_body("hello"),
        coding("coding-without-a-space", "`Transfer-Encoding:chunked`", "chunked").passes_body("hello"),
        coding("coding-in-spaces", "spaces around `chunked`", "   chunked  ").passes_body("hello"),
        coding("coding-in-tabs", "tabs around `chunked`", "\tchunked\t").passes_body("hello"),
        coding("coding-capitalised", "`Transfer-Encoding: Chunked`", " Chunked").passes_body("hello"),
        coding("coding-in-upper-case", "`Transfer-Encoding: CHUNKED`", " CHUNKED").passes_body("hello"),
        post("coding-name-in-lower-case", "`transfer-encoding: chunked`", "transfer-encoding: chunked\r\n", HELLO)
            .passes_body("hello"),
        asking("GET", "get-in-chunks", "`GET` with a chunked body", "Transfer-Encoding: chunked\r\n", HELLO).passes_as(
            "GET /form HTTP/1.1",
            &[],
            "hello",
        ),
        asking("DELETE", "delete-in-chunks", "`DELETE` with a chunked body", "Transfer-Encoding: chunked\r\n", HELLO)
            .passes_as("DELETE /form HTTP/1.1", &[], "hello"),
        asking(
            "OPTIONS",
            "options-in-chunks",
            "`OPTIONS` with a chunked body",
            "Transfer-Encoding: chunked\r\n",
            HELLO,
        )
        .passes_as("OPTIONS /form HTTP/1.1", &[], "hello"),
        asking(
            "HEAD",
            "head-in-chunks",
            "`HEAD` with an empty chunked body",
            "Transfer-Encoding: chunked\r\n",
            "0\r\n\r\n",
        )
        .passes_as("HEAD /form HTTP/1.1", &[], ""),
        post(
            "coding-in-another-name",
            "`Transfer_Encoding: chunked`: taken out, and no coding",
            "Transfer_Encoding: chunked\r\n",
            "",
        )
        .passes_body(""),
    ]
}

fn bad_values() -> Vec<Form> {
    vec![
        coding("coding-empty", "`Transfer-Encoding:` without a value", ""),
        coding("coding-quoted", "`\"chunked\"` in quotes", " \"chunked\""),
        coding("coding-in-apostrophes", "`'chunked'`", " 'chunked'"),
        coding("coding-cut-short", "`chunke`", " chunke"),
        coding("coding-with-a-letter-before", "`xchunked`", " xchunked"),
        coding("coding-with-a-letter-behind", "`chunkedx`", " chunkedx"),
        coding("coding-in-two-words", "`chunk ed`", " chunk ed"),
        coding("coding-and-a-word", "`chunked x`", " chunked x"),
        coding("coding-with-a-colon", "`Transfer-Encoding:: chunked`", ": chunked"),
        coding("coding-with-a-semicolon", "`chunked;`", " chunked;"),
        coding("coding-with-a-parameter", "`chunked;q=1`", " chunked;q=1"),
        coding("coding-vertical-tab-before", "a vertical tab and `chunked`", " \x0bchunked"),
        coding("coding-vertical-tab-behind", "`chunked` and a vertical tab", " chunked\x0b"),
        coding("coding-form-feed-behind", "`chunked` and a form feed", " chunked\x0c"),
        coding("coding-nul-behind", "`chunked` and a NUL", " chunked\0"),
        coding("coding-no-break-space", "a no-break space and `chunked`", " \u{a0}chunked"),
        coding("coding-long-s", "`chun\u{212a}ed` with the Kelvin sign, which lower-cases to `k`", " chun\u{212a}ed"),
        coding("coding-bare-cr-behind", "`chunked` and a bare CR", " chunked\r X"),
        coding("coding-folded", "`chunked` on a line of its own", "\r\n chunked"),
        coding("coding-folded-by-tab", "`chunked` on a line of its own, behind a tab", "\r\n\tchunked"),
        coding("coding-identity", "`identity`", " identity"),
        coding("coding-gzip", "`gzip`", " gzip"),
        coding("coding-unknown", "`cow`", " cow"),
        raw(
            "coding-in-http-1-0",
            "`Transfer-Encoding: chunked` in HTTP/1.0",
            format!("POST /form HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n{HELLO}"),
        ),
        raw(
            "coding-in-http-1-0-kept",
            "the same with `Connection: keep-alive`",
            format!(
                "POST /form HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n{HELLO}"
            ),
        ),
    ]
}

fn lists() -> Vec<Form> {
    let two = |first: &str, second: &str| format!("Transfer-Encoding: {first}\r\nTransfer-Encoding: {second}\r\n");
    vec![
        coding("codings-chunked-twice", "`chunked, chunked`", " chunked, chunked"),
        coding("codings-gzip-chunked", "`gzip, chunked`", " gzip, chunked").refused(501),
        coding("codings-chunked-gzip", "`chunked, gzip`: the end cannot be known", " chunked, gzip"),
        coding("codings-identity-chunked", "`identity, chunked`", " identity, chunked").refused(501),
        coding("codings-chunked-identity", "`chunked, identity`", " chunked, identity"),
        coding("codings-empty-first", "`, chunked`", " , chunked"),
        coding("codings-empty-last", "`chunked,`", " chunked,"),
        post("codings-on-two-lines", "`chunked` twice", two("chunked", "chunked"), HELLO),
        post(
            "codings-chunked-and-identity-lines",
            "`chunked`, then `identity` on a line of its own",
            two("chunked", "identity"),
            HELLO,
        ),
        post(
            "codings-identity-and-chunked-lines",
            "`identity`, then `chunked` on a line of its own",
            two("identity", "chunked"),
            HELLO,
        )
        .refused(501),
        post(
            "codings-gzip-and-chunked-lines",
            "`gzip`, then `chunked` on a line of its own",
            two("gzip", "chunked"),
            HELLO,
        )
        .refused(501),
        post(
            "codings-chunked-and-cow-lines",
            "`chunked`, then `cow` on a line of its own",
            two("chunked", "cow"),
            HELLO,
        ),
        post(
            "codings-empty-and-chunked-lines",
            "an empty one, then `chunked` on a line of its own",
            two("", "chunked"),
            HELLO,
        ),
    ]
}

fn hidden() -> Vec<Form> {
    vec![
        post("coding-space-before-colon", "`Transfer-Encoding : chunked`", "Transfer-Encoding : chunked\r\n", HELLO),
        post(
            "coding-tab-before-colon",
            "`Transfer-Encoding`, a tab, `: chunked`",
            "Transfer-Encoding\t: chunked\r\n",
            HELLO,
        ),
        post(
            "coding-nul-before-colon",
            "`Transfer-Encoding`, a NUL, `: chunked`",
            "Transfer-Encoding\0: chunked\r\n",
            HELLO,
        ),
        post(
            "coding-vertical-tab-before-colon",
            "`Transfer-Encoding`, a vertical tab, `: chunked`",
            "Transfer-Encoding\x0b: chunked\r\n",
            HELLO,
        ),
        post("coding-space-in-name", "`Transfer Encoding: chunked`", "Transfer Encoding: chunked\r\n", HELLO),
        post(
            "coding-behind-a-space",
            "` Transfer-Encoding: chunked` after a field",
            "X: y\r\n Transfer-Encoding: chunked\r\n",
            HELLO,
        ),
        raw(
            "coding-behind-a-space-at-once",
            "` Transfer-Encoding: chunked` right behind the request line",
            format!("POST /form HTTP/1.1\r\n Transfer-Encoding: chunked\r\nHost: a.test\r\n\r\n{HELLO}"),
        ),
        post(
            "coding-behind-a-nul",
            "a NUL and `Transfer-Encoding: chunked`",
            "\0Transfer-Encoding: chunked\r\n",
            HELLO,
        ),
        post(
            "coding-behind-bare-lf",
            "`X: y`, a bare LF, `Transfer-Encoding: chunked`",
            "X: y\nTransfer-Encoding: chunked\r\n",
            HELLO,
        ),
        post(
            "coding-behind-bare-cr",
            "`X: y`, a bare CR, `Transfer-Encoding: chunked`",
            "X: y\rTransfer-Encoding: chunked\r\n",
            HELLO,
        ),
        post(
            "coding-before-bare-lf",
            "`Transfer-Encoding: chunked`, ended by a bare LF",
            "Transfer-Encoding: chunked\n",
            HELLO,
        ),
        post(
            "coding-behind-crcrlf",
            "`X: y`, CR CR LF, `Transfer-Encoding: chunked`",
            "X: y\r\r\nTransfer-Encoding: chunked\r\n",
            HELLO,
        ),
    ]
}

fn beside_a_length() -> Vec<Form> {
    let cl_te = format!("0\r\n\r\n{SMUGGLED}");
    let te_cl = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    let with = |length: usize, coding: &str| format!("Content-Length: {length}\r\nTransfer-Encoding:{coding}\r\n");
    vec![
        post(
            "length-then-coding",
            "CL.TE: the length covers more than the chunks",
            with(cl_te.len(), " chunked"),
            &cl_te,
        )
        .because("RFC 9112 would let us obey the coding"),
        post(
            "coding-then-length",
            "TE.CL: the chunks cover more than the length",
            "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
            &te_cl,
        ),
        post("coding-beside-an-agreeing-length", "both, and both right", with(HELLO.len(), " chunked"), HELLO),
        post("coding-beside-length-zero", "`Content-Length: 0` and `chunked`", with(0, " chunked"), HELLO),
        post("unknown-coding-beside-length", "`xchunked` and a length", with(cl_te.len(), " xchunked"), &cl_te),
        post("identity-beside-length", "`identity` and a length", with(5, " identity"), "hello"),
        post("empty-coding-beside-length", "an empty coding and a length", with(5, ""), "hello"),
        post(
            "vertical-tab-coding-beside-length",
            "a vertical tab, `chunked`, and a length",
            with(cl_te.len(), " \x0bchunked"),
            &cl_te,
        ),
        post(
            "coding-space-before-colon-beside-length",
            "`Transfer-Encoding : chunked` and a length",
            format!("Content-Length: {}\r\nTransfer-Encoding : chunked\r\n", cl_te.len()),
            &cl_te,
        ),
        post(
            "coding-folded-beside-length",
            "`chunked` on a line of its own, and a length",
            with(cl_te.len(), "\r\n chunked"),
            &cl_te,
        ),
        post(
            "two-codings-beside-length",
            "`chunked` and `cow` on two lines, and a length",
            format!("Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\nContent-Length: {}\r\n", cl_te.len()),
            &cl_te,
        ),
        raw(
            "coding-beside-length-in-http-1-0",
            "both in HTTP/1.0",
            format!("POST /form HTTP/1.0\r\nHost: a.test\r\n{}\r\n{cl_te}", with(cl_te.len(), " chunked")),
        ),
        post(
            "bad-length-beside-coding",
            "`Content-Length: x` and `chunked`",
            "Content-Length: x\r\nTransfer-Encoding: chunked\r\n",
            HELLO,
        ),
    ]
}

/// A POST with this behind `Transfer-Encoding:`.
fn coding(name: &'static str, shown: &'static str, value: &str) -> Form {
    post(name, shown, format!("Transfer-Encoding:{value}\r\n"), HELLO)
}
