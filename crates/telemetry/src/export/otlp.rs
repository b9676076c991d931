//! OpenTelemetry's protocol (OTLP 1.x): one request with a batch to a receiver, over HTTP with Protocol Buffers or over
//! gRPC, and what its answer means. What a request says is written by who has it: `traces`, and the metrics' exporter.

mod grpc;
mod metrics;
mod resource;
mod traces;
mod web;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gwanmun_client::{CallError, Client, Outbound, Protocol, Settings};
use gwanmun_core::Clock;
use gwanmun_resilience::BreakerSettings;
use http::{Request, Response, Uri};

use super::protobuf;
use super::shipper::Attempt;
use crate::spec::OtlpProtocol;

pub(crate) use metrics::metrics_requests;
pub(crate) use resource::{attribute, write_resource, write_scope};
pub(crate) use traces::traces_request;

/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(2);
/// An answer has a few words about what was refused.
const ANSWER_BYTES: usize = 64 * 1024;
/// Shippers pause by themselves; a breaker that is open for long would only make them late.
const BREAKER: Duration = Duration::from_secs(1);

/// What a receiver takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// `ExportTraceServiceRequest`.
    Traces,
    /// `ExportMetricsServiceRequest`.
    Metrics,
}

/// Somebody who takes one signal.
#[derive(Clone)]
pub(crate) struct Receiver {
    protocol: OtlpProtocol,
    client: Client,
    url: Uri,
    clock: Arc<dyn Clock>,
}

impl Receiver {
    /// Who takes `signal` at the base URL `base`, which may have a path where OTLP is spoken over HTTP.
    ///
    /// # Errors
    /// The URL is none that could be called.
    pub(crate) fn new(
        outbound: &Outbound,
        base: &str,
        protocol: OtlpProtocol,
        signal: Signal,
    ) -> Result<Self, http::uri::InvalidUri> {
        let url = format!("{}{}", base.trim_end_matches('/'), signal.path(protocol)).parse()?;
        let spoken = match protocol {
            OtlpProtocol::Http => Protocol::Http1,
            OtlpProtocol::Grpc => Protocol::Http2,
        };
        let client = client(outbound, signal.name(), spoken);
        Ok(Self { protocol, client, url, clock: outbound.clock() })
    }

    /// Makes one attempt with an encoded request.
    pub(crate) async fn send(&self, message: Vec<u8>) -> Attempt {
        let request = match self.protocol {
            OtlpProtocol::Http => web::request(&self.url, message),
            OtlpProtocol::Grpc => grpc::request(&self.url, message),
        };
        let answer = match call(&self.client, request).await {
            Ok(answer) => answer,
            Err(attempt) => return attempt,
        };
        match self.protocol {
            OtlpProtocol::Http => web::meaning(&answer, self.clock.wall()),
            OtlpProtocol::Grpc => grpc::meaning(&answer, self.clock.wall()),
        }
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("protocol", &self.protocol).field("url", &self.url).finish_non_exhaustive()
    }
}

impl Signal {
    /// Its name in metrics about calls.
    const fn name(self) -> &'static str {
        match self {
            Self::Traces => "otlp-traces",
            Self::Metrics => "otlp-metrics",
        }
    }

    const fn path(self, protocol: OtlpProtocol) -> &'static str {
        match (self, protocol) {
            (Self::Traces, OtlpProtocol::Http) => "/v1/traces",
            (Self::Traces, OtlpProtocol::Grpc) => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            (Self::Metrics, OtlpProtocol::Http) => "/v1/metrics",
            (Self::Metrics, OtlpProtocol::Grpc) => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        }
    }
}

/// A client for a collector: one call at a time, with little patience.
pub(crate) fn client(outbound: &Outbound, target: &str, protocol: Protocol) -> Client {
    let breaker = BreakerSettings { open: BREAKER, trials: 1, ..BreakerSettings::default() };
    let settings = Settings {
        timeout: TIMEOUT,
        connect_timeout: CONNECT,
        answer_bytes: ANSWER_BYTES,
        concurrent: 1,
        waiting: 1,
        breaker,
        protocol,
        ..Settings::default()
    };
    Client::new(outbound, target, settings)
}

/// Makes a call to a collector; without an answer it is to be tried later, if that could help.
pub(crate) async fn call(client: &Client, request: http::Result<Request<Bytes>>) -> Result<Response<Bytes>, Attempt> {
    let request = request.map_err(|error| Attempt::Refused(error.to_string().into()))?;
    client.call(request, None).await.map_err(|error| match error {
        CallError::TooLarge(_) | CallError::Invalid(_) => Attempt::Refused(error.to_string().into()),
        CallError::BreakerOpen(after) => Attempt::Later(Some(after), error.to_string().into()),
        _ => Attempt::Later(None, error.to_string().into()),
    })
}

/// What an `Export…ServiceResponse` says: all was taken, or some of it was not. Nothing where it is none.
fn taken(message: &[u8]) -> Option<Attempt> {
    let fields = protobuf::fields(message)?;
    let partial = protobuf::fields(protobuf::sized(&fields, 1))?;
    let words = String::from_utf8_lossy(protobuf::sized(&partial, 2)).into_owned();
    Some(match protobuf::number(&partial, 1) {
        0 => Attempt::Sent,
        // An `int64`: what is negative is nonsense.
        refused => Attempt::PartlyRefused(i64::try_from(refused).ok()?.unsigned_abs(), words.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_how_much_was_refused() {
        assert_eq!(taken(b""), Some(Attempt::Sent));
        assert_eq!(taken(b"\x0a\x00"), Some(Attempt::Sent));
        assert_eq!(taken(b"\x0a\x06\x12\x04slow"), Some(Attempt::Sent), "a warning");
        assert_eq!(taken(b"\x0a\x06\x08\x03\x12\x02no"), Some(Attempt::PartlyRefused(3, "no".into())));
        assert_eq!(taken(b"\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), None);
        assert_eq!(taken(b"<html>"), None);
    }

    #[test]
    fn a_base_url_may_have_a_path() {
        let outbound = Outbound::offline(Arc::new(gwanmun_core::SystemClock), gwanmun_core::Tallies::default());
        let url = |base, protocol, signal| Receiver::new(&outbound, base, protocol, signal).unwrap().url.to_string();
        assert_eq!(url("http://a:4318", OtlpProtocol::Http, Signal::Traces), "http://a:4318/v1/traces");
        assert_eq!(url("https://a/otlp/", OtlpProtocol::Http, Signal::Metrics), "https://a/otlp/v1/metrics");
        assert_eq!(
            url("http://a:4317/", OtlpProtocol::Grpc, Signal::Traces),
            "http://a:4317/opentelemetry.proto.collector.trace.v1.TraceService/Export"
        );
    }
}
