//! Addresses as browsers read them (WHATWG URL), as far as redirects go: a backslash is a slash, and white space that
//! nobody sees is no part of it.

/// An address of `http` or `https`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) scheme: String,
    pub(super) host: String,
    /// `None`: that of the scheme.
    explicit_port: Option<u16>,
    /// Path and query.
    pub(super) target: String,
}

impl Address {
    /// `None` where it is of another scheme or names no host.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text: String = text.trim_matches(|letter: char| letter <= ' ').replace(['\t', '\r', '\n'], "");
        let (scheme, rest) = text.split_once(':')?;
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "http" && scheme != "https" {
            return None;
        }
        let rest = rest.trim_start_matches(['/', '\\']);
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '\\', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let authority = authority.rsplit('@').next().unwrap_or_default();
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (authority, None),
        };
        if host.is_empty() {
            return None;
        }
        let target = match target.split_once('?') {
            Some((path, query)) => format!("{}?{query}", path.replace('\\', "/")),
            None => target.replace('\\', "/"),
        };
        let target = if target.starts_with('/') { target } else { format!("/{target}") };
        let default = if scheme == "https" { 443 } else { 80 };
        let explicit_port = port.filter(|port| *port != default);
        Some(Self { host: host.to_ascii_lowercase(), explicit_port, target, scheme })
    }

    /// # Panics
    /// When it is none.
    pub(super) fn wanted(text: &str) -> Self {
        Self::read(text).unwrap_or_else(|| panic!("not an address that a browser goes to: {text}"))
    }

    /// What `location` means on a page of this address.
    pub(super) fn join(&self, location: &str) -> String {
        let location = location.trim_matches(|letter: char| letter <= ' ').replace(['\t', '\r', '\n'], "");
        let has_scheme = location.split_once(':').is_some_and(|(scheme, _)| {
            scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
                && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
        });
        if has_scheme {
            return location;
        }
        if location.starts_with(['/', '\\']) {
            let rest = &location[1..];
            if rest.starts_with(['/', '\\']) {
                return format!("{}:{location}", self.scheme);
            }
            return format!("{}/{rest}", self.origin());
        }
        let path = self.target.split('?').next().unwrap_or_default();
        if location.starts_with('?') {
            return format!("{}{path}{location}", self.origin());
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{}{folder}/{location}", self.origin())
    }

    pub(super) fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority())
    }

    pub(super) fn authority(&self) -> String {
        self.explicit_port.map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host))
    }

    pub(super) fn port(&self) -> u16 {
        self.explicit_port.unwrap_or(if self.is_https() { 443 } else { 80 })
    }

    pub(super) fn is_https(&self) -> bool {
        self.scheme == "https"
    }

    /// Whether browsers trust the way there (Secure Contexts, section 3.1), and tell how a request came about.
    pub(super) fn is_trustworthy(&self) -> bool {
        let is_local = self.host == "localhost" || self.host.ends_with(".localhost") || self.host.starts_with("127.");
        self.is_https() || is_local
    }

    /// Whether scheme and host are those of a URL. Hosts of tests have no parents in common.
    pub(super) fn is_same_site(&self, url: &str) -> bool {
        Self::read(url).is_some_and(|other| other.scheme == self.scheme && other.host == self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_where_browsers_go() {
        let base = Address::wanted("https://a.test/x/y?z=1");
        for (location, wanted) in [
            ("/b?c", "https://a.test/b?c"),
            ("b", "https://a.test/x/b"),
            ("?d", "https://a.test/x/y?d"),
            ("http://b.test:81/c", "http://b.test:81/c"),
            ("//evil.test", "https://evil.test/"),
            ("/\\evil.test/", "https://evil.test/"),
            ("\\\\evil.test", "https://evil.test/"),
            ("/\t/evil.test", "https://evil.test/"),
            ("https:evil.test", "https://evil.test/"),
            ("https:/\\evil.test", "https://evil.test/"),
            ("https://a.test@evil.test/", "https://evil.test/"),
        ] {
            let joined = base.join(location);
            let address = Address::wanted(&joined);
            assert_eq!(format!("{}{}", address.origin(), address.target), wanted, "{location}");
        }
    }

    #[test]
    fn what_is_no_page_is_no_address() {
        for text in ["javascript:alert(1)", "data:text/html,x", "https://", "https://a:b/", "a.test"] {
            assert_eq!(Address::read(text), None, "{text}");
        }
    }
}
