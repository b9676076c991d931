//! Heads as real clients and older proxies send them, and what they do that is odd but legal: all of it passes.

use crate::form::{End, Form, post, raw};

/// The forms.
pub(crate) fn forms() -> Vec<Form> {
    let mut forms = browsers();
    forms.extend(libraries());
    forms.extend(machines());
    forms.extend(oddities());
    forms
}

fn browsers() -> Vec<Form> {
    vec![
        real(
            "client-firefox",
            "Firefox",
            &[
                "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
                "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
                "Accept-Language: de,en-US;q=0.7,en;q=0.3",
                "Accept-Encoding: gzip, deflate, br, zstd",
                "DNT: 1",
                "Upgrade-Insecure-Requests: 1",
                "Sec-Fetch-Dest: document",
                "Priority: u=0, i",
            ],
            "Connection: keep-alive\r\n",
        ),
        real(
            "client-chrome",
            "Chrome",
            &[
                "sec-ch-ua: \"Not)A;Brand\";v=\"99\", \"Google Chrome\";v=\"127\", \"Chromium\";v=\"127\"",
                "sec-ch-ua-mobile: ?0",
                "sec-ch-ua-platform: \"Linux\"",
                "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/127.0.0.0 Safari/537.36",
                "Cookie: a=1; b=\"2\"; c=%7B%22x%22%3A1%7D; __Host-d=e==; f=",
            ],
            "Connection: keep-alive\r\n",
        ),
        real(
            "client-internet-explorer",
            "Internet Explorer",
            &[
                "Accept: image/gif, image/x-xbitmap, image/jpeg, */*",
                "UA-CPU: x86",
                "User-Agent: Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 5.1; Trident/4.0; .NET CLR 2.0.50727)",
            ],
            "Connection: Keep-Alive\r\n",
        ),
    ]
}

fn libraries() -> Vec<Form> {
    vec![
        real("client-curl", "curl", &["User-Agent: curl/8.5.0", "Accept: */*"], ""),
        real("client-wget", "Wget", &["User-Agent: Wget/1.21.3", "Accept: */*", "Accept-Encoding: identity"], "Connection: Keep-Alive\r\n"),
        real("client-go", "Go", &["User-Agent: Go-http-client/1.1", "Accept-Encoding: gzip"], ""),
        real("client-python-requests", "Python's requests", &["User-Agent: python-requests/2.32.3", "Accept-Encoding: gzip, deflate", "Accept: */*"], "Connection: keep-alive\r\n"),
        real("client-java-url-connection", "Java's URLConnection", &["User-Agent: Java/17.0.2", "Accept: text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"], "Connection: keep-alive\r\n"),
        real("client-okhttp", "OkHttp", &["Accept-Encoding: gzip", "User-Agent: okhttp/4.12.0"], "Connection: Keep-Alive\r\n"),
        real("client-node", "Node's fetch", &["accept: */*", "accept-language: *", "sec-fetch-mode: cors", "user-agent: node", "accept-encoding: br, gzip, deflate"], "connection: keep-alive\r\n"),
        raw(
            "client-java-http-client",
            "Java's HttpClient, which offers HTTP/2",
            "GET /form HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nHost: a.test\r\nHTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAABgAGAAA\r\nUpgrade: h2c\r\nUser-Agent: Java-http-client/21\r\n\r\n",
        )
        .in_turn()
        .passes_with(&["user-agent: Java-http-client/21"]),
        post(
            "client-dotnet",
            ".NET, which waits before it sends",
            "Content-Type: application/x-www-form-urlencoded\r\nExpect: 100-continue\r\nContent-Length: 7\r\n",
            "a=b&c=d",
        )
        .passes_as("POST /form HTTP/1.1", &["content-type: application/x-www-form-urlencoded"], "a=b&c=d"),
        post(
            "client-soap",
            "SOAP 1.1",
            "Content-Type: text/xml;charset=UTF-8\r\nSOAPAction: \"\"\r\nContent-Length: 4\r\n",
            "<a/>",
        )
        .passes_as("POST /form HTTP/1.1", &["content-type: text/xml;charset=UTF-8", "soapaction: \"\""], "<a/>"),
        post(
            "client-chunked-upload",
            "an upload of unknown length",
            "Transfer-Encoding: chunked\r\nContent-Type: application/octet-stream\r\nTrailer: X-Sum\r\n",
            "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
        )
        .passes_as("POST /form HTTP/1.1", &["content-type: application/octet-stream"], "hello")
        .with_trailers(&["x-sum: 1"]),
        raw("client-webdav", "WebDAV: `PROPFIND`", "PROPFIND /form HTTP/1.1\r\nHost: a.test\r\nDepth: 1\r\nContent-Length: 4\r\n\r\n<a/>")
            .passes_as("PROPFIND /form HTTP/1.1", &["depth: 1"], "<a/>"),
    ]
}

fn machines() -> Vec<Form> {
    vec![
        raw("client-ab", "ab: HTTP/1.0, kept", "GET /form HTTP/1.0\r\nConnection: Keep-Alive\r\nHost: a.test:80\r\nUser-Agent: ApacheBench/2.3\r\nAccept: */*\r\n\r\n")
            .passes_with(&["user-agent: ApacheBench/2.3", "accept: */*"]),
        raw("client-nginx", "nginx as a proxy: HTTP/1.0, closed", "GET /form HTTP/1.0\r\nHost: a.test\r\nConnection: close\r\n\r\n")
            .passes()
            .ends(End::Closed),
        raw("client-haproxy-check", "a health check of HAProxy: `OPTIONS / HTTP/1.0`", "OPTIONS / HTTP/1.0\r\n\r\n")
            .passes_as("OPTIONS / HTTP/1.1", &[], "")
            .ends(End::Closed),
        raw("client-kubernetes-probe", "a probe of Kubernetes", "GET /form HTTP/1.1\r\nHost: 10.1.2.3:8080\r\nUser-Agent: kube-probe/1.29\r\nAccept: */*\r\nConnection: close\r\n\r\n")
            .passes_with(&["user-agent: kube-probe/1.29", "accept: */*"])
            .ends(End::Closed),
        raw("client-by-a-forward-proxy", "through an old forward proxy", "GET http://a.test/form HTTP/1.1\r\nHost: a.test\r\nVia: 1.0 fred, 1.1 p.example.net\r\nProxy-Connection: keep-alive\r\nCache-Control: max-age=259200\r\n\r\n")
            .passes_with(&["via: 1.0 fred, 1.1 p.example.net", "cache-control: max-age=259200"]),
        real("client-aws", "an SDK of AWS", &["X-Amz-Date: 20260101T000000Z", "x-amz-content-sha256: UNSIGNED-PAYLOAD", "Authorization: AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=0a"], ""),
        real("client-range", "conditions and ranges", &["Range: bytes=0-99,200-", "If-None-Match: W/\"a\", \"b\"", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"], ""),
    ]
}

fn oddities() -> Vec<Form> {
    let cookies = (0..80).map(|number| format!("cookie-{number}=value")).collect::<Vec<_>>().join("; ");
    let token = format!("Authorization: Bearer {}", "eyJhbGciOiJFUzI1NiJ9.".repeat(150));
    vec![
        real("client-many-cookies", "80 cookies", &[&format!("Cookie: {cookies}")], ""),
        raw(
            "client-two-cookie-fields",
            "two `Cookie` fields are joined",
            "GET /form HTTP/1.1\r\nHost: a.test\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n",
        )
        .passes_with(&["cookie: a=1; b=2"]),
        real("client-long-token", "a token of 3 KB", &[&token], ""),
        real("client-empty-fields", "fields without values", &["Accept: ", "X-Empty: ", "Cookie: "], ""),
        real("client-shouting", "names in upper case", &["ACCEPT: */*", "USER-AGENT: X"], ""),
        real("client-underscores", "names with underscores and points", &["x_tenant: 1", "X.Version: 2"], ""),
        real("client-json-in-field", "JSON in a value", &["X-Context: {\"a\":[1,2],\"b\":\"c\\\\d\"}"], ""),
        real("client-quotes", "quotes and commas in a value", &["X-List: \"a, b\", c;d=\"e\\\"f\""], ""),
        real("client-german", "UTF-8 in a value", &["X-Name: J\u{fc}rgen M\u{fc}ller"], ""),
    ]
}

/// A GET with these fields, which all pass, and these, which do not.
fn real(name: &'static str, shown: &'static str, fields: &[&str], of_the_hop: &str) -> Form {
    let lines: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let seen: Vec<_> = fields
        .iter()
        .map(|field| {
            field.split_once(':').map(|(name, value)| format!("{}:{value}", name.to_ascii_lowercase())).unwrap()
        })
        .collect();
    let seen: Vec<_> = seen.iter().map(String::as_str).collect();
    raw(name, shown, format!("GET /form HTTP/1.1\r\nHost: a.test\r\n{of_the_hop}{lines}\r\n")).passes_with(&seen)
}
