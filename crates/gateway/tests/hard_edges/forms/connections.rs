//! What a connection is for (RFC 9112 section 9, RFC 9110 sections 7.6.1, 7.8 and 10.1.1): keeping, pipelining, fields for
//! this hop only, `Expect`, upgrades.

use crate::form::{End, Form, SECOND, asking, get, post, raw};

const OTHER: &str = "GET /other HTTP/1.1\r\nHost: a.test\r\n\r\n";
const UPGRADE: &str = "GET /switch HTTP/1.1\r\nHost: a.test\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";

/// The forms.
pub(crate) fn forms() -> Vec<Form> {
    let mut forms = keeping();
    forms.extend(pipelines());
    forms.extend(this_hop());
    forms.extend(expectations());
    forms.extend(upgrades());
    forms
}

fn keeping() -> Vec<Form> {
    let old = |fields: &str| format!("GET /form HTTP/1.0\r\nHost: a.test\r\n{fields}\r\n");
    vec![
        get("close", "`Connection: close`", "Connection: close\r\n").passes().ends(End::Closed),
        get("close-in-another-case", "`Connection: Close`", "Connection: Close\r\n").passes().ends(End::Closed),
        get("close-in-a-list", "`Connection: x, close`", "Connection: x, close\r\n").passes().ends(End::Closed),
        get(
            "close-on-the-second-line",
            "`Connection: x` and `Connection: close`",
            "Connection: x\r\nConnection: close\r\n",
        )
        .passes()
        .ends(End::Closed),
        get("close-and-keep-alive", "`Connection: keep-alive, close`", "Connection: keep-alive, close\r\n")
            .passes()
            .ends(End::Closed),
        get("keep-alive", "`Connection: keep-alive`", "Connection: keep-alive\r\n").passes(),
        get("connection-empty", "`Connection:` without a value", "Connection:\r\n").passes(),
        get("connection-of-commas", "`Connection: , ,keep-alive,,`", "Connection: , ,keep-alive,,\r\n").passes(),
        raw("http-1-0-closes", "HTTP/1.0", old("")).passes().ends(End::Closed),
        raw("http-1-0-keep-alive", "HTTP/1.0 with `Connection: keep-alive`", old("Connection: keep-alive\r\n"))
            .passes(),
        raw("http-1-0-close", "HTTP/1.0 with `Connection: close`", old("Connection: close\r\n"))
            .passes()
            .ends(End::Closed),
        raw("http-1-0-both", "HTTP/1.0 with `Connection: keep-alive, close`", old("Connection: keep-alive, close\r\n"))
            .passes()
            .ends(End::Closed),
    ]
}

fn pipelines() -> Vec<Form> {
    let seen = ("GET /other HTTP/1.1", &[][..], "");
    vec![
        get(
            "pipelined",
            "two requests in one write, answered in turn",
            format!("\r\n{}", OTHER.trim_end_matches("\r\n\r\n").to_owned() + "\r\n"),
        )
        .passes()
        .passes_as(seen.0, seen.1, seen.2),
        raw(
            "pipelined-twenty",
            "twenty requests in one write",
            "GET /form HTTP/1.1\r\nHost: a.test\r\n\r\n".repeat(20),
        )
        .passes_times(20),
        post("pipelined-behind-a-body", "a request behind a body", "Content-Length: 5\r\n", format!("hello{OTHER}"))
            .passes_body("hello")
            .passes_as(seen.0, seen.1, seen.2),
        post(
            "pipelined-behind-chunks",
            "a request behind a chunked body",
            "Transfer-Encoding: chunked\r\n",
            format!("5\r\nhello\r\n0\r\n\r\n{OTHER}"),
        )
        .passes_body("hello")
        .passes_as(seen.0, seen.1, seen.2),
        post(
            "empty-line-behind-a-body",
            "an empty line between a body and the next request",
            "Content-Length: 5\r\n",
            "hello\r\n",
        )
        .passes_body("hello")
        .because("old browsers did that"),
        get("garbage-behind", "a request and then garbage", "\r\n\u{1}garbage\r\n").passes().ends(End::Refused(400)),
        get(
            "bad-request-behind",
            "a request and then one with two lengths",
            "\r\nPOST /b HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
        )
        .passes()
        .ends(End::Refused(400)),
        get(
            "garbage-behind-close",
            "`Connection: close` and then garbage, which nobody reads",
            "Connection: close\r\n\r\n\u{1}garbage\r\n",
        )
        .passes()
        .ends(End::Closed),
        post(
            "body-longer-than-told",
            "a body longer than told: the rest is no request",
            "Content-Length: 5\r\n",
            "hello, world\r\n\r\n",
        )
        .passes_body("hello")
        .ends(End::Refused(400)),
        get("body-without-length", "a body that nothing tells of: it is no request", "\r\nhello=world&a=b\r\n\r\n")
            .passes()
            .ends(End::Refused(400)),
        raw(
            "http-1-0-and-another",
            "a request behind HTTP/1.0 without keep-alive, which nobody reads",
            format!("GET /form HTTP/1.0\r\n\r\n{OTHER}"),
        )
        .passes()
        .ends(End::Closed),
    ]
}

fn this_hop() -> Vec<Form> {
    vec![
        get("nominated", "`Connection: x-a` takes `X-A` out", "Connection: x-a\r\nX-A: 1\r\nX-B: 2\r\n")
            .passes_with(&["x-b: 2"]),
        get("nominated-in-another-case", "`Connection: X-a` takes `x-A` out", "x-A: 1\r\nConnection: X-a\r\n").passes(),
        get(
            "nominated-ours",
            "`Connection: x-forwarded-for`: ours stays",
            "Connection: x-forwarded-for\r\nX-Forwarded-For: 1.1.1.1\r\n",
        )
        .passes_with(&["x-forwarded-for: 127.0.0.1"]),
        get("nominated-host", "`Connection: host`: it stays", "Connection: host\r\n")
            .passes_with(&["x-forwarded-host: a.test"]),
        post(
            "nominated-length",
            "`Connection: content-length`: the body stays",
            "Connection: content-length\r\nContent-Length: 5\r\n",
            "hello",
        )
        .passes_body("hello"),
        post(
            "nominated-coding",
            "`Connection: transfer-encoding`: the body stays",
            "Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
        )
        .passes_body("hello"),
        get("field-keep-alive", "`Keep-Alive: timeout=5` goes no further", "Keep-Alive: timeout=5\r\n").passes(),
        get(
            "field-proxy-connection",
            "`Proxy-Connection: keep-alive` goes no further",
            "Proxy-Connection: keep-alive\r\n",
        )
        .passes(),
        get("field-te-trailers", "`TE: trailers` passes", "Connection: te\r\nTE: trailers\r\n")
            .passes_with(&["te: trailers"]),
        get("field-te-not-nominated", "`TE: trailers` without `Connection: te` passes", "TE: trailers\r\n")
            .passes_with(&["te: trailers"]),
        get("field-te-gzip", "`TE: gzip` goes no further", "Connection: te\r\nTE: gzip\r\n").passes(),
        get("field-te-chunked", "`TE: chunked` says nothing about the body", "TE: chunked\r\n").passes(),
        get("field-trailer", "`Trailer: x` without chunks goes no further", "Trailer: x\r\n").passes(),
        get("field-proxy", "`Proxy: http://b.test` goes no further", "Proxy: http://b.test\r\n").passes(),
        get("field-original-url", "`X-Original-URL: /admin` goes no further", "X-Original-URL: /admin\r\n").passes(),
        get("field-txn-token", "`Txn-Token: x` goes no further", "Txn-Token: x\r\n").passes(),
        get(
            "field-forwarded",
            "`Forwarded`, `X-Forwarded-*` of strangers are replaced",
            "Forwarded: for=1.1.1.1\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\n",
        )
        .passes_with(&["x-forwarded-for: 127.0.0.1", "x-forwarded-proto: http"]),
        get(
            "field-forwarded-by-underscores",
            "`X_Forwarded_For: 1.1.1.1` goes no further",
            "X_Forwarded_For: 1.1.1.1\r\n",
        )
        .passes(),
    ]
}

fn expectations() -> Vec<Form> {
    let with =
        |name, shown, value: &str| post(name, shown, format!("Expect: {value}\r\nContent-Length: 5\r\n"), "hello");
    vec![
        with("expect-continue", "`Expect: 100-continue`", "100-continue").passes_body("hello"),
        with("expect-continue-in-another-case", "`Expect: 100-Continue`", "100-Continue").passes_body("hello"),
        get("expect-continue-without-body", "`Expect: 100-continue` without a body", "Expect: 100-continue\r\n")
            .passes(),
        raw(
            "expect-continue-in-http-1-0",
            "`Expect: 100-continue` in HTTP/1.0: not heeded",
            "POST /form HTTP/1.0\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
        )
        .passes_body("hello")
        .ends(End::Closed),
        with("expect-twice", "`Expect: 100-continue` on two lines", "100-continue\r\nExpect: 100-continue")
            .passes_body("hello"),
        with("expect-empty", "`Expect:` without a value", "").refused(417),
        with("expect-two-words", "`Expect: y 100-continue`", "y 100-continue").refused(417),
        with("expect-with-a-parameter", "`Expect: 100-continue;a=b`", "100-continue;a=b").refused(417),
        with("expect-cut-short", "`Expect: 100-contin`", "100-contin").refused(417),
        with("expect-folded", "`Expect:`, continued", "\r\n 100-continue"),
        with("expect-unknown", "`Expect: a-miracle`", "a-miracle").refused(417),
        with("expect-continue-and-more", "`Expect: 100-continue, a-miracle`", "100-continue, a-miracle").refused(417),
    ]
}

fn upgrades() -> Vec<Form> {
    vec![
        raw("upgrade", "an upgrade that is accepted; what follows waits for the `101`", format!("{UPGRADE}hello"))
            .finishing_in_turn()
            .passes_as("GET /switch HTTP/1.1", &[], "")
            .ends(End::Switched("hello")),
        raw(
            "upgrade-and-a-request",
            "an upgrade with a request behind it: bytes for the tunnel",
            format!("{UPGRADE}{SECOND}"),
        )
        .finishing_in_turn()
        .passes_as("GET /switch HTTP/1.1", &[], "")
        .ends(End::Switched(SECOND)),
        get("upgrade-turned-down", "an upgrade that the upstream turns down", "Upgrade: x\r\nConnection: upgrade\r\n")
            .in_turn()
            .passes_with(&["connection: upgrade", "upgrade: x"]),
        get("upgrade-not-nominated", "`Upgrade: x` without `Connection: upgrade`", "Upgrade: x\r\n").in_turn().passes(),
        get("upgrade-nominated-without-field", "`Connection: upgrade` without `Upgrade`", "Connection: upgrade\r\n")
            .passes(),
        get(
            "upgrade-h2c",
            "`Upgrade: h2c`, as curl and Java offer it",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        )
        .in_turn()
        .passes(),
        get("upgrade-h2c-among-others", "`Upgrade: x, h2c`", "Connection: Upgrade\r\nUpgrade: x, h2c\r\n")
            .in_turn()
            .passes(),
        post(
            "upgrade-with-a-body",
            "an upgrade with a body, turned down",
            "Upgrade: x\r\nConnection: upgrade\r\nContent-Length: 5\r\n",
            "hello",
        )
        .in_turn()
        .passes_as("POST /form HTTP/1.1", &["connection: upgrade", "upgrade: x"], "hello"),
        raw(
            "upgrade-in-http-1-0",
            "an upgrade in HTTP/1.0: not heeded",
            "GET /form HTTP/1.0\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        )
        .passes()
        .ends(End::Closed),
        asking("HEAD", "head", "`HEAD`: an answer without a body", "", "").passes_as("HEAD /form HTTP/1.1", &[], ""),
    ]
}

impl Form {
    /// The upstream sees the same so often.
    fn passes_times(mut self, times: usize) -> Self {
        for _ in 0..times {
            self = self.passes();
        }
        self
    }
}
