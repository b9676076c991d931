//! Where something of an issuer is published: a URL that nobody on the way can change the answer of.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::Uri;

/// An `https` URL, or an `http` one on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Uri);

/// Why a text is no [`Endpoint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoEndpoint {
    /// It is no absolute URL with a host.
    NoUrl,
    /// It has a user name in it.
    UserInfo,
    /// It is `http`, and not on this machine: whoever is on the way could answer with keys of their own.
    Cleartext,
}

impl Endpoint {
    /// The URL.
    pub fn uri(&self) -> &Uri {
        &self.0
    }
}

impl FromStr for Endpoint {
    type Err = NoEndpoint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A fragment is cut off by the parser: it would go unnoticed.
        let uri: Uri = text.parse().ok().filter(|_| !text.contains('#')).ok_or(NoEndpoint::NoUrl)?;
        let authority = uri.authority().ok_or(NoEndpoint::NoUrl)?;
        if authority.as_str().contains('@') {
            return Err(NoEndpoint::UserInfo);
        }
        match uri.scheme_str() {
            _ if authority.host().is_empty() => Err(NoEndpoint::NoUrl),
            Some("https") => Ok(Self(uri)),
            Some("http") if is_here(authority.host()) => Ok(Self(uri)),
            Some("http") => Err(NoEndpoint::Cleartext),
            _ => Err(NoEndpoint::NoUrl),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for NoEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoUrl => "wanted a URL like https://idp.example",
            Self::UserInfo => "a URL with a user name in it is not used",
            Self::Cleartext => {
                "wanted https: over http whoever is on the way could answer with keys of their own (on this machine http will do)"
            }
        })
    }
}

impl std::error::Error for NoEndpoint {}

fn is_here(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_is_good_anywhere_and_http_on_this_machine() {
        for text in [
            "https://idp.example/jwks",
            "https://idp.example:8443/a?b=c",
            "http://127.0.0.1:9/jwks",
            "http://127.9.9.9/",
            "http://[::1]:80/jwks",
            "http://LOCALHOST/jwks",
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().uri(), text, "{text}");
        }
    }

    #[test]
    fn others_are_refused() {
        for (text, why) in [
            ("http://idp.example/jwks", NoEndpoint::Cleartext),
            ("http://127.0.0.1.evil.example/", NoEndpoint::Cleartext),
            ("http://localhost.evil.example/", NoEndpoint::Cleartext),
            ("http://10.0.0.1/", NoEndpoint::Cleartext),
            ("http://127.0.0.1@evil.example/", NoEndpoint::UserInfo),
            ("https://user:password@idp.example/", NoEndpoint::UserInfo),
            ("https://idp.example/jwks#a", NoEndpoint::NoUrl),
            ("ftp://idp.example/", NoEndpoint::NoUrl),
            ("file:jwks.json", NoEndpoint::NoUrl),
            ("/jwks", NoEndpoint::NoUrl),
            ("idp.example", NoEndpoint::NoUrl),
            ("https://", NoEndpoint::NoUrl),
            ("https:///jwks", NoEndpoint::NoUrl),
            ("https://:443/jwks", NoEndpoint::NoUrl),
            ("", NoEndpoint::NoUrl),
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(why), "{text}");
        }
    }
}
