//! `ExportTraceServiceRequest`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::resource::{attribute, write_resource, write_scope};
use crate::export::protobuf::Writer;
use crate::pipeline::Resource;
use crate::span::{Span, SpanKind};
use crate::trace::TraceContext;

/// The request that hands over `spans` of `resource`.
pub(crate) fn traces_request(resource: &Resource, spans: &[Span]) -> Vec<u8> {
    let mut writer = Writer::default();
    // ResourceSpans, and in it ScopeSpans.
    writer.message(1, |writer| {
        write_resource(writer, 1, resource);
        writer.message(2, |writer| {
            write_scope(writer, 1);
            for span in spans {
                writer.message(2, |writer| write_span(writer, span));
            }
        });
    });
    writer.finish()
}

fn write_span(writer: &mut Writer, span: &Span) {
    let end = span.begin.checked_add(span.duration).unwrap_or(span.begin);
    writer.bytes(1, &span.context.trace_id);
    writer.bytes(2, &span.context.span_id);
    writer.bytes(4, span.parent.as_ref().map_or(&[][..], |parent| parent));
    writer.bytes(5, span.name.as_bytes());
    writer.number(
        6,
        match span.kind {
            SpanKind::Internal => 1,
            SpanKind::Server => 2,
            SpanKind::Client => 3,
        },
    );
    writer.fixed64(7, nanoseconds(span.begin));
    writer.fixed64(8, nanoseconds(end));
    for (name, value) in &span.attributes {
        attribute(writer, 9, name, value);
    }
    for link in &span.links {
        writer.message(13, |writer| write_link(writer, link));
    }
    if let Some(why) = &span.error {
        writer.message(15, |writer| {
            writer.bytes(2, why.as_bytes());
            writer.number(3, 2);
        });
    }
    writer.fixed32(16, flags(&span.context));
}

fn write_link(writer: &mut Writer, link: &TraceContext) {
    writer.bytes(1, &link.trace_id);
    writer.bytes(2, &link.span_id);
    writer.fixed32(6, flags(link));
}

/// The trace flags of W3C Trace Context.
fn flags(context: &TraceContext) -> u32 {
    u32::from(context.sampled)
}

/// Since 1970; what does not fit is not known.
pub(super) fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::protobuf::{Value, fields, number, sized};
    use crate::span::Attribute;

    fn all(message: &[u8], field: u64) -> Vec<Vec<u8>> {
        let fields = fields(message).unwrap().into_iter();
        fields
            .filter_map(|(known, value)| match value {
                Value::Sized(bytes) if known == field => Some(bytes.to_vec()),
                _ => None,
            })
            .collect()
    }

    fn texts(attributes: &[Vec<u8>]) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let pair = |attribute: &Vec<u8>| {
            let attribute = fields(attribute).unwrap();
            let value = fields(sized(&attribute, 2)).unwrap();
            (text(sized(&attribute, 1)), text(sized(&value, 1)))
        };
        attributes.iter().map(pair).collect()
    }

    #[test]
    fn a_span_is_written_with_all_that_it_tells() {
        let resource = Resource {
            service: "orders".into(),
            version: "1".into(),
            instance: "a".into(),
            environment: Some("test".into()),
            others: vec![("gwanmun.role", "public".into())],
        };
        let (root, other) = (TraceContext::new_root(true), TraceContext::new_root(false));
        let span = Span {
            name: "GET /x".into(),
            kind: SpanKind::Server,
            context: root.child(),
            parent: Some(root.span_id),
            links: vec![other],
            begin: UNIX_EPOCH + Duration::from_nanos(1_700_000_000_000_000_001),
            duration: Duration::from_millis(3),
            error: Some("upstream-timeout".into()),
            attributes: vec![("http.request.method".into(), Attribute::Text("GET".into()))],
        };
        let request = traces_request(&resource, &[span.clone(), Span { parent: None, error: None, ..span.clone() }]);
        let [resource_spans] = &all(&request, 1)[..] else { panic!() };
        let told = texts(&all(&all(resource_spans, 1)[0], 1));
        let told: Vec<_> = told.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            told[..5],
            [
                ("service.name", "orders"),
                ("service.version", "1"),
                ("service.instance.id", "a"),
                ("deployment.environment.name", "test"),
                ("gwanmun.role", "public"),
            ]
        );
        let scope_spans = &all(resource_spans, 2)[0];
        assert_eq!(all(&all(scope_spans, 1)[0], 1), [b"gwanmun"]);
        let [first, second] = &all(scope_spans, 2)[..] else { panic!() };
        let read = fields(first).unwrap();
        assert_eq!(sized(&read, 1), root.trace_id);
        assert_eq!(sized(&read, 2), span.context.span_id);
        assert_eq!(sized(&read, 4), root.span_id);
        assert_eq!(sized(&read, 5), b"GET /x");
        assert_eq!(
            [6, 7, 8, 16].map(|field| number(&read, field)),
            [2, 1_700_000_000_000_000_001, 1_700_000_000_003_000_001, 1]
        );
        assert_eq!(texts(&all(first, 9)), [("http.request.method".to_owned(), "GET".to_owned())]);
        let link = fields(sized(&read, 13)).unwrap();
        assert_eq!((sized(&link, 1), sized(&link, 2)), (&other.trace_id[..], &other.span_id[..]));
        let status = fields(sized(&read, 15)).unwrap();
        assert_eq!((sized(&status, 2), number(&status, 3)), (&b"upstream-timeout"[..], 2));
        let second = fields(second).unwrap();
        assert!(second.iter().all(|(field, _)| ![4, 15].contains(field)), "a root that went well");
    }
}
