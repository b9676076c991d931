//! Listeners: addresses, certificates, bounds.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;

use gwanmun_config::{ByteSize, Content, Diagnostic, Diagnostics, Span, Spanned, Timespan};

use crate::compile::Context;
use crate::listen::tls::{ClientCertificates, certified_key, server_config};
use crate::plan::{Http2Limits, Limits, ListenAddress, Listener};
use crate::spec::{ClientAuth, GatewaySpec, Http2LimitsSpec, LimitsSpec, ListenerSpec, ListenerTlsSpec};

/// Connection-level bounds below these make no sense.
const LEAST_HEADER_BYTES: u64 = 1024;
const LEAST_SETTINGS: u32 = 2;

pub(super) fn compile(spec: &GatewaySpec, context: &Context<'_>, diagnostics: &mut Diagnostics) -> Vec<Listener> {
    check_limits(&spec.limits, diagnostics);
    let mut seen: HashMap<String, Span> = HashMap::new();
    let mut listeners = Vec::new();
    for listener in &spec.listeners {
        let address = address(&listener.address, diagnostics);
        if let Some(first) = seen
            .insert(listener.address.value.clone(), listener.address.span)
            .filter(|_| !listener.address.ends_with(":0"))
        {
            diagnostics.push(
                Diagnostic::error(format!("two listeners are at {}", listener.address.value), listener.address.span)
                    .with_related(first, "the other one"),
            );
        }
        check_limits(&listener.limits, diagnostics);
        let limits = limits(&[&listener.limits, &spec.limits]);
        let tls = listener.tls.as_ref().and_then(|tls| tls_of(listener, tls, context, diagnostics));
        let name = listener.name.as_ref().map_or(listener.address.as_str(), |name| name.as_str());
        if let Some(address) = address {
            let clients = listener.tls.as_ref().map_or(0, |tls| clients(tls, context));
            let proxy_protocol = listener.proxy_protocol;
            listeners.push(Listener { name: Arc::from(name), address, proxy_protocol, tls, clients, limits });
        }
    }
    listeners
}

fn address(text: &Spanned<String>, diagnostics: &mut Diagnostics) -> Option<ListenAddress> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Some(ListenAddress::Unix(path.into()));
    }
    let parts = text.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
    let good = parts.is_some_and(|(host, _)| is_host(host));
    if !good && !diagnostics.is_damaged(text.span) {
        let hint = match parts {
            Some(("" | "*", port)) => format!("0.0.0.0:{port} listens on every interface"),
            _ => "0.0.0.0:8080 listens on every interface, 127.0.0.1:8080 on this machine only".to_owned(),
        };
        diagnostics.push(
            Diagnostic::error(format!("found '{}', wanted host:port or unix:/path", text.value), text.span)
                .with_hint(hint),
        );
    }
    good.then(|| ListenAddress::Tcp(text.value.clone()))
}

/// Whether `text` is an address, or could be a name that leads to one.
fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        // With a zone, as in fe80::1%eth0.
        return address.split('%').next().is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    }
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

fn tls_of(
    listener: &ListenerSpec,
    tls: &Spanned<ListenerTlsSpec>,
    context: &Context<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Arc<rustls::ServerConfig>> {
    let before = diagnostics.len();
    // What could not be read was left out: nothing is said about its absence.
    let is_whole = !diagnostics.has_error_in(tls.span) && !diagnostics.is_damaged(tls.span);
    if listener.address.starts_with("unix:") {
        diagnostics.push(Diagnostic::error("a unix socket does not speak TLS", tls.span));
    }
    let mut keys = Vec::new();
    for certificate in &tls.certificates {
        match certified_key(&context.reader.locate(&certificate.certificate), &context.reader.locate(&certificate.key))
        {
            Ok(key) => keys.push(key),
            Err(why) => diagnostics.push(Diagnostic::error(why, certificate.certificate.span)),
        }
    }
    if tls.certificates.is_empty() && is_whole {
        diagnostics.push(Diagnostic::error("a TLS listener needs a certificate", tls.span));
    }
    if is_whole {
        check_clients(tls, diagnostics);
    }
    if diagnostics.len() > before || !is_whole {
        return None;
    }
    let located = |paths: &[Spanned<PathBuf>]| paths.iter().map(|path| context.reader.locate(path)).collect();
    let clients = ClientCertificates { wanted: tls.client_auth, ca: located(&tls.client_ca), crl: located(&tls.crl) };
    server_config(keys, &clients).map_err(|why| diagnostics.push(Diagnostic::error(why, tls.span))).ok()
}

/// Files for a question that nobody asks.
fn check_clients(tls: &Spanned<ListenerTlsSpec>, diagnostics: &mut Diagnostics) {
    let given = match (tls.client_ca.is_empty(), tls.crl.is_empty()) {
        (true, true) => return,
        (false, _) => "client-ca",
        (true, false) => "crl",
    };
    let (message, hint) = match tls.client_auth {
        ClientAuth::None => (
            format!("{given} without client-auth asks nobody for a certificate"),
            "client-auth: optional, or client-auth: required",
        ),
        ClientAuth::Unverified => (
            format!("{given} has no use with client-auth: unverified, which leaves it to `client-cert` to verify"),
            "name authorities and revocation lists under identity.certificates, or write client-auth: optional",
        ),
        ClientAuth::Optional | ClientAuth::Required => return,
    };
    diagnostics.push(Diagnostic::error(message, tls.span).with_hint(hint));
}

/// Equal where the same clients are let in by their certificates.
fn clients(tls: &ListenerTlsSpec, context: &Context<'_>) -> u64 {
    let contents = |paths: &[Spanned<PathBuf>]| -> Vec<Content> {
        paths.iter().map(|path| context.reader.content(path)).collect()
    };
    let auth = std::mem::discriminant(&tls.client_auth);
    let mut hasher = DefaultHasher::new();
    (auth, contents(&tls.client_ca), contents(&tls.crl)).hash(&mut hasher);
    hasher.finish()
}

/// Bounds under which nothing could be served.
fn check_limits(limits: &LimitsSpec, diagnostics: &mut Diagnostics) {
    if let Some(bytes) = limits.header_bytes.as_ref().filter(|bytes| bytes.value.0 < LEAST_HEADER_BYTES) {
        diagnostics.push(Diagnostic::error("header-bytes below 1KiB would refuse every browser", bytes.span));
    }
    if let Some(settings) = limits.http2.settings.as_ref().filter(|settings| settings.value < LEAST_SETTINGS) {
        diagnostics.push(Diagnostic::error(
            format!(
                "found {}, wanted at least {LEAST_SETTINGS}: every client sends its settings and acknowledges ours",
                settings.value
            ),
            settings.span,
        ));
    }
    let counts = [
        ("header-count", limits.header_count.as_ref().map(|count| (count.value == 0, count.span))),
        ("cookies", limits.cookies.as_ref().map(|count| (count.value == 0, count.span))),
        ("connections", limits.connections.as_ref().map(|count| (count.value == 0, count.span))),
        ("streams", limits.streams.as_ref().map(|count| (count.value == 0, count.span))),
    ];
    for (name, count) in counts {
        if let Some((true, span)) = count {
            diagnostics.push(
                Diagnostic::error(format!("found 0, wanted at least 1: with {name} at 0 no request is served"), span)
                    .with_hint(format!("without `{name}` its default is in force")),
            );
        }
    }
}

/// The first of `layers` that sets a bound wins.
fn limits(layers: &[&LimitsSpec]) -> Limits {
    let defaults = Limits::default();
    let time = |pick: fn(&LimitsSpec) -> Option<Timespan>, default| {
        layers.iter().find_map(|layer| pick(layer)).map_or(default, |span| span.0)
    };
    let size = |pick: for<'a> fn(&'a LimitsSpec) -> Option<&'a Spanned<ByteSize>>, default: usize| {
        layers
            .iter()
            .find_map(|layer| pick(layer))
            .map_or(default, |size| usize::try_from(size.value.0).unwrap_or(usize::MAX))
    };
    let count = |pick: for<'a> fn(&'a LimitsSpec) -> Option<&'a Spanned<usize>>, default| {
        layers.iter().find_map(|layer| pick(layer)).map_or(default, |count| count.value)
    };
    Limits {
        header_timeout: time(|layer| layer.header_timeout, defaults.header_timeout),
        body_timeout: time(|layer| layer.body_timeout, defaults.body_timeout),
        body_rate: layers
            .iter()
            .find_map(|layer| layer.body_rate.as_ref())
            .map_or(defaults.body_rate, |rate| NonZeroU64::new(rate.value.0)),
        idle_timeout: time(|layer| layer.idle_timeout, defaults.idle_timeout),
        upgrade_idle_timeout: time(|layer| layer.upgrade_idle_timeout, defaults.upgrade_idle_timeout),
        header_bytes: size(|layer| layer.header_bytes.as_ref(), defaults.header_bytes),
        header_count: count(|layer| layer.header_count.as_ref(), defaults.header_count),
        uri_bytes: size(|layer| layer.uri_bytes.as_ref(), defaults.uri_bytes),
        cookies: count(|layer| layer.cookies.as_ref(), defaults.cookies),
        connections: count(|layer| layer.connections.as_ref(), defaults.connections),
        streams: layers
            .iter()
            .find_map(|layer| layer.streams.as_ref())
            .map_or(defaults.streams, |streams| streams.value),
        body_bytes: layers.iter().find_map(|layer| layer.body_bytes.as_ref()).map(|size| size.value.0),
        http2: http2_limits(layers),
    }
}

fn http2_limits(layers: &[&LimitsSpec]) -> Http2Limits {
    let defaults = Http2Limits::default();
    let count = |pick: fn(&Http2LimitsSpec) -> Option<u32>, default| {
        layers.iter().find_map(|layer| pick(&layer.http2)).unwrap_or(default)
    };
    let interval = layers.iter().find_map(|layer| layer.http2.interval);
    let table = layers.iter().find_map(|layer| layer.http2.header_table_bytes.as_ref());
    Http2Limits {
        interval: interval.map_or(defaults.interval, |span| span.0),
        resets: count(|http2| http2.resets, defaults.resets),
        provoked_resets: count(|http2| http2.provoked_resets, defaults.provoked_resets),
        pings: count(|http2| http2.pings, defaults.pings),
        settings: count(|http2| http2.settings.as_ref().map(|settings| settings.value), defaults.settings),
        empty_frames: count(|http2| http2.empty_frames, defaults.empty_frames),
        priorities: count(|http2| http2.priorities, defaults.priorities),
        window_updates: count(|http2| http2.window_updates, defaults.window_updates),
        other_frames: count(|http2| http2.other_frames, defaults.other_frames),
        header_table_bytes: table
            .map_or(defaults.header_table_bytes, |size| u32::try_from(size.value.0).unwrap_or(u32::MAX)),
    }
}
