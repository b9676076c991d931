//! Trace context, W3C's and Zipkin's B3: the id a request carries through every service and every line of log. Parsed as
//! strictly as the specifications ask, made from a per-thread generator that is fast and not for secrets.

mod b3;
mod formats;
mod state;

use std::fmt;
use std::ops::Deref;

pub use b3::B3;
pub use formats::{Caller, TraceFormats};
pub use state::is_tracestate;

/// Length of a version-00 `traceparent`.
pub const TRACEPARENT_LENGTH: usize = 55;

/// Where in which trace a request stands (`traceparent`, W3C Trace Context section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The whole trace; never all zero.
    pub trace_id: [u8; 16],
    /// The one step in it; never all zero.
    pub span_id: [u8; 8],
    /// Whether the caller (or we, at a root) may have recorded it.
    pub sampled: bool,
}

impl TraceContext {
    /// Reads a `traceparent` value. Upper-case hex, ids of zeroes, version `ff` and a wrong length are refused; versions
    /// after 00 may append more behind a `-`. With `None`, `tracestate` must be dropped too.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (head, tail) = value.split_at_checked(TRACEPARENT_LENGTH)?;
        let (version, rest) = field::<1>(head)?;
        let (trace_id, rest) = field::<16>(dash(rest)?)?;
        let (span_id, rest) = field::<8>(dash(rest)?)?;
        let ([flags], _) = field::<1>(dash(rest)?)?;
        let ends_well = match version {
            [0xff] => false,
            [0x00] => tail.is_empty(),
            _ => tail.first().is_none_or(|byte| *byte == b'-'),
        };
        (ends_well && trace_id != [0; 16] && span_id != [0; 8]).then_some(Self {
            trace_id,
            span_id,
            sampled: flags & 1 == 1,
        })
    }

    /// Begins a trace.
    pub fn new_root(sampled: bool) -> Self {
        Self { trace_id: fastrand::u128(1..).to_be_bytes(), span_id: new_span_id(), sampled }
    }

    /// The next step of the same trace.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { span_id: new_span_id(), ..*self }
    }

    /// The same as text, for calls that are not proxied.
    pub fn traceparent_text(&self) -> String {
        self.traceparent().into_iter().map(char::from).collect()
    }

    /// The header's value, version 00; all of it is ASCII.
    pub fn traceparent(&self) -> [u8; TRACEPARENT_LENGTH] {
        let mut value = [b'-'; TRACEPARENT_LENGTH];
        let flags = u8::from(self.sampled);
        let parts: [&[u8]; 4] = [&[0], &self.trace_id, &self.span_id, &[flags]];
        let mut rest = value.as_mut_slice();
        for part in parts {
            // Hex digits, and the dash that stands there already; there are 2 + 1 + 32 + 1 + 16 + 1 + 2 places.
            let Some((places, after)) = rest.split_at_mut_checked(2 * part.len()) else { break };
            write_hex(places, part);
            rest = after.get_mut(1..).unwrap_or_default();
        }
        value
    }

    /// The trace's id as 32 lower-case hex digits.
    pub fn trace_id_hex(&self) -> HexId<32> {
        HexId::new(&self.trace_id)
    }

    /// The span's id as 16 lower-case hex digits.
    pub fn span_id_hex(&self) -> HexId<16> {
        HexId::new(&self.span_id)
    }
}

/// Hex digits on the stack; reads as a `str`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HexId<const N: usize>([u8; N]);

impl<const N: usize> HexId<N> {
    fn new(bytes: &[u8]) -> Self {
        let mut digits = [b'0'; N];
        write_hex(&mut digits, bytes);
        Self(digits)
    }
}

impl<const N: usize> Deref for HexId<N> {
    type Target = str;

    fn deref(&self) -> &str {
        // Hex digits are ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl<const N: usize> fmt::Display for HexId<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl<const N: usize> fmt::Debug for HexId<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

fn new_span_id() -> [u8; 8] {
    fastrand::u64(1..).to_be_bytes()
}

/// Takes `N` bytes in hex off the front.
fn field<const N: usize>(text: &[u8]) -> Option<([u8; N], &[u8])> {
    let (digits, rest) = text.split_at_checked(2 * N)?;
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        for digit in pair {
            *byte = *byte << 4 | nibble(*digit)?;
        }
    }
    Some((bytes, rest))
}

fn dash(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b"-")
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

fn write_hex(places: &mut [u8], bytes: &[u8]) {
    for (pair, byte) in places.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
    }
}

fn digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_example_of_the_specification_is_read_and_written() {
        let context = TraceContext::parse(EXAMPLE.as_bytes()).unwrap();
        assert_eq!(&*context.trace_id_hex(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.span_id_hex().to_string(), "00f067aa0ba902b7");
        assert!(context.sampled);
        assert_eq!(context.traceparent(), EXAMPLE.as_bytes());
    }

    #[test]
    fn sampled_is_one_bit_of_the_flags() {
        for (flags, sampled) in [("00", false), ("01", true), ("02", false), ("03", true), ("fe", false), ("ff", true)]
        {
            let value = format!("{}{flags}", &EXAMPLE[..53]);
            assert_eq!(TraceContext::parse(value.as_bytes()).unwrap().sampled, sampled, "{flags}");
        }
    }

    #[test]
    fn later_versions_may_say_more_behind_a_dash() {
        let later = EXAMPLE.replacen("00", "cc", 1);
        assert!(TraceContext::parse(later.as_bytes()).is_some());
        assert!(TraceContext::parse(format!("{later}-what-the-future-brings").as_bytes()).is_some());
        assert!(TraceContext::parse(format!("{later}-").as_bytes()).is_some());
        assert!(TraceContext::parse(format!("{later}.what").as_bytes()).is_none());
    }

    #[test]
    fn what_the_specification_forbids_is_refused() {
        let forbidden = [
            String::new(),
            EXAMPLE[..54].to_owned(),
            format!("{EXAMPLE}-00"),
            format!("{EXAMPLE} "),
            EXAMPLE.replacen("00", "ff", 1),
            EXAMPLE.replacen("00", "0x", 1),
            EXAMPLE.to_uppercase(),
            EXAMPLE.replace("4bf9", "4BF9"),
            EXAMPLE.replace('-', "_"),
            EXAMPLE.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            EXAMPLE.replace("00f067aa0ba902b7", &"0".repeat(16)),
            EXAMPLE.replace("4bf9", "4bg9"),
            EXAMPLE.replace("-01", "-0G"),
        ];
        for value in forbidden {
            assert_eq!(TraceContext::parse(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn a_child_stays_in_its_trace_and_is_a_span_of_its_own() {
        let root = TraceContext::new_root(true);
        let child = root.child();
        assert_eq!((child.trace_id, child.sampled), (root.trace_id, true));
        assert_ne!(child.span_id, root.span_id);
        assert_ne!(TraceContext::new_root(false).trace_id, root.trace_id);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..70)) {
            let _ = TraceContext::parse(&bytes);
        }

        #[test]
        fn what_is_written_is_read_back(sampled: bool) {
            let context = TraceContext::new_root(sampled).child();
            prop_assert_eq!(TraceContext::parse(&context.traceparent()), Some(context));
        }
    }
}
