//! Calls that are made for a sampled request besides the one to its upstream, as spans.

use std::sync::Arc;

use gwanmun_client::{Called, Watch};

use crate::span::{Attribute, Span, SpanKind};
use crate::trace::TraceContext;
use crate::tracer::Tracer;

/// Makes a span of every call.
pub(crate) struct Calls(pub(crate) Tracer);

impl Watch for Calls {
    fn called(&self, call: Called) {
        if self.0.is_on() {
            span(call).into_iter().for_each(|span| self.0.record(span));
        }
    }
}

fn span(call: Called) -> Option<Span> {
    let Called { parent, own, method, host, port, begin, duration, outcome } = call;
    let (parent, context) = (TraceContext::parse(parent.as_bytes())?, TraceContext::parse(own.as_bytes())?);
    let text = |text: &str| Attribute::Text(Arc::from(text));
    let mut attributes =
        vec![("http.request.method".into(), text(method.as_str())), ("server.address".into(), text(&host))];
    attributes.extend(port.map(|port| ("server.port".into(), Attribute::Whole(port.into()))));
    let why = match outcome {
        Ok(status) => {
            attributes.push(("http.response.status_code".into(), Attribute::Whole(status.as_u16().into())));
            (status.as_u16() >= 400).then(|| status.as_u16().to_string())
        }
        Err(error) => Some(error.name().to_owned()),
    };
    attributes.extend(why.iter().map(|why| ("error.type".into(), text(why))));
    Some(Span {
        name: format!("{method} {host}").into(),
        kind: SpanKind::Client,
        context,
        parent: Some(parent.span_id),
        links: Vec::new(),
        begin,
        duration,
        error: why.map(Into::into),
        attributes,
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use gwanmun_client::CallError;
    use http::{Method, StatusCode};

    use super::*;

    fn called(outcome: Result<StatusCode, CallError>) -> Span {
        let (tracer, kept) = Tracer::keeping();
        let asker = TraceContext::new_root(true);
        let own = asker.child();
        Calls(tracer).called(Called {
            parent: asker.traceparent_text(),
            own: own.traceparent_text(),
            method: Method::GET,
            host: "users".into(),
            port: Some(81),
            begin: UNIX_EPOCH,
            duration: Duration::from_secs(1),
            outcome,
        });
        let span = kept.take().remove(0);
        assert_eq!((span.parent, span.context), (Some(asker.span_id), own));
        span
    }

    #[test]
    fn a_call_is_a_span_below_who_asked_for_it() {
        let span = called(Ok(StatusCode::OK));
        assert_eq!((&*span.name, span.kind, &span.error), ("GET users", SpanKind::Client, &None));
        assert!(span.attributes.contains(&("server.port".into(), Attribute::Whole(81))));
    }

    #[test]
    fn a_call_that_came_to_nothing_says_why() {
        assert_eq!(called(Err(CallError::Refused)).error.as_deref(), Some("refused"));
        assert_eq!(called(Ok(StatusCode::NOT_FOUND)).error.as_deref(), Some("404"));
    }
}
