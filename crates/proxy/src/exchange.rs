//! One request on its way through the gateway and its answer on the way back: what filters see and change.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use gwanmun_core::{Code, Fault, Level, Principal};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};

use crate::body::Body;
use crate::client_chain::ClientChain;
use crate::filter::LocalBoxFuture;
use crate::forward::{self, Forwarding};
use crate::own_cookies::OwnCookies;
use crate::plan::AddressSet;
use crate::record::Record;
use crate::reply;
use crate::route::Variables;
use gwanmun_telemetry::trace::TraceFormats;

/// The connection a request came in on; shared by its requests.
#[derive(Debug)]
pub struct Connection {
    /// The other end of the socket, or what the PROXY protocol says; `None` on unix sockets, or if it is not known there.
    pub peer: Option<SocketAddr>,
    /// The listener's name.
    pub listener: Arc<str>,
    /// The listener's number, for metrics: its own over reloads.
    pub listener_index: usize,
    /// How the client speaks to us.
    pub scheme: Scheme,
    /// The port the client connected to.
    pub port: u16,
    /// What the client showed in its TLS handshake; `None` where it was not asked or showed nothing. On a resumed session
    /// it is what was shown when that began.
    pub client_chain: Option<Arc<ClientChain>>,
    /// A balancer in front could not say who the client is.
    is_nobodys: bool,
    forwarding: Forwarding,
}

impl Connection {
    /// A connection on the listener `listener`, whose number is `listener_index`.
    pub fn new(peer: Option<SocketAddr>, listener: Arc<str>, listener_index: usize, scheme: Scheme, port: u16) -> Self {
        let forwarding = Forwarding::of(peer, port);
        Self { peer, listener, listener_index, scheme, port, client_chain: None, is_nobodys: false, forwarding }
    }

    /// The same of a client that showed certificates.
    #[must_use]
    pub fn with_client_chain(self, client_chain: Option<ClientChain>) -> Self {
        Self { client_chain: client_chain.map(Arc::new), ..self }
    }

    /// The same of a client that a balancer in front could not name: it has no address, and nobody is trusted there.
    #[must_use]
    pub(crate) fn of_nobody(self) -> Self {
        Self { peer: None, is_nobodys: true, forwarding: Forwarding::of(None, self.port), ..self }
    }

    /// Whether whoever is at the other end is one of `proxies`.
    pub(crate) fn is_from(&self, proxies: &AddressSet) -> bool {
        match self.peer {
            Some(peer) => proxies.contains(peer.ip()),
            None => proxies.contains_unix_sockets() && !self.is_nobodys,
        }
    }

    pub(crate) fn forwarding(&self) -> &Forwarding {
        &self.forwarding
    }
}

/// The request asks to leave HTTP for another protocol (RFC 9110 section 7.8).
#[derive(Debug, Clone)]
pub(crate) struct Upgrade {
    pub(crate) protocol: HeaderValue,
    /// The gateway's own WebSocket key, where it speaks for an HTTP/2 client (RFC 8441).
    pub(crate) key: Option<HeaderValue>,
}

/// Cleartext or TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Cleartext.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that goes without saying.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A request as filters see and change it. Framing and hop-by-hop fields are not in `headers`.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The version the client spoke.
    pub version: Version,
    /// The fields, without `host`.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
    target: PathAndQuery,
}

impl Request {
    /// A request with the canonical `target`.
    pub fn new(method: Method, version: Version, target: PathAndQuery, headers: HeaderMap, body: Body) -> Self {
        Self { method, version, headers, body, target }
    }

    /// Path and query as they go to the upstream.
    pub fn target(&self) -> &PathAndQuery {
        &self.target
    }

    /// The path, percent-encoded, beginning with a slash (or `*`).
    pub fn path(&self) -> &str {
        self.target.path()
    }

    /// The query, percent-encoded, without the question mark.
    pub fn query(&self) -> Option<&str> {
        self.target.query()
    }

    /// Replaces the path and keeps the query. `path` is percent-encoded; bytes that may not stand in a path are encoded.
    ///
    /// # Errors
    /// `malformed-request` if the result is no request target.
    pub fn set_path(&mut self, path: &str) -> Result<(), Fault> {
        let mut text = String::with_capacity(path.len() + 1 + self.query().map_or(0, |query| query.len() + 1));
        if !path.starts_with('/') {
            text.push('/');
        }
        encode_where_needed(path, &mut text, b"?#");
        if let Some(query) = self.query() {
            text.push('?');
            text.push_str(query);
        }
        self.set_target(text)
    }

    /// Replaces the query (`None` removes it) and keeps the path. `query` is percent-encoded; bytes that may not stand in
    /// a query are encoded.
    ///
    /// # Errors
    /// `malformed-request` if the result is no request target.
    pub fn set_query(&mut self, query: Option<&str>) -> Result<(), Fault> {
        let mut text = self.path().to_owned();
        if let Some(query) = query {
            text.push('?');
            encode_where_needed(query, &mut text, b"#");
        }
        self.set_target(text)
    }

    fn set_target(&mut self, text: String) -> Result<(), Fault> {
        self.target = PathAndQuery::try_from(text).map_err(|error| {
            Fault::new(Code::MalformedRequest, format!("a filter made an unusable target: {error}"))
        })?;
        Ok(())
    }
}

/// Copies `text`, percent-encoding control characters, spaces, non-ASCII, a few delimiters and `also`.
fn encode_where_needed(text: &str, out: &mut String, also: &[u8]) {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    for byte in text.bytes() {
        let plain = byte.is_ascii_graphic()
            && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`')
            && !also.contains(&byte);
        if plain {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.extend([byte >> 4, byte & 15].iter().filter_map(|&digit| HEX.get(usize::from(digit))));
        }
    }
}

/// Which `Host` the upstream gets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpstreamHost {
    /// The endpoint's own authority.
    #[default]
    Endpoint,
    /// What the client sent.
    Client,
    /// What a filter says.
    Given(HeaderValue),
}

/// One request, its surroundings and what has been decided about it so far.
#[non_exhaustive]
pub struct Exchange {
    /// Where it came in.
    pub connection: Rc<Connection>,
    /// The resolved address of the client: right to left through the trusted proxies; `None` on unix sockets.
    pub client: Option<IpAddr>,
    /// The request, as it stands.
    pub request: Request,
    /// `Host` or `:authority` as the client sent it; `None` for HTTP/1.0 without one.
    pub host: Option<HeaderValue>,
    /// The target as it came in, canonical: before any filter.
    pub original: PathAndQuery,
    /// The id of the route that took it, once one has.
    pub route: Option<Arc<str>>,
    /// Captures of the route's predicates.
    pub variables: Variables,
    /// Which `Host` the upstream gets.
    pub upstream_host: UpstreamHost,
    /// An absolute URI that a filter put in place of the route's upstream.
    pub destination: Option<Box<Uri>>,
    /// The path prefix that filters took away, for `X-Forwarded-Prefix`.
    pub stripped_prefix: Option<String>,
    /// Whether the peer is a trusted proxy, and so may say who the client is.
    pub trusted: bool,
    /// Who calls, once a filter has proven it.
    pub principal: Option<Arc<Principal>>,
    /// How sure that is, for this request.
    pub level: Level,
    /// Who calls as a command or a test says; then nothing has to be proven.
    pub assumed: Option<Arc<Principal>>,
    /// The credential that was taken from the request, field by field: a service behind never sees it.
    pub consumed: Vec<(HeaderName, HeaderValue)>,
    /// The Passport that a trusted peer sent: a gateway in front of this one.
    pub passport: Option<HeaderValue>,
    /// Cookies between the browser and the gateway alone: a service behind never sees them.
    pub own_cookies: OwnCookies,
    /// What will be logged and counted.
    pub record: Record,
    /// Why the request is refused before it leaves, if no filter has refused it.
    pub(crate) late_refusal: Option<Box<Fault>>,
    /// What has to succeed before the upstream is asked or the client answered.
    required: Vec<LocalBoxFuture<'static, Result<(), Fault>>>,
    pub(crate) upgrade: Option<Box<Upgrade>>,
    /// How the upstream is told which trace this is.
    pub(crate) trace_formats: TraceFormats,
    /// What a tunnel takes over at its beginning: it ends the record when it ends.
    pub(crate) tunnel: Option<Box<crate::tunnel::Tunnel>>,
    draw: u64,
}

impl Exchange {
    /// An exchange at the door. `draw` is this request's random number, for weighted choices.
    pub fn new(
        connection: Rc<Connection>,
        client: Option<IpAddr>,
        host: Option<HeaderValue>,
        request: Request,
        record: Record,
        draw: u64,
    ) -> Self {
        let original = request.target().clone();
        Self {
            connection,
            client,
            request,
            host,
            original,
            route: None,
            variables: Variables::default(),
            upstream_host: UpstreamHost::default(),
            destination: None,
            stripped_prefix: None,
            trusted: false,
            principal: None,
            level: Level::Low,
            assumed: None,
            consumed: Vec::new(),
            passport: None,
            own_cookies: OwnCookies::default(),
            record,
            late_refusal: None,
            required: Vec::new(),
            upgrade: None,
            trace_formats: TraceFormats::default(),
            tunnel: None,
            draw,
        }
    }

    /// The host that the client asked for, lower-case as sent, without a port; empty if there is none.
    pub fn host_name(&self) -> &str {
        let host = self.host.as_ref().and_then(|value| value.to_str().ok()).unwrap_or_default();
        without_port(host)
    }

    /// Notes and logs a fault that a filter answers by itself, with a page for people.
    pub fn failed(&mut self, fault: &Fault) {
        reply::note(self, fault);
    }

    /// Has `done` succeed before the upstream is asked, or the client answered; if it fails, that is the answer. Filters go
    /// on meanwhile.
    pub fn require(&mut self, done: impl Future<Output = Result<(), Fault>> + 'static) {
        self.required.push(Box::pin(done));
    }

    /// Waits for what is required.
    pub(crate) async fn settled(&mut self) -> Result<(), Fault> {
        for done in std::mem::take(&mut self.required) {
            done.await?;
        }
        Ok(())
    }

    /// How the client speaks: to us, or to a trusted proxy in front that says so.
    pub fn scheme(&self) -> Scheme {
        let before = if self.trusted { forward::is_https_before(&self.request.headers) } else { None };
        match before {
            Some(true) => Scheme::Https,
            Some(false) => Scheme::Http,
            None => self.connection.scheme,
        }
    }

    /// Whether the client asks to leave HTTP for another protocol, such as WebSocket (over HTTP/2 too, RFC 8441).
    pub fn asks_to_upgrade(&self) -> bool {
        self.upgrade.is_some()
    }

    /// Whether nobody between the client and us could read or change the request: TLS on our listener, a trusted proxy that
    /// says https, or a client on this machine.
    pub fn is_protected(&self) -> bool {
        if self.trusted
            && let Some(is_https) = forward::is_https_before(&self.request.headers)
        {
            return is_https;
        }
        // Both: a proxy on another machine may well have a client on its own.
        let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
        let is_here = match (self.connection.peer, self.client) {
            (Some(peer), Some(client)) => is_loopback(peer.ip()) && is_loopback(client),
            (None, Some(client)) => is_loopback(client),
            (Some(_), None) => false,
            (None, None) => !self.connection.is_nobodys,
        };
        self.connection.scheme == Scheme::Https || is_here
    }

    /// A number in `0..bound`, the same for the whole life of the request and independent between `salt`s.
    pub fn draw(&self, salt: u64, bound: u64) -> u64 {
        let mut mixed = self.draw ^ salt.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        let scaled = (u128::from(mixed) * u128::from(bound)) >> 64;
        u64::try_from(scaled).unwrap_or(0)
    }
}

/// `host` without `:port`; the brackets of an IPv6 literal stay.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}
