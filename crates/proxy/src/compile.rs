//! Spec -> Plan: every mistake of the whole configuration at once, each at its place. What passes here cannot fail for a
//! reason that was knowable here.

mod filters;
mod listeners;
mod reader;
mod role;
mod routes;
mod upstreams;
mod written;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use gwanmun_config::{Diagnostic, Diagnostics, Sources, Spanned, did_you_mean};
use gwanmun_core::{Clock, SystemClock};
use http::HeaderName;
use ipnet::IpNet;

use crate::catalog::{Aside, Catalog};
use crate::compile::filters::Filters;
use crate::parts::Parts;
use crate::path::PathPolicy;
use crate::plan::{AddressSet, InternalHeaders, Plan};
use crate::sanitize::{KnownHeaders, NotKept};
use crate::section::Lasting;
use crate::spec::{ApiVersionSpec, GatewaySpec};
use gwanmun_telemetry::operators::Operators;
use gwanmun_telemetry::spec::Propagation;
use gwanmun_telemetry::trace::TraceFormats;

pub use reader::Reader;

/// More threads than any machine has cores are a slip.
const MOST_WORKERS: usize = 1024;

/// What compiling needs besides the specification.
pub struct Context<'a> {
    /// The predicates, filters, sections and roles that may be named.
    pub catalog: &'a Catalog,
    /// Reads the files that the configuration names.
    pub reader: Reader<'a>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The sections, as they were taken out of the document.
    pub sections: Vec<Aside>,
    /// What outlives the configuration.
    pub lasting: &'a Lasting,
}

impl<'a> Context<'a> {
    /// For a configuration of these texts without sections, on the machine's clock.
    pub fn new(catalog: &'a Catalog, sources: &'a Sources, lasting: &'a Lasting) -> Self {
        Self { catalog, reader: Reader::new(sources), clock: Arc::new(SystemClock), sections: Vec::new(), lasting }
    }
}

/// Checks `spec` and prepares all that requests will need. Mistakes and warnings go to `diagnostics`; a plan comes out
/// only if there was no mistake.
pub fn compile(spec: &GatewaySpec, context: &Context<'_>, diagnostics: &mut Diagnostics) -> Option<Plan> {
    let listeners = listeners::compile(spec, context, diagnostics);
    let names: BTreeSet<String> = listeners.iter().map(|listener| listener.name.to_string()).collect();
    let api_version = spec
        .api_version
        .as_ref()
        .filter(|version| check_api_version(version, diagnostics))
        .map(|version| &version.value);
    let trusted_proxies = trusted_proxies(&spec.trusted_proxies, diagnostics);
    let internal_headers = internal_headers(&spec.internal_headers, diagnostics);
    let known_headers = known_headers(&spec.headers.keep, diagnostics);
    spec.telemetry.check(diagnostics);
    check_workers(spec, diagnostics);
    Operators::check(spec.management.token.as_ref(), diagnostics);
    let mut upstreams = upstreams::compile(&spec.upstreams, context, diagnostics);

    let role = role::chosen(spec, context, diagnostics);
    let by_role = role.as_ref().map(|role| role.sections()).unwrap_or_default();
    let sections = context.catalog.sections(context, role.as_ref().map(|role| role.name()), &by_role, diagnostics);
    let imposed = role.map(|role| role.impose(&sections, diagnostics)).unwrap_or_default();
    let parts = Parts::new(&context.clock, &names, api_version, &sections, &context.reader, context.lasting);
    let mut filters = Filters::new(context, imposed);
    let (door, door_names) = filters.door(&spec.filters, &parts, diagnostics);
    let parts = parts.behind(&door_names);
    let (router, routes) = routes::compile(spec, context, &parts, &mut filters, &mut upstreams, diagnostics);
    if diagnostics.has_errors() {
        return None;
    }
    let all = door.iter().chain(routes.iter().flat_map(|route| route.filters.iter()));
    let internal_headers = internal_headers.and_of(all);
    Some(Plan {
        role: filters.role(),
        listeners,
        door,
        router: router?,
        routes,
        upstreams: upstreams.list,
        trusted_proxies,
        internal_headers: Arc::new(internal_headers),
        paths: PathPolicy::new(spec.paths),
        known_headers,
        propagation: propagation(spec),
        sample: spec.telemetry.traces.sample.as_ref().map_or(0.0, |sample| sample.value),
        sends_spans: spec.telemetry.traces.are_sent(),
        clock: Arc::clone(&context.clock),
        sections,
        default_tls: OnceLock::new(),
        shape: Arc::default(),
    })
}

fn check_api_version(version: &Spanned<ApiVersionSpec>, diagnostics: &mut Diagnostics) -> bool {
    let places = [version.header.is_some(), version.query.is_some(), version.path_segment.is_some()];
    let given = places.iter().filter(|given| **given).count();
    if given != 1 {
        let message = format!("found {given} places of the API version, wanted one of header, query and path-segment");
        diagnostics.push(Diagnostic::error(message, version.span));
    }
    given == 1
}

fn trusted_proxies(specs: &[Spanned<String>], diagnostics: &mut Diagnostics) -> AddressSet {
    let (mut networks, mut unix_sockets) = (Vec::new(), false);
    for spec in specs {
        if spec.value == "unix:" {
            unix_sockets = true;
            continue;
        }
        let network =
            spec.parse::<IpNet>().ok().or_else(|| spec.parse().ok().map(|address: std::net::IpAddr| address.into()));
        match network {
            Some(network) => networks.push(network),
            None => diagnostics.push(Diagnostic::error(
                format!("found '{}', wanted an address, a network like 10.0.0.0/8, or unix:", spec.value),
                spec.span,
            )),
        }
    }
    let set = AddressSet::new(networks);
    if unix_sockets { set.with_unix_sockets() } else { set }
}

fn internal_headers(specs: &[Spanned<String>], diagnostics: &mut Diagnostics) -> InternalHeaders {
    let (mut exact, mut prefixes) = (Vec::new(), Vec::new());
    for spec in specs {
        let (name, is_prefix) = spec.strip_suffix('*').map_or((spec.as_str(), false), |prefix| (prefix, true));
        match http::HeaderName::try_from(name) {
            Ok(name) if is_prefix => prefixes.push(name.as_str().to_owned()),
            Ok(name) => exact.push(name),
            Err(_) => diagnostics.push(
                Diagnostic::error(
                    format!("found '{}', wanted a header name, or its beginning and a *", spec.value),
                    spec.span,
                )
                .with_hint("a * may stand at the end only: X-Consent-*"),
            ),
        }
    }
    InternalHeaders::new(exact, prefixes)
}

fn known_headers(kept: &[Spanned<String>], diagnostics: &mut Diagnostics) -> KnownHeaders {
    let mut known = KnownHeaders::all();
    for spec in kept {
        let lower = spec.to_ascii_lowercase();
        let outcome = HeaderName::try_from(&lower).map_err(|_| NotKept::Unknown).and_then(|name| known.keep(&name));
        match outcome {
            Ok(()) => {}
            Err(NotKept::Needed) => diagnostics.push(
                Diagnostic::error(format!("'{}' cannot be kept as it comes", spec.value), spec.span)
                    .with_hint("the gateway needs it, or writes it itself; see trusted-proxies"),
            ),
            Err(NotKept::Unknown) => {
                let hint = match did_you_mean(&lower, KnownHeaders::names()) {
                    Some(close) => format!("did you mean '{close}'?"),
                    None => "headers that the door does not know pass as they come".to_owned(),
                };
                diagnostics.push(
                    Diagnostic::error(
                        format!("found '{}', wanted a header that is removed or corrected at the door", spec.value),
                        spec.span,
                    )
                    .with_hint(hint),
                );
            }
        }
    }
    known
}

fn propagation(spec: &GatewaySpec) -> TraceFormats {
    match &spec.telemetry.traces.propagate {
        None => TraceFormats::new([Propagation::W3c]),
        Some(formats) => TraceFormats::new(formats.iter().map(|format| format.value)),
    }
}

fn check_workers(spec: &GatewaySpec, diagnostics: &mut Diagnostics) {
    let Some(workers) = &spec.workers else { return };
    if !(1..=MOST_WORKERS).contains(&workers.value) {
        diagnostics.push(
            Diagnostic::error(format!("found {}, wanted 1 to {MOST_WORKERS} workers", workers.value), workers.span)
                .with_hint("without `workers` there are as many as cores"),
        );
    }
}
