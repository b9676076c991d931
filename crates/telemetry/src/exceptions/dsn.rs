//! Where a tracker is and what lets us in: `https://KEY@host/PROJECT`. The key is a secret and is never shown.

use std::fmt;

use gwanmun_core::Secret;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};

/// What Sentry's protocol calls a DSN.
#[derive(Clone, PartialEq, Eq)]
pub struct Dsn {
    scheme: Scheme,
    key: Secret<Box<str>>,
    /// Older trackers have one.
    secret: Option<Secret<Box<str>>>,
    /// Host and port.
    host: Authority,
    /// The path of the tracker, without a slash at its end.
    below: Box<str>,
    project: Box<str>,
}

/// Why a text is no DSN. It does not repeat the text, since there may be a secret in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoDsn {
    found: &'static str,
}

impl Dsn {
    /// Reads a DSN.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, NoDsn> {
        let wrong = |found| NoDsn { found };
        let (scheme, rest) = text.split_once("://").ok_or(wrong("no scheme"))?;
        let scheme = match scheme {
            "https" => Scheme::HTTPS,
            "http" => Scheme::HTTP,
            _ => return Err(wrong("a scheme that is neither http nor https")),
        };
        let (authority, path) = rest.split_once('/').ok_or(wrong("no project"))?;
        let (keys, host) = authority.split_once('@').ok_or(wrong("no key before the host"))?;
        let (key, secret) = keys.split_once(':').map_or((keys, None), |(key, secret)| (key, Some(secret)));
        if !is_word(key) || secret.is_some_and(|secret| !is_word(secret)) {
            return Err(wrong("a key that is not of letters, digits, '-' and '_'"));
        }
        let host: Authority = host.parse().map_err(|_| wrong("no host and port"))?;
        let is_port_fine = match host.as_str().strip_prefix(host.host()) {
            Some("") => true,
            Some(_) => host.port_u16().is_some_and(|port| port > 0),
            None => false,
        };
        if host.host().is_empty() || host.as_str().contains('@') || !is_port_fine {
            return Err(wrong("no host and port"));
        }
        let (below, project) = path.rsplit_once('/').map_or((None, path), |(below, project)| (Some(below), project));
        if !is_word(project) || below.is_some_and(|below| !below.split('/').all(is_word)) {
            return Err(wrong("a path that is no project"));
        }
        Ok(Self {
            scheme,
            key: Secret::new(key.into()),
            secret: secret.map(|secret| Secret::new(secret.into())),
            host,
            below: below.map_or_else(String::new, |below| format!("/{below}")).into(),
            project: project.into(),
        })
    }

    /// Where envelopes go. There is no secret in it.
    pub(super) fn envelopes(&self) -> Option<Uri> {
        format!("{}://{}{}/api/{}/envelope/", self.scheme, self.host, self.below, self.project).parse().ok()
    }

    /// What lets us in: the value of `X-Sentry-Auth`.
    pub(super) fn credential(&self) -> Option<HeaderValue> {
        let mut value = format!(
            "Sentry sentry_version=7, sentry_client=gwanmun/{}, sentry_key={}",
            env!("CARGO_PKG_VERSION"),
            self.key.expose()
        );
        if let Some(secret) = &self.secret {
            value.push_str(", sentry_secret=");
            value.push_str(secret.expose());
        }
        let mut value = HeaderValue::try_from(value).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl fmt::Display for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://***@{}{}/{}", self.scheme, self.host, self.below, self.project)
    }
}

impl fmt::Debug for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for NoDsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "found {}, wanted https://KEY@host/PROJECT", self.found)
    }
}

impl std::error::Error for NoDsn {}

fn is_word(text: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !text.is_empty() && text.bytes().all(is_fine)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_dsn_says_where_envelopes_go_and_shows_no_key() {
        for (text, envelopes, shown) in [
            ("https://k3y@errors.example/7", "https://errors.example/api/7/envelope/", "https://***@errors.example/7"),
            (
                "http://k3y:s3cret@[::1]:8000/a/b/1",
                "http://[::1]:8000/a/b/api/1/envelope/",
                "http://***@[::1]:8000/a/b/1",
            ),
        ] {
            let dsn = Dsn::parse(text).unwrap();
            assert_eq!(dsn.envelopes().unwrap(), envelopes);
            assert_eq!((dsn.to_string(), format!("{dsn:?}")), (shown.to_owned(), shown.to_owned()));
            let credential = dsn.credential().unwrap();
            assert!(credential.is_sensitive() && credential.to_str().unwrap().contains("sentry_key=k3y"));
            assert_eq!(credential.to_str().unwrap().contains("sentry_secret=s3cret"), text.contains("s3cret"));
        }
    }

    #[test]
    fn what_is_no_dsn_is_refused_without_being_repeated() {
        for (text, found) in [
            ("", "no scheme"),
            ("k3y@errors.example/7", "no scheme"),
            ("ftp://k3y@errors.example/7", "a scheme that is neither http nor https"),
            ("https://k3y@errors.example", "no project"),
            ("https://errors.example/7", "no key before the host"),
            ("https://k3y@/7", "no host and port"),
            ("https://k3y@host:0/7", "no host and port"),
            ("https://k3y@host:99999/7", "no host and port"),
            ("https://k3y@host:/7", "no host and port"),
            ("https://k3y@evil@host/7", "no host and port"),
            ("https://@host/7", "a key that is not of letters, digits, '-' and '_'"),
            ("https://k3y, x@host/7", "a key that is not of letters, digits, '-' and '_'"),
            ("https://k3y:@host/7", "a key that is not of letters, digits, '-' and '_'"),
            ("https://k3y@host/", "a path that is no project"),
            ("https://k3y@host//7", "a path that is no project"),
            ("https://k3y@host/../7", "a path that is no project"),
            ("https://k3y@host/7?x=1", "a path that is no project"),
            ("https://k3y@host/7#x", "a path that is no project"),
        ] {
            let wrong = Dsn::parse(text).unwrap_err();
            assert_eq!(wrong.found, found, "{text}");
            assert!(!wrong.to_string().contains("k3y"));
        }
    }

    proptest! {
        #[test]
        fn any_dsn_can_be_called(text in "https?://[a-z:]{1,3}@[a-z:0-9.\\[\\]@]{1,9}/[a-z/.]{1,5}|\\PC{0,30}") {
            if let Ok(dsn) = Dsn::parse(&text) {
                prop_assert!(dsn.envelopes().is_some_and(|uri| uri.authority() == Some(&dsn.host)), "{text}");
                prop_assert!(dsn.credential().is_some());
            }
        }
    }
}
