//! B3, Zipkin's trace context, in its single header (`b3`) and its several (`X-B3-…`). It may say less than W3C's: only
//! whether to sample, or nothing about sampling.

use super::{TraceContext, field, write_hex};

/// Length of a `b3` value as we write it: trace, span, sampled.
const LENGTH: usize = 51;

/// What B3 headers say; never nothing at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct B3 {
    /// Trace and span; a trace id of 64 bits is padded with zeroes on the left.
    pub ids: Option<([u8; 16], [u8; 8])>,
    /// Whether to sample; `None` leaves it to the next. Debug counts as yes.
    pub sampled: Option<bool>,
}

impl B3 {
    /// Reads the single header: `{trace}-{span}`, with `-{sampled}` and then `-{parent}` behind it, or `{sampled}` alone.
    pub fn single(value: &[u8]) -> Option<Self> {
        if let Some(sampled) = decision(value) {
            return Some(Self { ids: None, sampled: Some(sampled) });
        }
        let mut parts = value.split(|&byte| byte == b'-');
        let ids = (trace_id(parts.next()?)?, span_id(parts.next()?)?);
        let sampled = match parts.next() {
            Some(sampled) => Some(decision(sampled)?),
            None => None,
        };
        let parent_is_good = parts.next().is_none_or(|parent| span_id(parent).is_some());
        (parent_is_good && parts.next().is_none()).then_some(Self { ids: Some(ids), sampled })
    }

    /// Reads the several headers: `X-B3-TraceId` and `X-B3-SpanId`, which come together, `X-B3-Sampled`, `X-B3-Flags`.
    pub fn several(
        trace: Option<&[u8]>,
        span: Option<&[u8]>,
        sampled: Option<&[u8]>,
        flags: Option<&[u8]>,
    ) -> Option<Self> {
        let ids = match (trace, span) {
            (Some(trace), Some(span)) => Some((trace_id(trace)?, span_id(span)?)),
            (None, None) => None,
            _ => return None,
        };
        let sampled = match (flags, sampled) {
            (Some(b"1"), _) => Some(true),
            // What Zipkin's first tracers wrote.
            (_, Some(b"true")) => Some(true),
            (_, Some(b"false")) => Some(false),
            (_, Some(sampled)) => Some(decision(sampled)?),
            (_, None) => None,
        };
        (ids.is_some() || sampled.is_some()).then_some(Self { ids, sampled })
    }
}

impl TraceContext {
    /// The value of the single header `b3`; all of it is ASCII.
    pub fn b3(&self) -> [u8; LENGTH] {
        let mut value = [b'-'; LENGTH];
        if let Some((trace, rest)) = value.split_at_mut_checked(32) {
            write_hex(trace, &self.trace_id);
            if let Some(span) = rest.get_mut(1..17) {
                write_hex(span, &self.span_id);
            }
        }
        let [.., last] = &mut value;
        *last = if self.sampled { b'1' } else { b'0' };
        value
    }
}

fn decision(text: &[u8]) -> Option<bool> {
    match text {
        b"0" => Some(false),
        b"1" | b"d" => Some(true),
        _ => None,
    }
}

fn trace_id(text: &[u8]) -> Option<[u8; 16]> {
    let id = match text.len() {
        16 => {
            let (short, _) = field::<8>(text)?;
            u128::from(u64::from_be_bytes(short)).to_be_bytes()
        }
        32 => field::<16>(text)?.0,
        _ => return None,
    };
    (id != [0; 16]).then_some(id)
}

fn span_id(text: &[u8]) -> Option<[u8; 8]> {
    let (id, rest) = field::<8>(text)?;
    (rest.is_empty() && id != [0; 8]).then_some(id)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "80f198ee56343ba864fe8b2a57d3eff7";
    const SPAN: &str = "e457b5a2e4d86bd1";

    fn said(b3: Option<B3>) -> Option<(Option<String>, Option<bool>)> {
        b3.map(|b3| {
            let ids = b3.ids.map(|(trace_id, span_id)| {
                let context = TraceContext { trace_id, span_id, sampled: false };
                format!("{}-{}", context.trace_id_hex(), context.span_id_hex())
            });
            (ids, b3.sampled)
        })
    }

    fn single(value: &str) -> Option<(Option<String>, Option<bool>)> {
        said(B3::single(value.as_bytes()))
    }

    #[test]
    fn the_single_header_is_read_in_all_its_forms() {
        let both = Some(format!("{TRACE}-{SPAN}"));
        assert_eq!(single(&format!("{TRACE}-{SPAN}")), Some((both.clone(), None)));
        for (sampled, meaning) in [("0", false), ("1", true), ("d", true)] {
            assert_eq!(single(&format!("{TRACE}-{SPAN}-{sampled}")), Some((both.clone(), Some(meaning))));
            assert_eq!(
                single(&format!("{TRACE}-{SPAN}-{sampled}-05e3ac9a4f6e3b90")),
                Some((both.clone(), Some(meaning)))
            );
            assert_eq!(single(sampled), Some((None, Some(meaning))));
        }
        let padded = Some(format!("0000000000000000{SPAN}-{SPAN}"));
        assert_eq!(single(&format!("{SPAN}-{SPAN}-1")), Some((padded, Some(true))));
    }

    #[test]
    fn what_is_no_b3_is_not_read() {
        let zeroes = "0".repeat(32);
        for value in [
            String::new(),
            "2".to_owned(),
            "true".to_owned(),
            TRACE.to_owned(),
            format!("{TRACE}-"),
            format!("{TRACE}-{SPAN}-"),
            format!("{TRACE}-{SPAN}-x"),
            format!("{TRACE}-{SPAN}-1-"),
            format!("{TRACE}-{SPAN}-1-{SPAN}-"),
            format!("{TRACE}-{SPAN}-{SPAN}"),
            format!("{zeroes}-{SPAN}-1"),
            format!("{TRACE}-{}-1", &zeroes[..16]),
            format!("{}-{SPAN}-1", TRACE.to_uppercase()),
            format!("{}-{SPAN}-1", &TRACE[..20]),
        ] {
            assert_eq!(single(&value), None, "{value}");
        }
    }

    #[test]
    fn the_several_headers_are_read_together() {
        let several = |trace: Option<&str>, span: Option<&str>, sampled: Option<&str>, flags: Option<&str>| {
            let [trace, span, sampled, flags] = [trace, span, sampled, flags].map(|value| value.map(str::as_bytes));
            said(B3::several(trace, span, sampled, flags))
        };
        let both = Some(format!("{TRACE}-{SPAN}"));
        assert_eq!(several(Some(TRACE), Some(SPAN), None, None), Some((both.clone(), None)));
        assert_eq!(several(Some(TRACE), Some(SPAN), Some("0"), None), Some((both.clone(), Some(false))));
        assert_eq!(several(Some(TRACE), Some(SPAN), Some("0"), Some("1")), Some((both, Some(true))));
        assert_eq!(several(None, None, Some("true"), None), Some((None, Some(true))));
        assert_eq!(several(None, None, None, Some("0")), None);
        assert_eq!(several(Some(TRACE), None, Some("1"), None), None);
        assert_eq!(several(Some(TRACE), Some(SPAN), Some("yes"), None), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(sampled: bool) {
            let context = TraceContext::new_root(sampled);
            let read = B3 { ids: Some((context.trace_id, context.span_id)), sampled: Some(sampled) };
            prop_assert_eq!(B3::single(&context.b3()), Some(read));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = B3::single(&bytes);
        }
    }
}
