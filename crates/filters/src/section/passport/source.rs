//! `passport.source`: the auth server that is asked about a caller. Asked once for all who wait, on whatever worker; what it
//! said is remembered, so that most requests wait for nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gwanmun_client::{CallError, Client, Fetched, Found, LookupSettings, Lookups, Settings};
use gwanmun_config::{Span, Spanned, Timespan};
use gwanmun_core::{Clock, Principal};
use gwanmun_proxy::{Exchange, Ground};
use http::{HeaderValue, Request, Response};
use schemars::JsonSchema;
use serde::Deserialize;

use super::device::Known;
use super::exchange::{ExchangeSpec, Exchanges};
use super::map::About;
use super::server_keys::ServerKeys;
use super::user::{UserSpec, Users};
use crate::authorities::authorities_of;
use crate::outbound::outbound;

/// The most bytes that are read of an answer.
const ANSWER_BYTES: usize = 64 * 1024;

/// How long after its time an answer is used where Passports are made without one, too.
const STALE: Duration = Duration::from_secs(300);

/// How long a "no" is remembered at most.
const REFUSED: Duration = Duration::from_secs(5);

/// Who is asked about the caller: one of `exchange` and `user`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SourceSpec {
    /// The caller's token is exchanged at the auth server (RFC 8693): for a Txn-Token, which is forwarded as it is, or for
    /// another JWT, whose claims go into the Passport.
    #[serde(default)]
    exchange: Option<Spanned<ExchangeSpec>>,
    /// The auth server is asked about the principal.
    #[serde(default)]
    user: Option<Spanned<UserSpec>>,
    /// How long an answer is used (60s); a token never past its own end.
    #[serde(default = "a_minute")]
    cache: Spanned<Timespan>,
    /// What happens where the auth server cannot be asked.
    #[serde(default)]
    on_error: OnError,
    /// How long a request waits for an answer (2s).
    #[serde(default = "two_seconds")]
    timeout: Spanned<Timespan>,
    /// `file:PATH` of the authorities (PEM) that are trusted for the auth server's URLs, in place of the platform's.
    #[serde(default)]
    ca: Option<Spanned<String>>,
}

/// What happens where the auth server cannot be asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnError {
    /// The request fails with 503.
    #[default]
    Deny,
    /// An answer of up to five minutes ago is used, or the Passport says what the principal does.
    PrincipalOnly,
}

fn a_minute() -> Spanned<Timespan> {
    Timespan(Duration::from_secs(60)).into()
}

fn two_seconds() -> Spanned<Timespan> {
    Timespan(Duration::from_secs(2)).into()
}

/// What stands in every Passport.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) trust_domain: String,
    pub(super) issuer: String,
}

/// The auth server, with what it has said.
pub(crate) struct Source {
    kind: Kind,
    answers: Lookups<[u8; 32], Answer>,
    client: Client,
    clock: Arc<dyn Clock>,
    cache: Duration,
    timeout: Duration,
    on_error: OnError,
    keys: Option<ServerKeys>,
}

/// How it is asked.
enum Kind {
    Users(Users),
    Exchanges(Exchanges),
}

/// What it has said.
pub(super) enum Answer {
    About(Arc<About>),
    Token(HeaderValue),
    Refused(&'static str),
}

/// What is to be asked, and by what it is told from other questions.
pub(crate) struct Question {
    pub(super) key: [u8; 32],
    pub(super) request: Request<Bytes>,
}

/// What is known about a caller.
pub(crate) enum Told {
    /// This.
    About(Arc<About>),
    /// The Passport itself.
    Token(HeaderValue),
    /// There is to be none.
    Refused(&'static str),
    /// Nothing: it could not be asked.
    Unknown(CallError),
}

impl SourceSpec {
    /// Checks what is written; the same as before a reload, if it is written the same.
    pub(super) fn build(self, span: Span, names: &Names, ground: &mut Ground<'_>) -> Option<Arc<Source>> {
        let mut is_good = true;
        for (name, time) in [("cache", &self.cache), ("timeout", &self.timeout)] {
            if time.0.is_zero() {
                ground.refuse(time.span, format!("found 0, wanted more: with '{name}' at 0 nothing could be used"));
                is_good = false;
            }
        }
        let tls = authorities_of(self.ca.as_ref(), ground);
        let outbound = outbound(ground.lasting, ground.clock);
        let limits = |tls| Settings {
            timeout: self.timeout.0,
            connect_timeout: self.timeout.0,
            answer_bytes: ANSWER_BYTES,
            tls,
            ..Settings::default()
        };
        let (kind, keys, specification) = match (self.exchange, self.user) {
            (Some(exchange), None) => {
                let specification = exchange.value.specification();
                let keys = exchange.value.keys(exchange.span, ground);
                let kind = exchange.value.build(names, ground);
                (kind.map(Kind::Exchanges), keys, specification)
            }
            (None, Some(user)) => {
                let specification = format!("{:?}", user.value);
                (user.value.build(ground).map(Kind::Users), Some(None), specification)
            }
            (Some(_), Some(user)) => {
                ground.refuse(user.span, "found 'user' beside 'exchange', wanted one of them");
                return None;
            }
            (None, None) => {
                let hint = "user: {url: \"https://auth.internal/users/{principal.subject}\"}";
                ground.refuse_with_hint(span, "it is not said how the auth server is asked", hint);
                return None;
            }
        };
        let (kind, keys, (tls, trusted)) = (kind?, keys?, tls?);
        if !is_good {
            return None;
        }
        let (cache, timeout, on_error) = (self.cache.0, self.timeout.0, self.on_error);
        let specification = format!("{specification} {names:?} {cache:?} {timeout:?} {on_error:?} {trusted:?}");
        let clock = Arc::clone(ground.clock);
        Some(ground.lasting.shared(specification, || {
            let settings = LookupSettings {
                timeout,
                stale: if on_error == OnError::PrincipalOnly { STALE } else { Duration::ZERO },
                refresh_ahead: cache / 4,
                ..LookupSettings::default()
            };
            Source {
                kind,
                answers: Lookups::new(&outbound, "passport", settings),
                keys: keys.map(|at| ServerKeys::new(at, limits(tls.clone()), &outbound)),
                client: Client::new(&outbound, "passport", limits(tls)),
                clock,
                cache,
                timeout,
                on_error,
            }
        }))
    }
}

impl Source {
    /// What is to be asked about the caller of a request.
    ///
    /// # Errors
    /// Why nothing can be asked.
    pub(crate) fn question(
        &self,
        exchange: &Exchange,
        principal: &Principal,
        device: &Known<&str>,
    ) -> Result<Question, &'static str> {
        match &self.kind {
            Kind::Users(users) => users.question(principal),
            Kind::Exchanges(exchanges) => exchanges.question(exchange, principal, device),
        }
    }

    /// The answer, if it is known without waiting.
    pub(crate) fn look(&self, question: &Question) -> Option<Told> {
        self.answers.peek(&question.key).map(told)
    }

    /// The answer; asked for if need be.
    pub(crate) async fn ask(self: &Arc<Self>, question: Question, traceparent: String) -> Told {
        let Question { key, request } = question;
        let fetch = || Arc::clone(self).fetch(request, traceparent);
        self.answers.get_within(&key, self.timeout, fetch).await.map_or_else(Told::Unknown, told)
    }

    /// What happens where it cannot be asked.
    pub(crate) fn on_error(&self) -> OnError {
        self.on_error
    }

    /// How it is called in metrics.
    pub(crate) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Users(_) => "user",
            Kind::Exchanges(_) => "exchange",
        }
    }

    /// The keys of an auth server whose tokens are forwarded.
    pub(super) fn keys(&self) -> Option<&ServerKeys> {
        self.keys.as_ref()
    }

    async fn fetch(self: Arc<Self>, request: Request<Bytes>, trace: String) -> Result<Fetched<Answer>, CallError> {
        let response: Response<Bytes> = self.client.call(request, Some(&trace)).await?;
        let (answer, end) = match &self.kind {
            Kind::Users(users) => (users.read(&response)?, None),
            Kind::Exchanges(exchanges) => exchanges.read(&response, self.clock.wall())?,
        };
        let fetched = match answer {
            Answer::Refused(_) => Fetched::negative(answer, self.cache.min(REFUSED)),
            answer => Fetched::new(answer, self.cache),
        };
        Ok(match end {
            Some(end) => fetched.not_after(end),
            None => fetched,
        })
    }
}

fn told(found: Found<Answer>) -> Told {
    match &*found.value {
        Answer::About(about) => Told::About(Arc::clone(about)),
        Answer::Token(token) => Told::Token(token.clone()),
        Answer::Refused(why) => Told::Refused(why),
    }
}
