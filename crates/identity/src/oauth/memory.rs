//! One question to an OAuth server for all who have it, on whatever worker: the yes is remembered, the no for a short
//! while. What was a yes before is asked for on a lane of its own, so that a flood of guesses does not stand in its way.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gwanmun_client::{Fetched, LookupSettings, Lookups, Outbound};
use gwanmun_core::Clock;

use super::known::{Bounds, Entry, Good, Key, Known};
use crate::down::{Asked, Down, SOON};
use crate::lanes::Lane;
use crate::refusal::Refusal;

/// How long a no is remembered.
pub(super) const NEGATIVE: Duration = Duration::from_secs(5);

/// Who comes while a yes is put in its place finds it here.
const BRIEF: Duration = Duration::from_secs(1);

/// Questions that are open or were answered with no, at most, in each lane.
const QUESTIONS: usize = 4_096;

/// What is known, at most.
const BOUNDS: Bounds = Bounds { entries: 20_000, bytes: 64 << 20 };

/// The server's answer to a question.
pub(super) type Verdict<V> = Result<Good<V>, Refusal>;

/// What is remembered of the answers to one kind of question.
pub(super) struct Memory<V> {
    known: Arc<Known<V>>,
    new: Lookups<Key, Verdict<V>, Down>,
    proven: Lookups<Key, Verdict<V>, Down>,
    outbound: Outbound,
    clock: Arc<dyn Clock>,
}

impl<V: Send + Sync + 'static> Memory<V> {
    /// An empty one, called `name` in metrics. A question takes `timeout` at most.
    pub(super) fn new(outbound: &Outbound, name: &str, timeout: Duration) -> Self {
        let settings = LookupSettings { capacity: QUESTIONS, timeout, cool_down: SOON, ..LookupSettings::default() };
        Self {
            known: Arc::new(Known::new(BOUNDS)),
            new: Lookups::new(outbound, name, settings),
            proven: Lookups::new(outbound, &format!("{name}:renewal"), settings),
            outbound: outbound.clone(),
            clock: outbound.clock(),
        }
    }

    /// The yes that is remembered. In its last quarter `question` is asked behind the caller's back.
    pub(super) fn recall<F>(&self, key: &Key, question: impl FnOnce(Lane) -> F) -> Option<Arc<V>>
    where
        F: Future<Output = Result<Verdict<V>, Down>> + Send + 'static,
    {
        let now = self.clock.wall();
        let entry = self.known.find(key).filter(|entry| entry.is_fresh(now))?;
        let value = Arc::clone(&entry.good.value);
        if entry.claim_renewal(now) {
            self.renew(key, entry, question(Lane::Proven));
        }
        Some(value)
    }

    /// The answer; asked for if need be. A yes that is over serves on within its bound where the server cannot be asked.
    pub(super) async fn ask<F>(&self, key: &Key, question: impl FnOnce(Lane) -> F) -> Result<Arc<V>, Answered>
    where
        F: Future<Output = Result<Verdict<V>, Down>> + Send + 'static,
    {
        let known = self.known.find(key);
        // The answer may have come since the caller looked.
        if let Some(entry) = known.as_ref().filter(|entry| entry.is_fresh(self.clock.wall())) {
            return Ok(Arc::clone(&entry.good.value));
        }
        let (lookups, lane) = match known {
            Some(_) => (&self.proven, Lane::Proven),
            None => (&self.new, Lane::New),
        };
        match lookups.get(key, || self.kept(*key, question(lane))).await {
            Ok(found) => match &*found.value {
                Ok(good) => Ok(Arc::clone(&good.value)),
                Err(refusal) => Err(Answered::No(refusal.clone())),
            },
            Err(down) => {
                let usable = known.filter(|entry| entry.is_usable(self.clock.wall()));
                usable.map(|entry| Arc::clone(&entry.good.value)).ok_or(Answered::Nothing(down))
            }
        }
    }

    fn renew<F>(&self, key: &Key, entry: Arc<Entry<V>>, question: F)
    where
        F: Future<Output = Result<Verdict<V>, Down>> + Send + 'static,
    {
        let (lookups, key, question) = (self.proven.clone(), *key, self.kept(*key, question));
        let renewal = async move {
            if lookups.renew(&key, || question).await.is_err() {
                tokio::time::sleep(SOON).await;
                entry.return_renewal();
            }
        };
        // Without a thread for calls nothing was ever known.
        drop(self.outbound.spawn(renewal));
    }

    fn kept<F>(
        &self,
        key: Key,
        question: F,
    ) -> impl Future<Output = Result<Fetched<Verdict<V>>, Down>> + Send + 'static + use<F, V>
    where
        F: Future<Output = Result<Verdict<V>, Down>> + Send + 'static,
    {
        let (known, clock) = (Arc::clone(&self.known), Arc::clone(&self.clock));
        async move {
            let verdict = question.await?;
            Ok(match &verdict {
                Ok(good) => {
                    let (now, until) = (clock.wall(), good.until);
                    if until > now {
                        known.put(key, good.clone(), now);
                    }
                    Fetched::new(verdict, BRIEF).not_after(until)
                }
                Err(_) => {
                    known.remove(&key);
                    Fetched::negative(verdict, NEGATIVE)
                }
            })
        }
    }
}

/// Why a question brought no yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answered {
    /// The answer is no.
    No(Refusal),
    /// There is no answer.
    Nothing(Down),
}

impl Answered {
    /// What is said to who asked the server called `name`.
    pub(super) fn refusal(self, name: &str) -> Refusal {
        match self {
            Self::No(refusal) => refusal,
            Self::Nothing(down) => down.refusal(Asked::OauthServer(name)),
        }
    }
}

/// The moment `span` after `moment`, or that moment where time has no such end.
pub(super) fn later(moment: SystemTime, span: Duration) -> SystemTime {
    moment.checked_add(span).unwrap_or(moment)
}
