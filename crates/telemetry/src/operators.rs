//! Who may change something on the management port: whoever carries the token of the configuration. Without one nobody
//! may, since a port that everybody in the cluster reaches is no proof of anything.

use gwanmun_config::{Diagnostic, Diagnostics, Spanned};
use gwanmun_core::Secret;
use serde_json::json;

/// Fewer characters could be guessed.
const SHORTEST: usize = 16;

/// Those who carry the token.
#[derive(Debug, Clone, Default)]
pub struct Operators(Option<Secret<Box<str>>>);

/// Why somebody may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// There is no token that could be carried: 403.
    Closed,
    /// It is not the token: 401.
    Unknown,
}

impl Operators {
    /// Those who carry `token`; nobody where there is none or it is empty.
    pub fn new(token: Option<&str>) -> Self {
        Self(token.filter(|token| !token.is_empty()).map(|token| Secret::new(token.into())))
    }

    /// Tells what is wrong with `token` at its place.
    pub fn check(token: Option<&Spanned<String>>, diagnostics: &mut Diagnostics) {
        let Some(token) = token.filter(|token| !token.is_empty()) else { return };
        let message = if token.len() < SHORTEST {
            format!("found {} characters, wanted at least {SHORTEST} that nobody guesses", token.len())
        } else if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            "found a character that a header cannot carry, wanted visible ASCII".to_owned()
        } else {
            return;
        };
        diagnostics.push(Diagnostic::error(message, token.span).with_hint("`openssl rand -hex 32` makes a good one"));
    }

    /// Whether a request with this `Authorization` (`Bearer`, RFC 6750 section 2.1) may change something.
    ///
    /// # Errors
    /// Why it may not. It takes as long for a token that is nearly right as for any other of its length.
    pub fn admit(&self, authorization: Option<&[u8]>) -> Result<(), Refused> {
        let token = self.0.as_ref().ok_or(Refused::Closed)?.expose().as_bytes();
        let (scheme, given) = authorization.and_then(|value| value.split_at_checked(7)).ok_or(Refused::Unknown)?;
        let is_bearer = scheme.eq_ignore_ascii_case(b"bearer ");
        if is_bearer && are_same(token, given) { Ok(()) } else { Err(Refused::Unknown) }
    }
}

impl Refused {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::Closed => 403,
            Self::Unknown => 401,
        }
    }

    /// `WWW-Authenticate` (RFC 9110 section 11.6.1), where a token would help.
    pub fn challenge(self) -> Option<&'static str> {
        (self == Self::Unknown).then_some(r#"Bearer realm="management""#)
    }

    /// What is answered, as JSON.
    pub fn body(self) -> String {
        let title = match self {
            Self::Closed => "nothing can be changed here, since management.token is not set",
            Self::Unknown => "wanted the token of management.token as Authorization: Bearer",
        };
        json!({"title": title, "status": self.status()}).to_string()
    }
}

/// Compares every byte whatever the first ones are.
fn are_same(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other).fold(0, |found, (one, other)| std::hint::black_box(found | (one ^ other)));
    one.len() == other.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_opens() {
        let operators = Operators::new(Some("0123456789abcdef"));
        for good in ["Bearer 0123456789abcdef", "bearer 0123456789abcdef"] {
            assert_eq!(operators.admit(Some(good.as_bytes())), Ok(()));
        }
        for bad in [
            "",
            "Bearer ",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "Bearer 0123456789abcdeF",
            "Basic 0123456789abcdef",
            "Bearer  0123456789abcdef",
            "0123456789abcdef",
        ] {
            assert_eq!(operators.admit(Some(bad.as_bytes())), Err(Refused::Unknown), "{bad}");
        }
        assert_eq!(operators.admit(None), Err(Refused::Unknown));
        assert!(!format!("{operators:?}").contains("0123"));
    }

    #[test]
    fn without_a_token_nobody_is_let_in() {
        for operators in [Operators::default(), Operators::new(None), Operators::new(Some(""))] {
            for given in [None, Some(&b"Bearer "[..]), Some(b"Bearer x")] {
                assert_eq!(operators.admit(given), Err(Refused::Closed));
            }
        }
    }

    #[test]
    fn a_token_that_could_be_guessed_is_refused() {
        let mistakes = |token: &str| {
            let mut diagnostics = Diagnostics::default();
            Operators::check(Some(&token.to_owned().into()), &mut diagnostics);
            diagnostics.has_errors()
        };
        assert_eq!(
            ["", "0123456789abcdef", "short", "0123456789 abcdef", "0123456789abcdeé"].map(mistakes),
            [false, false, true, true, true]
        );
    }
}
