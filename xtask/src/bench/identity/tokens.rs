//! Keys and tokens, made anew by a small script at every start of the bench, so that no private key lies anywhere for long.
//! Node signs them: it has everything for it, and a bench that needs a crypto library of its own takes minutes to build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::failure::{Failure, While};
use crate::steps;

/// Who issues the tokens.
pub(super) const ISSUER: &str = "https://idp.example";
/// Whom they are for.
pub(super) const AUDIENCE: &str = "gateway";
/// The role that is wanted.
pub(super) const ROLE: &str = "member";
/// The scope that is wanted.
pub(super) const SCOPE: &str = "orders.read";

/// Tokens in a batch: more than any cache of a proxy holds, should a run come to its end and begin again.
const BATCH: usize = 30_000;

const SCRIPT: &str = include_str!("tokens.mjs");

/// What proxies and callers are given.
#[derive(Debug)]
pub(super) struct Tokens {
    /// A token with the role and the scope that are wanted.
    pub(super) known: String,
    /// A good token of somebody with another role and another scope.
    pub(super) stranger: String,
    /// The issuer's public keys (RFC 7517).
    pub(super) key_set: PathBuf,
    /// What our gateway says to the authorization server, which believes everybody.
    pub(super) client_secret: PathBuf,
    /// What Passports are signed with, PEM.
    pub(super) passport_key: PathBuf,
    /// What heads of the audit log are signed with, PEM.
    pub(super) audit_key: PathBuf,
    batches: Vec<PathBuf>,
}

impl Tokens {
    /// Mints one token for those who come again and so many batches for those who do not, into an emptied folder.
    pub(super) fn mint(folder: &Path, batches: usize) -> Result<Self, Failure> {
        Self::mint_batches_of(BATCH, folder, batches)
    }

    /// The same with batches of another size.
    pub(super) fn mint_batches_of(size: usize, folder: &Path, batches: usize) -> Result<Self, Failure> {
        if folder.exists() {
            fs::remove_dir_all(folder).while_doing(folder.display())?;
        }
        fs::create_dir_all(folder).while_doing(folder.display())?;
        let script = folder.join("tokens.mjs");
        fs::write(&script, SCRIPT).while_doing(script.display())?;
        let mut node = Command::new("node");
        node.arg(&script).arg(folder).args([&batches.to_string(), &size.to_string(), &claims()]);
        steps::output(node)?;
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).while_doing(path.display())
        };
        Ok(Self {
            known: read("known")?,
            stranger: read("stranger")?,
            key_set: folder.join("jwks.json"),
            client_secret: folder.join("client-secret"),
            passport_key: folder.join("passport.pem"),
            audit_key: folder.join("audit.pem"),
            batches: (0..batches).map(|batch| folder.join(format!("unknown-{batch}"))).collect(),
        })
    }

    /// The file of a batch, a token in each line; after the last comes the first again.
    pub(super) fn batch(&self, number: usize) -> Option<&Path> {
        let index = number.checked_rem(self.batches.len())?;
        self.batches.get(index).map(PathBuf::as_path)
    }

    /// The known token with another signature.
    pub(super) fn forged(&self) -> String {
        let (signed, signature) = self.known.rsplit_once('.').unwrap_or_default();
        let other = if signature.starts_with('A') { 'B' } else { 'A' };
        let rest = signature.get(1..).unwrap_or_default();
        format!("{signed}.{other}{rest}")
    }

    #[cfg(test)]
    pub(super) fn example() -> Self {
        Self {
            known: "a.b.c".to_owned(),
            stranger: "d.e.f".to_owned(),
            key_set: "/keys/jwks.json".into(),
            client_secret: "/keys/client-secret".into(),
            passport_key: "/keys/passport.pem".into(),
            audit_key: "/keys/audit.pem".into(),
            batches: vec!["one".into(), "two".into()],
        }
    }
}

/// The claims of the tokens, as many as an ordinary access token has (RFC 9068).
pub(super) fn claims() -> String {
    json!({
        "kid": "bench-1",
        "claims": {
            "iss": ISSUER,
            "aud": [AUDIENCE],
            "client_id": "bench-app",
            "scope": format!("openid profile {SCOPE} orders.write"),
            "roles": [ROLE, "buyer", "beta"],
            "tenant": "acme",
            "name": "Ann Example",
            "email": "ann@acme.example",
            "acr": "urn:example:acr:2",
            "amr": ["pwd", "otp"],
            "auth_time": 1_700_000_000,
        },
        "stranger": {"scope": "openid", "roles": ["guest"]},
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn tokens_are_many_all_different_of_ordinary_size_and_no_private_key_of_theirs_is_left() {
        let folder = std::env::temp_dir().join(format!("gwanmun-bench-tokens-{}", std::process::id()));
        let tokens = Tokens::mint_batches_of(40, &folder, 2).unwrap();
        let mut all = BTreeSet::from([tokens.known.clone(), tokens.stranger.clone()]);
        for batch in 0..2 {
            let text = fs::read_to_string(tokens.batch(batch).unwrap()).unwrap();
            all.extend(text.lines().map(str::to_owned));
        }
        let key_set: Value = serde_json::from_str(&fs::read_to_string(&tokens.key_set).unwrap()).unwrap();
        let passport_key = fs::read_to_string(&tokens.passport_key).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(all.len(), 82);
        for token in all.iter().filter(|token| **token != tokens.stranger) {
            assert!((600..=700).contains(&token.len()) && token.len() == tokens.known.len(), "{}", token.len());
            assert_eq!(token.matches('.').count(), 2);
        }
        assert!(key_set["keys"][0]["x"].is_string() && key_set["keys"][0]["d"].is_null(), "{key_set}");
        assert!(passport_key.starts_with("-----BEGIN PRIVATE KEY-----"));
    }

    #[test]
    fn batches_come_around_again() {
        let tokens = Tokens::example();
        assert_eq!(tokens.batch(3), tokens.batch(1));
        assert_ne!(tokens.batch(0), tokens.batch(1));
    }

    #[test]
    fn a_forged_token_differs_in_its_signature_alone() {
        let mut tokens = Tokens::example();
        assert_eq!(tokens.forged(), "a.b.A");
        tokens.known = "a.b.Axy".to_owned();
        assert_eq!(tokens.forged(), "a.b.Bxy");
    }
}
