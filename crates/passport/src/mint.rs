//! Makes Passports: the claims are written once into one buffer, the header was made before, and one signature covers
//! it all.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gwanmun_jose::{Algorithm, SigningKey, VerifyingKey, base64url, protected_header};
use serde_json::{Value, json};

use crate::claims::{Claims, Scope, Transaction};
use crate::content::Content;
use crate::{ALGORITHMS, LONGEST, LONGEST_LIFE, TYP};

/// What a mint is made of.
#[derive(Debug)]
pub struct MintSpec {
    /// `iss` and `req_wl`: the gateway.
    pub issuer: String,
    /// `aud`: the trust domain.
    pub trust_domain: String,
    /// From `iat` to `exp`: whole seconds, at least one and at most [`LONGEST_LIFE`].
    pub lifetime: Duration,
    /// What is signed with; it has a `kid` and one of [`ALGORITHMS`].
    pub active: Arc<SigningKey>,
    /// What is published beside it: keys that were active, whose Passports are still about, and those to come.
    pub published: Vec<VerifyingKey>,
}

/// Makes Passports.
#[derive(Debug)]
pub struct Mint {
    issuer: String,
    trust_domain: String,
    lifetime: u64,
    active: Arc<SigningKey>,
    /// The first part of every token.
    header: String,
    keys: Vec<Value>,
}

impl Mint {
    /// Prepares what all Passports have in common.
    ///
    /// # Errors
    /// A key without a name, two of one name, an algorithm or a lifetime that is not for Passports.
    pub fn new(spec: MintSpec) -> Result<Self, MintError> {
        let lifetime = spec.lifetime.as_secs();
        if lifetime == 0 || spec.lifetime > LONGEST_LIFE {
            return Err(MintError::Lifetime(spec.lifetime));
        }
        let (mut kids, mut keys) = (Vec::new(), Vec::new());
        for key in std::iter::once(spec.active.verifying_key()).chain(&spec.published) {
            let kid = key.kid().filter(|kid| !kid.is_empty()).ok_or(MintError::NoKid)?;
            if kids.contains(&kid) {
                return Err(MintError::SameKid(kid.to_owned()));
            }
            let jwk = key.public_jwk().filter(|_| ALGORITHMS.contains(&key.algorithm()));
            keys.push(jwk.ok_or(MintError::Algorithm(key.algorithm()))?);
            kids.push(kid);
        }
        let header = protected_header(&spec.active, Some(TYP));
        let (issuer, trust_domain) = (spec.issuer, spec.trust_domain);
        Ok(Self { issuer, trust_domain, lifetime, active: spec.active, header, keys })
    }

    /// One Passport, as the value of the header [`HEADER`](crate::HEADER).
    ///
    /// # Errors
    /// It would be larger than [`LONGEST`], or could not be signed.
    pub fn mint(&self, content: &Content<'_>, now: SystemTime) -> Result<String, Unminted> {
        self.mint_until(content, now, None).map(|minted| minted.token)
    }

    /// The same, but it expires at `end` at the latest, or after the one second that is the shortest life.
    ///
    /// # Errors
    /// As [`Mint::mint`].
    pub fn mint_until(
        &self,
        content: &Content<'_>,
        now: SystemTime,
        end: Option<SystemTime>,
    ) -> Result<Minted, Unminted> {
        let since_epoch = |moment: SystemTime| moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let iat = since_epoch(now);
        let end = end.map_or(u64::MAX, since_epoch).max(iat.saturating_add(1));
        let exp = iat.saturating_add(self.lifetime).min(end);
        let claims = Claims {
            iss: &self.issuer,
            aud: &self.trust_domain,
            iat,
            exp,
            txn: &content.txn,
            sub: &content.subject,
            scope: Scope(&content.scopes),
            req_wl: &self.issuer,
            tctx: Transaction::of(content),
            rctx: &content.requester,
        };
        let mut payload = Vec::with_capacity(1024);
        // Memory takes what is written, and every name is text.
        serde_json::to_writer(&mut payload, &claims).map_err(|_| Unminted::Unsigned)?;
        let mut token = String::with_capacity(self.header.len() + payload.len().div_ceil(3) * 4 + 96);
        token.push_str(&self.header);
        token.push('.');
        base64url::encode_into(&payload, &mut token);
        let signature = self.active.sign(token.as_bytes()).map_err(|_| Unminted::Unsigned)?;
        token.push('.');
        base64url::encode_into(&signature, &mut token);
        if token.len() > LONGEST {
            return Err(Unminted::TooLarge(token.len()));
        }
        let expires = UNIX_EPOCH.checked_add(Duration::from_secs(exp)).unwrap_or(now);
        Ok(Minted { token, expires })
    }

    /// The JWK set that services verify with: the active key, then the others.
    pub fn jwks(&self) -> Value {
        json!({ "keys": self.keys })
    }

    /// The name of the active key.
    pub fn kid(&self) -> &str {
        self.active.kid().unwrap_or_default()
    }
}

/// One Passport that was made.
#[derive(Clone, PartialEq, Eq)]
pub struct Minted {
    /// The value of the header [`HEADER`](crate::HEADER).
    pub token: String,
    /// Its `exp`.
    pub expires: SystemTime,
}

impl fmt::Debug for Minted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minted").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// Why there is no mint.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MintError {
    /// A key without a `kid`.
    NoKid,
    /// Two keys of this `kid`.
    SameKid(String),
    /// A key for this.
    Algorithm(Algorithm),
    /// A lifetime of this.
    Lifetime(Duration),
}

impl fmt::Display for MintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKid => f.write_str("a key without a kid"),
            Self::SameKid(kid) => write!(f, "two keys of the kid {kid:?}"),
            Self::Algorithm(found) => write!(f, "a key for {found}, wanted EdDSA or ES256"),
            Self::Lifetime(found) => write!(f, "a lifetime of {found:?}, wanted 1 s to {LONGEST_LIFE:?}"),
        }
    }
}

impl std::error::Error for MintError {}

/// Why there is no Passport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unminted {
    /// It would have so many bytes.
    TooLarge(usize),
    /// No randomness or no memory to sign with.
    Unsigned,
}

impl fmt::Display for Unminted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(found) => write!(f, "a passport of {found} bytes, wanted at most {LONGEST}"),
            Self::Unsigned => f.write_str("no randomness or no memory to sign a passport with"),
        }
    }
}

impl std::error::Error for Unminted {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{Device, Requester, User};
    use gwanmun_core::Level;

    const NOW: Duration = Duration::from_millis(1_800_000_000_900);

    fn key(kid: &str) -> SigningKey {
        SigningKey::generate(Algorithm::EdDsa).unwrap().with_kid(kid)
    }

    fn spec(active: SigningKey) -> MintSpec {
        MintSpec {
            issuer: "https://gw.example.internal".to_owned(),
            trust_domain: "example.internal".to_owned(),
            lifetime: Duration::from_secs(60),
            active: Arc::new(active),
            published: Vec::new(),
        }
    }

    fn content() -> Content<'static> {
        Content {
            txn: "97053963-771d-49cc-a4e3-20aad399c312".into(),
            subject: "u1".into(),
            scopes: vec!["orders.read".to_owned(), "profile".to_owned()].into(),
            user: User {
                id: "u1".into(),
                roles: vec!["member".to_owned()].into(),
                level: Level::High,
                source: "jwt:corp".into(),
            },
            device: Some(Device {
                id: Some("d9".into()),
                os: Some("ios 19".into()),
                app: Some("7.2.0".into()),
                level: Level::Low,
                source: "header".into(),
            }),
            actor: None,
            requester: Requester {
                address: Some([203, 0, 113, 7].into()),
                authn: "urn:gwanmun:authn:jwt".into(),
                role: "public".into(),
                trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
            },
        }
    }

    fn parts(token: &str) -> (String, String) {
        let mut parts = token.split('.').map(|part| String::from_utf8(base64url::decode(part.as_bytes()).unwrap()));
        (parts.next().unwrap().unwrap(), parts.next().unwrap().unwrap())
    }

    #[test]
    fn a_passport_is_written_as_documented() {
        let mint = Mint::new(spec(key("2026-11"))).unwrap();
        let (header, payload) = parts(&mint.mint(&content(), UNIX_EPOCH + NOW).unwrap());
        assert_eq!(header, r#"{"alg":"EdDSA","kid":"2026-11","typ":"txntoken+jwt"}"#);
        let wanted = concat!(
            r#"{"iss":"https://gw.example.internal","aud":"example.internal","iat":1800000000,"exp":1800000060,"#,
            r#""txn":"97053963-771d-49cc-a4e3-20aad399c312","sub":"u1","scope":"orders.read profile","#,
            r#""req_wl":"https://gw.example.internal","tctx":{"#,
            r#""user":{"id":"u1","roles":["member"],"level":"high","source":"jwt:corp"},"#,
            r#""device":{"id":"d9","os":"ios 19","app":"7.2.0","level":"low","source":"header"},"act":{}},"#,
            r#""rctx":{"req_ip":"203.0.113.7","authn":"urn:gwanmun:authn:jwt","role":"public","#,
            r#""trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}}"#,
        );
        assert_eq!(payload, wanted);
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let mint = Mint::new(spec(key("a"))).unwrap();
        let requester = Requester { address: None, trace_id: None, ..content().requester };
        let actor = Some("svc".into());
        let content = Content { device: None, actor, requester, scopes: Vec::new().into(), ..content() };
        let (_, payload) = parts(&mint.mint(&content, UNIX_EPOCH + NOW).unwrap());
        let claims: Value = serde_json::from_str(&payload).unwrap();
        assert_eq!(claims["tctx"]["device"], Value::Null);
        assert_eq!(claims["tctx"]["act"], json!({"sub": "svc"}));
        assert_eq!(claims["rctx"], json!({"authn": "urn:gwanmun:authn:jwt", "role": "public"}));
        assert_eq!(claims["scope"], "");
    }

    #[test]
    fn what_is_no_scope_is_left_out() {
        let mint = Mint::new(spec(key("a"))).unwrap();
        let scopes = ["", "a", "b c", "", "d\"", "e\\", "é", "f\n", "g:h"].map(str::to_owned).to_vec();
        let (_, payload) =
            parts(&mint.mint(&Content { scopes: scopes.into(), ..content() }, UNIX_EPOCH + NOW).unwrap());
        assert!(payload.contains(r#""scope":"a g:h","#), "{payload}");
    }

    #[test]
    fn what_would_not_fit_a_header_is_not_made() {
        let mint = Mint::new(spec(key("a"))).unwrap();
        let content = Content { subject: "u".repeat(LONGEST).into(), ..content() };
        assert!(matches!(mint.mint(&content, UNIX_EPOCH + NOW), Err(Unminted::TooLarge(found)) if found > LONGEST));
    }

    #[test]
    fn nothing_outlives_the_end_it_is_given_but_for_a_second() {
        let mint = Mint::new(spec(key("a"))).unwrap();
        let now = UNIX_EPOCH + NOW;
        let life = |end: Option<SystemTime>| {
            let minted = mint.mint_until(&content(), now, end).unwrap();
            let (_, payload) = parts(&minted.token);
            let claims: Value = serde_json::from_str(&payload).unwrap();
            let seconds = |name: &str| claims[name].as_u64().unwrap();
            assert_eq!(minted.expires, UNIX_EPOCH + Duration::from_secs(seconds("exp")));
            seconds("exp") - seconds("iat")
        };
        let after = |millis| Some(now + Duration::from_millis(millis));
        assert_eq!((life(None), life(after(90_000)), life(after(20_000))), (60, 60, 20));
        assert_eq!((life(after(0)), life(Some(UNIX_EPOCH)), life(after(1_099))), (1, 1, 1));
    }

    #[test]
    fn every_key_is_published_and_nothing_private() {
        let older = key("2026-08");
        let published = vec![older.verifying_key().clone()];
        let mint = Mint::new(MintSpec { published, ..spec(key("2026-11")) }).unwrap();
        assert_eq!(mint.kid(), "2026-11");
        let jwks = mint.jwks();
        let keys = jwks["keys"].as_array().unwrap();
        let kids: Vec<_> = keys.iter().map(|key| key["kid"].as_str().unwrap()).collect();
        assert_eq!(kids, ["2026-11", "2026-08"]);
        assert!(keys.iter().all(|key| key.get("d").is_none() && key["use"] == "sig" && key["alg"] == "EdDSA"));
    }

    #[test]
    fn a_mint_of_the_wrong_things_is_refused() {
        let refused = |spec| Mint::new(spec).map(|_| ()).unwrap_err();
        let nameless = SigningKey::generate(Algorithm::Es256).unwrap();
        assert_eq!(refused(spec(nameless)), MintError::NoKid);
        assert_eq!(refused(spec(key(""))), MintError::NoKid);
        let secret = SigningKey::from_secret(&[7; 32], Algorithm::Hs256).unwrap().with_kid("a");
        assert_eq!(refused(spec(secret)), MintError::Algorithm(Algorithm::Hs256));
        let other = SigningKey::generate(Algorithm::Es384).unwrap().with_kid("b");
        let published = vec![other.verifying_key().clone()];
        assert_eq!(refused(MintSpec { published, ..spec(key("a")) }), MintError::Algorithm(Algorithm::Es384));
        let published = vec![key("a").verifying_key().clone()];
        assert_eq!(refused(MintSpec { published, ..spec(key("a")) }), MintError::SameKid("a".to_owned()));
        for lifetime in [Duration::ZERO, Duration::from_millis(999), LONGEST_LIFE + Duration::from_millis(1)] {
            assert_eq!(refused(MintSpec { lifetime, ..spec(key("a")) }), MintError::Lifetime(lifetime));
        }
    }

    /// Prints what minting costs: `cargo test -p gwanmun-passport -- --ignored --nocapture cost`.
    #[test]
    #[ignore = "measures"]
    fn cost() {
        const TIMES: u32 = 100;
        for algorithm in ALGORITHMS {
            let mint = Mint::new(spec(SigningKey::generate(algorithm).unwrap().with_kid("2026-11"))).unwrap();
            let content = content();
            let length = mint.mint(&content, UNIX_EPOCH + NOW).unwrap().len();
            let hundred = || {
                let start = std::time::Instant::now();
                for _ in 0..TIMES {
                    std::hint::black_box(mint.mint(std::hint::black_box(&content), UNIX_EPOCH + NOW)).unwrap();
                }
                start.elapsed() / TIMES
            };
            // The best of many: who else is busy does not count.
            let each = (0..50).map(|_| hundred()).min().unwrap_or_default();
            println!("{algorithm} mint: {each:?}, {length} bytes");
        }
    }
}
