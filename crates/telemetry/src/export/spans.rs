//! Spans on their way to whom the configuration names.

use std::sync::Arc;

use gwanmun_client::Outbound;

use super::otlp::{Receiver, Signal, traces_request};
use super::shipper::{Shipper, ShipperSettings};
use super::zipkin::{ZipkinReceiver, zipkin_spans};
use crate::pipeline::Resource;
use crate::span::Span;
use crate::spec::{OtlpProtocol, TracesSpec};

/// A second of a busy gateway, a few while its collector is away. A batch of the largest spans fits into what gRPC's servers
/// take at once, 4 MiB.
const SETTINGS: ShipperSettings = ShipperSettings { queued: 8_192, ..ShipperSettings::DEFAULT };

/// Who takes spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SpanTarget {
    /// An OTLP receiver's base URL.
    Otlp(String, OtlpProtocol),
    /// A URL as Zipkin has it.
    Zipkin(String),
}

impl SpanTarget {
    /// Who is named; an empty URL is nobody.
    pub(crate) fn of(spec: &TracesSpec) -> Option<Self> {
        let named = |url: &Option<gwanmun_config::Spanned<String>>| {
            url.as_ref().map(|url| url.value.clone()).filter(|url| !url.is_empty())
        };
        let otlp = named(&spec.otlp).map(|url| Self::Otlp(url, spec.protocol));
        otlp.or_else(|| named(&spec.zipkin).map(Self::Zipkin))
    }

    /// A shipper to it.
    ///
    /// # Errors
    /// Why there can be none.
    pub(crate) fn shipper(&self, resource: &Arc<Resource>, outbound: &Outbound) -> Result<Arc<Shipper<Span>>, String> {
        let resource = Arc::clone(resource);
        let shipper = match self {
            Self::Otlp(url, protocol) => {
                let receiver = Receiver::new(outbound, url, *protocol, Signal::Traces);
                let receiver = receiver.map_err(|error| error.to_string())?;
                Shipper::start("traces", url, SETTINGS, outbound, move |spans: Arc<[Span]>| {
                    let (receiver, resource) = (receiver.clone(), Arc::clone(&resource));
                    async move { receiver.send(traces_request(&resource, &spans)).await }
                })
            }
            Self::Zipkin(url) => {
                let receiver = ZipkinReceiver::new(outbound, url).map_err(|error| error.to_string())?;
                let shown = url.split('?').next().unwrap_or_default();
                Shipper::start("traces", shown, SETTINGS, outbound, move |spans: Arc<[Span]>| {
                    let (receiver, resource) = (receiver.clone(), Arc::clone(&resource));
                    async move { receiver.send(zipkin_spans(&resource, &spans)).await }
                })
            }
        };
        shipper.map_err(|error| error.to_string())
    }
}
