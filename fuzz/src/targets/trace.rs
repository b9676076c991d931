//! `traceparent`, `tracestate` and B3: what is read is written back the same, and nothing else than the specifications'
//! forms is read.

use gwanmun_telemetry::trace::{B3, TraceContext, is_tracestate};

use crate::pieces::Choices;

/// The input's first byte chooses the header; the several headers of B3, and fields of `tracestate`, are lines.
pub(crate) fn run(input: &[u8]) {
    let mut choices = Choices::of(input);
    let choice = choices.one_of(4);
    let value = choices.rest();
    match choice {
        0 => traceparent(value),
        1 => {
            if let Some(b3) = B3::single(value) {
                written_back(b3);
            }
        }
        2 => {
            let mut lines = value.split(|&byte| byte == b'\n').map(|line| Some(line).filter(|line| !line.is_empty()));
            let mut next = || lines.next().flatten();
            if let Some(b3) = B3::several(next(), next(), next(), next()) {
                assert!(b3.ids.is_some() || b3.sampled.is_some(), "it says nothing at all");
                written_back(b3);
            }
        }
        _ => {
            let fields: Vec<&[u8]> = value.split(|&byte| byte == b'\n').collect();
            let joined = fields.join(&b","[..]);
            assert_eq!(
                is_tracestate(fields.into_iter()),
                is_tracestate(std::iter::once(joined.as_slice())),
                "several fields are not the same as one list"
            );
        }
    }
}

fn traceparent(value: &[u8]) {
    let Some(context) = TraceContext::parse(value) else { return };
    let text = std::str::from_utf8(&value[..55]).expect("a traceparent is ASCII");
    assert!(text.bytes().all(|byte| matches!(byte, b'-' | b'0'..=b'9' | b'a'..=b'f')), "{text}");
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, span, flags] = parts.as_slice() else { panic!("{text} has {} parts", parts.len()) };
    assert_ne!(*version, "ff");
    assert_eq!(*trace, &*context.trace_id_hex());
    assert_eq!(*span, &*context.span_id_hex());
    assert_eq!(u8::from_str_radix(flags, 16).unwrap() & 1 == 1, context.sampled);
    assert!(trace.bytes().any(|byte| byte != b'0') && span.bytes().any(|byte| byte != b'0'), "{text}");
    assert_eq!(TraceContext::parse(&context.traceparent()), Some(context));
}

/// Ids that were read make a context that reads the same in each format.
fn written_back(read: B3) {
    let Some((trace_id, span_id)) = read.ids else { return };
    let context = TraceContext { trace_id, span_id, sampled: read.sampled == Some(true) };
    assert_eq!(TraceContext::parse(&context.traceparent()), Some(context));
    let again = B3::single(&context.b3()).expect("what is written is read");
    assert_eq!((again.ids, again.sampled), (read.ids, Some(context.sampled)));
}
