//! Which origins are allowed: by name, by pattern, or all of them.

use gwanmun_config::Spanned;
use gwanmun_proxy::Invalid;

use crate::origin::{Origin, host_and_port, mistake};

/// Stands for all origins.
pub(super) const ALL: &str = "*";

/// The origins that are allowed.
#[derive(Debug, Default)]
pub(super) struct Allowed {
    /// Every one, `null` too.
    all: bool,
    exact: Vec<String>,
    patterns: Vec<Pattern>,
}

/// `https://*.example.com:[8080,8443]`.
#[derive(Debug, PartialEq, Eq)]
struct Pattern {
    scheme: String,
    /// With its dot at the beginning where the labels before it are open.
    host: String,
    has_open_labels: bool,
    ports: Ports,
}

#[derive(Debug, PartialEq, Eq)]
enum Ports {
    /// `None` is the one that goes without saying.
    Only(Vec<Option<u16>>),
    Any,
}

impl Allowed {
    /// What is written in `allowed-origins` and `allowed-origin-patterns`; mistakes go to `mistakes`.
    pub(super) fn read(origins: &[Spanned<String>], patterns: &[Spanned<String>], mistakes: &mut Vec<Invalid>) -> Self {
        let mut allowed = Self::default();
        for text in origins {
            match text.as_str() {
                ALL => allowed.all = true,
                origin if Origin::parse(origin).is_some() => allowed.exact.push(origin.to_owned()),
                other => {
                    let (message, hint) = mistake(other);
                    let hint = hint.or_else(|| {
                        other.contains('*').then(|| "patterns stand in allowed-origin-patterns".to_owned())
                    });
                    let invalid = Invalid::within(text.span, message);
                    mistakes.push(match hint {
                        Some(hint) => invalid.with_hint(hint),
                        None => invalid,
                    });
                }
            }
        }
        for text in patterns {
            match Pattern::parse(text) {
                Some(pattern) => allowed.patterns.push(pattern),
                None => mistakes.push(
                    Invalid::within(text.span, format!("found '{}', wanted a pattern like https://*.example.com or http://localhost:[*]", text.value))
                        .with_hint("a star stands for one or more labels at the beginning of a host; all origins are `allowed-origins: '*'`"),
                ),
            }
        }
        allowed
    }

    /// Whether every origin is.
    pub(super) fn are_all(&self) -> bool {
        self.all
    }

    /// Whether nobody is.
    pub(super) fn is_nobody(&self) -> bool {
        !self.all && self.exact.is_empty() && self.patterns.is_empty()
    }

    /// Whether `origin` is one of them; `None` is an origin that hides itself (`null`).
    pub(super) fn has(&self, origin: Option<Origin<'_>>) -> bool {
        self.all
            || origin.is_some_and(|origin| {
                self.exact.iter().any(|exact| Origin::parse(exact) == Some(origin))
                    || self.patterns.iter().any(|pattern| pattern.matches(origin))
            })
    }
}

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let has_open_labels = rest.starts_with("*.");
        let rest = rest.strip_prefix("*.").unwrap_or(rest);
        let port_of = |authority: &str| Origin::parse(&format!("{scheme}://{authority}")).map(|origin| origin.port);
        let (host, ports) = match rest.strip_suffix(']').and_then(|listed| listed.rsplit_once(":[")) {
            Some((host, "*")) => (host, Ports::Any),
            Some((host, listed)) => {
                let numbers = listed.split(',').map(str::trim);
                let port = |number: &str| port_of(&format!("a:{number}")).filter(|_| !number.is_empty());
                (host, Ports::Only(numbers.map(port).collect::<Option<_>>()?))
            }
            None => (host_and_port(rest)?.0, Ports::Only(vec![port_of(rest)?])),
        };
        let is_host = host_and_port(host) == Some((host, None)) && !host.starts_with('.');
        let host = if has_open_labels { format!(".{host}") } else { host.to_owned() };
        is_host.then(|| Self { scheme: scheme.to_owned(), host, has_open_labels, ports })
    }

    fn matches(&self, origin: Origin<'_>) -> bool {
        let is_host = if self.has_open_labels {
            let before = origin.host.len().checked_sub(self.host.len());
            let split = before.and_then(|before| origin.host.split_at_checked(before));
            split.is_some_and(|(labels, rest)| !labels.is_empty() && rest.eq_ignore_ascii_case(&self.host))
        } else {
            origin.host.eq_ignore_ascii_case(&self.host)
        };
        let is_port = match &self.ports {
            Ports::Any => true,
            Ports::Only(ports) => ports.contains(&origin.port),
        };
        is_host && is_port && origin.scheme.eq_ignore_ascii_case(&self.scheme)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, origin: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(Origin::parse(origin).unwrap())
    }

    #[test]
    fn a_star_stands_for_labels_and_never_for_a_part_of_one() {
        let pattern = "https://*.example.com";
        for good in
            ["https://a.example.com", "https://a.b.example.com", "https://A.Example.com", "https://a.example.com:443"]
        {
            assert!(matches(pattern, good), "{good}");
        }
        for bad in [
            "https://example.com",
            "https://evil-example.com",
            "https://evilexample.com",
            "https://a.example.com.evil.test",
            "http://a.example.com",
            "https://a.example.com:8443",
            "https://.example.com",
        ] {
            assert!(!matches(pattern, bad), "{bad}");
        }
    }

    #[test]
    fn ports_are_one_some_or_any() {
        assert!(matches("https://*.example.com:8443", "https://a.example.com:8443"));
        assert!(!matches("https://*.example.com:8443", "https://a.example.com"));
        for port in ["", ":8080", ":443"] {
            assert!(matches("https://*.example.com:[443, 8080]", &format!("https://a.example.com{port}")), "{port}");
        }
        assert!(!matches("https://*.example.com:[443,8080]", "https://a.example.com:8081"));
        assert!(matches("http://localhost:[*]", "http://localhost:3000"));
        assert!(!matches("http://localhost:[*]", "http://localhost.evil.test:3000"));
        assert!(matches("http://[::1]:[*]", "http://[::1]:3000"));
        assert!(matches("http://[::1]:3000", "http://[::1]:3000"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in [
            "*",
            "https://*",
            "https://*example.com",
            "https://a.*.com",
            "https://*.",
            "https://*..com",
            "*.example.com",
            "https://*.example.com/",
            "https://*.example.com:[]",
            "https://*.example.com:[x]",
            "https://*.example.com:*",
            "https://.example.com",
            "null",
            "",
        ] {
            assert_eq!(Pattern::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_a_pattern_takes_ends_with_a_dot_and_the_domain(host in "[a-z.-]{1,12}(example\\.com)?", scheme in "https?") {
            let text = format!("{scheme}://{host}");
            if let Some(origin) = Origin::parse(&text) {
                let wanted = scheme == "https" && host.ends_with(".example.com") && host.len() > ".example.com".len();
                prop_assert_eq!(Pattern::parse("https://*.example.com").unwrap().matches(origin), wanted);
            }
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "[ -~]{0,30}") {
            let _ = Pattern::parse(&text);
        }
    }
}
