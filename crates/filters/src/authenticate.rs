//! `authenticate`: who calls. The first entry of a list for which the request brings something decides; what was brought is
//! taken out of the request.

mod api_client;
mod api_key;
mod challenge;
mod client_cert;
mod credential;
mod introspect;
mod jwt;
mod passport;
mod presented;
mod session;

use std::sync::Arc;

use gwanmun_audit::Event;
use gwanmun_config::Spanned;
use gwanmun_core::{Fault, Level, Principal, Reason};
use gwanmun_identity::Refusal;
use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, LocalBoxFuture, Parts, Step, Verdict};
use http::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::audited::Audited;
use crate::session::{Entrance, is_navigation};

use challenge::{Challenges, Sent};
use credential::{Carrier, Credential, Look};
use presented::{Bearers, Presented};

pub use credential::CredentialSpec;

/// Lets a request pass if a credential proves who calls, and answers 401 if none does. What was proven is the request's
/// principal: `authorize`, the Passport and the log speak of it.
///
/// The entries of `any` are asked in their order. The first for which the request brings something decides: a credential
/// that is no good is refused, and no other is tried. Two `Authorization` headers, or one that cannot be read, are refused
/// where an entry reads it. A token in `Authorization: Bearer` is for the only entry that reads such tokens; where there are
/// several, it is for the `jwt` whose issuer it names, and refused if it is for none. Every reason gives the same answer;
/// the log has the reason.
///
/// What entries read is taken out of the request, so that no upstream sees it. A principal that an `authenticate` before
/// this one has found is good here too, if this list takes its credential.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AuthenticateSpec {
    /// The credentials that are taken, in the order in which they are looked for.
    any: Vec<Spanned<CredentialSpec>>,
    /// Whether a request that brings none of them passes, without a principal.
    #[serde(default)]
    anonymous: bool,
    /// What the credential must have been given for (OAuth scopes): all of them, or the answer is 403.
    #[serde(default)]
    scope: Vec<Spanned<String>>,
}

struct Authenticate {
    any: Vec<Box<dyn Credential>>,
    bearers: Bearers,
    challenges: Challenges,
    anonymous: bool,
    scope: Vec<String>,
    audited: Audited,
}

impl FilterSpec for AuthenticateSpec {
    const NAME: &'static str = "authenticate";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
identity:
  issuers:
    corp:
      issuer: https://idp.example
      jwks: https://idp.example/jwks
      audiences: [gateway]
routes:
  - id: orders
    predicates:
      - path: /orders/**
    filters:
      - authenticate: {any: [{jwt: corp}], scope: [orders.read]}
    upstream: http://127.0.0.1:9001
tests:
  - name: nobody
    request: {path: /orders/7}
    expect: {status: 401, headers: {www-authenticate: 'Bearer realm="gwanmun"'}}
  - name: somebody
    request: {path: /orders/7, principal: {subject: ann, scopes: [orders.read]}, headers: {authorization: Bearer a.b.c}}
    expect: {status: 200, upstream-headers: {authorization: null}}
  - name: somebody who may not
    request: {path: /orders/7, principal: {subject: bob, scopes: [orders.write]}}
    expect: {status: 403}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        if self.any.is_empty() {
            return Err(Invalid::at("any", "found no credentials, wanted at least one").with_hint("any: [{jwt: NAME}]"));
        }
        for scope in &self.scope {
            if !is_scope(scope) {
                let message = format!("found '{}', wanted one scope without spaces", scope.value);
                return Err(Invalid::within(scope.span, message));
            }
        }
        let scope: Vec<String> = self.scope.into_iter().map(|scope| scope.value).collect();
        let mut any: Vec<Box<dyn Credential>> = Vec::with_capacity(self.any.len());
        for spec in self.any {
            let entry = spec.value.build(&scope, parts).map_err(|invalid| invalid.or_within(spec.span))?;
            if let Some(message) = never_asked(&*entry, &any) {
                return Err(Invalid::within(spec.span, message));
            }
            any.push(entry);
        }
        let audited = Audited::of(parts)?;
        let (bearers, challenges) = (Bearers::of(&any), Challenges::of(&any, &scope));
        Ok(Box::new(Authenticate { any, bearers, challenges, anonymous: self.anonymous, scope, audited }))
    }
}

impl Filter for Authenticate {
    fn own_fields(&self) -> Vec<HeaderName> {
        let carriers = self.any.iter().flat_map(|entry| entry.carriers());
        carriers.filter_map(|carrier| carrier.header().cloned()).collect()
    }

    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        match self.find(exchange) {
            Finding::Now(found) => {
                let entrance = self.entrance(&found, exchange);
                match (self.conclude(found, exchange), entrance) {
                    (Ok(()), _) => Ok(Step::Next),
                    (Err(fault), None) => Err(fault),
                    (Err(fault), Some(entrance)) => {
                        Ok(Step::Wait(Box::pin(async move { entrance.receive(exchange, fault).await.map(Some) })))
                    }
                }
            }
            Finding::Later(place, asked) => Ok(Step::Wait(Box::pin(async move {
                let found = self.found(place, asked.await);
                let entrance = self.entrance(&found, exchange);
                match (self.conclude(found, exchange), entrance) {
                    (Ok(()), _) => Ok(None),
                    (Err(fault), None) => Err(fault),
                    (Err(fault), Some(entrance)) => entrance.receive(exchange, fault).await.map(Some),
                }
            }))),
        }
    }
}

/// What a list finds in a request, now or when somebody has been asked.
enum Finding<'a> {
    Now(Found),
    /// The entry at this place asks.
    Later(usize, LocalBoxFuture<'a, Result<Arc<Principal>, Refusal>>),
}

/// What a list has found in a request.
enum Found {
    /// Nothing that any entry takes.
    Nothing,
    /// A credential of somebody's, by the entry at this place.
    Proven(usize, Arc<Principal>),
    /// Somebody whom an `authenticate` before this one has found.
    Before(Arc<Principal>),
    /// Somebody of whom a command or a test says so.
    Assumed(Arc<Principal>),
    /// A credential that will not do.
    Refused(Refusal, Sent),
}

impl Authenticate {
    /// Who calls, as far as that is known without waiting.
    fn find<'a>(&'a self, exchange: &Exchange) -> Finding<'a> {
        if let Some(assumed) = &exchange.assumed {
            return Finding::Now(Found::Assumed(Arc::clone(assumed)));
        }
        if let Some(principal) = &exchange.principal
            && self.any.iter().any(|entry| entry.made(principal))
        {
            return Finding::Now(Found::Before(Arc::clone(principal)));
        }
        let presented = match Presented::by(exchange, &self.bearers) {
            Ok(presented) => presented,
            Err(refusal) => return Finding::Now(Found::Refused(refusal, Sent::Bearer)),
        };
        for (place, entry) in self.any.iter().enumerate() {
            match entry.look(&presented) {
                Look::NotOurs => {}
                Look::Decided(outcome) => return Finding::Now(self.found(place, outcome)),
                Look::Ask(asked) => return Finding::Later(place, asked),
            }
        }
        Finding::Now(match presented.unclaimed() {
            None => Found::Nothing,
            Some(refusal) => Found::Refused(refusal, Sent::Bearer),
        })
    }

    fn found(&self, place: usize, outcome: Result<Arc<Principal>, Refusal>) -> Found {
        match outcome {
            Ok(principal) => Found::Proven(place, principal),
            Err(refusal) => Found::Refused(refusal, self.sent_to(place)),
        }
    }

    /// Where somebody is sent who goes to a page and is not let in: to the provider whose session is no good, or to the first
    /// one where nothing was brought. Whoever brought something else is a program.
    fn entrance<'a>(&'a self, found: &Found, exchange: &Exchange) -> Option<&'a Entrance> {
        let entrance = match found {
            Found::Nothing if !self.anonymous => self.any.iter().find_map(|entry| entry.entrance()),
            Found::Refused(_, Sent::Session(place)) => self.any.get(*place)?.entrance(),
            _ => None,
        };
        entrance.map(|entrance| &**entrance).filter(|_| is_navigation(&exchange.request))
    }

    fn sent_to(&self, place: usize) -> Sent {
        match self.any.get(place) {
            Some(entry) if entry.entrance().is_some() => Sent::Session(place),
            Some(entry) if entry.carriers().contains(&Carrier::Bearer) => Sent::Bearer,
            _ => Sent::Other,
        }
    }

    /// Lets in or refuses, and has it recorded. Who passes without a credential, or was recorded before, is not.
    fn conclude(&self, found: Found, exchange: &mut Exchange) -> Result<(), Fault> {
        let is_news = !matches!(found, Found::Before(_));
        let outcome = self.decide(found, exchange);
        if outcome.is_ok() && (exchange.principal.is_none() || !is_news) {
            return outcome;
        }
        self.audited.conclude(exchange, Event::Authenticate, None, outcome)
    }

    /// From what was found to what happens: the one place where somebody is let in or refused.
    fn decide(&self, found: Found, exchange: &mut Exchange) -> Result<(), Fault> {
        let (principal, level, sent) = match found {
            Found::Nothing if self.anonymous => {
                (exchange.principal, exchange.level) = (None, Level::Low);
                exchange.consumed.clear();
                self.withdraw(None, exchange);
                return Ok(());
            }
            Found::Nothing => return Err(self.challenges.nothing()),
            Found::Refused(refusal, sent) => return Err(self.challenges.refused(refusal, sent)),
            Found::Proven(place, principal) => {
                let level = if exchange.is_protected() { principal.level } else { Level::Low };
                self.withdraw(Some(place), exchange);
                (principal, level, self.sent_to(place))
            }
            Found::Before(principal) => {
                self.withdraw(None, exchange);
                (principal, exchange.level, Sent::Other)
            }
            Found::Assumed(principal) => {
                self.withdraw(None, exchange);
                let level = principal.level;
                (principal, level, Sent::Other)
            }
        };
        // Also where the scope is too small: the log tells whose it is.
        let principal = exchange.principal.insert(principal);
        exchange.level = level;
        match self.scope.iter().find(|scope| !principal.has_scope(scope)) {
            None => Ok(()),
            Some(missing) => {
                let detail = format!("{} was not given for the scope '{missing}'", principal.credential);
                let refusal = Refusal::Insufficient { reason: Reason::MissingScope, detail: detail.into() };
                Err(self.challenges.refused(refusal, sent))
            }
        }
    }

    /// Takes out of the request whatever entries read. What proved the principal, to the entry at `place`, is kept beside
    /// it; the rest was not looked at, and nobody behind shall take it for good.
    fn withdraw(&self, place: Option<usize>, exchange: &mut Exchange) {
        let headers = &mut exchange.request.headers;
        if let Some(entry) = place.and_then(|place| self.any.get(place)) {
            // What proved somebody else, to an `authenticate` before this one, is not this caller's to pass on.
            exchange.consumed.clear();
            exchange.consumed.extend(entry.carriers().iter().filter_map(|carrier| carrier.take_from(headers)));
        }
        for entry in &self.any {
            entry.carriers().iter().for_each(|carrier| drop(carrier.take_from(headers)));
        }
    }
}

/// Why `entry` would never be asked after those `before` it.
fn never_asked(entry: &dyn Credential, before: &[Box<dyn Credential>]) -> Option<String> {
    let name = entry.name();
    let reads_bearer = |entry: &dyn Credential| entry.carriers().contains(&Carrier::Bearer);
    if let Some(issuer) = entry.issuer()
        && let Some(first) =
            before.iter().find(|other| other.issuer().is_some_and(|other| other.issuer() == issuer.issuer()))
    {
        return Some(format!(
            "'{}' and '{name}' have the same issuer, so that the second would never be asked",
            first.name()
        ));
    }
    if reads_bearer(entry)
        && let Some(first) = before.iter().find(|other| reads_bearer(&***other) && other.issuer().is_none())
    {
        return Some(format!(
            "'{}' takes every bearer token, so that '{name}' behind it would never be asked",
            first.name()
        ));
    }
    let first = before
        .iter()
        .find(|other| !other.carriers().contains(&Carrier::Bearer) && other.carriers() == entry.carriers())?;
    Some(format!("'{}' and '{name}' read the same, so that the second would never be asked", first.name()))
}

/// RFC 6749 section 3.3.
pub(crate) fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
}

#[cfg(test)]
mod tests;
