//! What stands in for filters and for `identity`.

use std::collections::BTreeMap;

use gwanmun_config::{OneOrMany, Piece};
use gwanmun_proxy::{Filter, FilterSpec, Ground, Invalid, Parts, SectionSpec};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Registry;

/// One of each.
pub(super) const IDENTITY: &str = "identity: {certificates: {people: {}}, oidc: {staff: {}}, issuers: {corp: {}}}\n";

/// The standard registry with stand-ins.
pub(super) fn registry() -> Registry {
    Registry::standard()
        .section::<Identity>()
        .filter::<Authenticate>()
        .filter::<Csrf>()
        .filter::<UserHeaders>()
        .filter::<RequestRateLimiter>()
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Identity {
    issuers: BTreeMap<String, Piece>,
    oauth: BTreeMap<String, Piece>,
    oidc: BTreeMap<String, Piece>,
    certificates: BTreeMap<String, Piece>,
}

impl SectionSpec for Identity {
    const KEY: &'static str = "identity";
    type Section = Self;

    fn build(self, _: &mut Ground<'_>) -> Option<Self> {
        let _ = (&self.issuers, &self.oauth, &self.oidc, &self.certificates);
        Some(self)
    }
}

struct Nothing;

impl Filter for Nothing {}

macro_rules! stand_in {
    ($spec:ident, $name:literal, {$($field:ident: $type:ty),*}) => {
        #[derive(Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
        struct $spec {
            $($field: $type),*
        }

        impl FilterSpec for $spec {
            const NAME: &'static str = $name;

            fn build(self, _: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
                let _ = ($(&self.$field),*);
                Ok(Box::new(Nothing))
            }
        }
    };
}

stand_in!(Csrf, "csrf", {});
stand_in!(UserHeaders, "user-headers", {});
stand_in!(RequestRateLimiter, "request-rate-limiter", {replenish_rate: u32, burst_capacity: u32});

/// `any` is all that it needs, so that a list may stand alone.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Authenticate {
    any: Vec<Piece>,
    #[serde(default)]
    anonymous: bool,
    #[serde(default)]
    scope: OneOrMany<String>,
}

impl FilterSpec for Authenticate {
    const NAME: &'static str = "authenticate";

    fn build(self, _: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        let _ = (&self.any, self.anonymous, &self.scope);
        Ok(Box::new(Nothing))
    }
}
