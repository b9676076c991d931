//! What is wrong with a section `telemetry`, for the gateway and for services alike: every mistake at once, each at its
//! place. What passes here can be started.

use std::time::Duration;

use gwanmun_config::{Diagnostic, Diagnostics, Spanned, Timespan, did_you_mean};
use http::Uri;

use super::{OtlpProtocol, TelemetrySpec, TracesSpec};
use crate::exceptions::Dsn;

/// Numbers are not sent more often.
const SHORTEST_PUSH: Duration = Duration::from_millis(100);

impl TelemetrySpec {
    /// Adds what is wrong with it to `diagnostics`.
    pub fn check(&self, diagnostics: &mut Diagnostics) {
        access_log(self.access_log.as_ref(), diagnostics);
        crate::logs::check(&self.logs, diagnostics);
        traces(&self.traces, diagnostics);
        otlp(self.metrics.otlp.as_ref(), self.metrics.protocol, diagnostics);
        push(self.metrics.every.as_ref(), diagnostics);
        dsn(self.exceptions.dsn.as_ref(), diagnostics);
    }
}

/// A bare word would become the name of a file, and is rarely meant so.
fn access_log(sink: Option<&Spanned<String>>, diagnostics: &mut Diagnostics) {
    let Some(sink) = sink else { return };
    if matches!(sink.as_str(), "stdout" | "off") || sink.contains(['/', '.']) {
        return;
    }
    let hint = match did_you_mean(sink, ["stdout", "off"].into_iter()) {
        Some(close) => format!("did you mean '{close}'?"),
        None => format!("known words: stdout, off; a file called so is written ./{}", sink.value),
    };
    diagnostics.push(
        Diagnostic::error(format!("found '{}', wanted stdout, off, or the path of a file", sink.value), sink.span)
            .with_hint(hint),
    );
}

fn traces(spec: &TracesSpec, diagnostics: &mut Diagnostics) {
    otlp(spec.otlp.as_ref(), spec.protocol, diagnostics);
    let zipkin = spec.zipkin.as_ref().filter(|url| !url.is_empty());
    if let Some(zipkin) = zipkin
        && let Err(why) = url(zipkin)
    {
        diagnostics.push(
            Diagnostic::error(why, zipkin.span).with_hint("like http://127.0.0.1:9411/api/v2/spans, with its path"),
        );
    }
    if let (Some(otlp), Some(zipkin)) = (spec.otlp.as_ref().filter(|url| !url.is_empty()), zipkin) {
        diagnostics.push(
            Diagnostic::error("found two receivers of spans, wanted one of otlp and zipkin", zipkin.span)
                .with_related(otlp.span, "the other one"),
        );
    }
    if let Some(sample) = &spec.sample
        && !(0.0..=1.0).contains(&sample.value)
    {
        diagnostics.push(Diagnostic::error(format!("found {}, wanted a share from 0 to 1", sample.value), sample.span));
    }
    let formats = spec.propagate.as_deref().unwrap_or_default();
    for (place, format) in formats.iter().enumerate() {
        if let Some(first) = formats.iter().take(place).find(|earlier| earlier.value == format.value) {
            diagnostics.push(
                Diagnostic::error("a format stands here twice", format.span).with_related(first.span, "the first one"),
            );
        }
    }
}

/// The base URL of an OTLP receiver; an empty one is none.
fn otlp(base: Option<&Spanned<String>>, protocol: OtlpProtocol, diagnostics: &mut Diagnostics) {
    let Some(base) = base.filter(|base| !base.is_empty()) else { return };
    let (why, hint) = match (url(base), protocol) {
        (Err(why), OtlpProtocol::Http) => (why, "like http://127.0.0.1:4318"),
        (Err(why), OtlpProtocol::Grpc) => (why, "like http://127.0.0.1:4317"),
        (Ok(url), _) if url.query().is_some() => {
            ("found a query, wanted a base URL".to_owned(), "/v1/traces and the like are added to it")
        }
        (Ok(url), OtlpProtocol::Http)
            if ["/v1/traces", "/v1/metrics"].iter().any(|path| url.path().trim_end_matches('/').ends_with(path)) =>
        {
            ("found the path of one signal, wanted a base URL".to_owned(), "/v1/traces and the like are added to it")
        }
        (Ok(url), OtlpProtocol::Grpc) if url.path() != "/" => {
            ("found a path, wanted a URL without one".to_owned(), "gRPC has paths of its own")
        }
        (Ok(_), _) => return,
    };
    diagnostics.push(Diagnostic::error(why, base.span).with_hint(hint));
}

fn push(every: Option<&Spanned<Timespan>>, diagnostics: &mut Diagnostics) {
    let Some(every) = every else { return };
    if every.value.0 < SHORTEST_PUSH {
        diagnostics.push(Diagnostic::error("wanted 100ms or more", every.span));
    }
}

fn dsn(dsn: Option<&Spanned<String>>, diagnostics: &mut Diagnostics) {
    let Some(dsn) = dsn.filter(|dsn| !dsn.is_empty()) else { return };
    if let Err(why) = Dsn::parse(dsn) {
        diagnostics
            .push(Diagnostic::error(why.to_string(), dsn.span).with_hint("like https://KEY@tracker.example/PROJECT"));
    }
}

/// A URL that can be called. What is wrong is said without the URL, since there may be a secret in it.
fn url(text: &str) -> Result<Uri, String> {
    let wrong = |found: &str| format!("found {found}, wanted a URL with http or https");
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Err(wrong("something else"));
    }
    let url: Uri = text.parse().map_err(|error| format!("this is no URL: {error}"))?;
    let Some(authority) = url.authority() else { return Err(wrong("no host")) };
    if authority.as_str().contains('@') {
        return Err("found a user in a URL, wanted none".to_owned());
    }
    let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    if authority.host().is_empty() || (!port.is_empty() && authority.port_u16().is_none_or(|port| port == 0)) {
        return Err("found no such host and port".to_owned());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use gwanmun_config::{Environment, Loaded, MergeRules, decode, load_texts};

    use super::*;

    /// The messages about a section.
    fn check(text: &str) -> Vec<String> {
        let texts = [("t.yaml".to_owned(), text.to_owned())];
        let Loaded { document, mut diagnostics, .. } =
            load_texts(&texts, &Environment::default(), &MergeRules::default());
        let spec: TelemetrySpec = decode(&document, &mut diagnostics).unwrap();
        spec.check(&mut diagnostics);
        diagnostics.iter().map(|diagnostic| diagnostic.message.clone()).collect()
    }

    #[test]
    fn what_can_be_started_passes() {
        for text in [
            "{}",
            "traces: {otlp: 'http://127.0.0.1:4318', sample: 0.01, propagate: [w3c, b3]}",
            "traces: {otlp: 'https://collector.example/otlp/', sample: 1}",
            "traces: {otlp: 'http://[::1]:4317/', protocol: grpc}",
            "traces: {zipkin: 'http://zipkin:9411/api/v2/spans'}",
            "traces: {otlp: '', zipkin: 'http://zipkin:9411/api/v2/spans'}",
            "metrics: {otlp: 'http://127.0.0.1:4318', every: 10s}",
            "exceptions: {dsn: ''}",
            "access-log: ./log",
        ] {
            assert_eq!(check(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn every_mistake_is_found() {
        let share = "found 1.5, wanted a share from 0 to 1";
        let found = "found something else, wanted a URL with http or https";
        for (text, wanted) in [
            ("traces: {sample: 1.5}", share),
            ("traces: {otlp: '127.0.0.1:4318'}", found),
            ("traces: {otlp: 'grpc://a:1'}", found),
            ("metrics: {otlp: 'a'}", found),
            ("traces: {zipkin: 'ftp://a'}", found),
            ("traces: {otlp: 'http://u:p@a'}", "found a user in a URL, wanted none"),
            ("traces: {otlp: 'http://a:99999'}", "found no such host and port"),
            ("traces: {otlp: 'http://a:4318/v1/traces'}", "found the path of one signal, wanted a base URL"),
            ("metrics: {otlp: 'http://a:4318/v1/metrics/'}", "found the path of one signal, wanted a base URL"),
            ("traces: {otlp: 'http://a:4318?key=1'}", "found a query, wanted a base URL"),
            ("traces: {otlp: 'http://a:4317/x', protocol: grpc}", "found a path, wanted a URL without one"),
            (
                "traces: {otlp: 'http://a', zipkin: 'http://a'}",
                "found two receivers of spans, wanted one of otlp and zipkin",
            ),
            ("traces: {propagate: [w3c, w3c]}", "a format stands here twice"),
            ("metrics: {every: 1ms}", "wanted 100ms or more"),
            ("access-log: stdot", "found 'stdot', wanted stdout, off, or the path of a file"),
        ] {
            assert_eq!(check(text), [wanted], "{text}");
        }
        assert_eq!(check("exceptions: {dsn: 'https://secret'}").len(), 1);
        assert_eq!(check("traces: {sample: -1, otlp: x, zipkin: y}").len(), 4);
    }
}
