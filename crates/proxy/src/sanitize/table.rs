//! The headers of requests that the door knows, and what is done with each. What is not here passes as it comes.

use gwanmun_telemetry::sanitized::What;

use super::Look;
use super::chain;
use super::values as is;

/// What is known of one header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// Its name, lower case; with a `*` at the end, the beginning of many.
    pub(super) name: &'static str,
    /// What log and metric call what is done with it.
    pub(super) what: What,
    pub(super) rule: Rule,
}

/// What is done with a header.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// It is for this hop only and ends here.
    Hop,
    /// It tells of the framing, which is told anew to the upstream.
    Framing(Twice, fn(&[u8]) -> Look),
    /// It tells which trace this is: believed from trusted proxies, in the formats that are configured.
    Trace,
    /// It tells who the client is or what it asked for: believed from trusted proxies, who are checked too.
    Claim(Twice, fn(&[u8]) -> Look),
    /// It is removed, whoever sends it.
    Never,
    /// Its value has to be good.
    Value(Twice, fn(&[u8]) -> Look),
    /// Its pairs have to be good, in one field.
    Cookie,
    /// The operator wants it as it comes.
    Kept,
}

/// What is done with a header that comes more than once.
#[derive(Debug, Clone, Copy)]
pub(super) enum Twice {
    /// It is a list, and may.
    List,
    /// The first counts.
    First,
    /// None counts.
    Remove,
    /// The request is refused, for this reason.
    Refuse(&'static str),
    /// The request is refused, for this reason, unless a filter refuses it before, who can tell more.
    RefuseUnlessTaken(&'static str),
    /// If all are the same, one stays; else the request is refused, for this reason.
    RefuseUnlessSame(&'static str),
}

use Rule::{Claim, Cookie, Framing, Hop, Never, Trace, Value};
use Twice::{First, List, Refuse, RefuseUnlessSame, RefuseUnlessTaken, Remove};

const fn row(name: &'static str, what: What, rule: Rule) -> Row {
    Row { name, what, rule }
}

/// Every header that the door knows.
pub(super) const TABLE: &[Row] = &[
    // This hop (RFC 9110 section 7.6.1) and the framing.
    row("connection", What::Connection, Hop),
    row("keep-alive", What::Connection, Hop),
    row("proxy-authenticate", What::Connection, Hop),
    row("proxy-connection", What::Connection, Hop),
    row("te", What::Connection, Hop),
    row("trailer", What::Connection, Hop),
    row("transfer-encoding", What::Connection, Hop),
    row("upgrade", What::Connection, Hop),
    row("content-length", What::Connection, Framing(RefuseUnlessSame("two lengths"), is::length)),
    row("expect", What::Connection, Framing(List, is::anything)),
    row("host", What::Forwarding, Framing(Refuse("the request has two Host fields"), is::anything)),
    // Which trace this is.
    row("traceparent", What::Trace, Trace),
    row("tracestate", What::Trace, Trace),
    row("b3", What::Trace, Trace),
    row("x-b3-*", What::Trace, Trace),
    // Who the client is, as proxies tell it.
    row("forwarded", What::Forwarding, Claim(List, chain::forwarded)),
    row("x-forwarded-for", What::Forwarding, Claim(List, chain::x_forwarded_for)),
    row("x-forwarded-proto", What::Forwarding, Claim(List, is::schemes)),
    row("x-forwarded-host", What::Forwarding, Claim(List, is::hosts)),
    row("x-forwarded-port", What::Forwarding, Claim(List, is::ports)),
    row("x-forwarded-prefix", What::Forwarding, Claim(List, is::prefix)),
    row("x-forwarded-*", What::Forwarding, Claim(List, is::anything)),
    row("x-forwarded", What::Forwarding, Claim(List, is::anything)),
    row("forwarded-for", What::Forwarding, Claim(List, is::anything)),
    row("x-scheme", What::Forwarding, Claim(Remove, is::anything)),
    row("x-url-scheme", What::Forwarding, Claim(Remove, is::anything)),
    row("front-end-https", What::Forwarding, Claim(Remove, is::anything)),
    row("wl-proxy-*", What::Forwarding, Claim(Remove, is::anything)),
    row("cf-visitor", What::Forwarding, Claim(Remove, is::anything)),
    row("cf-ipcountry", What::Forwarding, Claim(Remove, is::anything)),
    row("cloudfront-*", What::Forwarding, Claim(Remove, is::anything)),
    row("x-original-forwarded-for", What::Forwarding, Claim(List, is::anything)),
    row("x-vercel-forwarded-for", What::Forwarding, Claim(List, is::anything)),
    // The same in a single address.
    row("x-real-ip", What::Forwarding, Claim(Remove, is::address)),
    row("x-client-ip", What::Forwarding, Claim(Remove, is::address)),
    row("x-cluster-client-ip", What::Forwarding, Claim(Remove, is::address)),
    row("x-originating-ip", What::Forwarding, Claim(Remove, is::address)),
    row("x-remote-ip", What::Forwarding, Claim(Remove, is::address)),
    row("x-remote-addr", What::Forwarding, Claim(Remove, is::address)),
    row("x-realip", What::Forwarding, Claim(Remove, is::address)),
    row("proxy-client-ip", What::Forwarding, Claim(Remove, is::address)),
    row("http-client-ip", What::Forwarding, Claim(Remove, is::address)),
    row("http-x-forwarded-for", What::Forwarding, Claim(Remove, is::anything)),
    row("remote-addr", What::Forwarding, Claim(Remove, is::address)),
    row("client-ip", What::Forwarding, Claim(Remove, is::address)),
    row("true-client-ip", What::Forwarding, Claim(Remove, is::address)),
    row("cf-connecting-ip", What::Forwarding, Claim(Remove, is::address)),
    row("cf-connecting-ipv6", What::Forwarding, Claim(Remove, is::address)),
    row("fastly-client-ip", What::Forwarding, Claim(Remove, is::address)),
    row("x-azure-clientip", What::Forwarding, Claim(Remove, is::address)),
    row("x-azure-socketip", What::Forwarding, Claim(Remove, is::address)),
    row("x-envoy-external-address", What::Forwarding, Claim(Remove, is::address)),
    row("x-appengine-user-ip", What::Forwarding, Claim(Remove, is::address)),
    row("cf-pseudo-ipv4", What::Forwarding, Claim(Remove, is::address)),
    row("fly-client-ip", What::Forwarding, Claim(Remove, is::address)),
    row("do-connecting-ip", What::Forwarding, Claim(Remove, is::address)),
    row("x-nf-client-connection-ip", What::Forwarding, Claim(Remove, is::address)),
    // Who the user or its certificate is, as proxies tell it.
    row(
        "client-cert",
        What::Forwarding,
        Claim(RefuseUnlessTaken("the request has two Client-Cert fields"), is::anything),
    ),
    row("client-cert-chain", What::Forwarding, Claim(List, is::anything)),
    row("x-client-cert", What::Forwarding, Claim(Remove, is::anything)),
    row("x-client-dn", What::Forwarding, Claim(Remove, is::anything)),
    row("x-ssl-client-*", What::Forwarding, Claim(Remove, is::anything)),
    row("ssl-client-*", What::Forwarding, Claim(Remove, is::anything)),
    row("x-arr-clientcert", What::Forwarding, Claim(Remove, is::anything)),
    row("x-amzn-mtls-*", What::Forwarding, Claim(Remove, is::anything)),
    row("x-amzn-oidc-*", What::Forwarding, Claim(Remove, is::anything)),
    row("x-auth-request-*", What::Forwarding, Claim(Remove, is::anything)),
    row("x-goog-authenticated-user-*", What::Forwarding, Claim(Remove, is::anything)),
    row("x-goog-iap-jwt-assertion", What::Forwarding, Claim(Remove, is::anything)),
    row("x-ms-client-principal*", What::Forwarding, Claim(Remove, is::anything)),
    row("remote-user", What::Forwarding, Claim(Remove, is::anything)),
    row("x-remote-user", What::Forwarding, Claim(Remove, is::anything)),
    row("x-webauth-user", What::Forwarding, Claim(Remove, is::anything)),
    row("x-envoy-*", What::Forwarding, Claim(List, is::anything)),
    // What makes a service see another method, path or host than was matched, or skip its own checks.
    row("x-http-method", What::Override, Never),
    row("x-http-method-override", What::Override, Never),
    row("x-method-override", What::Override, Never),
    row("x-original-method", What::Override, Never),
    row("x-original-url", What::Override, Never),
    row("x-original-uri", What::Override, Never),
    row("x-rewrite-url", What::Override, Never),
    row("x-script-name", What::Override, Never),
    row("x-original-host", What::Override, Never),
    row("x-host", What::Override, Never),
    row("x-http-host-override", What::Override, Never),
    row("x-middleware-subrequest", What::Override, Never),
    row("x-sendfile-type", What::Override, Never),
    row("x-accel-mapping", What::Override, Never),
    // For proxies: `Proxy` becomes the variable HTTP_PROXY of CGI programs.
    row("proxy", What::Proxy, Never),
    row("proxy-authorization", What::Proxy, Never),
    // What decides about rights: two readers may take a different one of two.
    row(
        "authorization",
        What::Forwarding,
        Value(RefuseUnlessTaken("the request has two Authorization fields"), is::credentials),
    ),
    row(
        "content-type",
        What::ContentType,
        Value(RefuseUnlessSame("the request has two Content-Type fields"), is::media_type),
    ),
    row("origin", What::Origin, Value(Refuse("the request has two Origin fields"), is::origin)),
    row("cookie", What::Cookie, Cookie),
    // Conditions; without one a service answers in full, but must not write unconditionally.
    row("if-match", What::IfNoneMatch, Value(List, is::entity_tags_to_write)),
    row("if-none-match", What::IfNoneMatch, Value(List, is::entity_tags)),
    row("if-modified-since", What::Date, Value(First, is::date)),
    row("if-unmodified-since", What::Date, Value(First, is::date)),
    row("range", What::Range, Value(Remove, is::range)),
    row("if-range", What::Range, Value(First, is::if_range)),
    // What a service can do without.
    row("accept", What::Accept, Value(List, is::media_ranges)),
    row("accept-charset", What::AcceptCharset, Value(List, is::weighted_tokens)),
    row("accept-encoding", What::AcceptEncoding, Value(List, is::weighted_tokens)),
    row("accept-language", What::AcceptLanguage, Value(List, is::language_ranges)),
    row("max-forwards", What::MaxForwards, Value(First, is::number)),
    row("referer", What::Referer, Value(First, is::referer)),
    row("user-agent", What::UserAgent, Value(First, is::product)),
    row("x-request-id", What::RequestId, Value(First, is::request_id)),
    row("x-correlation-id", What::RequestId, Value(First, is::request_id)),
];
