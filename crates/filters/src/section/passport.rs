//! `passport`: who signs Passports, for whom, with which keys, what they say besides the principal, and whose are believed.

mod accept;
mod check;
mod device;
mod exchange;
mod keys;
mod map;
mod office;
mod place;
mod reuse;
mod server_keys;
mod source;
mod user;

use gwanmun_config::{Spanned, Timespan};
use gwanmun_passport::LONGEST_LIFE;
use gwanmun_proxy::{Ground, SectionSpec};
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

pub use accept::AcceptSpec;
pub use device::DeviceSpec;
pub use exchange::ExchangeSpec;
pub use keys::KeysSpec;
pub use map::MapSpec;
pub(crate) use office::count;
pub use office::{PassportOffice, PublishedKeys};
pub(crate) use source::Told;
pub use source::{OnError, SourceSpec};
pub use user::UserSpec;

/// The Passport: one signed statement about the caller, for the services behind. The filter `passport` puts it into the
/// header `Txn-Token`; `/jwks.json` of the management port has the keys that it is verified with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PassportSectionSpec {
    /// For whom Passports are (`aud`): the name of everything behind this gateway.
    trust_domain: Spanned<String>,
    /// Who makes them (`iss`, `req_wl`): this gateway.
    issuer: Spanned<String>,
    /// The keys that sign; without them one is made at the start, which is for one replica only.
    #[serde(default)]
    keys: Option<KeysSpec>,
    /// How long a Passport is good: whole seconds, at most 10m (60s).
    #[serde(default = "a_minute")]
    lifetime: Spanned<Timespan>,
    /// How long a Passport is used again for requests of the same principal, level, client address and device (0s: every
    /// request has its own).
    #[serde(default)]
    reuse: Spanned<Timespan>,
    /// Who is asked about the caller; without it a Passport says what the principal does.
    #[serde(default)]
    source: Option<Spanned<SourceSpec>>,
    /// The headers in which devices tell about themselves.
    #[serde(default)]
    device: DeviceSpec,
    /// Other gateways whose Passports are believed, where `authenticate` takes a `passport`.
    #[serde(default)]
    accept: Option<Spanned<AcceptSpec>>,
}

fn a_minute() -> Spanned<Timespan> {
    Timespan(Duration::from_secs(60)).into()
}

impl SectionSpec for PassportSectionSpec {
    const KEY: &'static str = "passport";

    type Section = PassportOffice;

    fn build(self, ground: &mut Ground<'_>) -> Option<PassportOffice> {
        let mut is_good = self.are_names_good(ground);
        is_good &= self.are_times_good(ground);
        let keys = match self.keys {
            Some(keys) => keys.build(ground),
            None => keys::made(self.issuer.span, ground),
        };
        let devices = self.device.build(ground);
        let names = source::Names { trust_domain: self.trust_domain.value, issuer: self.issuer.value };
        let source = match self.source {
            Some(spec) => spec.value.build(spec.span, &names, ground).map(Some),
            None => Some(None),
        };
        let accept = match self.accept {
            Some(spec) => spec.value.build(spec.span, &names, ground).map(Some),
            None => Some(None),
        };
        let (keys, devices, source, accept) = (keys?, devices?, source?, accept?);
        if !is_good {
            return None;
        }
        let plan =
            office::Founding { names, keys, lifetime: self.lifetime.0, reuse: self.reuse.0, devices, source, accept };
        match PassportOffice::found(plan, ground) {
            Ok(office) => Some(office),
            Err(error) => {
                ground.refuse(self.issuer.span, format!("no Passport can be made: {error}"));
                None
            }
        }
    }
}

impl PassportSectionSpec {
    fn are_names_good(&self, ground: &mut Ground<'_>) -> bool {
        let mut is_good = true;
        for (name, text) in [("trust-domain", &self.trust_domain), ("issuer", &self.issuer)] {
            if text.is_empty() || text.contains(char::is_control) {
                let message = format!("found '{}', wanted the name that stands in Passports", text.escape_debug());
                ground.refuse_with_hint(text.span, message, format!("{name}: example.internal"));
                is_good = false;
            }
        }
        is_good
    }

    fn are_times_good(&self, ground: &mut Ground<'_>) -> bool {
        let (lifetime, reuse) = (&self.lifetime, &self.reuse);
        if lifetime.0.is_zero() || lifetime.0 > LONGEST_LIFE || lifetime.0.subsec_nanos() != 0 {
            let message = format!("found {}, wanted whole seconds from 1s to 10m", lifetime.value);
            ground.refuse_with_hint(lifetime.span, message, "a Passport lives as long as one request: 60s");
            return false;
        }
        if reuse.0 > lifetime.0 {
            let message = format!("found {}, wanted at most the lifetime, {}", reuse.value, lifetime.value);
            ground.refuse_with_hint(reuse.span, message, "what is used again must still be good");
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests;
