//! The gateway's own cookies: how they are called, what is taken out of requests, what upstreams may not set. Over https
//! all names have the prefix `__Host-`, which browsers take from nobody but the host itself (RFC 6265bis section 4.1.3.2).

use std::sync::Arc;

use gwanmun_core::Secret;
use gwanmun_proxy::{Exchange, OwnCookie, Response, Scheme};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE};

use super::Entrance;
use super::streak::Streak;

/// How many logins a browser may have begun.
const LOGINS: usize = 4;
/// How long one may take, seconds.
const LOGIN_AGE: u64 = 600;
/// How many characters of a login's `state` are in the name of its cookie.
const STATE_IN_NAME: usize = 8;
/// The longest value of a login's cookie, bytes.
const LONGEST_LOGIN: usize = 3072;
/// The length of a session's cookie, bytes.
const SESSION: usize = 43;

const PREFIX: &str = "__Host-";

/// How the cookies of one provider are called.
#[derive(Debug, Clone)]
pub(crate) struct CookieNames {
    name: Box<str>,
    over_https: Named,
    over_http: Named,
}

/// The same for one scheme.
#[derive(Debug, Clone)]
struct Named {
    session: Arc<str>,
    streak: Arc<str>,
    /// Before the first characters of `state`.
    login: Box<str>,
    attributes: &'static str,
}

/// What a cookie of ours is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind<'n> {
    Session,
    Streak,
    /// With the characters of `state`.
    Login(&'n str),
}

impl CookieNames {
    /// For sessions called `name`.
    pub(crate) fn new(name: &str) -> Self {
        let over_https = Named::new(&format!("{PREFIX}{name}"), "; Path=/; Secure; HttpOnly; SameSite=Lax");
        Self { name: name.into(), over_https, over_http: Named::new(name, "; Path=/; HttpOnly; SameSite=Lax") }
    }

    /// The session's, without prefix.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether one of the cookies of `others` would be taken for one of these.
    pub(crate) fn meet(&self, others: &Self) -> bool {
        let Named { session, streak, login, .. } = &others.over_http;
        [&**session, &**streak, &**login].into_iter().any(|name| self.owns(name))
    }

    /// Whether a cookie called `name`, without prefix, is one of these.
    fn owns(&self, name: &str) -> bool {
        self.kind(name).is_some()
    }

    /// The session's cookie in this request; `None` where there is no session: over http from elsewhere.
    pub(super) fn session(&self, exchange: &Exchange) -> Option<&str> {
        self.named(exchange).map(|named| &*named.session)
    }

    /// The login that the request's `state` is the answer to.
    pub(super) fn login<'e>(&self, exchange: &'e Exchange, state: &str) -> Option<&'e str> {
        let name = self.named(exchange)?.login(state)?;
        let mut found = exchange.own_cookies.sent.iter().filter(|cookie| *cookie.name == *name);
        match (found.next(), found.next()) {
            (Some(found), None) => Some(&found.value),
            _ => None,
        }
    }

    /// How often the browser has logged in of late.
    pub(super) fn streak(&self, exchange: &Exchange) -> Option<Streak> {
        let name = &self.named(exchange)?.streak;
        exchange.own_cookies.named(name).next()?.parse().ok()
    }

    /// Has the answer set the session's cookie.
    pub(super) fn set_session(&self, exchange: &mut Exchange, session: &Secret<String>) {
        let Some(named) = self.named(exchange) else { return };
        set(exchange, format!("{}={}{}", named.session, session.expose(), named.attributes));
    }

    /// Has the answer set the streak's cookie.
    pub(super) fn set_streak(&self, exchange: &mut Exchange, streak: Streak) {
        let Some(named) = self.named(exchange) else { return };
        let age = Streak::WINDOW.as_secs();
        set(exchange, format!("{}={streak}; Max-Age={age}{}", named.streak, named.attributes));
    }

    /// Has the answer set the cookie of a login that begins, and clear the oldest ones where there are too many.
    pub(super) fn set_login(&self, exchange: &mut Exchange, state: &str, kept: &Secret<String>) {
        let Some(named) = self.named(exchange) else { return };
        let Some(name) = named.login(state) else { return };
        let begun = exchange.own_cookies.sent.iter().filter(|cookie| cookie.name.starts_with(&*named.login));
        let mut begun: Vec<Arc<str>> = begun.map(|cookie| Arc::clone(&cookie.name)).collect();
        // Browsers send older ones first (RFC 6265 section 5.4).
        begun.truncate((begun.len() + 1).saturating_sub(LOGINS));
        begun.iter().for_each(|old| set(exchange, cleared(old, named.attributes)));
        set(exchange, format!("{name}={}; Max-Age={LOGIN_AGE}{}", kept.expose(), named.attributes));
    }

    /// Has the answer clear the cookie of a login.
    pub(super) fn clear_login(&self, exchange: &mut Exchange, state: &str) {
        let Some(named) = self.named(exchange) else { return };
        let Some(name) = named.login(state) else { return };
        set(exchange, cleared(&name, named.attributes));
    }

    /// Has the answer clear every cookie of ours that the browser sent.
    pub(super) fn clear_all(&self, exchange: &mut Exchange) {
        let Some(named) = self.named(exchange) else { return };
        let sent = exchange.own_cookies.sent.iter().map(|cookie| Arc::clone(&cookie.name));
        let mut names: Vec<Arc<str>> = sent.filter(|name| self.owns(unprefixed(name).0)).collect();
        names.sort_unstable();
        names.dedup();
        names.iter().for_each(|name| set(exchange, cleared(name, named.attributes)));
    }

    fn named(&self, exchange: &Exchange) -> Option<&Named> {
        match exchange.scheme() {
            Scheme::Https => Some(&self.over_https),
            Scheme::Http if exchange.is_protected() => Some(&self.over_http),
            Scheme::Http => None,
        }
    }

    /// What a cookie called `name`, without prefix, is for.
    fn kind<'n>(&self, name: &'n str) -> Option<Kind<'n>> {
        match name.strip_prefix(&*self.name)? {
            "" => Some(Kind::Session),
            "-streak" => Some(Kind::Streak),
            rest => rest.strip_prefix("-login-").map(Kind::Login),
        }
    }
}

impl Named {
    fn new(name: &str, attributes: &'static str) -> Self {
        let (streak, login) = (format!("{name}-streak").into(), format!("{name}-login-").into());
        Self { session: name.into(), streak, login, attributes }
    }

    /// The name of the cookie of the login with this `state`, if it can be one.
    fn login(&self, state: &str) -> Option<String> {
        let first = state.get(..STATE_IN_NAME).filter(|_| state.bytes().all(is_base64url))?;
        Some(format!("{}{first}", self.login))
    }
}

/// Takes every cookie of ours out of the request. What nobody could have got from us is cleared; what came over a channel
/// that it is not for is only taken out. Other cookies stay as they are, byte for byte.
pub(super) fn take(entrances: &[Arc<Entrance>], exchange: &mut Exchange) {
    let is_ours = |pair: &[u8]| find(entrances, pair).is_some();
    let fields = exchange.request.headers.get_all(COOKIE);
    if !fields.iter().any(|field| field.as_bytes().split(|&byte| byte == b';').any(is_ours)) {
        return;
    }
    let fields: Vec<HeaderValue> = fields.iter().cloned().collect();
    exchange.request.headers.remove(COOKIE);
    for field in fields {
        let mut left: Vec<u8> = Vec::new();
        for pair in field.as_bytes().split(|&byte| byte == b';') {
            match find(entrances, pair) {
                Some(found) => found.note(exchange),
                None if left.is_empty() => left.extend_from_slice(pair.trim_ascii_start()),
                None => {
                    left.push(b';');
                    left.extend_from_slice(pair);
                }
            }
        }
        if let Some(left) = HeaderValue::from_maybe_shared(left).ok().filter(|left| !left.is_empty()) {
            exchange.request.headers.append(COOKIE, left);
        }
    }
    for entrance in entrances {
        entrance.cookies.clear_twins(exchange);
    }
}

/// Keeps an upstream from setting cookies of ours, and sets those that are to be set.
pub(super) fn settle(entrances: &[Arc<Entrance>], exchange: &mut Exchange, response: &mut Response) {
    let headers = response.headers_mut();
    let is_ours = |value: &HeaderValue| is_set(entrances, value.as_bytes());
    if headers.get_all(SET_COOKIE).iter().any(is_ours) {
        let others: Vec<HeaderValue> =
            headers.get_all(SET_COOKIE).iter().filter(|value| !is_ours(value)).cloned().collect();
        headers.remove(SET_COOKIE);
        headers.extend(others.into_iter().map(|other| (SET_COOKIE, other)));
    }
    if !exchange.own_cookies.answer.is_empty() {
        // A cache on the way would give them to others.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(exchange.own_cookies.answer.drain(..).map(|value| (SET_COOKIE, value)));
    }
}

/// A cookie of ours in a request.
struct Found<'a> {
    names: &'a CookieNames,
    kind: Kind<'a>,
    /// Whether its name has the prefix.
    is_host: bool,
    name: &'a str,
    value: &'a [u8],
}

impl Found<'_> {
    fn note(&self, exchange: &mut Exchange) {
        let Some(named) = self.names.named(exchange) else { return };
        if self.is_host != (exchange.scheme() == Scheme::Https) {
            return;
        }
        let value = self.value.iter().all(|&byte| is_base64url(byte)).then(|| str::from_utf8(self.value).ok());
        let (name, value) = match (self.kind, value.flatten()) {
            (Kind::Session, value) => {
                // Whoever shows something that is none gets the same answer as with one that has ended.
                let value = value.filter(|value| value.len() == SESSION).unwrap_or_default();
                if value.is_empty() {
                    set(exchange, cleared(self.name, named.attributes));
                }
                (Arc::clone(&named.session), value)
            }
            (Kind::Streak, Some(value)) if value.parse::<Streak>().is_ok() => (Arc::clone(&named.streak), value),
            (Kind::Login(of), Some(value))
                if of.len() == STATE_IN_NAME
                    && of.bytes().all(is_base64url)
                    && (1..=LONGEST_LOGIN).contains(&value.len()) =>
            {
                (Arc::from(self.name), value)
            }
            _ => return set(exchange, cleared(self.name, named.attributes)),
        };
        exchange.own_cookies.sent.push(OwnCookie { name, value: value.into() });
    }
}

impl CookieNames {
    /// Has the answer clear a session that stands there twice: with both of them nobody could ever be let in.
    fn clear_twins(&self, exchange: &mut Exchange) {
        let Some(named) = self.named(exchange) else { return };
        if exchange.own_cookies.named(&named.session).count() > 1 {
            set(exchange, cleared(&named.session, named.attributes));
        }
    }
}

fn find<'a>(entrances: &'a [Arc<Entrance>], pair: &'a [u8]) -> Option<Found<'a>> {
    let equals = pair.iter().position(|&byte| byte == b'=').unwrap_or(pair.len());
    let (name, value) = pair.split_at(equals);
    let name = str::from_utf8(name.trim_ascii()).ok()?;
    let (bare, is_host) = unprefixed(name);
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    entrances.iter().find_map(|entrance| {
        let names = &entrance.cookies;
        Some(Found { names, kind: names.kind(bare)?, is_host, name, value })
    })
}

/// Whether a `Set-Cookie` sets one of ours, also by a cookie without a name: a browser sends back only its value, which then
/// looks like a name and a value.
fn is_set(entrances: &[Arc<Entrance>], value: &[u8]) -> bool {
    let pair = value.split(|&byte| byte == b';').next().unwrap_or_default();
    let nameless = pair.iter().position(|&byte| byte != b'=' && !byte.is_ascii_whitespace()).unwrap_or(pair.len());
    find(entrances, pair.get(nameless..).unwrap_or_default()).is_some()
}

/// A name without the prefix, and whether it has it.
fn unprefixed(name: &str) -> (&str, bool) {
    name.strip_prefix(PREFIX).map_or((name, false), |bare| (bare, true))
}

fn cleared(name: &str, attributes: &str) -> String {
    format!("{name}=; Max-Age=0{attributes}")
}

fn set(exchange: &mut Exchange, cookie: String) {
    // All of it is base64url or of our own making; what is not cannot be set.
    if let Ok(mut value) = HeaderValue::try_from(cookie) {
        value.set_sensitive(true);
        exchange.own_cookies.answer.push(value);
    }
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

#[cfg(test)]
mod tests;
