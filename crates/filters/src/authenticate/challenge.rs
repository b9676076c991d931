//! What a refusal tells the client: which credentials would do (`WWW-Authenticate`, RFC 9110 section 11.6.1), and of one
//! that was sent only that it will not do. Why stands in the log.

use gwanmun_core::{Code, Fault, Reason};
use gwanmun_identity::Refusal;

use super::credential::{Carrier, Credential};

/// What was sent that will not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// A bearer token, or an `Authorization` field that should have one.
    Bearer,
    /// A session's cookie, to the entry at this place.
    Session(usize),
    /// Something else.
    Other,
}

/// The texts of a list's answers.
#[derive(Debug)]
pub(super) struct Challenges {
    /// Where nothing was sent.
    nothing: Box<str>,
    /// Where a bearer token was sent that will not do (RFC 6750 section 3.1).
    bad_token: Box<str>,
    /// Where a credential was not given for what is wanted.
    small_scope: Box<str>,
}

impl Challenges {
    /// For the entries of a list that wants `scope`.
    pub(super) fn of(list: &[Box<dyn Credential>], scope: &[String]) -> Self {
        let mut schemes = Vec::new();
        for carrier in list.iter().filter_map(|entry| entry.carriers().first()) {
            let scheme = match carrier {
                Carrier::Bearer => r#"Bearer realm="gwanmun""#.to_owned(),
                Carrier::Basic => r#"Basic realm="gwanmun", charset="UTF-8""#.to_owned(),
                Carrier::Header(name) => format!(r#"ApiKey realm="gwanmun", header="{name}""#),
                Carrier::Certificate => r#"Certificate realm="gwanmun""#.to_owned(),
                Carrier::Passport => r#"Txn-Token realm="gwanmun""#.to_owned(),
                Carrier::Cookie(challenge) => challenge.as_ref().to_owned(),
            };
            if !schemes.contains(&scheme) {
                schemes.push(scheme);
            }
        }
        let nothing = schemes.join(", ");
        let bearer = |error: &str| {
            nothing.replacen("Bearer realm=\"gwanmun\"", &format!("Bearer realm=\"gwanmun\", {error}"), 1)
        };
        let small_scope = bearer(&format!(r#"error="insufficient_scope", scope="{}""#, scope.join(" "))).into();
        Self { bad_token: bearer(r#"error="invalid_token""#).into(), small_scope, nothing: nothing.into() }
    }

    /// Nothing was sent that any entry takes.
    pub(super) fn nothing(&self) -> Fault {
        Fault::new(Code::Unauthenticated, "nothing in the request proves who calls")
            .because(Reason::NoCredential)
            .with_challenge(self.nothing.clone())
    }

    /// A credential was sent that will not do.
    pub(super) fn refused(&self, refusal: Refusal, sent: Sent) -> Fault {
        match refusal {
            Refusal::Insufficient { reason, detail } => {
                let challenge = self.to(sent, &self.small_scope);
                Fault::new(Code::Forbidden, detail).because(reason).with_challenge(challenge)
            }
            Refusal::Unavailable { reason, detail, retry_after } => {
                let code = if reason == Reason::StoreLost { Code::StoreUnavailable } else { Code::IdentityUnavailable };
                Fault::new(code, detail).because(reason).with_retry_after(retry_after)
            }
            other => {
                let challenge = self.to(sent, &self.bad_token);
                let fault = Fault::new(Code::Unauthenticated, other.detail().to_owned()).because(other.reason());
                fault.with_challenge(challenge)
            }
        }
    }

    /// What is said to who sent a bearer token; others hear what would do.
    fn to(&self, sent: Sent, about_token: &str) -> Box<str> {
        match sent {
            Sent::Bearer => about_token.into(),
            Sent::Session(_) | Sent::Other => self.nothing.clone(),
        }
    }
}
