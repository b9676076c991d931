//! What a request brings that could be a credential, read once for all entries.

use std::cell::OnceCell;
use std::sync::Arc;

use gwanmun_core::Reason;
use gwanmun_identity::{Authorization, Issuer, Refusal, Token};
use gwanmun_proxy::{ClientChain, Exchange};
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::credential::{Carrier, Credential};

/// What the entries of a list share: who of them reads bearer tokens.
pub(super) struct Bearers {
    /// How many entries read them.
    pub(super) readers: usize,
    /// Whether one reads Basic credentials.
    pub(super) reads_basic: bool,
    /// Issuers whose tokens are taken.
    pub(super) issuers: Vec<Arc<Issuer>>,
}

/// What a request brings.
pub(super) struct Presented<'r> {
    /// The request.
    pub(super) exchange: &'r Exchange,
    /// Its fields.
    pub(super) headers: &'r HeaderMap,
    /// The Passport that a trusted peer sent.
    pub(super) passport: Option<&'r HeaderValue>,
    /// What the client showed in its TLS handshake.
    pub(super) chain: Option<&'r ClientChain>,
    /// Whether who is at the other end is one of `trusted-proxies`.
    pub(super) is_from_trusted_proxy: bool,
    /// The bearer token, if an entry of the list reads one.
    pub(super) bearer: Option<Token<'r>>,
    /// Basic credentials in base64, if an entry of the list reads them.
    pub(super) basic: Option<&'r str>,
    bearers: &'r Bearers,
    hint: OnceCell<Option<String>>,
}

impl Bearers {
    pub(super) fn of(list: &[Box<dyn Credential>]) -> Self {
        let readers = list.iter().filter(|entry| entry.carriers().contains(&Carrier::Bearer)).count();
        let reads_basic = list.iter().any(|entry| entry.carriers().contains(&Carrier::Basic));
        Self { readers, reads_basic, issuers: list.iter().filter_map(|entry| entry.issuer().cloned()).collect() }
    }
}

impl<'r> Presented<'r> {
    /// Reads the request for a list whose entries read bearer tokens as `bearers` says.
    ///
    /// # Errors
    /// `Authorization` is read and cannot be, or stands there twice.
    pub(super) fn by(exchange: &'r Exchange, bearers: &'r Bearers) -> Result<Self, Refusal> {
        let headers = &exchange.request.headers;
        let mut presented = Self {
            exchange,
            headers,
            passport: exchange.passport.as_ref(),
            chain: exchange.connection.client_chain.as_deref(),
            is_from_trusted_proxy: exchange.trusted,
            bearer: None,
            basic: None,
            bearers,
            hint: OnceCell::new(),
        };
        if (bearers.readers > 0 || bearers.reads_basic)
            && let Some(value) = presented.only(&AUTHORIZATION)?
        {
            match Authorization::parse(value.as_bytes()) {
                Ok(Authorization::Bearer(token)) if bearers.readers > 0 => presented.bearer = Some(Token::new(token)),
                Ok(Authorization::Basic(pair)) if bearers.reads_basic => presented.basic = Some(pair),
                Ok(_) => {}
                Err(why) => {
                    let detail = format!("the Authorization field cannot be read: {why}");
                    return Err(Refusal::invalid(Reason::MalformedCredential, detail));
                }
            }
        }
        Ok(presented)
    }

    /// The value of a field that carries a credential.
    ///
    /// # Errors
    /// It stands there twice.
    pub(super) fn only(&self, name: &HeaderName) -> Result<Option<&'r HeaderValue>, Refusal> {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Refusal::invalid(Reason::TwoCredentials, format!("the request has two {name} fields"))),
            (value, None) => Ok(value),
        }
    }

    /// The bearer token, if it is for an entry that takes the tokens of `issuer`: because no other entry reads any, or
    /// because it says so itself. That is a hint; the issuer's key has to confirm it.
    pub(super) fn bearer_of(&self, issuer: &Arc<Issuer>) -> Option<&Token<'r>> {
        let token = self.bearer.as_ref()?;
        if self.bearers.readers == 1 {
            return Some(token);
        }
        let others = self.bearers.issuers.iter().filter(|other| !Arc::ptr_eq(other, issuer));
        if others.into_iter().any(|other| other.recall(token).is_some()) {
            return None;
        }
        (self.issuer_hint() == Some(issuer.issuer())).then_some(token)
    }

    /// Why a bearer token that no entry has taken is refused: it was sent to be believed. `None` where there is none.
    pub(super) fn unclaimed(&self) -> Option<Refusal> {
        self.bearer.as_ref()?;
        Some(match self.issuer_hint() {
            Some(_) => Refusal::invalid(Reason::WrongIssuer, "no entry takes the tokens of this issuer"),
            None => Refusal::invalid(Reason::MalformedToken, "no entry takes a token of this form"),
        })
    }

    /// The issuer that the bearer token says; nobody has verified it.
    fn issuer_hint(&self) -> Option<&str> {
        self.hint.get_or_init(|| self.bearer.as_ref()?.issuer_hint()).as_deref()
    }
}
