//! The keys of an issuer: given once in a file, or fetched and kept. Fetched ones are at hand without a lock, are fetched
//! anew before they grow old, and go on serving for a while where the issuer cannot be reached.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use gwanmun_client::{CallError, Fetched, Found, LookupSettings, Lookups, Outbound};
use gwanmun_core::{Clock, Reason, Tally};
use gwanmun_jose::{Algorithm, JwkSet, KeyError};

use crate::refusal::Refusal;
use crate::token::sha256;

/// How long keys are used before the memory is asked for newer ones: it has a lock, which workers should seldom meet.
const GLANCE: Duration = Duration::from_secs(1);

/// Of the keys of a set that cannot be used, so many are told.
const MOST_TOLD: usize = 5;

/// Where published keys come from. It is asked once for all who wait, on the thread for outbound calls.
pub trait FetchKeys: Send + Sync + 'static {
    /// The bytes of a JWK set.
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, CallError>> + Send>>;
}

/// How long a fetch that failed is not repeated, at most.
const RETRY: Duration = Duration::from_secs(1);

/// How keys are fetched and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchSettings {
    /// The issuer's name, for log and metric.
    pub issuer: String,
    /// The algorithms that keys may have.
    pub algorithms: Vec<Algorithm>,
    /// How long keys are used before they are fetched anew.
    pub cache: Duration,
    /// How long they go on serving where that fails.
    pub stale: Duration,
    /// How long keys that were fetched are not fetched anew for one that is not among them.
    pub cool_down: Duration,
    /// How long a fetch may take.
    pub timeout: Duration,
}

/// The keys of an issuer.
#[derive(Debug)]
pub struct Keys(Kind);

#[derive(Debug)]
enum Kind {
    Fixed(Arc<KeySet>),
    Fetched(Box<FetchedKeys>),
}

/// A key set, and by what it is told from others.
#[derive(Debug)]
pub(crate) struct KeySet {
    pub(crate) set: JwkSet,
    /// The same for the same bytes: a token that one set verified has to be looked at again for another.
    pub(crate) mark: u64,
}

struct FetchedKeys {
    settings: FetchSettings,
    source: Arc<dyn FetchKeys>,
    lookups: Lookups<(), KeySet>,
    at_hand: ArcSwapOption<AtHand>,
    refreshes: Tally,
    /// The mark of the set whose unusable keys were told last.
    told: Arc<AtomicU64>,
    clock: Arc<dyn Clock>,
}

/// Keys that are used without asking for newer ones.
struct AtHand {
    keys: Arc<KeySet>,
    since: SystemTime,
}

impl Keys {
    /// Keys that do not change.
    pub fn fixed(set: JwkSet) -> Self {
        Self(Kind::Fixed(Arc::new(KeySet { set, mark: 0 })))
    }

    /// Keys that `source` publishes; the first request fetches them.
    pub fn fetched(settings: FetchSettings, source: Arc<dyn FetchKeys>, outbound: &Outbound) -> Self {
        let lookups = LookupSettings {
            capacity: 1,
            // The fetch ends by itself before, and is counted.
            timeout: settings.timeout * 2,
            stale: settings.stale,
            refresh_ahead: settings.cache / 4,
            cool_down: settings.cool_down.min(RETRY),
            renew_after: settings.cool_down,
            ..LookupSettings::default()
        };
        let help = "Fetches of an issuer's keys, by how they ended.";
        Self(Kind::Fetched(Box::new(FetchedKeys {
            lookups: Lookups::new(outbound, "jwks", lookups),
            refreshes: outbound.tallies().tally("gwanmun_jwks_refreshes_total", help, &["issuer", "result"]),
            clock: outbound.clock(),
            settings,
            source,
            at_hand: ArcSwapOption::empty(),
            told: Arc::default(),
        })))
    }

    /// Whether a key that is not there could be there later.
    pub(crate) fn may_change(&self) -> bool {
        matches!(self.0, Kind::Fetched(_))
    }

    /// The keys, if they are there and nothing has to be done for them.
    pub(crate) fn at_hand(&self, now: SystemTime) -> Option<Arc<KeySet>> {
        match &self.0 {
            Kind::Fixed(keys) => Some(Arc::clone(keys)),
            Kind::Fetched(fetched) => fetched.at_hand(now),
        }
    }

    /// The mark of [`Self::at_hand`].
    pub(super) fn mark_at_hand(&self, now: SystemTime) -> Option<u64> {
        match &self.0 {
            Kind::Fixed(keys) => Some(keys.mark),
            Kind::Fetched(fetched) => fetched.mark_at_hand(now),
        }
    }

    /// The keys; fetched if there are none, or only old ones.
    pub(crate) async fn get(&self) -> Result<Arc<KeySet>, CallError> {
        match &self.0 {
            Kind::Fixed(keys) => Ok(Arc::clone(keys)),
            Kind::Fetched(fetched) => fetched.get().await,
        }
    }

    /// The keys, fetched anew where that has not been done lately.
    pub(crate) async fn renewed(&self) -> Result<Arc<KeySet>, CallError> {
        match &self.0 {
            Kind::Fixed(keys) => Ok(Arc::clone(keys)),
            Kind::Fetched(fetched) => fetched.renewed().await,
        }
    }

    /// What `verify` makes of the keys of `issuer`; once more with newer ones where a key is not among them.
    pub(crate) async fn verified<T>(
        &self,
        issuer: &str,
        verify: impl Fn(&KeySet) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let unavailable = |error| self.unavailable(issuer, &error);
        match verify(&*self.get().await.map_err(unavailable)?) {
            Err(refusal) if refusal.reason() == Reason::UnknownKey && self.may_change() => {
                verify(&*self.renewed().await.map_err(unavailable)?)
            }
            outcome => outcome,
        }
    }

    /// What is said where the keys cannot be had.
    pub(crate) fn unavailable(&self, issuer: &str, error: &CallError) -> Refusal {
        let detail = if *error == CallError::Offline {
            format!(
                "the keys of issuer '{issuer}' are fetched by a running gateway only: say who calls with --principal FILE \
                 (explain) or request.principal (tests)"
            )
        } else {
            format!("the keys of issuer '{issuer}' cannot be fetched: {error}")
        };
        let retry_after = match &self.0 {
            Kind::Fixed(_) => GLANCE,
            Kind::Fetched(fetched) => fetched.settings.cool_down.min(RETRY),
        };
        Refusal::Unavailable { reason: Reason::KeysUnavailable, detail: detail.into(), retry_after }
    }
}

impl FetchedKeys {
    fn at_hand(&self, now: SystemTime) -> Option<Arc<KeySet>> {
        if let Some(at_hand) = &*self.at_hand.load()
            && at_hand.is_good(now)
        {
            return Some(Arc::clone(&at_hand.keys));
        }
        self.lookups.peek(&()).map(|found| self.keep(found, now))
    }

    fn mark_at_hand(&self, now: SystemTime) -> Option<u64> {
        if let Some(at_hand) = &*self.at_hand.load()
            && at_hand.is_good(now)
        {
            return Some(at_hand.keys.mark);
        }
        self.lookups.peek(&()).map(|found| self.keep(found, now).mark)
    }

    /// Old keys serve at once while newer ones are fetched. Where there are none the caller waits.
    async fn get(&self) -> Result<Arc<KeySet>, CallError> {
        let found = match self.lookups.get_within(&(), Duration::ZERO, || self.fetch()).await {
            Err(CallError::Timeout(Duration::ZERO)) => self.lookups.get(&(), || self.fetch()).await,
            found => found,
        };
        Ok(self.keep(found?, self.now()))
    }

    async fn renewed(&self) -> Result<Arc<KeySet>, CallError> {
        let found = self.lookups.renew(&(), || self.fetch()).await?;
        Ok(self.keep(found, self.now()))
    }

    fn now(&self) -> SystemTime {
        self.clock.wall()
    }

    fn keep(&self, found: Found<KeySet>, now: SystemTime) -> Arc<KeySet> {
        let keys = found.value;
        self.at_hand.store(Some(Arc::new(AtHand { keys: Arc::clone(&keys), since: now })));
        keys
    }

    fn fetch(&self) -> impl Future<Output = Result<Fetched<KeySet>, CallError>> + Send + 'static {
        let (source, settings, refreshes) = (Arc::clone(&self.source), self.settings.clone(), self.refreshes.clone());
        let told = Arc::clone(&self.told);
        async move {
            let limit = settings.timeout;
            let bytes = tokio::time::timeout(limit, source.fetch()).await.unwrap_or(Err(CallError::Timeout(limit)));
            let outcome = bytes.and_then(|bytes| read(&bytes, &settings.algorithms));
            let result = outcome.as_ref().map_or_else(CallError::name, |_| "ok");
            refreshes.count(&[&settings.issuer, result]);
            match &outcome {
                Ok(keys) if told.swap(keys.mark, Ordering::Relaxed) != keys.mark => {
                    tell_unusable(&settings.issuer, keys)
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(
                    event = "jwks-fetch-failed",
                    issuer = settings.issuer,
                    error = %error,
                    "the keys of an issuer cannot be fetched"
                ),
            }
            outcome.map(|keys| Fetched::new(keys, settings.cache))
        }
    }
}

impl AtHand {
    /// A clock that steps back does not prolong it.
    fn is_good(&self, now: SystemTime) -> bool {
        now.duration_since(self.since).is_ok_and(|age| age < GLANCE)
    }
}

impl fmt::Debug for FetchedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchedKeys").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Tells which keys of a set that has not been seen before are left out. Keys for encryption are left out by everybody.
fn tell_unusable(issuer: &str, keys: &KeySet) {
    let unusable = keys.set.unusable().iter().filter(|key| key.reason != KeyError::NotForSignatures);
    for key in unusable.take(MOST_TOLD) {
        tracing::warn!(
            event = "jwks-key-unusable",
            issuer,
            place = key.place,
            kid = key.kid.as_deref(),
            reason = %key.reason,
            "a key of an issuer cannot be used"
        );
    }
}

/// A set without a usable key is a mistake of its publisher: earlier keys go on serving.
fn read(bytes: &[u8], algorithms: &[Algorithm]) -> Result<KeySet, CallError> {
    let malformed = |why: String| CallError::Malformed(why.into());
    let set = JwkSet::parse(bytes, algorithms).map_err(|error| malformed(error.to_string()))?;
    if set.keys().is_empty() {
        return Err(malformed(match set.unusable().first() {
            Some(first) => format!("no key can be used; the first: {}", first.reason),
            None => "there is no key".to_owned(),
        }));
    }
    let mark = sha256(bytes).first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
    Ok(KeySet { set, mark })
}
