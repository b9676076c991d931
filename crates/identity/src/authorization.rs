//! The `Authorization` field (RFC 9110 section 11.6.2), read strictly: what two readers could read in two ways is
//! malformed.

use std::fmt;

/// What `Authorization` carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Authorization<'v> {
    /// A bearer token (RFC 6750 section 2.1).
    Bearer(&'v str),
    /// Name and password, still in base64 (RFC 7617).
    Basic(&'v str),
    /// Credentials of another scheme.
    Other,
}

/// A field value that is no credentials, or bearer or basic credentials that are not of their form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl<'v> Authorization<'v> {
    /// Reads a field value.
    ///
    /// # Errors
    /// There is no scheme; behind `Bearer` or `Basic` stands nothing, or something else than one token of RFC 6750's
    /// `b64token`.
    pub fn parse(value: &'v [u8]) -> Result<Self, Malformed> {
        let value = str::from_utf8(value).map_err(|_| Malformed)?;
        let (scheme, credentials) = value.split_once(' ').unwrap_or((value, ""));
        if scheme.is_empty() || !scheme.bytes().all(is_token_byte) {
            return Err(Malformed);
        }
        let credentials = credentials.trim_start_matches(' ');
        let one_token = || if is_b64token(credentials) { Ok(credentials) } else { Err(Malformed) };
        if scheme.eq_ignore_ascii_case("bearer") {
            one_token().map(Self::Bearer)
        } else if scheme.eq_ignore_ascii_case("basic") {
            one_token().map(Self::Basic)
        } else {
            Ok(Self::Other)
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wanted a scheme and one token behind it")
    }
}

impl std::error::Error for Malformed {}

/// RFC 6750 section 2.1: letters, digits and `- . _ ~ + /`, then any number of `=`. All bytes are looked at, without a
/// branch for each, so that many are at once: tokens are long.
fn is_b64token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() | matches!(byte, b'-'..=b'/' | b'_' | b'~' | b'+');
    !body.is_empty() & body.bytes().fold(true, |all, byte| all & is_good(byte))
}

/// RFC 9110 section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn schemes_are_read_without_regard_to_case() {
        for text in ["Bearer a.b-c_d~e+f/g==", "bearer a.b-c_d~e+f/g==", "BEARER   a.b-c_d~e+f/g=="] {
            assert_eq!(Authorization::parse(text.as_bytes()), Ok(Authorization::Bearer("a.b-c_d~e+f/g==")), "{text}");
        }
        assert_eq!(Authorization::parse(b"basic Zzp4"), Ok(Authorization::Basic("Zzp4")));
        for text in ["Digest username=\"a\", realm=\"b\"", "Negotiate", "DPoP a.b.c", "Bearers a"] {
            assert_eq!(Authorization::parse(text.as_bytes()), Ok(Authorization::Other), "{text}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_malformed() {
        for text in [
            "",
            " ",
            "Bearer",
            "Bearer ",
            "Bearer =",
            "Bearer a b",
            "Bearer a,b",
            "Bearer a\tb",
            "Bearer\ta",
            "Bearer a ",
            "Bearer a=b",
            "Bearer \"a\"",
            "Basic",
            "Basic a:b",
            ":",
            "Bea\"rer a",
            " Bearer a",
            "Bearer a, Basic b",
            "Bearer:a b",
        ] {
            assert_eq!(Authorization::parse(text.as_bytes()), Err(Malformed), "{text:?}");
        }
        assert_eq!(Authorization::parse(b"Bearer a\xff"), Err(Malformed));
        assert_eq!(Authorization::parse("Bearer \u{e9}".as_bytes()), Err(Malformed));
    }

    proptest! {
        #[test]
        fn a_token_is_a_part_of_what_came_and_has_nothing_in_it_that_ends_it(value in "([Bb]earer|[bB]asic)? {0,2}[ -~]{0,20}") {
            if let Ok(Authorization::Bearer(token) | Authorization::Basic(token)) = Authorization::parse(value.as_bytes()) {
                prop_assert!(value.ends_with(token));
                prop_assert!(!token.is_empty() && !token.contains([' ', ',', ';', '"', ':']));
            }
        }
    }
}
