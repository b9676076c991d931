//! Zipkin's second version: a JSON array of spans to `/api/v2/spans`. Names are lower-case, times in microseconds, tags
//! texts; links to other traces are unknown there and become tags.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use gwanmun_client::{Client, Outbound, Protocol};
use gwanmun_core::Clock;
use http::header::CONTENT_TYPE;
use http::{Request, Response, Uri};
use serde_json::{Map, Value, json};

use super::answer::{busy_until, is_temporary};
use super::otlp;
use super::shipper::Attempt;
use crate::pipeline::Resource;
use crate::span::{Attribute, Span, SpanKind};

/// Somebody who takes spans as Zipkin does.
#[derive(Clone)]
pub(crate) struct ZipkinReceiver {
    client: Client,
    url: Uri,
    clock: Arc<dyn Clock>,
}

impl ZipkinReceiver {
    /// Who takes spans at `url`.
    ///
    /// # Errors
    /// The URL is none that could be called.
    pub(crate) fn new(outbound: &Outbound, url: &str) -> Result<Self, http::uri::InvalidUri> {
        let client = otlp::client(outbound, "zipkin", Protocol::Http1);
        Ok(Self { client, url: url.parse()?, clock: outbound.clock() })
    }

    /// Makes one attempt with encoded spans.
    pub(crate) async fn send(&self, spans: Vec<u8>) -> Attempt {
        let request = Request::post(self.url.clone()).header(CONTENT_TYPE, "application/json");
        match otlp::call(&self.client, request.body(Bytes::from(spans))).await {
            Ok(answer) => meaning(&answer, self.clock.wall()),
            Err(attempt) => attempt,
        }
    }
}

/// What an answer means: Zipkin says 202 to what it has read.
fn meaning(answer: &Response<Bytes>, now: SystemTime) -> Attempt {
    let status = answer.status();
    if status.is_success() {
        return Attempt::Sent;
    }
    let why = format!("the answer is {}", status.as_u16()).into();
    if is_temporary(status) { Attempt::Later(busy_until(answer.headers(), now), why) } else { Attempt::Refused(why) }
}

/// The JSON that hands over `spans` of `resource`.
pub(crate) fn zipkin_spans(resource: &Resource, spans: &[Span]) -> Vec<u8> {
    let local = json!({ "serviceName": resource.service.to_lowercase() });
    let spans: Vec<Value> = spans.iter().map(|span| json_of(span, resource, &local)).collect();
    serde_json::to_vec(&spans).unwrap_or_default()
}

fn json_of(span: &Span, resource: &Resource, local: &Value) -> Value {
    let mut tags: Map<String, Value> =
        span.attributes.iter().map(|(name, value)| (name.clone().into_owned(), text(value).into())).collect();
    if let Some(why) = &span.error {
        tags.insert("error".to_owned(), why.as_ref().into());
    }
    for link in &span.links {
        tags.insert("link.trace_id".to_owned(), (*link.trace_id_hex()).into());
        tags.insert("link.span_id".to_owned(), (*link.span_id_hex()).into());
    }
    tags.insert("service.instance.id".to_owned(), (*resource.instance).into());
    let mut told = json!({
        "traceId": &*span.context.trace_id_hex(),
        "id": &*span.context.span_id_hex(),
        "name": span.name.to_lowercase(),
        "timestamp": microseconds(span.begin.duration_since(UNIX_EPOCH).unwrap_or_default()),
        "duration": microseconds(span.duration),
        "localEndpoint": local,
        "tags": tags,
    });
    if let Some(told) = told.as_object_mut() {
        if let Some(parent_id) = span.parent_hex() {
            told.insert("parentId".to_owned(), (*parent_id).into());
        }
        let other_side = match span.kind {
            SpanKind::Internal => None,
            SpanKind::Server => Some(("SERVER", "client.address", "client.port")),
            SpanKind::Client => Some(("CLIENT", "server.address", "server.port")),
        };
        if let Some((kind, address, port)) = other_side {
            told.insert("kind".to_owned(), kind.into());
            told.extend(remote_endpoint(span, address, port).map(|endpoint| ("remoteEndpoint".to_owned(), endpoint)));
        }
    }
    told
}

fn remote_endpoint(span: &Span, address: &str, port: &str) -> Option<Value> {
    let find = |wanted: &str| span.attributes.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    let Some(Attribute::Text(address)) = find(address) else { return None };
    let mut endpoint = match address.parse() {
        Ok(IpAddr::V4(ip)) => json!({ "ipv4": ip }),
        Ok(IpAddr::V6(ip)) => json!({ "ipv6": ip }),
        Err(_) => json!({ "serviceName": address.to_lowercase() }),
    };
    if let (Some(endpoint), Some(Attribute::Whole(port))) = (endpoint.as_object_mut(), find(port)) {
        endpoint.insert("port".to_owned(), (*port).into());
    }
    Some(endpoint)
}

fn text(value: &Attribute) -> Cow<'_, str> {
    match value {
        Attribute::Text(text) => Cow::Borrowed(text),
        Attribute::Whole(number) => number.to_string().into(),
        Attribute::Number(number) => number.to_string().into(),
        Attribute::Flag(flag) => flag.to_string().into(),
    }
}

/// At least one: zero means unknown.
fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::TraceContext;

    fn resource() -> Resource {
        Resource {
            service: "Orders".into(),
            version: "1".into(),
            instance: "a".into(),
            environment: None,
            others: Vec::new(),
        }
    }

    #[test]
    fn a_span_is_written_by_the_rules_of_its_fields() {
        let context = TraceContext::parse(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap();
        let link = TraceContext::parse(b"00-80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-00").unwrap();
        let span = Span {
            name: "GET /Orders".into(),
            kind: SpanKind::Client,
            context,
            parent: Some([0, 0, 0, 0, 0, 0, 0, 0xab]),
            links: vec![link],
            begin: UNIX_EPOCH + Duration::from_nanos(1_700_000_000_000_001_999),
            duration: Duration::from_nanos(10),
            error: Some("upstream-timeout".into()),
            attributes: vec![
                ("server.address".into(), Attribute::Text("127.0.0.1".into())),
                ("server.port".into(), Attribute::Whole(80)),
                ("half".into(), Attribute::Number(0.5)),
                ("is".into(), Attribute::Flag(true)),
            ],
        };
        let local = Span { kind: SpanKind::Internal, parent: None, error: None, links: vec![], ..span.clone() };
        let told: Value = serde_json::from_slice(&zipkin_spans(&resource(), &[span, local])).unwrap();
        assert_eq!(
            told[0],
            json!({
                "traceId": "0af7651916cd43dd8448eb211c80319c",
                "id": "b7ad6b7169203331",
                "parentId": "00000000000000ab",
                "name": "get /orders",
                "kind": "CLIENT",
                "timestamp": 1_700_000_000_000_001_u64,
                "duration": 1,
                "localEndpoint": {"serviceName": "orders"},
                "remoteEndpoint": {"ipv4": "127.0.0.1", "port": 80},
                "tags": {
                    "server.address": "127.0.0.1", "server.port": "80", "half": "0.5", "is": "true",
                    "error": "upstream-timeout", "service.instance.id": "a",
                    "link.trace_id": "80f198ee56343ba864fe8b2a57d3eff7", "link.span_id": "e457b5a2e4d86bd1",
                },
            })
        );
        for absent in ["parentId", "kind", "remoteEndpoint"] {
            assert_eq!(told[1].get(absent), None, "{absent}");
        }
    }

    #[test]
    fn only_what_is_busy_is_asked_again() {
        let meaning = |status: u16| {
            let answer = Response::builder().status(status).body(Bytes::new()).unwrap();
            super::meaning(&answer, SystemTime::UNIX_EPOCH)
        };
        assert_eq!(meaning(202), Attempt::Sent);
        assert!(matches!(meaning(503), Attempt::Later(..)));
        for status in [302, 400, 404, 500] {
            assert!(matches!(meaning(status), Attempt::Refused(_)), "{status}");
        }
    }
}
