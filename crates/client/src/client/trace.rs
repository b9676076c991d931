//! The call's place in the caller's trace (W3C Trace Context): the same trace, a span of its own.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Writes a child of `trace`, or nothing if that is none. What stood there before is gone.
pub(crate) fn hand_on(headers: &mut HeaderMap, trace: Option<&str>) {
    headers.remove(TRACEPARENT);
    if let Some(child) = trace.and_then(child) {
        headers.insert(TRACEPARENT, child);
    }
}

fn child(parent: &str) -> Option<HeaderValue> {
    let mut parts = parent.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_known = version == "00" && parts.next().is_none();
    if !is_known || !is_id(trace, 32) || !is_id(span, 16) || !is_hex(flags, 2) {
        return None;
    }
    let own = fastrand::u64(1..);
    HeaderValue::from_str(&format!("00-{trace}-{own:016x}-{flags}")).ok()
}

fn is_id(text: &str, length: usize) -> bool {
    is_hex(text, length) && text.bytes().any(|byte| byte != b'0')
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_child_is_in_the_same_trace_with_a_span_of_its_own() {
        let child = child(PARENT).unwrap();
        let child = child.to_str().unwrap();
        assert_eq!((&child[..36], &child[52..], child.len()), (&PARENT[..36], "-01", 55));
        assert_ne!(&child[36..52], &PARENT[36..52]);
    }

    #[test]
    fn what_is_no_trace_is_not_handed_on() {
        let zeros = PARENT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32));
        for broken in
            ["", "00", &zeros, &PARENT.to_uppercase(), &format!("{PARENT}-x"), &PARENT.replacen("00", "ff", 1)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(TRACEPARENT, HeaderValue::from_static(PARENT));
            hand_on(&mut headers, Some(broken));
            assert!(headers.is_empty(), "{broken}");
        }
    }
}
