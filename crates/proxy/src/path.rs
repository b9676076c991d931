//! One canonical path, for matching, authorisation, logs and forwarding alike (RFC 3986 section 6.2.2): escapes of
//! unreserved characters are undone, the others written in upper case, dot segments resolved; and what services read in
//! different ways becomes what the operator's policy says.

use gwanmun_core::{Code, Fault, Reason};
use http::uri::PathAndQuery;

use crate::spec::{Backslash, ControlCharacters, DuplicateSlashes, EncodedSlash, PathParameters, PathsSpec};

/// How paths are read.
#[derive(Debug, Clone)]
pub struct PathPolicy {
    choices: PathsSpec,
    /// Bytes that never need work, wherever they stand.
    plain: [bool; 256],
}

impl PathPolicy {
    /// The policy that `choices` make.
    pub fn new(choices: PathsSpec) -> Self {
        let mut plain = [false; 256];
        for (byte, plain) in (0..=u8::MAX).zip(&mut plain) {
            *plain = may_stand_in_a_path(byte) && (byte != b';' || choices.parameters == PathParameters::Keep);
        }
        Self { choices, plain }
    }

    /// The canonical form of a request target; `None` if it is canonical already, which is checked first.
    ///
    /// # Errors
    /// `malformed-request` for a broken escape, an escaped NUL, a path that climbs above its root or could be read so by
    /// somebody else, and for what the policy refuses.
    pub(crate) fn canonical(&self, target: &PathAndQuery) -> Result<Option<PathAndQuery>, Fault> {
        let path = target.path();
        // The path of a target that begins with its query is written nowhere.
        if path == "*" || (self.is_canonical(path.as_bytes()) && target.as_str().starts_with('/')) {
            return Ok(None);
        }
        let mut text = self.resolve(&self.spell(path)?)?;
        if let Some(query) = target.query() {
            text.push('?');
            text.push_str(query);
        }
        if text == target.as_str() {
            return Ok(None);
        }
        let canonical = PathAndQuery::try_from(text);
        canonical.map(Some).map_err(|_| malformed("the path has a character that no path may have"))
    }

    /// Whether nothing in `path` could need rewriting; errs on the side of no.
    fn is_canonical(&self, path: &[u8]) -> bool {
        let mut before = 0;
        for &byte in path {
            let is_plain = self.plain.get(usize::from(byte)).is_some_and(|plain| *plain);
            if !is_plain || (before == b'/' && (byte == b'/' || byte == b'.')) {
                return false;
            }
            before = byte;
        }
        path.first() == Some(&b'/')
    }

    /// Every character in its one spelling: escapes of unreserved characters undone, what may not stand in a path escaped,
    /// and what is a slash by the policy made one, so that all that follows sees it.
    fn spell(&self, path: &str) -> Result<String, Fault> {
        let mut out = String::with_capacity(path.len() + 16);
        let mut bytes = path.bytes();
        while let Some(raw) = bytes.next() {
            let (byte, is_escaped) = if raw == b'%' {
                let mut digit = || char::from(bytes.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                let (Some(high), Some(low)) = (digit(), digit()) else {
                    return Err(malformed("the path has a broken percent escape"));
                };
                (high << 4 | low, true)
            } else {
                (raw, false)
            };
            match (byte, is_escaped) {
                (0, _) => return Err(malformed("the path has an escaped NUL")),
                (1..=0x1f | 0x7f, _) if self.choices.control_characters == ControlCharacters::Refuse => {
                    return Err(refused("the path has an escaped control character"));
                }
                (b'/', true) => match self.choices.encoded_slash {
                    EncodedSlash::Keep => push_escape(byte, &mut out),
                    EncodedSlash::Refuse => return Err(refused("the path has an escaped slash")),
                    EncodedSlash::Decode => out.push('/'),
                },
                (b'\\', _) => match self.choices.backslash {
                    Backslash::Escape => push_escape(byte, &mut out),
                    Backslash::Refuse => return Err(refused("the path has a backslash")),
                    Backslash::Slash => out.push('/'),
                },
                (_, true) if is_unreserved(byte) => out.push(char::from(byte)),
                (_, false) if may_stand_in_a_path(byte) => out.push(char::from(byte)),
                _ => push_escape(byte, &mut out),
            }
        }
        Ok(out)
    }

    /// The path without dot segments, and with parameters and empty segments as the policy has them.
    fn resolve(&self, path: &str) -> Result<String, Fault> {
        let mut out = String::with_capacity(path.len());
        let mut segments = path.split('/').skip(1).peekable();
        let mut ends_with_slash = false;
        while let Some(written) = segments.next() {
            if hides_dot_segment(written) {
                return Err(malformed("the path hides a dot segment"));
            }
            let segment = match (self.choices.parameters, written.split_once(';')) {
                (PathParameters::Keep, _) | (_, None) => written,
                (PathParameters::Refuse, Some(_)) => return Err(refused("the path has parameters")),
                (PathParameters::Strip, Some((segment, _))) => segment,
            };
            ends_with_slash = matches!(segment, "" | "." | "..");
            match segment {
                "." => {}
                ".." => {
                    let parent = out.rfind('/').ok_or_else(|| malformed("the path climbs above its root"))?;
                    out.truncate(parent);
                }
                "" if segments.peek().is_none() => {}
                "" => match self.choices.duplicate_slashes {
                    DuplicateSlashes::Merge => {}
                    DuplicateSlashes::Refuse => return Err(refused("the path has an empty segment")),
                    DuplicateSlashes::Keep if out.is_empty() => {}
                    DuplicateSlashes::Keep => out.push('/'),
                },
                _ => {
                    out.push('/');
                    out.push_str(segment);
                }
            }
        }
        if ends_with_slash || out.is_empty() {
            out.push('/');
        }
        Ok(out)
    }
}

impl Default for PathPolicy {
    fn default() -> Self {
        Self::new(PathsSpec::default())
    }
}

/// Whether a service that cuts off parameters (`..;x`) or takes an escaped slash for a slash would see a dot segment here,
/// and so another path than the one that was matched.
fn hides_dot_segment(segment: &str) -> bool {
    if matches!(segment, "." | "..") || !segment.contains('.') {
        return false;
    }
    segment
        .split("%2F")
        .flat_map(|part| part.split("%5C"))
        .filter_map(|part| part.split("%3B").next()?.split(';').next())
        .any(|part| matches!(part, "." | ".."))
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// `pchar` of RFC 3986 section 3.3 without escapes, and the slash.
fn may_stand_in_a_path(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(
            byte,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@' | b'/'
        )
}

fn push_escape(byte: u8, out: &mut String) {
    out.push('%');
    for digit in [byte >> 4, byte & 15] {
        out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase());
    }
}

fn malformed(why: &'static str) -> Fault {
    Fault::new(Code::MalformedRequest, why).because(Reason::MalformedPath)
}

/// What the policy does not let through.
fn refused(why: &'static str) -> Fault {
    Fault::new(Code::MalformedRequest, why).because(Reason::RefusedPath)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn by(choices: PathsSpec, path: &str) -> Result<String, Code> {
        let target: PathAndQuery = path.parse().unwrap();
        let canonical = PathPolicy::new(choices).canonical(&target).map_err(|fault| fault.code())?;
        Ok(canonical.unwrap_or(target).as_str().to_owned())
    }

    fn of(path: &str) -> Result<String, Code> {
        by(PathsSpec::default(), path)
    }

    #[test]
    fn every_spelling_of_a_path_becomes_one() {
        for (from, to) in [
            ("/a/b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/x/../b", "/a/b"),
            ("/a//b", "/a/b"),
            ("/%61/%62", "/a/b"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/..", "/"),
            ("/a/b/.", "/a/b/"),
            ("/a%2fb?x=%61", "/a%2Fb?x=%61"),
            ("/a%5cb", "/a%5Cb"),
            ("/", "/"),
            ("/a/", "/a/"),
            ("/.hidden", "/.hidden"),
            ("/\u{e9}", "/%C3%A9"),
            ("/\u{e9}/.", "/%C3%A9/"),
            ("/a/..b;c", "/a/..b;c"),
            ("/a;x=1/b", "/a;x=1/b"),
            ("/a\\b", "/a%5Cb"),
            ("/{a}|\"", "/%7Ba%7D%7C%22"),
            ("/%7ba%7D", "/%7Ba%7D"),
            ("/%c0%ae%c0%ae/b", "/%C0%AE%C0%AE/b"),
            ("/%252e%252e/b", "/%252e%252e/b"),
            ("/a%40b@", "/a%40b@"),
            ("?x", "/?x"),
            ("*", "*"),
        ] {
            assert_eq!(of(from).as_deref(), Ok(to), "{from}");
        }
    }

    #[test]
    fn paths_that_mean_nothing_are_refused() {
        for path in ["/..", "/a/../../b", "/%2e%2e/x", "/%", "/%4", "/%zz", "/a%00b", "/%0d%0aX", "/%7f"] {
            assert_eq!(of(path), Err(Code::MalformedRequest), "{path}");
        }
    }

    #[test]
    fn dot_segments_that_only_a_service_behind_would_see_are_refused() {
        for path in [
            "/a/..;/b",
            "/a/..;x=1",
            "/a/.%2e;/b",
            "/a/..%2fb",
            "/a/b%2f..%2Fc",
            "/a/..\\b",
            "/a/..%5Cb",
            "/a/..%3b/b",
            "/a/.;/b",
        ] {
            assert_eq!(of(path), Err(Code::MalformedRequest), "{path}");
        }
    }

    #[test]
    fn each_policy_does_what_it_says() {
        let defaults = PathsSpec::default();
        let decode = PathsSpec { encoded_slash: EncodedSlash::Decode, ..defaults };
        let refuse_slash = PathsSpec { encoded_slash: EncodedSlash::Refuse, ..defaults };
        let backslash = PathsSpec { backslash: Backslash::Slash, ..defaults };
        let refuse_backslash = PathsSpec { backslash: Backslash::Refuse, ..defaults };
        let strip = PathsSpec { parameters: PathParameters::Strip, ..defaults };
        let refuse_parameters = PathsSpec { parameters: PathParameters::Refuse, ..defaults };
        let refuse_empty = PathsSpec { duplicate_slashes: DuplicateSlashes::Refuse, ..defaults };
        let keep_empty = PathsSpec { duplicate_slashes: DuplicateSlashes::Keep, ..defaults };
        let keep_controls = PathsSpec { control_characters: ControlCharacters::Keep, ..defaults };
        for (choices, from, to) in [
            (decode, "/a%2fb", Some("/a/b")),
            (decode, "/a%2f..%2Fb", Some("/b")),
            (decode, "/a/..%2f..%2fb", None),
            (decode, "/%2F%2Fevil.test", Some("/evil.test")),
            (decode, "/a%252Fb", Some("/a%252Fb")),
            (refuse_slash, "/a%2fb", None),
            (refuse_slash, "/a/b", Some("/a/b")),
            (backslash, "/a\\..%5cb", Some("/b")),
            (refuse_backslash, "/a%5Cb", None),
            (refuse_backslash, "/a\\b", None),
            (strip, "/a;x=1/b;y?c;d", Some("/a/b?c;d")),
            (strip, "/a/;x/b", Some("/a/b")),
            (strip, "/a/;x", Some("/a/")),
            (strip, "/a/..;/b", None),
            (strip, "/a%3Bx", Some("/a%3Bx")),
            (refuse_parameters, "/a;x=1", None),
            (refuse_parameters, "/a%3Bx", Some("/a%3Bx")),
            (refuse_empty, "/a//b", None),
            (refuse_empty, "//a", None),
            (refuse_empty, "/a/", Some("/a/")),
            (keep_empty, "/a//b", Some("/a//b")),
            (keep_empty, "//evil.test//b", Some("/evil.test//b")),
            (keep_empty, "/a//../b", Some("/a/b")),
            (keep_empty, "/a//", Some("/a//")),
            (keep_empty, "//..", None),
            (keep_controls, "/a%0ab", Some("/a%0Ab")),
            (keep_controls, "/a%00b", None),
        ] {
            assert_eq!(by(choices, from).ok().as_deref(), to, "{from} by {choices:?}");
        }
    }

    fn choices() -> impl Strategy<Value = PathsSpec> {
        use {Backslash as B, ControlCharacters as C, DuplicateSlashes as D, EncodedSlash as E, PathParameters as P};
        let slashes = prop::sample::select(vec![E::Keep, E::Refuse, E::Decode]);
        let backslash = prop::sample::select(vec![B::Escape, B::Refuse, B::Slash]);
        let parameters = prop::sample::select(vec![P::Keep, P::Refuse, P::Strip]);
        let duplicates = prop::sample::select(vec![D::Merge, D::Refuse, D::Keep]);
        let controls = prop::sample::select(vec![C::Refuse, C::Keep]);
        (slashes, backslash, parameters, duplicates, controls).prop_map(
            |(encoded_slash, backslash, parameters, duplicate_slashes, control_characters)| PathsSpec {
                encoded_slash,
                backslash,
                parameters,
                duplicate_slashes,
                control_characters,
            },
        )
    }

    /// Pieces of paths that readers disagree about.
    fn path() -> impl Strategy<Value = String> {
        let pieces = [
            "/", "/", "/", "a", ".", "..", ";", ";x", "%2f", "%2F", "%5c", "\\", "%2e", "%3b", "%25", "%", "%01",
            "%C3%A9", "{", "|", "%7B", "//", "2", "f",
        ];
        prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..12)
            .prop_map(|parts| format!("/{}", parts.concat()))
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_its_own_canonical_form(choices in choices(), path in path()) {
            if let Ok(once) = by(choices, &path) {
                prop_assert_eq!(by(choices, &once), Ok(once.clone()), "{}", path);
            }
        }

        /// However a service reads what it gets (cuts parameters off, takes escaped slashes and backslashes for slashes,
        /// merges slashes), no dot segment appears, and nothing looks like a host.
        #[test]
        fn nobody_behind_is_led_out_of_the_path(choices in choices(), path in path()) {
            if let Ok(canonical) = by(choices, &path) {
                let read = canonical.replace("%2F", "/").replace("%5C", "/").replace("%3B", ";");
                let mut segments = read.split('/').map(|segment| segment.split(';').next().unwrap());
                prop_assert!(!segments.any(|segment| segment == ".." || segment == "."), "{} became {}", path, canonical);
                prop_assert!(canonical.starts_with('/') && !canonical.starts_with("//"), "{}", canonical);
            }
        }
    }
}
