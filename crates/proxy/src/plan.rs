//! The compiled configuration: immutable, complete, swapped whole. What a request needs has been prepared here.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gwanmun_core::{Clock, Code, Fault};
use gwanmun_telemetry::metrics::{RouteLabels, Shape};
use ipnet::IpNet;

use crate::filter::Filter;
use crate::forward::dashed;
use crate::path::PathPolicy;
use crate::route::router::Router;
use crate::sanitize::KnownHeaders;
use crate::section::Sections;
use crate::upstream::tls::{ClientTls, ClientTlsFiles, client_config};
use crate::upstream::{DEFAULT_KEEP_ALIVE, Endpoint, Timeouts, Upstream};
use gwanmun_telemetry::trace::TraceFormats;

/// Everything that serves requests.
#[non_exhaustive]
pub struct Plan {
    /// What the gateway is for, if it has a role.
    pub role: Option<&'static str>,
    /// Where clients connect.
    pub listeners: Vec<Listener>,
    /// Filters of every request, before routing.
    pub door: Arc<[Arc<PlannedFilter>]>,
    /// Finds the route of a request; its numbers are places in `routes`.
    pub router: Router,
    /// The routes, in the order they are asked.
    pub routes: Vec<Route>,
    /// The services behind.
    pub upstreams: Vec<Arc<Upstream>>,
    /// Who may say who the client is.
    pub trusted_proxies: AddressSet,
    /// What never survives from outside.
    pub internal_headers: Arc<InternalHeaders>,
    /// How paths are read.
    pub paths: PathPolicy,
    /// What is done with the headers that everybody knows.
    pub known_headers: KnownHeaders,
    /// The formats of trace context that are spoken.
    pub propagation: TraceFormats,
    /// The share of traces begun here that are marked as sampled.
    pub sample: f64,
    /// Whether spans of sampled requests go anywhere.
    pub sends_spans: bool,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What belongs to filters and has a key of its own in the configuration.
    pub sections: Sections,
    /// Trust anchors for upstreams that a filter names at run time.
    pub(crate) default_tls: std::sync::OnceLock<Arc<rustls::ClientConfig>>,
    /// The labels of its metrics, once it is in force.
    pub(crate) shape: Arc<Shape>,
}

/// A door.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Listener {
    /// Its name in logs and metrics.
    pub name: Arc<str>,
    /// Where it listens.
    pub address: ListenAddress,
    /// Whether connections begin with a PROXY header.
    pub proxy_protocol: bool,
    /// TLS, if it speaks it.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Which clients it lets in by their certificates: equal where the same are. Tickets of one are good at the other.
    pub(crate) clients: u64,
    /// Its bounds.
    pub limits: Limits,
}

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// `host:port`, resolved when it is bound.
    Tcp(String),
    /// A unix socket.
    Unix(PathBuf),
}

/// Bounds of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Until the head of a request is complete.
    pub header_timeout: Duration,
    /// Between two pieces of a request's body.
    pub body_timeout: Duration,
    /// What must come of a request's body, bytes a second, when it has been waited for longer than that.
    pub body_rate: Option<NonZeroU64>,
    /// Between two requests on a connection.
    pub idle_timeout: Duration,
    /// Between two pieces of data on an upgraded connection.
    pub upgrade_idle_timeout: Duration,
    /// Size of a request's head, bytes.
    pub header_bytes: usize,
    /// Number of header fields.
    pub header_count: usize,
    /// Length of the request target, bytes.
    pub uri_bytes: usize,
    /// Number of cookies of a request.
    pub cookies: usize,
    /// Connections at the same time, over all workers.
    pub connections: usize,
    /// Streams at the same time on one HTTP/2 connection.
    pub streams: u32,
    /// Size of a request's body, bytes.
    pub body_bytes: Option<u64>,
    /// What an HTTP/2 client may do besides asking.
    pub http2: Http2Limits,
}

/// Budgets of one HTTP/2 connection: frames in an interval, unless it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Http2Limits {
    /// How long a budget is for.
    pub interval: Duration,
    /// RST_STREAM.
    pub resets: u32,
    /// Streams that we reset because of what the client did on them, in the connection's life.
    pub provoked_resets: u32,
    /// PING, besides one for every piece of an answer.
    pub pings: u32,
    /// SETTINGS, acknowledgements too.
    pub settings: u32,
    /// HEADERS and DATA with nothing in them that do not end their stream, and empty CONTINUATION.
    pub empty_frames: u32,
    /// PRIORITY and PRIORITY_UPDATE.
    pub priorities: u32,
    /// WINDOW_UPDATE, besides four for every piece of an answer and one for every KiB.
    pub window_updates: u32,
    /// GOAWAY and frames of unknown types.
    pub other_frames: u32,
    /// Size of the table of header fields that the client may refer to, bytes (RFC 7541 section 4.2).
    pub header_table_bytes: u32,
}

impl Default for Http2Limits {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
            resets: 500,
            provoked_resets: 500,
            pings: 200,
            settings: 20,
            empty_frames: 50,
            priorities: 500,
            window_updates: 1000,
            other_frames: 100,
            header_table_bytes: 4096,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            body_rate: NonZeroU64::new(100),
            idle_timeout: Duration::from_secs(75),
            upgrade_idle_timeout: Duration::from_secs(3600),
            header_bytes: 32 * 1024,
            header_count: 100,
            uri_bytes: 8 * 1024,
            cookies: 200,
            connections: 8000,
            streams: 128,
            body_bytes: None,
            http2: Http2Limits::default(),
        }
    }
}

/// A filter in its place.
#[non_exhaustive]
pub struct PlannedFilter {
    /// Its name in the configuration.
    pub name: &'static str,
    /// Its arguments as written, on one line; empty for none.
    pub arguments: Box<str>,
    /// The role that added it; `None` if it is written, or a section's.
    pub role: Option<&'static str>,
    /// What runs.
    pub filter: Box<dyn Filter>,
}

/// A route: who takes it is in the router, the rest is here.
#[non_exhaustive]
pub struct Route {
    /// Its name.
    pub id: Arc<str>,
    /// Lower is asked first.
    pub order: i64,
    /// The default filters and its own. Routes with the same filters share them.
    pub filters: Arc<[Arc<PlannedFilter>]>,
    /// Its upstream's place in the plan.
    pub upstream: Option<usize>,
}

/// Addresses and networks.
#[derive(Debug, Clone, Default)]
pub struct AddressSet {
    networks: Vec<IpNet>,
    unix_sockets: bool,
}

impl AddressSet {
    /// The addresses in `networks`.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self { networks, unix_sockets: false }
    }

    /// The same, and whoever connects to a unix socket.
    #[must_use]
    pub fn with_unix_sockets(mut self) -> Self {
        self.unix_sockets = true;
        self
    }

    /// Whether whoever connects to a unix socket is one of them.
    pub fn contains_unix_sockets(&self) -> bool {
        self.unix_sockets
    }

    /// Whether there is nobody in it.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix_sockets
    }

    /// Whether `address` is one of them; an IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// Names of headers that only the gateway may set: `txn-token`, `x-gwanmun-*` and what operators add.
#[derive(Debug, Clone, Default)]
pub struct InternalHeaders {
    /// With dashes, like `prefixes`.
    exact: Vec<String>,
    prefixes: Vec<String>,
    /// What filters take out or set, which may not come as trailers.
    of_filters: BTreeSet<String>,
}

impl InternalHeaders {
    /// Our own, `exact` names and names that begin with one of `prefixes` (lower case).
    pub fn new(exact: Vec<http::HeaderName>, prefixes: Vec<String>) -> Self {
        let ours = [http::HeaderName::from_static("txn-token")];
        let exact = exact.iter().chain(&ours).map(|name| dashed(name.as_str()).into_owned()).collect();
        let prefixes =
            prefixes.iter().map(String::as_str).chain(["x-gwanmun-"]).map(|prefix| dashed(prefix).into_owned());
        Self { exact, prefixes: prefixes.collect(), of_filters: BTreeSet::new() }
    }

    /// The same, and what these filters take out or set, in trailers.
    #[must_use]
    pub(crate) fn and_of<'a>(mut self, filters: impl Iterator<Item = &'a Arc<PlannedFilter>>) -> Self {
        let own = filters.flat_map(|planned| planned.filter.own_fields());
        self.of_filters.extend(own.map(|name| dashed(name.as_str()).into_owned()));
        self
    }

    /// Whether a trailer of this name, with dashes, may not pass.
    pub(crate) fn covers_trailer(&self, name: &str) -> bool {
        self.covers(name) || self.of_filters.contains(name)
    }

    /// Whether `name`, with dashes for whatever else is no letter and no digit, is one of them.
    pub(crate) fn covers(&self, name: &str) -> bool {
        self.exact.iter().any(|exact| exact == name) || self.prefixes.iter().any(|prefix| name.starts_with(&**prefix))
    }
}

impl Plan {
    /// The service at `url`, which a filter named at run time.
    pub(crate) fn upstream_at(&self, url: &str) -> Result<Upstream, Fault> {
        let endpoint = Endpoint::parse(url, 1, |host| self.default_tls(host))
            .map_err(|invalid| Fault::new(Code::UpstreamUnreachable, invalid.0))?;
        let timeouts = Timeouts::default();
        Ok(Upstream { name: url.into(), endpoints: vec![endpoint], timeouts, keep_alive: DEFAULT_KEEP_ALIVE, files: 0 })
    }

    /// What `https` endpoints that a filter names at run time use.
    fn default_tls(&self, host: &str) -> Result<ClientTls, String> {
        let config = match self.default_tls.get() {
            Some(config) => Arc::clone(config),
            None => {
                let config = client_config(&ClientTlsFiles::default())?;
                Arc::clone(self.default_tls.get_or_init(|| config))
            }
        };
        ClientTls::new(config, host)
    }

    /// Prepares the labels of the plan's metrics; `listeners` are names by number.
    pub(crate) fn label(&mut self, listeners: Vec<Arc<str>>) {
        let upstream = |route: &Route| match route.upstream.and_then(|index| self.upstreams.get(index)) {
            Some(upstream) => Arc::clone(&upstream.name),
            None => Arc::from(""),
        };
        let labels = |route: &Route| RouteLabels { route: Arc::clone(&route.id), upstream: upstream(route) };
        self.shape = Arc::new(Shape {
            routes: self.routes.iter().map(labels).collect(),
            listeners,
            upstreams: self.upstreams.iter().map(|upstream| Arc::clone(&upstream.name)).collect(),
        });
    }
}
