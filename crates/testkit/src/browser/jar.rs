//! Cookies by the rules of browsers (RFC 6265bis): what is kept, and who is sent it.

use std::time::{Duration, Instant};

use super::Ask;
use super::address::Address;

/// Bytes of name and value together.
const COOKIE_BYTES: usize = 4096;
/// Cookies of one host; the oldest goes first.
const COOKIES: usize = 180;

/// From where a request is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The user's own hand.
    Hand,
    /// The same site.
    Site,
    /// A link or a redirect of another site, followed by the whole tab.
    Link,
    /// Another site in any other way.
    Foreign,
}

#[derive(Default)]
pub(super) struct Jar(Vec<Cookie>);

struct Cookie {
    name: String,
    value: String,
    host: String,
    /// Whether hosts below get it too.
    has_domain: bool,
    path: String,
    is_secure: bool,
    same_site: SameSite,
    ends: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SameSite {
    Strict,
    Lax,
    None,
}

impl Jar {
    /// Takes a cookie that a host sets; false where browsers refuse it.
    pub(super) fn take(&mut self, from: &Address, set_cookie: &str) -> bool {
        let Some((cookie, is_over)) = Cookie::read(from, set_cookie) else { return false };
        let is_same =
            |other: &Cookie| other.name == cookie.name && other.host == cookie.host && other.path == cookie.path;
        if !from.is_https() && self.0.iter().any(|other| is_same(other) && other.is_secure) {
            return false;
        }
        let place = self.0.iter().position(is_same);
        match (place, is_over) {
            (Some(place), true) => drop(self.0.remove(place)),
            (Some(place), false) => self.0[place] = cookie,
            (None, true) => {}
            (None, false) => {
                let host = cookie.host.clone();
                self.0.push(cookie);
                if self.0.iter().filter(|other| other.host == host).count() > COOKIES {
                    let oldest = self.0.iter().position(|other| other.host == host);
                    oldest.map(|oldest| self.0.remove(oldest));
                }
            }
        }
        true
    }

    /// Names and values that are sent there: longer paths first.
    pub(super) fn sent_to(&mut self, to: &Address, ask: &Ask) -> Vec<(String, String)> {
        let now = Instant::now();
        self.0.retain(|cookie| cookie.ends.is_none_or(|ends| ends > now));
        let path = to.target.split('?').next().unwrap_or_default();
        let is_here = matches!(ask.reach, Reach::Hand | Reach::Site);
        let is_sent = |cookie: &&Cookie| {
            let host = to.host == cookie.host || cookie.has_domain && to.host.ends_with(&format!(".{}", cookie.host));
            let site = match cookie.same_site {
                SameSite::None => true,
                SameSite::Strict => is_here,
                SameSite::Lax => {
                    let is_safe = ask.method == "GET" || ask.method == "HEAD";
                    is_here || ask.reach == Reach::Link && ask.is_navigation && is_safe
                }
            };
            host && site && is_below(path, &cookie.path) && (!cookie.is_secure || to.is_https())
        };
        let mut sent: Vec<&Cookie> = self.0.iter().filter(is_sent).collect();
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        sent.iter().map(|cookie| (cookie.name.clone(), cookie.value.clone())).collect()
    }

    pub(super) fn forget(&mut self, at: &Address, name: &str) {
        self.0.retain(|cookie| cookie.name != name || cookie.host != at.host);
    }
}

impl Cookie {
    /// The cookie, and whether that is its end; `None` where browsers refuse it.
    fn read(from: &Address, text: &str) -> Option<(Self, bool)> {
        if text.chars().any(|letter| letter.is_control() && letter != '\t') {
            return None;
        }
        let mut parts = text.split(';').map(str::trim);
        let (name, value) = parts.next()?.split_once('=')?;
        let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
        if name.is_empty() || name.len() + value.len() > COOKIE_BYTES {
            return None;
        }
        let folder =
            from.target.split('?').next().and_then(|path| path.rsplit_once('/')).map_or("", |(folder, _)| folder);
        let path = if folder.is_empty() { "/" } else { folder }.to_owned();
        let mut cookie = Self {
            name,
            value,
            host: from.host.clone(),
            has_domain: false,
            path,
            is_secure: false,
            same_site: SameSite::Lax,
            ends: None,
        };
        let (mut is_over, mut has_path) = (false, false);
        for attribute in parts {
            let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "path" if value.starts_with('/') => {
                    has_path = true;
                    cookie.path = value.to_owned();
                }
                "domain" if !value.is_empty() => {
                    let domain = value.trim_start_matches('.').to_ascii_lowercase();
                    // Nobody owns a name without a dot.
                    if from.host != domain && !(domain.contains('.') && from.host.ends_with(&format!(".{domain}"))) {
                        return None;
                    }
                    (cookie.host, cookie.has_domain) = (domain, true);
                }
                "secure" => cookie.is_secure = true,
                "max-age" => {
                    let seconds: i64 = value.parse().ok()?;
                    is_over = seconds <= 0;
                    let ends =
                        u64::try_from(seconds).ok().and_then(|s| Instant::now().checked_add(Duration::from_secs(s)));
                    cookie.ends = ends;
                }
                "samesite" => {
                    cookie.same_site = match value.to_ascii_lowercase().as_str() {
                        "strict" => SameSite::Strict,
                        "none" => SameSite::None,
                        _ => SameSite::Lax,
                    }
                }
                _ => {}
            }
        }
        let lower = cookie.name.to_ascii_lowercase();
        let host_only = cookie.is_secure && has_path && cookie.path == "/" && !cookie.has_domain;
        let needs_secure = cookie.same_site == SameSite::None || lower.starts_with("__secure-");
        let is_safe = if cookie.is_secure { from.is_https() } else { !needs_secure };
        let is_refused = !is_safe || lower.starts_with("__host-") && !host_only;
        (!is_refused).then_some((cookie, is_over))
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| folder.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(jar: &mut Jar, url: &str, ask: &Ask) -> Vec<String> {
        jar.sent_to(&Address::wanted(url), ask).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn browsers_refuse_what_breaks_the_rules_of_its_name_or_its_way() {
        let (https, http) = (Address::wanted("https://a.test/x/y"), Address::wanted("http://a.test/"));
        for (from, cookie, is_taken) in [
            (&https, "__Host-s=1; Path=/; Secure", true),
            (&https, "__Host-s=1; Path=/", false),
            (&https, "__Host-s=1; Secure", false),
            (&https, "__Host-s=1; Path=/x; Secure", false),
            (&https, "__Host-s=1; Path=/; Secure; Domain=a.test", false),
            (&https, "__host-s=1; Path=/", false),
            (&http, "__Host-s=1; Path=/; Secure", false),
            (&http, "s=1; Secure", false),
            (&http, "s=1", true),
            (&https, "s=1; Domain=b.test", false),
            (&https, "s=1; Domain=test", false),
            (&https, "s=1; SameSite=None", false),
            (&https, "=1", false),
            (&https, "s=1\u{1}", false),
        ] {
            assert_eq!(Jar::default().take(from, cookie), is_taken, "{cookie}");
        }
        assert!(!Jar::default().take(&https, &format!("s={}", "x".repeat(COOKIE_BYTES))));
    }

    #[test]
    fn cookies_go_to_their_host_and_path_and_never_in_cleartext_if_secure() {
        let mut jar = Jar::default();
        let from = Address::wanted("https://a.test/");
        for cookie in ["secure=1; Secure", "plain=1", "below=1; Path=/x"] {
            assert!(jar.take(&from, cookie));
        }
        let ask = Ask::navigation("GET", Reach::Site);
        assert_eq!(sent(&mut jar, "https://a.test/x/y", &ask), ["below", "secure", "plain"]);
        assert_eq!(sent(&mut jar, "https://a.test/xy", &ask), ["secure", "plain"]);
        assert_eq!(sent(&mut jar, "http://a.test/", &ask), ["plain"]);
        assert!(sent(&mut jar, "https://b.a.test/", &ask).is_empty());
        // Nor is a secure one replaced in cleartext.
        assert!(!jar.take(&Address::wanted("http://a.test/"), "secure=2"));
        assert!(jar.take(&from, "secure=; Max-Age=0"));
        assert_eq!(sent(&mut jar, "https://a.test/", &ask), ["plain"]);
    }

    #[test]
    fn of_other_sites_only_a_link_brings_a_lax_cookie() {
        let mut jar = Jar::default();
        let from = Address::wanted("https://a.test/");
        for cookie in ["strict=1; SameSite=Strict", "lax=1; SameSite=Lax", "none=1; SameSite=None; Secure"] {
            assert!(jar.take(&from, cookie));
        }
        for (ask, wanted) in [
            (Ask::navigation("GET", Reach::Site), vec!["strict", "lax", "none"]),
            (Ask::fetch("POST", Reach::Site), vec!["strict", "lax", "none"]),
            (Ask::navigation("GET", Reach::Link), vec!["lax", "none"]),
            (Ask::navigation("POST", Reach::Foreign), vec!["none"]),
            (Ask::fetch("GET", Reach::Foreign), vec!["none"]),
        ] {
            assert_eq!(sent(&mut jar, "https://a.test/", &ask), wanted);
        }
    }
}
