//! Which trace a request is in: what a caller says, in the formats that are spoken (W3C Trace Context, Zipkin's B3), and
//! how it is told to the upstream. W3C's word wins over B3's, the single header `b3` over the several.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use super::{B3, TraceContext, is_tracestate};
use crate::spec::Propagation;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const SINGLE: HeaderName = HeaderName::from_static("b3");
const TRACE_ID: HeaderName = HeaderName::from_static("x-b3-traceid");
const SPAN_ID: HeaderName = HeaderName::from_static("x-b3-spanid");
const PARENT_SPAN_ID: HeaderName = HeaderName::from_static("x-b3-parentspanid");
const SAMPLED: HeaderName = HeaderName::from_static("x-b3-sampled");
const FLAGS: HeaderName = HeaderName::from_static("x-b3-flags");

const EVERY_B3: [HeaderName; 6] = [SINGLE, TRACE_ID, SPAN_ID, PARENT_SPAN_ID, SAMPLED, FLAGS];

/// The formats of trace context that are spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TraceFormats {
    w3c: bool,
    b3: bool,
    b3_multi: bool,
}

/// What a caller says about its trace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Caller {
    /// Trace and span.
    ids: Option<([u8; 16], [u8; 8])>,
    /// Whether it is sampled.
    sampled: Option<bool>,
    /// Whether anything that it says could not be read.
    pub is_unreadable: bool,
}

impl TraceFormats {
    /// These formats.
    pub fn new(formats: impl IntoIterator<Item = Propagation>) -> Self {
        let mut spoken = Self::default();
        for format in formats {
            match format {
                Propagation::W3c => spoken.w3c = true,
                Propagation::B3 => spoken.b3 = true,
                Propagation::B3Multi => spoken.b3_multi = true,
            }
        }
        spoken
    }

    /// Whether W3C Trace Context is spoken and nothing else.
    pub fn is_w3c_alone(self) -> bool {
        self == Self { w3c: true, b3: false, b3_multi: false }
    }

    /// Reads what a caller says and takes out of `headers` what cannot be read, as well as everything that `tell` will
    /// write anew. Formats that are not spoken stay.
    pub fn take_caller(self, headers: &mut HeaderMap) -> Caller {
        let mut caller = Caller::default();
        if self.w3c {
            let given = only(headers, &TRACEPARENT);
            let context = given.flatten().and_then(TraceContext::parse);
            let states = headers.get_all(TRACESTATE);
            // It belongs to the trace that cannot be read (W3C Trace Context section 3.3.1).
            let has_bad_state = headers.contains_key(TRACESTATE)
                && (context.is_none() || !is_tracestate(states.iter().map(HeaderValue::as_bytes)));
            caller.is_unreadable = has_bad_state || (given.is_some() && context.is_none());
            if let Some(context) = context {
                caller.ids = Some((context.trace_id, context.span_id));
                caller.sampled = Some(context.sampled);
            }
            headers.remove(TRACEPARENT);
            if has_bad_state {
                headers.remove(TRACESTATE);
            }
        }
        if self.b3 || self.b3_multi {
            let (b3, is_unreadable) = b3_of(headers);
            caller.is_unreadable |= is_unreadable;
            if let Some(b3) = b3.filter(|_| caller.ids.is_none()) {
                (caller.ids, caller.sampled) = (b3.ids, b3.sampled);
            }
            for name in EVERY_B3 {
                headers.remove(name);
            }
        }
        caller
    }

    /// Tells an upstream which trace its request is in.
    pub fn tell(self, trace: &TraceContext, headers: &mut HeaderMap) {
        // All of it is ASCII.
        let value = |bytes: &[u8]| HeaderValue::from_bytes(bytes).unwrap_or(HeaderValue::from_static("0"));
        if self.w3c {
            headers.insert(TRACEPARENT, value(&trace.traceparent()));
        }
        if self.b3 {
            headers.insert(SINGLE, value(&trace.b3()));
        }
        if self.b3_multi {
            headers.insert(TRACE_ID, value(trace.trace_id_hex().as_bytes()));
            headers.insert(SPAN_ID, value(trace.span_id_hex().as_bytes()));
            headers.insert(SAMPLED, HeaderValue::from_static(if trace.sampled { "1" } else { "0" }));
        }
    }
}

impl Caller {
    /// The next step of the caller's trace, or a new trace; `sample` decides where the caller does not.
    pub fn next(&self, sample: impl FnOnce() -> bool) -> TraceContext {
        let sampled = self.sampled.unwrap_or_else(sample);
        match self.ids {
            Some((trace_id, span_id)) => TraceContext { trace_id, span_id, sampled }.child(),
            None => TraceContext::new_root(sampled),
        }
    }

    /// The trace that the caller is in.
    pub fn trace(&self) -> Option<TraceContext> {
        self.ids.map(|(trace_id, span_id)| TraceContext { trace_id, span_id, sampled: self.sampled == Some(true) })
    }
}

/// B3 in either form, and whether there was something that could not be read.
fn b3_of(headers: &HeaderMap) -> (Option<B3>, bool) {
    let single = only(headers, &SINGLE);
    let read = single.flatten().and_then(B3::single);
    let mut is_unreadable = single.is_some() && read.is_none();
    if read.is_some() {
        return (read, is_unreadable);
    }
    let [trace, span, sampled, flags] = [TRACE_ID, SPAN_ID, SAMPLED, FLAGS].map(|name| only(headers, &name));
    let given = [trace, span, sampled, flags];
    if given.iter().all(Option::is_none) {
        return (None, is_unreadable);
    }
    let is_twice = given.contains(&Some(None));
    let read =
        if is_twice { None } else { B3::several(trace.flatten(), span.flatten(), sampled.flatten(), flags.flatten()) };
    is_unreadable |= read.is_none();
    (read, is_unreadable)
}

/// The value of a header; `Some(None)` if it came more than once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Option<&'a [u8]>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    Some(values.next().is_none().then(|| first.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";
    const W3C: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const OTHER: &str = "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-0";

    const BOTH: TraceFormats = TraceFormats { w3c: true, b3: true, b3_multi: false };
    const ONLY_W3C: TraceFormats = TraceFormats { w3c: true, b3: false, b3_multi: false };

    /// The trace and decision that are read, whether something was unreadable, and the names that stay.
    fn taken(
        formats: TraceFormats,
        fields: &[(&'static str, &'static str)],
    ) -> (Option<String>, Option<bool>, bool, Vec<String>) {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let caller = formats.take_caller(&mut headers);
        let trace = caller.trace().map(|trace| trace.trace_id_hex().to_string());
        let left = headers.keys().map(|name| name.as_str().to_owned()).collect();
        (trace, caller.sampled, caller.is_unreadable, left)
    }

    fn left(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn w3c_wins_and_tracestate_goes_with_its_trace() {
        let (ours, state) = (Some(TRACE.to_owned()), left(&["tracestate"]));
        assert_eq!(
            taken(BOTH, &[("traceparent", W3C), ("tracestate", "a=b"), ("b3", OTHER)]),
            (ours.clone(), Some(true), false, state)
        );
        assert_eq!(taken(BOTH, &[("traceparent", W3C), ("tracestate", "A=b")]), (ours, Some(true), true, vec![]));
        assert_eq!(taken(BOTH, &[("tracestate", "a=b")]), (None, None, true, vec![]));
        assert_eq!(taken(BOTH, &[("traceparent", "x"), ("tracestate", "a=b")]), (None, None, true, vec![]));
        assert_eq!(taken(BOTH, &[("traceparent", W3C), ("traceparent", W3C)]), (None, None, true, vec![]));
    }

    #[test]
    fn b3_is_read_where_it_is_spoken() {
        let theirs = Some("80f198ee56343ba864fe8b2a57d3eff7".to_owned());
        assert_eq!(taken(BOTH, &[("b3", OTHER)]), (theirs.clone(), Some(false), false, vec![]));
        let several = [("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN), ("x-b3-sampled", "1")];
        assert_eq!(taken(BOTH, &several), (Some(TRACE.to_owned()), Some(true), false, vec![]));
        let both = [several[0], several[1], ("b3", OTHER)];
        assert_eq!(taken(BOTH, &both), (theirs, Some(false), false, vec![]), "the single header wins");
        assert_eq!(taken(BOTH, &[("b3", "0")]), (None, Some(false), false, vec![]));
        assert_eq!(taken(BOTH, &[("b3", "d")]), (None, Some(true), false, vec![]));
        assert_eq!(taken(BOTH, &[("b3", "x")]), (None, None, true, vec![]));
        assert_eq!(taken(BOTH, &[("x-b3-traceid", TRACE)]), (None, None, true, vec![]));
        assert_eq!(taken(ONLY_W3C, &[("b3", OTHER)]), (None, None, false, left(&["b3"])));
    }

    #[test]
    fn a_trace_is_told_in_every_format_that_is_spoken() {
        let trace = TraceContext::parse(W3C.as_bytes()).unwrap();
        let mut headers = HeaderMap::new();
        TraceFormats { w3c: true, b3: true, b3_multi: true }.tell(&trace, &mut headers);
        let value = |name: &str| headers.get(name).unwrap().to_str().unwrap();
        assert_eq!(value("traceparent"), W3C);
        assert_eq!(value("b3"), format!("{TRACE}-{SPAN}-1"));
        assert_eq!((value("x-b3-traceid"), value("x-b3-spanid"), value("x-b3-sampled")), (TRACE, SPAN, "1"));
        let mut headers = HeaderMap::new();
        TraceFormats::new([]).tell(&trace, &mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn a_caller_that_only_decides_about_sampling_is_heard() {
        let caller = |value: &'static str| {
            let mut headers: HeaderMap = [(SINGLE, HeaderValue::from_static(value))].into_iter().collect();
            BOTH.take_caller(&mut headers)
        };
        assert!(!caller("0").next(|| true).sampled);
        assert!(caller("1").next(|| false).sampled);
        assert!(caller("bad").next(|| true).sampled);
        let next = caller(OTHER).next(|| true);
        assert_eq!(&*next.trace_id_hex(), "80f198ee56343ba864fe8b2a57d3eff7");
        assert!(!next.sampled && &*next.span_id_hex() != "e457b5a2e4d86bd1");
    }
}
