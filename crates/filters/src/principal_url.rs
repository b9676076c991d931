//! A URL about a principal: `https://consent.internal/users/{principal.subject}`. Holes stand in the path or the query only,
//! and what goes into them is percent-encoded to one segment or value, so that no subject leads anywhere else.

use gwanmun_core::Principal;
use gwanmun_proxy::Invalid;
use http::Uri;
use serde_json::Value;

/// An absolute URL with holes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PrincipalUrl {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Subject,
    Claim(String),
}

impl PrincipalUrl {
    /// Parses the URL of the argument `argument`.
    pub(crate) fn parse(argument: &'static str, text: &str) -> Result<Self, Invalid> {
        let wanted = |what: &str| Invalid::at(argument, format!("found '{}', wanted {what}", text.escape_debug()));
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(|| wanted("a } after every {"))?;
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(match name.strip_prefix("principal.claims.") {
                Some(claim) if !claim.is_empty() => Piece::Claim(claim.to_owned()),
                None if name == "principal.subject" => Piece::Subject,
                _ => {
                    let why = wanted("{principal.subject} or {principal.claims.NAME}");
                    return Err(why.with_hint("in a flow map, quote the whole URL"));
                }
            });
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        let url = Self { pieces };
        let sample: Uri = url
            .filled(|_| Some("x".to_owned()))
            .and_then(|sample| sample.parse().ok())
            .ok_or_else(|| wanted("an absolute URL like https://users.internal/users/{principal.subject}"))?;
        let authority = sample.authority().map(|authority| authority.as_str());
        let is_fixed = authority.is_some_and(|authority| {
            let begins = |scheme: &str| match url.pieces.first() {
                Some(Piece::Text(text)) => text.strip_prefix(scheme).and_then(|rest| rest.strip_prefix(authority)),
                _ => None,
            };
            let behind = begins("https://").or_else(|| begins("http://"));
            behind.is_some_and(|behind| behind.starts_with('/') || (behind.is_empty() && url.pieces.len() == 1))
        });
        if !is_fixed {
            return Err(wanted("http:// or https://, a fixed host and a path"));
        }
        if authority.is_some_and(|authority| authority.contains('@')) {
            return Err(wanted("a URL without a user name or password"));
        }
        Ok(url)
    }

    /// Scheme, host and port: what it is called in metrics.
    pub(crate) fn origin(&self) -> &str {
        let Some(Piece::Text(text)) = self.pieces.first() else { return "" };
        let path = text.match_indices('/').nth(2).map_or(text.len(), |(place, _)| place);
        text.get(..path).unwrap_or_default()
    }

    /// The URL about `principal`; `None` if something is not known about it, or cannot stand in a URL.
    pub(crate) fn about(&self, principal: &Principal) -> Option<String> {
        self.filled(|piece| match piece {
            Piece::Text(text) => Some(text.clone()),
            Piece::Subject => encoded(&principal.subject),
            Piece::Claim(name) => match principal.claims.get(name)? {
                Value::String(text) => encoded(text),
                Value::Number(number) => encoded(&number.to_string()),
                Value::Bool(truth) => Some(truth.to_string()),
                _ => None,
            },
        })
    }

    fn filled(&self, value: impl Fn(&Piece) -> Option<String>) -> Option<String> {
        let mut url = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => url.push_str(text),
                hole => url.push_str(&value(hole)?),
            }
        }
        Some(url)
    }
}

/// One path segment or query value: unreserved characters (RFC 3986 section 2.3) as they are, all others percent-encoded.
/// Nothing, `.` and `..` would be another path.
fn encoded(value: &str) -> Option<String> {
    if matches!(value, "" | "." | "..") {
        return None;
    }
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use gwanmun_core::Level;
    use proptest::prelude::*;

    use super::*;

    fn principal(subject: &str) -> Principal {
        let mut principal = Principal::new(subject, "jwt:corp", Level::High);
        principal.claims.insert("tenant".to_owned(), "a/b".into());
        principal.claims.insert("number".to_owned(), 7.into());
        principal.claims.insert("list".to_owned(), Value::Array(Vec::new()));
        principal
    }

    #[test]
    fn what_is_known_about_a_principal_fills_the_holes() {
        let url = PrincipalUrl::parse(
            "url",
            "https://a.example:1/u/{principal.subject}?t={principal.claims.tenant}&n={principal.claims.number}",
        );
        let about = url.unwrap().about(&principal("ü n"));
        assert_eq!(about.as_deref(), Some("https://a.example:1/u/%C3%BC%20n?t=a%2Fb&n=7"));
        assert_eq!(
            PrincipalUrl::parse("url", "http://a/x").unwrap().about(&principal("a")).as_deref(),
            Some("http://a/x")
        );
        assert_eq!(PrincipalUrl::parse("url", "http://a").unwrap().about(&principal("a")).as_deref(), Some("http://a"));
        assert_eq!(PrincipalUrl::parse("url", "https://a:1/u?x=y/z").unwrap().origin(), "https://a:1");
    }

    #[test]
    fn what_is_not_known_or_would_be_another_path_fills_nothing() {
        let url = |hole: &str| PrincipalUrl::parse("url", &format!("https://a/u/{hole}")).unwrap();
        for subject in ["", ".", ".."] {
            assert_eq!(url("{principal.subject}").about(&principal(subject)), None, "{subject}");
        }
        for hole in ["{principal.claims.missing}", "{principal.claims.list}"] {
            assert_eq!(url(hole).about(&principal("a")), None, "{hole}");
        }
    }

    #[test]
    fn a_host_that_is_not_fixed_and_what_is_no_url_are_refused() {
        for text in [
            "https://{principal.subject}.example/",
            "https://a.example{principal.subject}",
            "https://a{principal.subject}/x",
            "{principal.subject}",
            "https://{principal.subject}/",
            "ftp://a/{principal.subject}",
            "/users/{principal.subject}",
            "https://u:p@a/{principal.subject}",
            "https://a/{subject}",
            "https://a/{principal.claims.}",
            "https://a/{principal.subject",
            "https://a b/",
            "",
        ] {
            assert_eq!(PrincipalUrl::parse("url", text).unwrap_err().argument(), Some("url"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_subject_leads_to_another_host_or_path(subject in "\\PC{0,12}|[/.\\\\@?#%:a]{0,6}") {
            let url = PrincipalUrl::parse("url", "https://a.example/users/{principal.subject}/consents").unwrap();
            if let Some(url) = url.about(&principal(&subject)) {
                let uri: Uri = url.parse().unwrap();
                prop_assert_eq!(uri.authority().unwrap().as_str(), "a.example");
                let segments: Vec<&str> = uri.path().split('/').collect();
                prop_assert_eq!(segments.len(), 4);
                prop_assert_eq!((segments[1], segments[3], uri.query()), ("users", "consents", None));
                prop_assert!(!matches!(segments[2], "" | "." | ".."));
            }
        }
    }
}
