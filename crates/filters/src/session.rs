//! People who come with sessions: their cookies, the way to the provider and back, and what they see on it. The filter at
//! the door (`door.rs`) serves the gateway's own paths; `authenticate` asks it for who calls, by way of an [`Entrance`].

mod browser;
mod cookies;
mod door;
mod form;
mod login;
mod page;
mod streak;

use std::collections::BTreeMap;
use std::sync::Arc;

use gwanmun_core::{Clock, Code, Fault, Reason};
use gwanmun_identity::{Oidc, Refusal};
use gwanmun_proxy::{Exchange, Scheme};

pub(crate) use browser::is_navigation;
pub(crate) use cookies::CookieNames;
pub(crate) use door::SessionDoor;

/// Where people come in who log in at one provider.
pub(crate) struct Entrance {
    /// The provider, and the sessions of who has logged in there.
    pub(crate) oidc: Arc<Oidc>,
    pub(crate) cookies: CookieNames,
    after_logout: String,
    clock: Arc<dyn Clock>,
    /// Where a configuration is only looked at, nobody is asked.
    is_rehearsed: bool,
    challenge: Box<str>,
}

/// All of them, by the names of the providers.
pub(crate) struct Entrances(BTreeMap<String, Arc<Entrance>>);

impl Entrance {
    pub(crate) fn new(
        oidc: Arc<Oidc>,
        cookies: CookieNames,
        after_logout: String,
        clock: Arc<dyn Clock>,
        is_rehearsed: bool,
    ) -> Self {
        let challenge = format!(r#"Cookie realm="gwanmun", cookie-name="__Host-{}""#, cookies.name()).into();
        Self { oidc, cookies, after_logout, clock, is_rehearsed, challenge }
    }

    /// The provider's name.
    pub(crate) fn name(&self) -> &str {
        self.oidc.name()
    }

    /// What would do, for `WWW-Authenticate`.
    pub(crate) fn challenge(&self) -> &str {
        &self.challenge
    }

    /// The session that the request shows, if it shows one.
    ///
    /// # Errors
    /// It shows two.
    pub(crate) fn session<'e>(&'e self, exchange: &'e Exchange) -> Result<Option<&'e str>, Refusal> {
        let Some(name) = self.cookies.session(exchange) else { return Ok(None) };
        let mut found = exchange.own_cookies.named(name);
        match (found.next(), found.next()) {
            (_, Some(_)) => {
                Err(Refusal::invalid(Reason::TwoCredentials, format!("the request has two cookies {name}")))
            }
            (found, None) => Ok(found),
        }
    }

    /// From why somebody is not let in to what is told; what is wrong with what they brought is `otherwise`.
    pub(crate) fn fault(&self, refusal: &Refusal, otherwise: Code) -> Fault {
        let (reason, detail) = (refusal.reason(), refusal.detail().to_owned());
        match refusal {
            Refusal::Unavailable { retry_after, .. } => {
                let code = if reason == Reason::StoreLost { Code::StoreUnavailable } else { Code::IdentityUnavailable };
                Fault::new(code, detail).because(reason).with_retry_after(*retry_after)
            }
            Refusal::Insufficient { .. } => Fault::new(Code::Forbidden, detail).because(reason),
            _ if otherwise == Code::Unauthenticated => {
                Fault::new(otherwise, detail).because(reason).with_challenge(&*self.challenge)
            }
            _ => Fault::new(otherwise, detail).because(reason),
        }
    }
}

impl Entrances {
    pub(crate) fn new(all: Vec<Arc<Entrance>>) -> Self {
        Self(all.into_iter().map(|entrance| (entrance.name().to_owned(), entrance)).collect())
    }

    /// That of the provider called `name`.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Entrance>> {
        self.0.get(name)
    }

    /// That whose principals carry `credential`.
    pub(crate) fn of_credential(&self, credential: &str) -> Option<&Arc<Entrance>> {
        self.named(credential.strip_prefix("session:")?)
    }

    /// The names of the providers.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// `https://host[:port]`, as the browser sees it; `None` where the request names no host that a browser would.
pub(crate) fn origin(exchange: &Exchange) -> Option<String> {
    let (scheme, host) = (exchange.scheme(), exchange.host.as_ref()?.to_str().ok()?);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_plain) {
        return None;
    }
    let usual = match scheme {
        Scheme::Http => ":80",
        Scheme::Https => ":443",
    };
    let host = host.strip_suffix(usual).or_else(|| host.strip_suffix(':')).unwrap_or(host);
    let mut origin = String::with_capacity(scheme.as_str().len() + 3 + host.len());
    origin.push_str(scheme.as_str());
    origin.push_str("://");
    origin.extend(host.chars().map(|letter| letter.to_ascii_lowercase()));
    Some(origin)
}

/// A request that no session can belong to.
fn no_origin() -> Refusal {
    Refusal::invalid(Reason::SessionElsewhere, "the request names no host that a session could be for")
}

#[cfg(test)]
mod tests;
