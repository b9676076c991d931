//! Spans that business code makes with the crate `tracing` (`#[instrument]`, `info_span!`) become steps of the trace that
//! the code works for, if that is sampled. Within such a span `scope::current` tells of it, so that outgoing calls and
//! log lines belong to it. For anybody else a span costs a look at a thread-local variable.

mod fields;

use std::cell::RefCell;
use std::time::{Instant, SystemTime};

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

use self::fields::Fields;
use crate::scope;
use crate::span::{Attribute, Span, SpanKind};
use crate::trace::TraceContext;
use crate::tracer::Tracer;

/// Libraries whose spans are about frames, polls and connections.
const CHATTY: [&str; 9] =
    ["h2", "hyper", "hyper_util", "mio", "notify", "rustls", "tokio", "tokio_rustls", "tokio_util"];

/// More detailed spans than this are not made.
const LEVEL: LevelFilter = LevelFilter::INFO;

thread_local! {
    /// The spans this thread is in, the innermost last, each with what it worked for before.
    static ENTERED: RefCell<Vec<(Id, Option<TraceContext>)>> = const { RefCell::new(Vec::new()) };
}

/// Takes spans for `tracer`. It is told of spans only, never of events.
pub(crate) fn taker(tracer: Tracer) -> impl Subscriber + Send + Sync {
    Registry::default().with(Steps(tracer))
}

struct Steps(Tracer);

/// A span that is not closed yet.
struct Open {
    context: TraceContext,
    parent: [u8; 8],
    begin: SystemTime,
    began: Instant,
    fields: Fields,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Steps {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        let library = metadata.target().split("::").next().unwrap_or_default();
        if metadata.is_span() && *metadata.level() <= LEVEL && !CHATTY.contains(&library) {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, _: &Metadata<'_>, _: Context<'_, S>) -> bool {
        scope::current().is_some_and(|trace| trace.sampled) && self.0.is_on()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LEVEL)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let named = attributes.parent().and_then(|parent| context.span(parent));
        let named = named.and_then(|parent| parent.extensions().get::<Open>().map(|open| open.context));
        let Some(parent) = named.or_else(scope::current) else { return };
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(Open {
            context: parent.child(),
            parent: parent.span_id,
            begin: SystemTime::now(),
            began: Instant::now(),
            fields,
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            values.record(&mut open.fields);
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let Some(trace) = span.extensions().get::<Open>().map(|open| open.context) else { return };
        let before = scope::replace(Some(trace));
        ENTERED.with_borrow_mut(|entered| entered.push((id.clone(), before)));
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        ENTERED.with_borrow_mut(|entered| {
            let Some(place) = entered.iter().rposition(|(known, _)| known == id) else { return };
            let (_, before) = entered.remove(place);
            match entered.get_mut(place) {
                // Left out of turn: who is still in it was in what was before.
                Some((_, later)) => *later = before,
                None => drop(scope::replace(before)),
            }
        });
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(open) = span.extensions_mut().remove::<Open>() else { return };
        let Fields { mut attributes, error, .. } = open.fields;
        attributes.push(("code.namespace".into(), Attribute::Text(span.metadata().target().into())));
        self.0.record(Span {
            name: span.name().into(),
            kind: SpanKind::Internal,
            context: open.context,
            parent: Some(open.parent),
            links: Vec::new(),
            begin: open.begin,
            duration: open.began.elapsed(),
            error: error.map(Into::into),
            attributes,
        });
    }
}

#[cfg(test)]
mod tests {
    use tracing::{Instrument, debug_span, info_span};

    use super::*;
    use crate::tracer::KeptSpans;

    /// What spans there are when `act` was done for a trace that is sampled or not.
    fn done(sampled: bool, act: impl FnOnce(TraceContext)) -> Vec<Span> {
        let (tracer, kept): (_, KeptSpans) = Tracer::keeping();
        let trace = TraceContext::new_root(sampled);
        tracing::subscriber::with_default(taker(tracer), || {
            let _entered = scope::enter(Some(trace));
            act(trace);
            assert_eq!(scope::current(), Some(trace));
        });
        kept.take()
    }

    fn find<'a>(spans: &'a [Span], name: &str) -> &'a Span {
        spans.iter().find(|span| span.name == name).unwrap()
    }

    #[test]
    fn nested_spans_are_steps_below_each_other() {
        let mut seen = Vec::new();
        let mut root = None;
        let spans = done(true, |trace| {
            root = Some(trace.span_id);
            let outer = info_span!("outer", order = 7, "kind" = "express").entered();
            seen.extend(scope::current());
            info_span!("inner").in_scope(|| seen.extend(scope::current()));
            seen.extend(scope::current());
            drop(outer);
        });
        let (outer, inner) = (find(&spans, "outer"), find(&spans, "inner"));
        assert_eq!((outer.parent, inner.parent), (root, Some(outer.context.span_id)));
        assert_eq!(seen, [outer.context, inner.context, outer.context]);
        assert_eq!(outer.kind, SpanKind::Internal);
        assert!(outer.attributes.contains(&("order".into(), Attribute::Whole(7))));
        assert!(outer.attributes.contains(&("kind".into(), Attribute::Text("express".into()))));
    }

    #[test]
    fn what_is_not_sampled_or_not_of_a_request_leaves_nothing() {
        let made = |_| {
            let span = info_span!("outer");
            assert!(span.is_disabled());
            span.in_scope(|| ());
        };
        assert_eq!(done(false, made), []);
        let (tracer, kept) = Tracer::keeping();
        tracing::subscriber::with_default(taker(tracer), || info_span!("alone").in_scope(|| ()));
        assert_eq!(kept.take(), []);
    }

    #[test]
    fn details_and_libraries_leave_nothing() {
        let made = |_| {
            debug_span!("detail").in_scope(|| ());
            info_span!(target: "h2::frame", "frame").in_scope(|| ());
        };
        assert_eq!(done(true, made), []);
    }

    #[test]
    fn a_future_is_in_its_span_whenever_it_is_polled() {
        let spans = done(true, |trace| {
            let inner = async { scope::current() }.instrument(info_span!("work"));
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let outside = std::thread::spawn(move || runtime.block_on(inner)).join().unwrap();
            assert_eq!(outside.unwrap().trace_id, trace.trace_id);
        });
        assert_eq!(spans.len(), 1);
    }

    #[test]
    fn a_parent_may_be_named_and_spans_left_out_of_turn() {
        let spans = done(true, |_| {
            let first = info_span!("first");
            let second = info_span!(parent: &first, "second");
            let (one, two) = (first.clone().entered(), second.clone().entered());
            let within = scope::current();
            drop(one);
            assert_eq!(scope::current(), within);
            drop(two);
        });
        assert_eq!(find(&spans, "second").parent, Some(find(&spans, "first").context.span_id));
    }

    #[test]
    fn values_may_come_later_and_an_error_is_the_spans() {
        let spans = done(true, |_| {
            let span = info_span!("work", count = tracing::field::Empty, error = tracing::field::Empty);
            span.record("count", 3_u64).record("error", "no bread");
        });
        assert_eq!(spans[0].error.as_deref(), Some("no bread"));
        assert!(spans[0].attributes.contains(&("count".into(), Attribute::Whole(3))));
    }
}
