//! What holds lines together: each has the number after that of the line before, and the hash of that line.

use std::fmt;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};

use gwanmun_core::Stamp;

/// A SHA-256 in lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hash([u8; 64]);

/// Where a chain stands: what its next line has to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chain {
    /// The number of the last line, which is how many there are; 0 before the first.
    pub(crate) seq: u64,
    /// The hash of the last line without its newline; zeros before the first.
    pub(crate) hash: Hash,
}

impl Hash {
    /// What the first line of a chain follows.
    pub(crate) const ZEROS: Self = Self([b'0'; 64]);

    pub(crate) fn of(bytes: &[u8]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or_default();
        let mut hex = [0; 64];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(digest(&SHA256, bytes).as_ref()) {
            if let [high, low] = pair {
                (*high, *low) = (digit(byte >> 4), digit(byte & 15));
            }
        }
        Self(hex)
    }

    /// Reads 64 lower-case digits.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let digits: [u8; 64] = text.try_into().ok()?;
        digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')).then_some(Self(digits))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).unwrap_or_default())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Chain {
    /// Before the first line.
    pub(crate) const BEGINNING: Self = Self { seq: 0, hash: Hash::ZEROS };

    /// The chain after `line`, which has no newline.
    pub(crate) fn after(self, line: &[u8]) -> Self {
        Self { seq: self.seq.saturating_add(1), hash: Hash::of(line) }
    }

    /// Appends what the next line begins with, up to its member `event`.
    pub(crate) fn push_begin(&self, out: &mut Vec<u8>, stamp: &mut Stamp, now: SystemTime) {
        out.extend_from_slice(b"{\"seq\":");
        out.extend_from_slice(itoa::Buffer::new().format(self.seq.saturating_add(1)).as_bytes());
        out.extend_from_slice(b",\"time\":\"");
        stamp.push(out, now);
        out.extend_from_slice(b"\",\"prev\":\"");
        out.extend_from_slice(self.hash.as_bytes());
        out.extend_from_slice(b"\",");
    }

    /// Appends the next line, whose end is `body`, and its newline.
    pub(crate) fn push_line(&mut self, out: &mut Vec<u8>, stamp: &mut Stamp, now: SystemTime, body: &[u8]) {
        let begin = out.len();
        self.push_begin(out, stamp, now);
        out.extend_from_slice(body);
        *self = self.after(out.get(begin..).unwrap_or_default());
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_hash_is_that_of_the_line_without_its_newline() {
        // FIPS 180-2, appendix B.1.
        let wanted = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Hash::of(b"abc").to_string(), wanted);
        assert_eq!(Hash::read(wanted.as_bytes()), Some(Hash::of(b"abc")));
        assert_eq!((Hash::read(wanted.to_uppercase().as_bytes()), Hash::read(b"ab")), (None, None));
    }

    #[test]
    fn lines_follow_each_other() {
        let (mut out, mut stamp, mut chain) = (Vec::new(), Stamp::new(), Chain::BEGINNING);
        chain.push_line(&mut out, &mut stamp, UNIX_EPOCH, br#""event":"a"}"#);
        let first = out.clone();
        chain.push_line(&mut out, &mut stamp, UNIX_EPOCH, br#""event":"b"}"#);
        let zeros = "0".repeat(64);
        let time = "1970-01-01T00:00:00.000000Z";
        assert_eq!(
            first,
            format!("{{\"seq\":1,\"time\":\"{time}\",\"prev\":\"{zeros}\",\"event\":\"a\"}}\n").as_bytes()
        );
        let hash = Hash::of(first.trim_ascii_end());
        let second = format!("{{\"seq\":2,\"time\":\"{time}\",\"prev\":\"{hash}\",\"event\":\"b\"}}");
        assert_eq!(out[first.len()..], *format!("{second}\n").as_bytes());
        assert_eq!(chain, Chain { seq: 2, hash: Hash::of(second.as_bytes()) });
    }
}
