//! Where a call goes: the base URL of the configuration and a path of business code, which never leads anywhere else.

use std::fmt::Write as _;

use http::Uri;
use http::uri::{Authority, Scheme};

/// A base URL.
#[derive(Debug, Clone)]
pub(super) struct Base {
    scheme: Scheme,
    authority: Authority,
    /// Without a slash at its end.
    prefix: String,
}

impl Base {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let wanted = "wanted a URL like http://menu:8080";
        let uri: Uri = text.parse().map_err(|_| wanted)?;
        let parts = uri.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else { return Err(wanted) };
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err("wanted http or https");
        }
        if authority.as_str().contains('@') {
            return Err("wanted a URL without a user name or password");
        }
        if authority.host().is_empty() {
            return Err(wanted);
        }
        let path = parts.path_and_query;
        if text.contains('#') || path.as_ref().is_some_and(|path| path.query().is_some()) {
            return Err("wanted a URL without query and fragment");
        }
        let prefix = path.map(|path| path.path().trim_end_matches('/').to_owned()).unwrap_or_default();
        Ok(Self { scheme, authority, prefix })
    }

    /// Host and port.
    pub(super) fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// The URL of `path` there.
    ///
    /// # Errors
    /// The path is none, or would lead out of itself for somebody.
    pub(super) fn join(&self, path: &str, query: &str) -> Result<Uri, &'static str> {
        if !path.starts_with('/') {
            return Err("the path does not begin with a slash");
        }
        if path.contains('#') {
            return Err("the path has a fragment");
        }
        let bare = path.split_once('?').map_or(path, |(bare, _)| bare);
        if bare.split(['/', '\\']).any(is_dot_segment) {
            return Err("the path has a dot segment");
        }
        let between = match (query.is_empty(), path.contains('?')) {
            (true, _) => "",
            (false, true) => "&",
            (false, false) => "?",
        };
        let whole = format!("{}{path}{between}{query}", self.prefix);
        let uri = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone()).path_and_query(whole);
        uri.build().map_err(|_| "the path has characters that no path has")
    }
}

/// One segment of a path, whatever it is made of: a slash in it is no slash any more, and dots lead nowhere.
pub fn segment(text: &str) -> String {
    match text {
        // These cannot be escaped: whoever normalizes a path reads %2e as a dot. What stands in their place is nobody's name.
        "." | ".." => "%00".to_owned(),
        text => encoded(text),
    }
}

/// `name=value`, escaped.
pub(super) fn parameter(name: &str, value: &str) -> String {
    format!("{}={}", encoded(name), encoded(value))
}

/// All but unreserved characters escaped (RFC 3986 section 2.3).
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                // Memory takes what is written.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// `.` or `..`, also escaped or before parameters.
fn is_dot_segment(segment: &str) -> bool {
    let name = segment.split(';').next().unwrap_or_default();
    matches!(name.replace("%2e", ".").replace("%2E", ".").as_str(), "." | "..")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn join(base: &str, path: &str) -> Result<String, &'static str> {
        Base::parse(base).unwrap().join(path, "").map(|uri| uri.to_string())
    }

    #[test]
    fn a_path_is_below_the_base() {
        assert_eq!(join("http://menu:8080", "/a?b=c").unwrap(), "http://menu:8080/a?b=c");
        assert_eq!(join("https://menu.internal/api/", "/a").unwrap(), "https://menu.internal/api/a");
        assert_eq!(join("http://menu", "//evil.example/a").unwrap(), "http://menu//evil.example/a");
        let uri = Base::parse("http://menu").unwrap().join("/a?b=c", &parameter("d", "e&f=ü")).unwrap();
        assert_eq!(uri, "http://menu/a?b=c&d=e%26f%3D%C3%BC");
    }

    #[test]
    fn no_path_leads_elsewhere() {
        for path in [
            "",
            "a",
            "@evil.example/",
            ":9/",
            "http://evil.example/",
            "/../a",
            "/a/..",
            "/a/%2e%2e/b",
            "/.%2E/a",
            "/a\\..\\b",
            "/..;x/a",
            "/a#b",
            "/a b",
            "/a\r\nX: y",
            "/a\0",
        ] {
            assert!(join("http://menu/api", path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn what_is_no_base_is_refused() {
        for text in ["", "/a", "menu", "ftp://menu", "http://u:p@menu", "http://menu?a=b", "http://menu/#a", "http://"]
        {
            assert!(Base::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_segment_is_made_of_it_stays_one(text in any::<String>()) {
            let path = format!("/a/{}/b", segment(&text));
            let uri = Base::parse("http://menu").unwrap().join(&path, &parameter(&text, &text)).unwrap();
            prop_assert_eq!(uri.authority().unwrap().as_str(), "menu");
            prop_assert_eq!(uri.path().split('/').count(), 4);
            prop_assert_eq!(uri.query().unwrap().matches('&').count(), 0);
        }

        #[test]
        fn any_path_is_refused_or_stays_at_the_base(path in ".{0,40}") {
            if let Ok(uri) = Base::parse("http://menu/api").unwrap().join(&path, "") {
                prop_assert_eq!(uri.authority().unwrap().as_str(), "menu");
                prop_assert!(uri.path().starts_with("/api/"));
            }
        }
    }
}
