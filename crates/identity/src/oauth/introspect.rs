//! Bearer tokens that the OAuth server is asked about (RFC 7662): once for all who bring the same one, and not again
//! within `cache`, nor past the token's end.

use std::sync::Arc;

use gwanmun_core::{Principal, Reason};

use super::endpoints::Which;
use super::known::Good;
use super::memory::{Verdict, later};
use super::{Inner, OAuth};
use crate::down::Down;
use crate::form::Form;
use crate::lanes::Lane;
use crate::refusal::Refusal;
use crate::token::Token;

/// About how many bytes a principal takes beside the text of its claims, which takes a few times its length.
pub(super) const PRINCIPAL_BYTES: usize = 512;
const BYTES_PER_LETTER: usize = 4;

impl OAuth {
    /// Whose the token is, if the server has said so lately.
    pub fn recall_token(&self, token: &Token<'_>) -> Option<Arc<Principal>> {
        let inner = &self.inner;
        inner
            .introspected
            .recall(token.hash(), |lane| Inner::introspect(Arc::clone(inner), token.text().to_owned(), lane))
    }

    /// Whose the token is. The server is asked if need be.
    ///
    /// # Errors
    /// The token is not good, or the server cannot be asked.
    pub async fn ask_token(&self, token: &Token<'_>) -> Result<Arc<Principal>, Refusal> {
        let inner = &self.inner;
        if token.text().len() > Token::LONGEST {
            return Err(Refusal::invalid(Reason::TokenTooLarge, format!("{} bytes of token", token.text().len())));
        }
        let question = |lane| Inner::introspect(Arc::clone(inner), token.text().to_owned(), lane);
        let answer = inner.introspected.ask(token.hash(), question).await;
        answer.map_err(|answered| answered.refusal(&inner.settings.name))
    }
}

impl Inner {
    async fn introspect(self: Arc<Self>, token: String, lane: Lane) -> Result<Verdict<Principal>, Down> {
        let form = Form::default().with("token", &token).with("token_type_hint", "access_token");
        let answer = self.calls.post(lane, Which::Introspection, form, &self.authorization).await?;
        let now = self.clock.wall();
        let active = match self.expected.read(&answer, &self.introspect_credential, now)? {
            Ok(active) => active,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let cap = |moment| active.expires.map_or(moment, |end| end.min(moment));
        let until = cap(later(now, self.settings.cache));
        Ok(Ok(Good {
            value: Arc::new(active.principal),
            until,
            stale_until: cap(later(until, self.settings.stale)),
            weight: PRINCIPAL_BYTES + answer.body().len() * BYTES_PER_LETTER,
        }))
    }
}
