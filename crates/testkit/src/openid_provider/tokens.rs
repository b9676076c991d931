//! The provider's tokens, good ones and forged ones: each forged one differs from a good one in one respect.

use serde_json::{Value, json};

use super::protocol::{CLIENT, Protocol};
use crate::claims::{now, unique};
use crate::jws::Jws;
use crate::token_key::{TokenKey, overlaid};

/// The claim that makes a logout token one (OpenID Connect Back-Channel Logout 1.0, section 2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// How tokens differ from good ones; by itself not at all.
#[derive(Clone, Default)]
pub struct Forgery {
    header: Option<Value>,
    claims: Option<Value>,
    signer: Signer,
}

#[derive(Clone, Default)]
enum Signer {
    #[default]
    Provider,
    Nobody,
    Other(TokenKey),
}

impl Forgery {
    /// Other claims in place of the usual ones; null takes one away.
    pub fn claims(claims: Value) -> Self {
        Self { claims: Some(claims), ..Self::default() }
    }

    /// Other members of the header; null takes one away.
    pub fn header(header: Value) -> Self {
        Self { header: Some(header), ..Self::default() }
    }

    /// `alg: none`, and no signature.
    pub fn unsigned() -> Self {
        Self { signer: Signer::Nobody, ..Self::default() }
    }

    /// Signed by another key.
    pub fn by(key: TokenKey) -> Self {
        Self { signer: Signer::Other(key), ..Self::default() }
    }

    /// The same with other claims.
    #[must_use]
    pub fn and_claims(self, claims: Value) -> Self {
        Self { claims: Some(claims), ..self }
    }

    /// The same with other members of the header.
    #[must_use]
    pub fn and_header(self, header: Value) -> Self {
        Self { header: Some(header), ..self }
    }

    /// A token that `key` signs unless this says otherwise.
    pub(super) fn token(&self, key: &TokenKey, header: Value, claims: Value) -> String {
        let header = overlaid(header, self.header.clone().unwrap_or_else(|| json!({})));
        let claims = overlaid(claims, self.claims.clone().unwrap_or_else(|| json!({})));
        match &self.signer {
            Signer::Provider => key.token(header, &claims),
            Signer::Other(other) => other.token(header, &claims),
            Signer::Nobody => {
                let usual = json!({"alg": "none", "kid": key.kid()});
                Jws::unsigned(&overlaid(usual, header), &claims).compact()
            }
        }
    }
}

impl Protocol {
    pub(super) fn logout_token(&self, forgery: Forgery) -> String {
        let claims = json!({
            "iss": self.url, "aud": CLIENT, "iat": now(), "exp": now() + 120, "jti": unique(), "events": {EVENT: {}},
        });
        forgery.token(&self.key, json!({"typ": "logout+jwt"}), claims)
    }

    pub(super) fn forged_logout_tokens(&self, claims: &Value) -> Vec<(&'static str, String)> {
        let changed = |change: Value| {
            let mut changed = claims.clone();
            changed.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            Forgery::claims(changed)
        };
        let by = |key: TokenKey| Forgery::by(key).and_claims(claims.clone());
        let event = |value: Value| json!({"events": {EVENT: value}});
        let forgeries = [
            ("a nonce", changed(json!({"nonce": "n"}))),
            ("another audience", changed(json!({"aud": "other"}))),
            ("no audience", changed(json!({"aud": null}))),
            ("another issuer", changed(json!({"iss": "https://evil.test"}))),
            ("no issuer", changed(json!({"iss": null}))),
            ("no events", changed(json!({"events": null}))),
            ("another event", changed(json!({"events": {"http://schemas.openid.net/event/other": {}}}))),
            ("events as a list", changed(json!({"events": [EVENT]}))),
            ("an event that is no object", changed(event(json!(true)))),
            ("no jti", changed(json!({"jti": null}))),
            ("an empty jti", changed(json!({"jti": ""}))),
            ("no iat", changed(json!({"iat": null}))),
            ("no exp", changed(json!({"exp": null}))),
            ("expired", changed(json!({"iat": now() - 7200, "exp": now() - 3600}))),
            ("of tomorrow", changed(json!({"iat": now() + 86_400, "exp": now() + 90_000}))),
            ("neither sub nor sid", changed(json!({"sub": null, "sid": null}))),
            ("a sub that is a number", changed(json!({"sub": 1, "sid": null}))),
            ("an empty sub", changed(json!({"sub": "", "sid": null}))),
            ("an empty sid", changed(json!({"sub": null, "sid": ""}))),
            ("an unknown key", by(TokenKey::new("ES256", "k2"))),
            ("another key under the same kid", by(TokenKey::new("ES256", "k1"))),
            ("HS256 with the client's secret", by(TokenKey::shared("HS256", "k1", "gw-secret"))),
            ("HS256 with the public key", by(TokenKey::shared("HS256", "k1", self.key.public_pem()))),
            ("no signature", Forgery::unsigned().and_claims(claims.clone())),
        ];
        let mut forged: Vec<_> = forgeries.map(|(what, forgery)| (what, self.logout_token(forgery))).into();
        let good = self.logout_token(Forgery::claims(claims.clone()));
        let mut jws = Jws::read(&good);
        jws.signature[0] ^= 1;
        forged.push(("one bit of the signature turned", jws.compact()));
        forged.push(("nothing", String::new()));
        forged.push(("two parts", good.rsplit_once('.').unwrap().0.to_owned()));
        forged
    }
}
