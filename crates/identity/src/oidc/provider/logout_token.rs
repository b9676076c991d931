//! Logout tokens (OpenID Connect Back-Channel Logout 1.0 sections 2.4 and 2.6): which sessions have ended at the provider.

use std::time::{Duration, SystemTime};

use gwanmun_core::Reason;
use gwanmun_jose::{Expect, JwkSet, Subject};
use serde_json::Value;

use super::Logout;
use super::signed::Kind;
use crate::refusal::Refusal;
use crate::token::Token;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The most that may lie between its beginning and its end: so long it is known that it came.
const LONGEST_LIFE: Duration = Duration::from_secs(86_400);

/// How long after `iat` one without `exp` is good, where such are taken.
const LIFE_WITHOUT_EXP: Duration = Duration::from_secs(120);

/// Reads logout tokens.
#[derive(Debug)]
pub(super) struct LogoutTokens(Kind);

impl LogoutTokens {
    /// Those that are as `expect` says; `is_without_exp`: drafts of the specification had no `exp`, and servers follow them.
    pub(super) fn new(expect: Expect, is_without_exp: bool) -> Self {
        let expect = Expect {
            required: vec!["jti".to_owned()],
            // Wants `iat` too.
            longest_life: Some(LONGEST_LIFE),
            life_without_exp: is_without_exp.then_some(LIFE_WITHOUT_EXP),
            subject: Subject::Optional,
            ..expect
        };
        Self(Kind { called: "logout token", expect, types: &["jwt", "logout+jwt"], longest: Token::LONGEST })
    }

    /// What the token says.
    pub(super) fn read(&self, token: &str, keys: &JwkSet, now: SystemTime) -> Result<Logout, Refusal> {
        let Self(kind) = self;
        let (verified, _) = kind.read(token, keys, now)?;
        let claims = verified.claims;
        let event = claims.get("events").and_then(|events| events.as_object()?.get(EVENT));
        if !event.is_some_and(Value::is_object) {
            return Err(kind.refused(Reason::WrongTokenType, "events does not say that it is about a logout"));
        }
        // What it must not have, so that it is never taken for an ID token.
        if claims.contains_key("nonce") {
            return Err(kind.refused(Reason::WrongTokenType, "it has a nonce"));
        }
        let name = |claim| kind.name(&claims, claim);
        let (id, subject, sid) = (name("jti")?.unwrap_or_default(), name("sub")?, name("sid")?);
        if subject.is_none() && sid.is_none() {
            return Err(kind.refused(Reason::MalformedToken, "it has neither sub nor sid"));
        }
        let rest = verified.expires.duration_since(now).unwrap_or_default();
        let remembered = rest.saturating_add(kind.expect.leeway) + Duration::from_secs(1);
        Ok(Logout { id, remembered, subject, sid, issued: verified.issued.unwrap_or(now) })
    }
}
