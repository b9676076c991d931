//! The canonical path: made once it stays as it is, and has nothing in it that two readers could read in two ways, under
//! every policy.

use gwanmun_proxy::fuzzing::canonical_target;
use gwanmun_proxy::spec::{Backslash, ControlCharacters, DuplicateSlashes, EncodedSlash, PathParameters, PathsSpec};
use http::uri::PathAndQuery;

use crate::pieces::Choices;

/// The input's first two bytes choose the policy, the rest is the target.
pub(crate) fn run(input: &[u8]) {
    let mut choices = Choices::of(input);
    let policy = policy(choices.byte(), choices.byte());
    let Ok(target) = PathAndQuery::try_from(choices.rest()) else { return };
    let Ok(canonical) = canonical_target(&target, policy) else { return };
    let again = canonical_target(&canonical, policy).expect("what is canonical is accepted");
    assert_eq!(again, canonical, "twice is not the same as once");
    assert_eq!(canonical.query(), target.query(), "the query changes");
    let path = canonical.path();
    if path == "*" {
        return;
    }
    assert!(path.starts_with('/') && !path.starts_with("//"), "{path}");
    assert!(canonical.as_str().starts_with('/'), "{canonical}");
    assert!(path.is_ascii() && !path.contains('\\'), "{path}");
    assert!(policy.duplicate_slashes == DuplicateSlashes::Keep || !path.contains("//"), "{path}");
    assert!(policy.encoded_slash == EncodedSlash::Keep || !path.contains("%2F"), "{path}");
    assert!(policy.backslash == Backslash::Escape || !path.contains("%5C"), "{path}");
    assert!(policy.parameters == PathParameters::Keep || !path.contains(';'), "{path}");
    assert!(!path.bytes().any(|byte| byte.is_ascii_control() || byte == b' '), "{path}");
    check_escapes(path);
    // Whoever decodes once, and takes an encoded slash for one, or cuts off parameters, meets no dot segment either.
    let decoded = path.replace("%2F", "/").replace("%5C", "/").replace("%3B", ";");
    for segment in decoded.split('/') {
        let name = segment.split(';').next().unwrap_or_default();
        assert!(!matches!(name, "." | ".."), "{path} hides a dot segment");
    }
}

/// Every combination; all zeroes is the default.
fn policy(one: u8, two: u8) -> PathsSpec {
    PathsSpec {
        encoded_slash: pick(one, [EncodedSlash::Keep, EncodedSlash::Refuse, EncodedSlash::Decode]),
        backslash: pick(one / 3, [Backslash::Escape, Backslash::Refuse, Backslash::Slash]),
        parameters: pick(one / 9, [PathParameters::Keep, PathParameters::Refuse, PathParameters::Strip]),
        duplicate_slashes: pick(two, [DuplicateSlashes::Merge, DuplicateSlashes::Refuse, DuplicateSlashes::Keep]),
        control_characters: pick(
            two / 3,
            [ControlCharacters::Refuse, ControlCharacters::Keep, ControlCharacters::Refuse],
        ),
    }
}

fn pick<T: Copy>(choice: u8, from: [T; 3]) -> T {
    from[usize::from(choice % 3)]
}

/// Two upper-case digits, never for an unreserved character or NUL.
fn check_escapes(path: &str) {
    for escape in path.split('%').skip(1) {
        let digits = escape.get(..2).unwrap_or_else(|| panic!("a broken escape in {path}"));
        let value = u8::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("a broken escape in {path}"));
        assert_eq!(digits, digits.to_ascii_uppercase(), "{path}");
        assert!(value != 0 && !value.is_ascii_alphanumeric() && !b"-._~".contains(&value), "{path}");
    }
}
