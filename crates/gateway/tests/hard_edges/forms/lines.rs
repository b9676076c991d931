//! Ends of lines and heads (RFC 9112 section 2.2): CR LF and nothing else. RFC 9112 lets a bare LF pass and turns a bare CR
//! into a space; two readers in a row that do not do that alike are how requests are smuggled.

use crate::form::{End, Form, SMUGGLED, get, raw};

/// The forms.
pub(crate) fn forms() -> Vec<Form> {
    vec![
        raw("all-lines-by-lf", "every line ends with a bare LF", "GET /form HTTP/1.1\nHost: a.test\n\n")
            .because("RFC 9112 would let us accept it"),
        raw("request-line-by-lf", "the request line ends with a bare LF", "GET /form HTTP/1.1\nHost: a.test\r\n\r\n"),
        get("field-by-lf", "a field ends with a bare LF", "X-A: 1\n"),
        raw("head-by-lf", "the empty line is a bare LF", "GET /form HTTP/1.1\r\nHost: a.test\r\n\n"),
        raw("head-by-lf-crlf", "LF CR LF ends the head", "GET /form HTTP/1.1\r\nHost: a.test\n\r\n"),
        raw("head-by-two-lf", "two bare LF end the head", "GET /form HTTP/1.1\r\nHost: a.test\n\n"),
        raw("head-by-two-cr", "two bare CR end the head", "GET /form HTTP/1.1\r\nHost: a.test\r\r"),
        raw("head-by-lfcr", "LF CR instead of CR LF", "GET /form HTTP/1.1\n\rHost: a.test\n\r\n\r"),
        raw("all-lines-by-cr", "every line ends with a bare CR", "GET /form HTTP/1.1\rHost: a.test\r\r"),
        raw("request-line-by-cr", "the request line ends with a bare CR", "GET /form HTTP/1.1\rHost: a.test\r\n\r\n"),
        raw(
            "request-line-by-crcrlf",
            "the request line ends with CR CR LF",
            "GET /form HTTP/1.1\r\r\nHost: a.test\r\n\r\n",
        ),
        get("field-by-cr", "a field ends with a bare CR", "X-A: 1\rX-B: 2\r\n"),
        get("field-by-crcrlf", "a field ends with CR CR LF", "X-A: 1\r\r\n"),
        get("request-behind-lf-in-value", "a request behind LF CR LF in a value", format!("X-A: 1\n\r\n{SMUGGLED}")),
        get("request-behind-two-lf", "a request behind two bare LF", format!("X-A: 1\n\n{SMUGGLED}")),
        get("request-behind-two-cr", "a request behind two bare CR", format!("X-A: 1\r\r{SMUGGLED}")),
        get("line-of-a-space", "a line of one space", " \r\n"),
        get("line-of-a-tab", "a line of one tab", "\t\r\n"),
        raw(
            "line-of-a-space-at-once",
            "a line of one space right behind the request line",
            "GET /form HTTP/1.1\r\n \r\nHost: a.test\r\n\r\n",
        ),
        raw("empty-line-before", "an empty line before the request", "\r\nGET /form HTTP/1.1\r\nHost: a.test\r\n\r\n")
            .passes(),
        raw(
            "empty-lines-two-before",
            "two empty lines before the request",
            "\r\n\r\nGET /form HTTP/1.1\r\nHost: a.test\r\n\r\n",
        ),
        raw("empty-lines-before", "a thousand empty lines before the request", {
            "\r\n".repeat(1000) + "GET /form HTTP/1.1\r\nHost: a.test\r\n\r\n"
        }),
        raw("lf-before", "a bare LF before the request", "\nGET /form HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        raw("cr-before", "a bare CR before the request", "\rGET /form HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        raw("space-before", "a space before the request", " GET /form HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        raw("nul-before", "a NUL before the request", "\0GET /form HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        raw(
            "byte-order-mark-before",
            "a byte order mark before the request",
            "\u{feff}GET /form HTTP/1.1\r\nHost: a.test\r\n\r\n",
        ),
        raw("garbage", "something else: `SSH-2.0-x`", "SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        raw(
            "tls-hello",
            "a TLS handshake on a port without TLS",
            b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n",
        ),
        raw("head-broken-off", "the client leaves in the middle of the head", "GET /form HTTP/1.1\r\nHost: a.te")
            .finishing()
            .ends(End::Gone),
        raw("head-without-an-end", "the client leaves before the empty line", "GET /form HTTP/1.1\r\nHost: a.test\r\n")
            .finishing()
            .ends(End::Gone),
        raw("nothing", "the client leaves without a word", "").finishing().ends(End::Gone),
    ]
}
