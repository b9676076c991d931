//! Upstreams: endpoints, time limits, TLS; and URLs that routes name in place.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use gwanmun_config::{Diagnostic, Diagnostics, Piece, Span, Spanned, Timespan, Value, decode, did_you_mean};
use rustls::ClientConfig;

use crate::compile::Context;
use crate::spec::{EndpointSpec, TimeoutsSpec, UpstreamSpec, UpstreamTlsSpec};
use crate::upstream::tls::{ClientTls, ClientTlsFiles, client_config};
use crate::upstream::{DEFAULT_KEEP_ALIVE, Endpoint, InvalidEndpoint, Timeouts, Upstream};

/// Upstreams under construction, by what routes call them.
pub(super) struct Upstreams {
    pub(super) list: Vec<Arc<Upstream>>,
    places: HashMap<String, usize>,
    /// Named ones that have a mistake of their own: naming them is none.
    broken: Vec<String>,
}

pub(super) fn compile(
    specs: &BTreeMap<String, Spanned<UpstreamSpec>>,
    context: &Context<'_>,
    diagnostics: &mut Diagnostics,
) -> Upstreams {
    let mut upstreams = Upstreams { list: Vec::new(), places: HashMap::new(), broken: Vec::new() };
    for (name, spec) in specs {
        match upstream(name, spec, context, diagnostics) {
            Some(upstream) => {
                upstreams.places.insert(name.clone(), upstreams.list.len());
                upstreams.list.push(Arc::new(upstream));
            }
            None => upstreams.broken.push(name.clone()),
        }
    }
    upstreams
}

impl Upstreams {
    /// The place of the upstream that a route means by `text`: a name, or a URL, which becomes an upstream of its own.
    pub(super) fn place(&mut self, text: &Spanned<String>, diagnostics: &mut Diagnostics) -> Option<usize> {
        if let Some(place) = self.places.get(&text.value) {
            return Some(*place);
        }
        let may_be_unread = diagnostics.is_incomplete() && !text.contains(':');
        if may_be_unread || self.broken.contains(&text.value) {
            return None;
        }
        if !text.contains(':') {
            // It may stand in a part of the text that could not be read.
            if diagnostics.is_incomplete() {
                return None;
            }
            let hint = match did_you_mean(text, self.places.keys().map(String::as_str)) {
                Some(close) => format!("did you mean '{close}'?"),
                None => "name one of `upstreams`, or write a URL like http://127.0.0.1:9001".to_owned(),
            };
            diagnostics.push(
                Diagnostic::error(format!("there is no upstream called '{}'", text.value), text.span).with_hint(hint),
            );
            return None;
        }
        let tls = |host: &str| ClientTls::new(client_config(&ClientTlsFiles::default())?, host);
        match Endpoint::parse(text, 1, tls) {
            Err(invalid) => {
                report(invalid, text.span, diagnostics);
                None
            }
            Ok(endpoint) => {
                let name = Arc::from(text.as_str());
                let upstream = Upstream {
                    name,
                    endpoints: vec![endpoint],
                    timeouts: Timeouts::default(),
                    keep_alive: DEFAULT_KEEP_ALIVE,
                    files: 0,
                };
                self.places.insert(text.value.clone(), self.list.len());
                self.list.push(Arc::new(upstream));
                Some(self.list.len() - 1)
            }
        }
    }
}

fn upstream(
    name: &str,
    spec: &Spanned<UpstreamSpec>,
    context: &Context<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Upstream> {
    let config = tls(spec.tls.as_ref(), context, diagnostics);
    let server_name = spec.tls.as_ref().and_then(|tls| tls.name.as_ref());
    let mut endpoints = Vec::new();
    let mut broken = config.is_none();
    for piece in &spec.endpoints.0 {
        match endpoint(piece, config.as_ref(), server_name, diagnostics) {
            Some(endpoint) => endpoints.push(endpoint),
            None => broken = true,
        }
    }
    if !broken && endpoints.iter().all(|endpoint| endpoint.weight == 0) {
        let message =
            if endpoints.is_empty() { "an upstream needs an endpoint" } else { "every endpoint has the weight 0" };
        diagnostics.push(Diagnostic::error(message, spec.span));
        broken = true;
    }
    if broken {
        return None;
    }
    let keep_alive = spec.keep_alive.map_or(DEFAULT_KEEP_ALIVE, |span| span.0);
    let files = spec.tls.as_ref().map_or(0, |tls| files(tls, context));
    Some(Upstream { name: Arc::from(name), endpoints, timeouts: timeouts(&spec.timeouts), keep_alive, files })
}

fn endpoint(
    piece: &Piece,
    config: Option<&Arc<ClientConfig>>,
    server_name: Option<&Spanned<String>>,
    diagnostics: &mut Diagnostics,
) -> Option<Endpoint> {
    let spec = match &piece.0.value {
        Value::Scalar(scalar) => {
            EndpointSpec { url: Spanned::new(scalar.text().to_owned(), piece.0.span), weight: Spanned::from(1) }
        }
        _ => decode(&piece.0, diagnostics)?,
    };
    let waits_for_tls = Cell::new(false);
    let tls = |host: &str| {
        let config = config.ok_or_else(|| {
            waits_for_tls.set(true);
            String::new()
        })?;
        ClientTls::new(Arc::clone(config), server_name.map_or(host, |name| name.as_str()))
    };
    let parsed = Endpoint::parse(&spec.url, spec.weight.value, tls);
    parsed
        .map_err(|invalid| {
            // What is wrong with the TLS settings has been said.
            if !waits_for_tls.get() {
                report(invalid, spec.url.span, diagnostics);
            }
        })
        .ok()
}

/// Tells why a URL is no endpoint, unless it could not be read as it was meant.
fn report(invalid: InvalidEndpoint, span: Span, diagnostics: &mut Diagnostics) {
    if diagnostics.is_damaged(span) {
        return;
    }
    let InvalidEndpoint(message, hint) = invalid;
    let mistake = Diagnostic::error(message, span);
    diagnostics.push(match hint {
        Some(hint) => mistake.with_hint(hint),
        None => mistake,
    });
}

fn tls(
    spec: Option<&Spanned<UpstreamTlsSpec>>,
    context: &Context<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Arc<ClientConfig>> {
    let Some(spec) = spec else {
        return client_config(&ClientTlsFiles::default())
            .map_err(|why| diagnostics.push(Diagnostic::error(why, None)))
            .ok();
    };
    let ca = spec.ca.as_ref().map(|path| context.reader.locate(path));
    let identity = match (&spec.certificate, &spec.key) {
        (Some(certificate), Some(key)) => Some((context.reader.locate(certificate), context.reader.locate(key))),
        (None, None) => None,
        _ => {
            diagnostics.push(Diagnostic::error("certificate and key come together", spec.span));
            return None;
        }
    };
    let identity = identity.as_ref().map(|(certificate, key)| (certificate.as_path(), key.as_path()));
    client_config(&ClientTlsFiles { ca: ca.as_deref(), identity })
        .map_err(|why| diagnostics.push(Diagnostic::error(why, spec.span)))
        .ok()
}

/// Equal where the files have the same in them.
fn files(spec: &UpstreamTlsSpec, context: &Context<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in [&spec.ca, &spec.certificate, &spec.key] {
        path.as_ref().map(|path| context.reader.content(path)).hash(&mut hasher);
    }
    hasher.finish()
}

fn timeouts(spec: &TimeoutsSpec) -> Timeouts {
    let defaults = Timeouts::default();
    let or = |given: Option<Timespan>, default| given.map_or(default, |span| span.0);
    Timeouts {
        connect: or(spec.connect, defaults.connect),
        response: or(spec.response, defaults.response),
        idle: or(spec.idle, defaults.idle),
        total: spec.total.map_or(defaults.total, |total| total.0),
    }
}
