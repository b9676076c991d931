//! What the tests of predicates and filters stand on: arguments in YAML go through the real decoder and catalog, and an
//! exchange looks like one at the door. Tests only.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use gwanmun_config::{Diagnostics, Environment, MergeRules, Node, Severity, Sources, Span, decode, load_texts};
use gwanmun_core::{Clock, Fault, ManualClock};
use gwanmun_proxy::record::Record;
use gwanmun_proxy::role::{Rules, Written};
use gwanmun_proxy::spec::ApiVersionSpec;
use gwanmun_proxy::{
    Body, Catalog, Condition, Connection, Context, Exchange, Filter, FilterSpec, GatewaySpec, Lasting, Network, Parts,
    Plan, PredicateSpec, Reader, Request, Response, Role, Scheme, SectionSpec, Sections, Step, compile,
};
use gwanmun_telemetry::trace::TraceContext;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Version};

/// No texts: paths of files are relative to the current folder.
static NO_SOURCES: LazyLock<Sources> = LazyLock::new(Sources::default);

/// The route that a predicate or filter under test stands in.
pub(crate) struct Fixture {
    clock: Arc<dyn Clock>,
    variables: BTreeSet<String>,
    listeners: BTreeSet<String>,
    door: BTreeSet<String>,
    api_version: Option<ApiVersionSpec>,
    sections: Sections,
    reader: Reader<'static>,
    lasting: Lasting,
}

impl Fixture {
    /// A route that captures nothing, at the beginning of 1970.
    pub(crate) fn new() -> Self {
        Self {
            clock: Arc::new(ManualClock::at(SystemTime::UNIX_EPOCH)),
            variables: BTreeSet::new(),
            listeners: BTreeSet::new(),
            door: BTreeSet::new(),
            api_version: None,
            sections: Sections::default(),
            reader: Reader::new(&NO_SOURCES),
            lasting: Lasting::new(Network::Offline),
        }
    }

    /// The route's predicates capture `names`.
    pub(crate) fn with_variables(mut self, names: &[&str]) -> Self {
        self.variables = names.iter().map(|&name| name.to_owned()).collect();
        self
    }

    /// The gateway has these listeners.
    pub(crate) fn with_listeners(mut self, names: &[&str]) -> Self {
        self.listeners = names.iter().map(|&name| name.to_owned()).collect();
        self
    }

    /// The gateway has door filters of these names.
    pub(crate) fn with_door(mut self, names: &[&str]) -> Self {
        self.door = names.iter().map(|&name| name.to_owned()).collect();
        self
    }

    /// The time is taken from `clock`.
    pub(crate) fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The gateway finds API versions as `spec` says.
    pub(crate) fn with_api_version(mut self, spec: ApiVersionSpec) -> Self {
        self.api_version = Some(spec);
        self
    }

    /// The configuration has this section.
    pub(crate) fn with_section<T: Send + Sync + 'static>(mut self, section: T) -> Self {
        self.sections.put(Some(section));
        self
    }

    /// The configuration has these sections.
    pub(crate) fn with_sections(mut self, sections: Sections) -> Self {
        self.sections = sections;
        self
    }

    /// What a specification is built with.
    pub(crate) fn parts(&self) -> Parts<'_> {
        Parts::new(&self.clock, &self.listeners, self.api_version.as_ref(), &self.sections, &self.reader, &self.lasting)
            .behind(&self.door)
            .capturing(&self.variables)
    }

    /// Decodes `arguments` (YAML, what stands behind `name:`) and builds the filter; `Err` has all messages and hints.
    pub(crate) fn filter<S: FilterSpec>(&self, arguments: &str) -> Result<Box<dyn Filter>, String> {
        let mut catalog = Catalog::default();
        catalog.add_filter::<S>();
        let (node, mut diagnostics) = parse(arguments);
        let built = catalog
            .filter(S::NAME, Span::NOWHERE, &node, &mut diagnostics)
            .and_then(|item| item.build(&node, &self.parts(), &mut diagnostics));
        finish(built, &diagnostics)
    }

    /// The same for a predicate.
    pub(crate) fn predicate<S: PredicateSpec>(&self, arguments: &str) -> Result<Condition, String> {
        let mut catalog = Catalog::default();
        catalog.add_predicate::<S>();
        let (node, mut diagnostics) = parse(arguments);
        let built = catalog
            .predicate(S::NAME, Span::NOWHERE, &node, &mut diagnostics)
            .and_then(|item| item.build(&node, &self.parts(), &mut diagnostics));
        finish(built, &diagnostics)
    }
}

/// A role that asks for nothing.
struct Quiet;

impl Role for Quiet {
    const NAME: &'static str = "quiet";
    const PURPOSE: &'static str = "tests";

    fn impose(_: &Written<'_>, _: &Sections, _: &mut Rules<'_>) {}
}

/// The sections of a configuration which has only one, and what is said about it: messages with their hints.
pub(crate) fn sections<S: SectionSpec>(
    text: &str,
    clock: &Arc<dyn Clock>,
    lasting: &Lasting,
) -> (Option<Sections>, Vec<(Severity, String)>) {
    let mut catalog = Catalog::default();
    catalog.add_section::<S>();
    catalog.add_role::<Quiet>();
    let (plan, said) = compiled(text, &catalog, clock, lasting);
    (plan.map(|plan| plan.sections), said)
}

/// The plan of a configuration in which `catalog` may be used, and what is said about it: messages with their hints.
pub(crate) fn compiled(
    text: &str,
    catalog: &Catalog,
    clock: &Arc<dyn Clock>,
    lasting: &Lasting,
) -> (Option<Plan>, Vec<(Severity, String)>) {
    let rules = MergeRules { append: &[] };
    let loaded =
        load_texts(&[("gw.yaml".to_owned(), text.to_owned())], &Environment::from_pairs([("", ""); 0]), &rules);
    let (mut document, mut diagnostics) = (loaded.document, loaded.diagnostics);
    let mut context = Context::new(catalog, &loaded.sources, lasting);
    context.clock = Arc::clone(clock);
    context.sections = catalog.set_aside(&mut document);
    let spec: GatewaySpec = decode(&document, &mut diagnostics).unwrap();
    let plan = compile(&spec, &context, &mut diagnostics);
    let hint = |hint: &Option<String>| hint.clone().map_or_else(String::new, |hint| format!(" ({hint})"));
    let said = diagnostics.iter().map(|found| (found.severity, format!("{}{}", found.message, hint(&found.hint))));
    (plan, said.collect())
}

/// A filter in a route that captures nothing.
pub(crate) fn filter<S: FilterSpec>(arguments: &str) -> Box<dyn Filter> {
    Fixture::new().filter::<S>(arguments).unwrap()
}

/// What is wrong with `arguments`.
pub(crate) fn refusal<S: FilterSpec>(arguments: &str) -> String {
    Fixture::new().filter::<S>(arguments).err().expect("the arguments were accepted")
}

/// `GET target` for shop.example from 203.0.113.7.
pub(crate) fn exchange(target: &str) -> Exchange {
    exchange_with(Method::GET, target, &[])
}

/// The same with header fields; a field `host` is what the client sent as `Host`.
pub(crate) fn exchange_with(method: Method, target: &str, fields: &[(&str, &str)]) -> Exchange {
    let mut headers = headers(fields);
    let host = headers.remove("host").or(Some(HeaderValue::from_static("shop.example")));
    let target: PathAndQuery = target.parse().unwrap();
    let peer = "192.0.2.1:40000".parse().unwrap();
    let connection = Connection::new(Some(peer), Arc::from("main"), 0, Scheme::Http, 8080);
    let request = Request::new(method, Version::HTTP_11, target, headers, Body::Empty);
    let record = Record::begin(TraceContext::new_root(false));
    Exchange::new(Rc::new(connection), Some("203.0.113.7".parse().unwrap()), host, request, record, 0)
}

/// An exchange whose route captured `variables`.
pub(crate) fn exchange_capturing(target: &str, variables: &[(&str, &str)]) -> Exchange {
    let mut exchange = exchange(target);
    for &(name, value) in variables {
        exchange.variables.push(&Arc::from(name), value);
    }
    exchange
}

/// `200` from the upstream with header fields.
pub(crate) fn response(fields: &[(&str, &str)]) -> Response {
    let mut response = Response::new(Body::from("from the upstream"));
    *response.headers_mut() = headers(fields);
    response
}

/// The target of a request for `before` once the filter that `arguments` make has seen it.
pub(crate) fn target_after<S: FilterSpec>(arguments: &str, before: &str) -> String {
    let filter = filter::<S>(arguments);
    let mut exchange = exchange(before);
    pass(&*filter, &mut exchange).unwrap();
    exchange.request.target().to_string()
}

/// Lets the request pass the filter.
pub(crate) fn pass(filter: &dyn Filter, exchange: &mut Exchange) -> Result<(), Fault> {
    match filter.request(exchange)? {
        Step::Next => Ok(()),
        _ => panic!("the filter did not let the request pass at once"),
    }
}

/// The answer that the filter gives instead of the upstream.
pub(crate) fn reply(filter: &dyn Filter, exchange: &mut Exchange) -> Result<Response, Fault> {
    match filter.request(exchange)? {
        Step::Reply(response) => Ok(*response),
        _ => panic!("the filter did not answer at once"),
    }
}

/// What the filter decides about the request, waited for.
pub(crate) async fn outcome(filter: &dyn Filter, exchange: &mut Exchange) -> Result<Option<Response>, Fault> {
    match filter.request(exchange)? {
        Step::Next => Ok(None),
        Step::Reply(response) => Ok(Some(*response)),
        Step::Wait(decision) => decision.await,
        _ => panic!("the filter decided something new"),
    }
}

/// The same request over TLS.
pub(crate) fn over_tls(mut exchange: Exchange) -> Exchange {
    let peer = "192.0.2.1:40000".parse().unwrap();
    exchange.connection = Rc::new(Connection::new(Some(peer), Arc::from("main"), 0, Scheme::Https, 443));
    exchange
}

/// All of a response's body.
pub(crate) async fn body(response: Response) -> String {
    let bytes = response.into_body().within(1 << 20).await.unwrap().unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Lets the response pass the filter on its way back.
pub(crate) fn pass_back(filter: &dyn Filter, exchange: &mut Exchange, response: &mut Response) -> Result<(), Fault> {
    match filter.response(exchange, response)? {
        Step::Next => Ok(()),
        _ => panic!("the filter did not let the response pass at once"),
    }
}

/// The values of a field, in order.
pub(crate) fn values<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for &(name, value) in fields {
        headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    headers
}

fn parse(arguments: &str) -> (Node, Diagnostics) {
    let indented = arguments.replace('\n', "\n  ");
    let text = format!("arguments:\n  {indented}\n");
    let loaded =
        load_texts(&[("test".to_owned(), text)], &Environment::from_pairs([("", ""); 0]), &MergeRules { append: &[] });
    let node = loaded.document.entry("arguments").map(|entry| entry.node.clone()).unwrap();
    (node, loaded.diagnostics)
}

fn finish<T>(built: Option<T>, diagnostics: &Diagnostics) -> Result<T, String> {
    if diagnostics.is_empty() {
        return Ok(built.expect("nothing was built and nothing was said"));
    }
    let lines =
        diagnostics.iter().map(|found| format!("{} ({})", found.message, found.hint.as_deref().unwrap_or_default()));
    Err(lines.collect::<Vec<_>>().join("\n"))
}
