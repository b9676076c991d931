//! `passport.accept`: other gateways whose Passports are believed where one stands in front of this one.

use std::sync::Arc;
use std::time::Duration;

use gwanmun_client::{Client, Settings};
use gwanmun_config::{OneOrMany, Span, Spanned};
use gwanmun_identity::{FetchSettings, Keys, KeysAt, PassportIssuers, Published};
use gwanmun_jose::JwkSet;
use gwanmun_passport::{ALGORITHMS, VerifierSpec};
use gwanmun_proxy::Ground;
use schemars::JsonSchema;
use serde::Deserialize;

use super::check::LEEWAY;
use super::place::place;
use super::source::Names;
use crate::authorities::authorities_of;
use crate::file_reference::path_of;
use crate::outbound::outbound;

/// Other gateways whose Passports are believed. They are for the same trust domain.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AcceptSpec {
    /// Their keys: the URL of a JWK set, or `file:PATH`.
    jwks: Spanned<String>,
    /// Who they are: `iss` must be one of these.
    issuers: OneOrMany<Spanned<String>>,
    /// `file:PATH` of the authorities (PEM) that are trusted for the URL, in place of the platform's.
    #[serde(default)]
    ca: Option<Spanned<String>>,
}

/// The same, ready to be used.
pub(super) struct Accepted {
    pub(super) issuers: Vec<String>,
    pub(super) check: Arc<PassportIssuers>,
}

impl AcceptSpec {
    /// Checks what is written and reads a file.
    pub(super) fn build(self, span: Span, names: &Names, ground: &mut Ground<'_>) -> Option<Accepted> {
        let issuers: Vec<String> = self.issuers.iter().map(|issuer| issuer.value.clone()).collect();
        if issuers.is_empty() || issuers.iter().any(String::is_empty) {
            ground.refuse_with_hint(
                span,
                "it is not said whose Passports are believed",
                "issuers: [https://edge.example]",
            );
            return None;
        }
        if let Some(own) = self.issuers.iter().find(|issuer| issuer.value == names.issuer) {
            ground
                .refuse(own.span, "this is the gateway's own issuer: its Passports are believed by its own keys only");
            return None;
        }
        let spec = VerifierSpec { trust_domain: names.trust_domain.clone(), issuers: issuers.clone(), leeway: LEEWAY };
        let clock = Arc::clone(ground.clock);
        if let Some(path) = path_of(&self.jwks) {
            let shown = path.display().to_string();
            let set = ground.reader.read(&path).map_err(|error| format!("cannot read '{shown}': {error}"));
            let set = set.and_then(|bytes| {
                JwkSet::parse(&bytes, &ALGORITHMS).map_err(|error| format!("'{shown}' is no key set: {error}"))
            });
            let set = set.and_then(|set| match set.keys().is_empty() {
                true => Err(format!("no key in '{shown}' is for EdDSA or ES256")),
                false => Ok(set),
            });
            let set = set.map_err(|why| ground.refuse(self.jwks.span, why)).ok()?;
            let check = Arc::new(PassportIssuers::new(spec, Keys::fixed(set), clock));
            return Some(Accepted { issuers, check });
        }
        let url = place(&self.jwks, self.jwks.span, ground)?;
        let (tls, trusted) = authorities_of(self.ca.as_ref(), ground)?;
        let outbound = outbound(ground.lasting, ground.clock);
        let check = ground.lasting.shared(format!("{spec:?} {url:?} {trusted:?}"), || {
            let fetch = FetchSettings {
                issuer: "passport".to_owned(),
                algorithms: ALGORITHMS.to_vec(),
                cache: Duration::from_secs(300),
                stale: Duration::from_secs(3600),
                cool_down: Duration::from_secs(30),
                timeout: Duration::from_secs(2),
            };
            let limits = Settings { answer_bytes: Published::LONGEST, tls, ..Settings::default() };
            let client = Client::new(&outbound, "passport-accept", limits);
            let published = Arc::new(Published::new(KeysAt::Url(url), client));
            PassportIssuers::new(spec, Keys::fetched(fetch, published, &outbound), clock)
        });
        Some(Accepted { issuers, check })
    }
}
