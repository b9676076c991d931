//! A request carried through the real router, filters and engine without a network: `gwanmun test` and `gwanmun explain`.
//! Only the upstream has a stand-in. Chance is fixed (weights, trace ids), so that the same request always goes the same
//! way.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use gwanmun_core::{Code, Fault, Principal};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, UPGRADE};
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};

use crate::admit::{Head, exchange_of};
use crate::body::Body;
use crate::exchange::{Connection, Exchange, Scheme};
use crate::filter::Response;
use crate::forward;
use crate::h1::encode::Framing;
use crate::h1::fields::Hosts;
use crate::handle::{Forward, Target, Watch, handle};
use crate::parts::Invalid;
use crate::plan::{Limits, ListenAddress, Listener, Plan};
use crate::reply;
use crate::upstream::balance::RoundRobin;
use crate::upstream::{Upstream, origin, send};

/// Where requests come from if nothing else is said.
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Any ephemeral port will do.
const PEER_PORT: u16 = 40_000;
/// What chance is drawn from.
const SEED: u64 = 0;

/// A request as a client would send it, and what the upstream would answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Rehearsal {
    /// The method.
    pub method: Method,
    /// The fields. `host` wins over the URL's; where both are silent it is the listener's address.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Where it comes from; by default this machine.
    pub peer: Option<IpAddr>,
    /// The listener it comes in by; by default the first that fits scheme and port of the URL.
    pub listener: Option<String>,
    /// Who calls; then no credential is needed.
    pub principal: Option<Arc<Principal>>,
    /// What the upstream answers.
    pub answer: Answer,
    url: Uri,
}

/// What an upstream answers.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Answer {
    /// The status, a final one.
    pub status: StatusCode,
    /// The fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// What became of a request.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rehearsed {
    /// The listener it came in by; empty if the gateway has none.
    pub listener: Arc<str>,
    /// The route that took it.
    pub route: Option<Arc<str>>,
    /// What went to the upstream, if anything did.
    pub sent: Option<Sent>,
    /// What the client gets.
    pub response: http::Response<Bytes>,
    /// What went wrong, if the gateway answered with a problem document.
    pub fault: Option<Code>,
}

/// A request as an upstream gets it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Sent {
    /// The upstream's name.
    pub upstream: Arc<str>,
    /// The endpoint, as operators wrote it.
    pub endpoint: Arc<str>,
    /// The method.
    pub method: Method,
    /// Path and query.
    pub target: PathAndQuery,
    /// The fields, with `host`.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Rehearsal {
    /// `method` for `url`: an absolute URL, or a path with or without a query. The upstream answers 200 with nothing.
    ///
    /// # Errors
    /// [`Invalid`] says what was wanted of `url`.
    pub fn new(method: Method, url: &str) -> Result<Self, Invalid> {
        let wanted = |found: &str| Invalid::new(format!("found '{url}', wanted {found}"));
        let parsed: Uri = url.parse().map_err(|_| {
            wanted("a path or a URL")
                .with_hint("a space is written as %20, and so is every other byte that may not stand in a URL")
        })?;
        let good = match parsed.scheme_str() {
            Some("http" | "https") => true,
            Some(_) => return Err(wanted("http or https")),
            None => url == "*" || url.starts_with('/'),
        };
        if !good {
            return Err(wanted("a path, which begins with a slash, or a URL like http://shop.example/cart"));
        }
        let (headers, body, answer) = (HeaderMap::new(), Bytes::new(), Answer::default());
        Ok(Self { method, headers, body, peer: None, listener: None, principal: None, answer, url: parsed })
    }

    /// Carries the request through `plan`, while `watch` looks on.
    ///
    /// # Errors
    /// There is no listener of the name, or no runtime to be had from the operating system.
    pub fn run(self, plan: &Plan, watch: &mut impl Watch) -> io::Result<Rehearsed> {
        let (index, listener) = self.entrance(plan)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        fastrand::seed(SEED);
        Ok(runtime.block_on(self.perform(plan, index, &listener, watch)))
    }

    /// The listener that the request comes in by, and its place in the plan.
    fn entrance(&self, plan: &Plan) -> io::Result<(usize, Listener)> {
        let mut listeners = plan.listeners.iter().enumerate();
        if let Some(name) = &self.listener {
            let named = listeners
                .find(|(_, listener)| *listener.name == **name)
                .map(|(index, listener)| (index, listener.clone()));
            return named.ok_or_else(|| {
                io::Error::new(io::ErrorKind::NotFound, format!("there is no listener called '{name}'"))
            });
        }
        let (tls, port) = (self.url.scheme_str().map(|scheme| scheme == "https"), self.url.port_u16());
        let misfits = |listener: &Listener| {
            let wrong_port = port.is_some_and(|port| port != port_of(listener));
            let wrong_scheme = tls.is_some_and(|tls| tls != listener.tls.is_some());
            (wrong_port, wrong_scheme)
        };
        let best =
            listeners.min_by_key(|(_, listener)| misfits(listener)).map(|(index, listener)| (index, listener.clone()));
        let nowhere = || Listener {
            name: Arc::from(""),
            address: ListenAddress::Tcp(String::new()),
            proxy_protocol: false,
            tls: None,
            clients: 0,
            limits: Limits::default(),
        };
        Ok(best.unwrap_or_else(|| (0, nowhere())))
    }

    async fn perform(self, plan: &Plan, index: usize, listener: &Listener, watch: &mut impl Watch) -> Rehearsed {
        let is_https = self.url.scheme_str().map_or(listener.tls.is_some(), |scheme| scheme == "https");
        let scheme = if is_https { Scheme::Https } else { Scheme::Http };
        let peer = match (&listener.address, self.peer) {
            (_, Some(peer)) => Some(SocketAddr::new(peer, PEER_PORT)),
            (ListenAddress::Tcp(_), None) => Some(SocketAddr::new(PEER, PEER_PORT)),
            (ListenAddress::Unix(_), None) => None,
        };
        let connection = Rc::new(Connection::new(peer, Arc::clone(&listener.name), index, scheme, port_of(listener)));
        let is_head = self.method == Method::HEAD;
        let principal = self.principal.clone();
        let (head, body, answer) = self.into_head(listener);
        let stand_in = StandIn { answer: RefCell::new(answer), sent: RefCell::default() };

        let (mut exchange, admitted) = exchange_of(plan, &listener.limits, &connection, head, Body::from(body));
        exchange.assumed = principal;
        let response = match admitted {
            Ok(()) => handle(plan, &mut exchange, &stand_in, watch).await,
            Err(fault) => {
                let response = reply::to_fault(&mut exchange, &fault);
                watch.answered(&exchange, &response, Some(&fault));
                response
            }
        };
        let (parts, body) = response.into_parts();
        let bodiless = is_head || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let body = if bodiless { Ok(Bytes::new()) } else { collect(body).await };
        let fault = exchange.record.fault.or_else(|| body.as_ref().err().map(Fault::code));
        Rehearsed {
            listener: Arc::clone(&listener.name),
            route: exchange.record.route.and_then(|index| plan.routes.get(index)).map(|route| Arc::clone(&route.id)),
            sent: stand_in.sent.into_inner(),
            response: http::Response::from_parts(parts, body.unwrap_or_default()),
            fault,
        }
    }

    /// The head as clients write it (RFC 9112 section 3.2.1): path and query, and the host in `Host`.
    fn into_head(self, listener: &Listener) -> (Head, Bytes, Answer) {
        let mut headers = self.headers;
        if !headers.contains_key(HOST) {
            let authority =
                self.url.authority().map_or_else(|| authority_of(listener), |authority| authority.as_str().to_owned());
            headers.extend(HeaderValue::try_from(authority).ok().map(|authority| (HOST, authority)));
        }
        let target = self.url.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        let hosts = Hosts::take_from(&mut headers);
        let head = Head { method: self.method, version: Version::HTTP_11, uri: Uri::from(target), headers, hosts };
        (head, self.body, self.answer)
    }
}

/// Takes the upstream's place: notes what it gets and gives the answer it was told.
struct StandIn {
    answer: RefCell<Answer>,
    sent: RefCell<Option<Sent>>,
}

impl Forward for StandIn {
    async fn forward(&self, plan: &Plan, exchange: &mut Exchange, target: Target<'_>) -> Result<Response, Fault> {
        forward::prepare(exchange);
        match target {
            Target::Upstream(_, upstream) => self.note(exchange, upstream).await?,
            Target::Uri(uri) => self.note(exchange, &plan.upstream_at(&origin(&uri)?)?).await?,
        }
        let Answer { status, headers, body } = self.answer.take();
        let mut response = http::Response::new(Body::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        forward::clean_response(&mut response);
        Ok(response)
    }
}

impl StandIn {
    async fn note(&self, exchange: &mut Exchange, upstream: &Upstream) -> Result<(), Fault> {
        exchange.record.upstream = Some(Arc::clone(&upstream.name));
        let turn = RoundRobin::new(upstream.endpoints.iter().map(|endpoint| endpoint.weight)).next();
        let endpoint =
            upstream.endpoints.get(turn).ok_or_else(|| Fault::new(Code::Internal, "an upstream without endpoints"))?;
        exchange.record.endpoint = Some(Arc::clone(&endpoint.label));
        let mut headers = HeaderMap::new();
        headers.insert(HOST, send::host(exchange, endpoint));
        headers.extend(exchange.request.headers.clone());
        if let Some(upgrade) = &exchange.upgrade {
            headers.insert(UPGRADE, upgrade.protocol.clone());
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        }
        let body = collect(std::mem::take(&mut exchange.request.body)).await?;
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        if let Framing::Length(length) = Framing::of(&exchange.request.method, Some(length)) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        *self.sent.borrow_mut() = Some(Sent {
            upstream: Arc::clone(&upstream.name),
            endpoint: Arc::clone(&endpoint.label),
            method: exchange.request.method.clone(),
            target: exchange.request.target().clone(),
            headers,
            body,
        });
        Ok(())
    }
}

/// What a client on this machine would call the listener.
fn authority_of(listener: &Listener) -> String {
    match &listener.address {
        ListenAddress::Tcp(address) => match address.rsplit_once(':') {
            Some(("0.0.0.0" | "[::]", port)) => format!("localhost:{port}"),
            Some((_, "0")) | None => "localhost".to_owned(),
            Some(_) => address.clone(),
        },
        ListenAddress::Unix(_) => "localhost".to_owned(),
    }
}

/// The port in a listener's address; 0 where it is not known beforehand.
fn port_of(listener: &Listener) -> u16 {
    match &listener.address {
        ListenAddress::Tcp(address) => address.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(0),
        ListenAddress::Unix(_) => 0,
    }
}

/// All of a body.
async fn collect(mut body: Body) -> Result<Bytes, Fault> {
    let mut all = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await {
        if let Ok(data) = frame?.into_data() {
            all.extend_from_slice(&data);
        }
    }
    Ok(all.freeze())
}

#[cfg(test)]
mod tests {
    use gwanmun_config::{Diagnostics, Environment, MergeRules, decode, load_texts};
    use schemars::JsonSchema;
    use serde::Deserialize;

    use super::*;
    use crate::handle::Unwatched;
    use crate::{Catalog, Context, Filter, FilterSpec, Lasting, Network, Parts, Step, Verdict, compile};

    const LISTENERS: &str =
        "listeners: [{address: '127.0.0.1:80'}, {name: second, address: '0.0.0.0:81'}, {address: 'unix:/s'}]\n";

    /// Waits, then sends the request somewhere else.
    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct ElsewhereSpec {
        to: String,
    }

    struct Elsewhere(Uri);

    impl FilterSpec for ElsewhereSpec {
        const NAME: &'static str = "elsewhere";

        fn build(self, _: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
            Ok(Box::new(Elsewhere(self.to.parse().unwrap())))
        }
    }

    impl Filter for Elsewhere {
        fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
            Ok(Step::Wait(Box::pin(async move {
                tokio::task::yield_now().await;
                exchange.destination = Some(Box::new(self.0.clone()));
                Ok(None)
            })))
        }
    }

    fn plan(text: &str) -> Plan {
        let mut catalog = Catalog::default();
        catalog.add_filter::<ElsewhereSpec>();
        let texts = [("test".to_owned(), text.to_owned())];
        let loaded = load_texts(&texts, &Environment::default(), &MergeRules::default());
        let mut diagnostics: Diagnostics = loaded.diagnostics;
        let spec = decode(&loaded.document, &mut diagnostics).unwrap();
        let lasting = Lasting::new(Network::Offline);
        let context = Context::new(&catalog, &loaded.sources, &lasting);
        let plan = compile(&spec, &context, &mut diagnostics);
        plan.unwrap_or_else(|| panic!("{diagnostics:?}"))
    }

    fn rehearsal(method: Method, url: &str) -> Rehearsal {
        Rehearsal::new(method, url).unwrap()
    }

    fn run(rehearsal: Rehearsal, plan: &Plan) -> Rehearsed {
        rehearsal.run(plan, &mut Unwatched).unwrap()
    }

    fn field<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
        headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn the_upstream_gets_what_it_would_get() {
        let plan = plan(&format!("{LISTENERS}routes: [{{id: all, upstream: 'http://10.0.0.1:9'}}]\n"));
        let mut request = rehearsal(Method::POST, "/a?b=c");
        request.headers.insert("connection", HeaderValue::from_static("x-hop"));
        request.headers.insert("x-hop", HeaderValue::from_static("1"));
        request.body = Bytes::from("hello");
        request.peer = Some("203.0.113.7".parse().unwrap());
        request.answer.status = StatusCode::CREATED;
        request.answer.headers.insert("keep-alive", HeaderValue::from_static("5"));
        request.answer.body = Bytes::from("made");
        let done = run(request, &plan);
        let sent = done.sent.unwrap();
        assert_eq!((sent.method.as_str(), sent.target.as_str(), &*sent.body), ("POST", "/a?b=c", &b"hello"[..]));
        assert_eq!((&*sent.upstream, &*sent.endpoint), ("http://10.0.0.1:9", "http://10.0.0.1:9"));
        assert_eq!(field(&sent.headers, "host"), "10.0.0.1:9");
        assert_eq!(field(&sent.headers, "content-length"), "5");
        assert_eq!(field(&sent.headers, "x-forwarded-for"), "203.0.113.7");
        assert_eq!(field(&sent.headers, "x-forwarded-host"), "127.0.0.1:80");
        assert!(!sent.headers.contains_key("x-hop") && !sent.headers.contains_key("connection"));
        assert_eq!(done.route.as_deref(), Some("all"));
        assert_eq!((done.response.status(), &**done.response.body()), (StatusCode::CREATED, &b"made"[..]));
        assert!(done.response.headers().is_empty(), "{:?}", done.response.headers());
        assert_eq!(done.fault, None);
    }

    #[test]
    fn without_a_route_nothing_is_sent() {
        let done = run(rehearsal(Method::GET, "/"), &plan("routes: []\n"));
        assert!(done.sent.is_none() && done.route.is_none());
        assert_eq!((done.fault, done.response.status()), (Some(Code::NoRoute), StatusCode::NOT_FOUND));
        assert!(done.response.body().starts_with(b"{\"type\":\"urn:gwanmun:fault:no-route\""));
    }

    #[test]
    fn the_listener_is_the_named_one_or_fits_the_url() {
        let plan = plan(&format!("{LISTENERS}routes: [{{id: all, upstream: 'http://10.0.0.1:9'}}]\n"));
        assert_eq!(&*run(rehearsal(Method::GET, "/"), &plan).listener, "127.0.0.1:80");
        assert_eq!(&*run(rehearsal(Method::GET, "http://shop.example:81/"), &plan).listener, "second");
        let mut named = rehearsal(Method::GET, "http://shop.example:81/");
        named.listener = Some("unix:/s".to_owned());
        let done = run(named.clone(), &plan);
        assert_eq!(&*done.listener, "unix:/s");
        let sent = done.sent.unwrap();
        assert_eq!(field(&sent.headers, "x-forwarded-for"), "unknown");
        assert_eq!(field(&sent.headers, "x-forwarded-host"), "shop.example:81");
        named.listener = Some("third".to_owned());
        let error = named.run(&plan, &mut Unwatched).unwrap_err();
        assert_eq!(error.to_string(), "there is no listener called 'third'");
    }

    #[test]
    fn the_same_request_always_goes_the_same_way() {
        let plan = plan("routes: [{id: all, upstream: 'http://10.0.0.1:9'}]\n");
        let trace = || field(&run(rehearsal(Method::GET, "/"), &plan).sent.unwrap().headers, "traceparent").to_owned();
        let first = trace();
        assert!(!first.is_empty());
        assert_eq!(trace(), first);
    }

    #[test]
    fn a_filter_may_wait_and_send_the_request_elsewhere() {
        let plan = plan("routes: [{id: all, filters: [{elsewhere: 'http://10.9.9.9:7/'}]}]\n");
        let sent = run(rehearsal(Method::GET, "/a"), &plan).sent.unwrap();
        assert_eq!((&*sent.upstream, &*sent.endpoint), ("http://10.9.9.9:7", "http://10.9.9.9:7"));
        assert_eq!(field(&sent.headers, "host"), "10.9.9.9:7");
    }

    #[test]
    fn an_answer_to_head_has_no_body() {
        let plan = plan("routes: [{id: all, upstream: 'http://10.0.0.1:9'}]\n");
        let mut request = rehearsal(Method::HEAD, "/");
        request.answer.body = Bytes::from("no");
        assert!(run(request, &plan).response.body().is_empty());
    }

    #[test]
    fn a_refusal_at_the_door_is_seen() {
        struct Seen(Option<Code>);
        impl Watch for Seen {
            fn answered(&mut self, _: &Exchange, _: &Response, fault: Option<&Fault>) {
                self.0 = fault.map(Fault::code);
            }
        }
        let mut seen = Seen(None);
        let done = rehearsal(Method::GET, "/../x").run(&plan("routes: []\n"), &mut seen).unwrap();
        assert_eq!((seen.0, done.fault), (Some(Code::MalformedRequest), Some(Code::MalformedRequest)));
        assert_eq!(done.response.status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn what_is_no_path_and_no_url_is_refused() {
        for url in ["orders", "ftp://a/", "", "a b", "shop.example:80"] {
            assert!(Rehearsal::new(Method::GET, url).is_err(), "{url}");
        }
        for url in ["*", "/", "https://a", "http://a:1/b?c"] {
            assert!(Rehearsal::new(Method::GET, url).is_ok(), "{url}");
        }
    }
}
