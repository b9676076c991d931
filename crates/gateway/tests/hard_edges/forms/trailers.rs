//! Trailers (RFC 9110 section 6.5, RFC 9112 section 7.1.2): held to what is asked of fields, and what would change the
//! message or be believed is taken out.

use crate::form::{Form, SMUGGLED, chunked};

/// The forms.
pub(crate) fn forms() -> Vec<Form> {
    let mut forms = good();
    forms.extend(bad());
    forms
}

fn good() -> Vec<Form> {
    let many = |count: usize| (0..count).map(|number| format!("x-{number}: y\r\n")).collect::<String>();
    vec![
        with("trailer", "`X-Check: 1`", "X-Check: 1\r\n").passes_body("hello").with_trailers(&["x-check: 1"]),
        with("trailers-two", "two trailers", "X-A: 1\r\nX-B: 2\r\n")
            .passes_body("hello")
            .with_trailers(&["x-a: 1", "x-b: 2"]),
        with("trailer-empty", "a trailer without a value", "X-A:\r\n").passes_body("hello").with_trailers(&["x-a: "]),
        with("trailer-authorization", "`Authorization: x`: taken out", "Authorization: x\r\n").passes_body("hello"),
        with("trailer-cookie", "`Cookie: a=b`: taken out", "Cookie: a=b\r\n").passes_body("hello"),
        with("trailer-connection", "`Connection: close`: taken out", "Connection: close\r\n").passes_body("hello"),
        with("trailer-forwarded", "`X-Forwarded-For: 1.1.1.1`: taken out", "X-Forwarded-For: 1.1.1.1\r\n")
            .passes_body("hello"),
        with("trailer-internal", "`Txn-Token: x`: taken out", "Txn-Token: x\r\n").passes_body("hello"),
        with("trailers-fifty", "50 trailers", many(50))
            .passes_body("hello")
            .with_trailers(&(0..50).map(|number| &*format!("x-{number}: y").leak()).collect::<Vec<_>>()),
    ]
}

fn bad() -> Vec<Form> {
    vec![
        with("trailer-length", "`Content-Length: 5`", "Content-Length: 5\r\n").cut(),
        with("trailer-coding", "`Transfer-Encoding: chunked`", "Transfer-Encoding: chunked\r\n").cut(),
        with("trailer-host", "`Host: b.test`", "Host: b.test\r\n").cut(),
        with("trailer-ended-by-lf", "a trailer that ends with a bare LF", "X-A: 1\n").cut(),
        with("trailer-with-cr", "a bare CR in a trailer", "X-A: 1\rX-B: 2\r\n").cut(),
        with("trailer-with-lf", "a bare LF in a trailer", "X-A: 1\nX-B: 2\r\n").cut(),
        with("trailer-with-nul", "a NUL in a trailer", "X-A: 1\0\r\n").cut(),
        with("trailer-with-control", "an escape in a trailer", "X-A: 1\x1b\r\n").cut(),
        with("trailer-folded", "a trailer continued on the next line", "X-A: 1\r\n 2\r\n").cut(),
        with("trailer-behind-a-space", "a space before the first trailer", " X-A: 1\r\n").cut(),
        with("trailer-space-before-colon", "`X-A : 1`", "X-A : 1\r\n").cut(),
        with("trailer-without-colon", "a line without a colon", "garbage\r\n").cut(),
        with("trailer-without-name", "`: 1`", ": 1\r\n").cut(),
        with("trailer-name-with-space", "`X A: 1`", "X A: 1\r\n").cut(),
        with("trailer-like-a-request", "a request for a trailer", "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n").cut(),
        with(
            "trailers-like-two-requests",
            "the end by a bare LF, and a request behind it",
            format!("X-A: 1\r\n\n{SMUGGLED}"),
        )
        .cut(),
        with("trailers-too-many", "200 trailers", "x: y\r\n".repeat(200)).cut(),
        with("trailers-too-long", "a trailer of 64 KiB", format!("x: {}\r\n", "y".repeat(65_536))).cut(),
    ]
}

/// A chunked POST with these lines behind its last chunk.
fn with(name: &'static str, shown: &'static str, lines: impl AsRef<str>) -> Form {
    chunked(name, shown, format!("5\r\nhello\r\n0\r\n{}\r\n", lines.as_ref()))
}
