//! Envoy's filter for the same tokens: the issuer's keys stand in the configuration, so that nothing is fetched.

use serde_json::{Value, json};

use super::Identity;
use super::rung::Rung;
use super::tokens::{AUDIENCE, ISSUER};
use crate::failure::{Failure, While};

/// Tokens in its cache: as many as ours remembers.
const REMEMBERED: u32 = 10_000;

/// The filter of a rung; nothing where there is no guard.
pub(crate) fn jwt_authn(identity: &Identity) -> Result<Option<Value>, Failure> {
    if !identity.rung.is_guarded() {
        return Ok(None);
    }
    let path = &identity.tokens.key_set;
    let key_set = std::fs::read_to_string(path).while_doing(path.display())?;
    Ok(Some(filter(identity.rung, &key_set)))
}

fn filter(rung: Rung, key_set: &str) -> Value {
    let mut provider = json!({
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "local_jwks": {"inline_string": key_set},
        // Otherwise it also looks through the query of every request.
        "from_headers": [{"name": "Authorization", "value_prefix": "Bearer "}],
        "require_expiration": true,
        "clock_skew_seconds": 30,
        // The default, said aloud: a token that was verified does not reach the origin.
        "forward": false
    });
    if rung == Rung::EnvoyKnownCached
        && let Some(provider) = provider.as_object_mut()
    {
        provider.insert("jwt_cache_config".to_owned(), json!({"jwt_cache_size": REMEMBERED}));
    }
    json!({"name": "jwt", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"corp": provider},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "corp"}}]}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_rung_with_a_cache_has_one() {
        for rung in Rung::ALL {
            let cached = filter(rung, "{}").to_string().contains("jwt_cache_config");
            assert_eq!(cached, rung == Rung::EnvoyKnownCached, "{rung:?}");
        }
    }

    #[test]
    fn the_keys_stand_in_the_configuration_and_every_path_is_guarded() {
        let filter = filter(Rung::EnvoyUnknown, r#"{"keys":[]}"#);
        let config = &filter["typed_config"];
        assert_eq!(config["providers"]["corp"]["local_jwks"]["inline_string"], r#"{"keys":[]}"#);
        assert_eq!(config["providers"]["corp"]["issuer"], ISSUER);
        assert_eq!(config["rules"][0]["match"]["prefix"], "/");
    }
}
