//! What makes two exceptions one: their kind, where in the application they happened, and what they say without what
//! differs from one time to the next.

use std::fmt;

use super::exception::Exception;

/// Frames that tell two exceptions apart: the innermost of the application.
const FRAMES: usize = 3;
/// So much of a message tells it from others.
const MESSAGE: usize = 512;

/// The same for exceptions that are one, in every process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    /// That of `exception`.
    pub(super) fn of(exception: &Exception) -> Self {
        let mut hash = Hash::BEGIN;
        hash.take(exception.kind.as_bytes());
        hash.take(lasting(&exception.message).as_bytes());
        for frame in exception.frames.iter().rev().filter(|frame| frame.is_application()).take(FRAMES) {
            hash.take(frame.file.as_bytes());
            // A function keeps its name when lines move; where it is not known, the line has to do.
            match frame.function.as_str() {
                "" => hash.take(&frame.line.to_le_bytes()),
                function => hash.take(without_hash(function).as_bytes()),
            }
        }
        Self(hash.0)
    }

    /// Reads what `Display` writes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        u64::from_str_radix(text, 16).ok().filter(|_| is_hex).map(Self)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// FNV-1a: the same in every process and release, which the standard library's hash is not.
struct Hash(u64);

impl Hash {
    const BEGIN: Self = Self(0xcbf2_9ce4_8422_2325);

    /// Takes bytes and that they end.
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&[0xff]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// A function without the hash that compilers append: `shop::place::h0123456789abcdef`.
fn without_hash(function: &str) -> &str {
    match function.rsplit_once("::h") {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => name,
        _ => function,
    }
}

/// What a message says every time: each number, id and quoted value in it is one `*`.
fn lasting(message: &str) -> String {
    let mut kept = String::with_capacity(message.len().min(MESSAGE));
    let mut rest = message;
    while let Some(first) = rest.chars().next().filter(|_| kept.len() < MESSAGE) {
        let (is_value, length) = match first {
            '"' | '\'' | '`' => match quoted(rest, first) {
                Some(length) => (true, length),
                None => (false, 1),
            },
            c if is_of_word(c) => {
                let length = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
                (rest.get(..length).is_some_and(is_value), length)
            }
            c => (false, c.len_utf8()),
        };
        let (piece, behind) = rest.split_at(length);
        kept.push_str(if is_value { "*" } else { piece });
        rest = behind;
    }
    kept
}

/// How long the quoted value at the beginning of `text` is. An apostrophe within a word begins none: `can't`.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let end = text.get(1..)?.find(quote)?;
    (!text.get(1..=end)?.contains('\n')).then_some(end + 2)
}

/// What ids are made of: `0x1f`, `4bf92f35-77b3`, `order_17`, `1.5`, and `can't`.
fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '\'')
}

/// A word that stands for one of many: with a digit in it, or a long one of hexadecimal digits.
fn is_value(word: &str) -> bool {
    word.contains(char::is_numeric) || (word.len() >= 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::exceptions::exception::Frame;

    #[test]
    fn what_differs_from_time_to_time_is_taken_out() {
        for (message, kept) in [
            (
                "index out of bounds: the len is 3 but the index is 17",
                "index out of bounds: the len is * but the index is *",
            ),
            ("no order 0x1f2E of user_17", "no order * of *"),
            ("order 4bf92f35-77b3-4da6-a3ce-929d0e0e4736 is lost", "order *-*-*-*-* is lost"),
            ("deadbeef and cafebabe", "* and *"),
            ("called `Result::unwrap()` on an `Err` value: \"5 eggs\"", "called * on an * value: *"),
            ("it can't be: 'x y' isn't \"open", "it can't be: * isn't \"open"),
            ("took 1.5s at 10.0.0.1:8080", "took *.* at *.*.*.*:*"),
            ("größer als zehn", "größer als zehn"),
            ("", ""),
        ] {
            assert_eq!(lasting(message), kept, "{message}");
        }
    }

    fn exception(message: &str, frames: &[(&str, &str, u32)]) -> Exception {
        let frame = |&(function, file, line): &(&str, &str, u32)| Frame {
            function: function.to_owned(),
            file: file.to_owned(),
            line,
        };
        Exception { frames: frames.iter().map(frame).collect(), ..Exception::new("panic", message) }
    }

    #[test]
    fn the_same_place_and_message_are_one_and_others_are_not() {
        let of = |message, frames: &[_]| Fingerprint::of(&exception(message, frames));
        let (main, place) = (("shop::main", "src/main.rs", 5), ("shop::place::h0123456789abcdef", "src/orders.rs", 12));
        let one = of("no order 7", &[main, place]);
        assert_eq!(one, of("no order 8", &[main, ("shop::place::hfedcba9876543210", "src/orders.rs", 99)]));
        assert_eq!(
            one,
            of("no order 7", &[main, place, ("core::panicking::panic", "/rustc/1/library/core/src/p.rs", 3)])
        );
        assert_ne!(one, of("no user 7", &[main, place]));
        assert_ne!(one, of("no order 7", &[main, ("shop::take", "src/orders.rs", 12)]));
        assert_ne!(one, of("no order 7", &[place]));
        assert_ne!(of("x", &[("", "src/a.rs", 1)]), of("x", &[("", "src/a.rs", 2)]));
        assert_ne!(
            one,
            Fingerprint::of(&Exception { kind: "other".to_owned(), ..exception("no order 7", &[main, place]) })
        );
    }

    #[test]
    fn it_is_read_as_it_is_written_and_nothing_else_is() {
        let fingerprint = Fingerprint::of(&exception("x", &[]));
        assert_eq!(Fingerprint::parse(&fingerprint.to_string()), Some(fingerprint));
        for wrong in ["", "1", "+123456789abcdef", "ABCDEF0123456789", "0123456789abcdef0", "0123456789abcde/"] {
            assert_eq!(Fingerprint::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_message_is_taken_apart_without_a_panic(message in "\\PC{0,60}|['\"` a-f0-9\n]{0,60}") {
            prop_assert!(lasting(&message).len() <= message.len());
        }
    }
}
