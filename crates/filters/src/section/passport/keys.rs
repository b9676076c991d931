//! `passport.keys`: one signs, all are published, so that a key can be changed while Passports of the other are about.

use std::collections::BTreeMap;
use std::sync::Arc;

use gwanmun_config::{Span, Spanned, did_you_mean};
use gwanmun_jose::{Algorithm, KeyError, SigningKey, VerifyingKey};
use gwanmun_passport::ALGORITHMS;
use gwanmun_proxy::Ground;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::file_reference::path_of;

/// Keys that sign Passports.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct KeysSpec {
    /// The name of the key that signs.
    active: Spanned<String>,
    /// Keys by name (`kid`): `file:PATH` of a private key in PEM, for EdDSA or ES256. All are published.
    files: BTreeMap<String, Spanned<String>>,
}

/// What signs, and what is published beside it.
pub(super) struct Keys {
    pub(super) active: Arc<SigningKey>,
    pub(super) published: Vec<VerifyingKey>,
}

/// The key of a process that was given none.
struct MadeKey(Result<Arc<SigningKey>, KeyError>);

impl KeysSpec {
    /// Reads the files.
    pub(super) fn build(self, ground: &mut Ground<'_>) -> Option<Keys> {
        let (mut active, mut published, mut is_good) = (None, Vec::new(), true);
        for (kid, file) in &self.files {
            let Some(key) = read(kid, file, ground) else {
                is_good = false;
                continue;
            };
            match *kid == self.active.value {
                true => active = Some(Arc::new(key)),
                false => published.push(key.verifying_key().clone()),
            }
        }
        if !self.files.contains_key(&self.active.value) {
            let known: Vec<&str> = self.files.keys().map(String::as_str).collect();
            let message = format!("there is no key '{}' among 'files'", self.active.value);
            let hint = match did_you_mean(&self.active.value, known.iter().copied()) {
                Some(close) => format!("did you mean '{close}'?"),
                None => format!("there is {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") }),
            };
            ground.refuse_with_hint(self.active.span, message, hint);
            return None;
        }
        let active = active.filter(|_| is_good)?;
        warn_of_twins(&self.files, &active, &published, ground);
        Some(Keys { active, published })
    }
}

/// A key made at the start, and kept as long as the process lives.
pub(super) fn made(span: Span, ground: &mut Ground<'_>) -> Option<Keys> {
    let made = ground.lasting.of(|| {
        MadeKey(SigningKey::generate(Algorithm::EdDsa).map(|key| {
            // By its thumbprint, so that no two replicas call different keys the same.
            let kid = key.verifying_key().thumbprint().unwrap_or_default();
            Arc::new(key.with_kid(kid))
        }))
    });
    match &made.0 {
        Ok(key) => {
            ground.warn(
                span,
                "there are no 'keys': Passports are signed with one made at the start, which is for a single replica only",
            );
            Some(Keys { active: Arc::clone(key), published: Vec::new() })
        }
        Err(error) => {
            ground.refuse(span, format!("no key can be made: {error}"));
            None
        }
    }
}

fn read(kid: &str, file: &Spanned<String>, ground: &mut Ground<'_>) -> Option<SigningKey> {
    if kid.is_empty() || kid.len() > 128 || !kid.bytes().all(|byte| byte.is_ascii_graphic()) {
        ground.refuse(file.span, format!("found a key called '{}', wanted a short name", kid.escape_debug()));
        return None;
    }
    let Some(path) = path_of(file) else {
        // Not what was written: it may be the key itself.
        ground.refuse_with_hint(file.span, format!("the key '{kid}' is not in a file"), "write file:PATH");
        return None;
    };
    let shown = path.display().to_string();
    let pem = match ground.reader.read(&path) {
        Ok(pem) => pem,
        Err(error) => {
            ground.refuse(file.span, format!("cannot read '{shown}': {error}"));
            return None;
        }
    };
    match SigningKey::from_pem(&pem, &ALGORITHMS) {
        Ok(key) => Some(key.with_kid(kid)),
        Err(error) => {
            let message = format!("'{shown}' cannot sign Passports, wanted a key for EdDSA or ES256: {error}");
            ground.refuse_with_hint(file.span, message, "openssl genpkey -algorithm ed25519 -out passport.pem");
            None
        }
    }
}

/// A key under two names is hardly meant: after a change to the other name everything goes on with the old key.
fn warn_of_twins(
    files: &BTreeMap<String, Spanned<String>>,
    active: &SigningKey,
    published: &[VerifyingKey],
    ground: &mut Ground<'_>,
) {
    let thumbprint = active.verifying_key().thumbprint();
    for twin in published.iter().filter(|key| key.thumbprint() == thumbprint) {
        if let Some((kid, file)) = twin.kid().and_then(|kid| files.get_key_value(kid)) {
            ground.warn(file.span, format!("'{kid}' is the same key as the active one"));
        }
    }
}
