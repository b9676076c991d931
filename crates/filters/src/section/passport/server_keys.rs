//! The keys with which the auth server signs the Txn-Tokens that are forwarded: `/jwks.json` has them beside our own.

use std::sync::Arc;
use std::time::Duration;

use gwanmun_client::{CallError, Client, Fetched, LookupSettings, Lookups, Outbound, Settings};
use gwanmun_identity::{FetchKeys, KeysAt, Published};
use gwanmun_jose::{Algorithm, JwkSet};
use serde_json::Value;

const CACHE: Duration = Duration::from_secs(60);

/// How long they go on being published where the auth server cannot be reached.
const STALE: Duration = Duration::from_secs(24 * 3600);

/// The auth server's keys, fetched and kept.
pub(super) struct ServerKeys {
    published: Arc<Published>,
    keys: Lookups<(), Vec<Value>>,
    timeout: Duration,
}

impl ServerKeys {
    /// Keys at `at`.
    pub(super) fn new(at: KeysAt, limits: Settings, outbound: &Outbound) -> Self {
        let timeout = limits.timeout;
        let limits = Settings { answer_bytes: Published::LONGEST, ..limits };
        let settings = LookupSettings {
            capacity: 1,
            stale: STALE,
            refresh_ahead: CACHE / 4,
            timeout: timeout * 2,
            ..LookupSettings::default()
        };
        Self {
            published: Arc::new(Published::new(at, Client::new(outbound, "passport-jwks", limits))),
            keys: Lookups::new(outbound, "passport-jwks", settings),
            timeout,
        }
    }

    /// The public keys among them; what else stands in the set is left out.
    pub(super) async fn get(&self) -> Result<Arc<Vec<Value>>, CallError> {
        let published = Arc::clone(&self.published);
        let fetch = || async move {
            let asymmetric: Vec<_> = Algorithm::ALL.into_iter().filter(|known| !known.is_symmetric()).collect();
            let set = JwkSet::parse(&published.fetch().await?, &asymmetric)
                .map_err(|error| CallError::Malformed(error.to_string().into()))?;
            Ok(Fetched::new(set.keys().iter().filter_map(|key| key.public_jwk()).collect(), CACHE))
        };
        self.keys.get_within(&(), self.timeout, fetch).await.map(|found| found.value)
    }
}
