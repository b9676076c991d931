//! Sessions in memory with a clock of the test's, and in a real Redis.

mod ends;
mod forged;
mod lasting;
mod losses;
mod refreshed;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::UNIX_EPOCH;

use gwanmun_core::{Level, ManualClock, SystemClock, Tallies};
use gwanmun_store::{Address, Store};
use tokio::sync::Notify;

use super::*;
use crate::oidc::OidcPaths;
use crate::oidc::grant::{Tokens, Who};
use crate::principal_map::PrincipalMap;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HERE: &str = "https://tool.example";

/// A clock, a store and a provider, for as many replicas as a test wants.
struct World {
    clock: Arc<dyn Clock>,
    hands: Option<Arc<ManualClock>>,
    store: Store,
    provider: Arc<Provider>,
    tallies: Tallies,
}

/// Gives tokens as the test says.
struct Provider {
    clock: Arc<dyn Clock>,
    calls: AtomicUsize,
    shown: Mutex<Vec<String>>,
    mood: Mutex<Mood>,
    held: Mutex<Option<Arc<Notify>>>,
}

#[derive(Clone)]
enum Mood {
    /// New tokens that last so long.
    Gives(Duration),
    Ends,
    IsDown,
    Hangs,
}

impl World {
    /// All in memory.
    fn new() -> Self {
        let hands = Arc::new(ManualClock::at(record::written(SystemTime::now())));
        let tallies = Tallies::default();
        let store = Store::memory(gwanmun_store::Bounds::default(), Arc::clone(&hands) as _, &tallies);
        Self::of(Arc::clone(&hands) as _, Some(hands), store, tallies)
    }

    /// With a real Redis and the real time.
    fn redis(place: &str) -> Self {
        let tallies = Tallies::default();
        let store = Self::connect(place, &tallies);
        Self::of(Arc::new(SystemClock), None, store, tallies)
    }

    /// With a real Redis, whose time is its own; all else goes by the test's clock.
    fn redis_by_hand(place: &str) -> Self {
        let hands = Arc::new(ManualClock::at(SystemTime::now()));
        let tallies = Tallies::default();
        let store = Self::connect(place, &tallies);
        Self::of(Arc::clone(&hands) as _, Some(hands), store, tallies)
    }

    fn connect(place: &str, tallies: &Tallies) -> Store {
        let settings = gwanmun_store::Settings::at(Address::parse(&format!("redis://{place}")).unwrap());
        let runtime = tokio::runtime::Handle::current();
        Store::open(settings, &runtime, Arc::new(SystemClock), tallies).unwrap()
    }

    fn of(clock: Arc<dyn Clock>, hands: Option<Arc<ManualClock>>, store: Store, tallies: Tallies) -> Self {
        let provider = Arc::new(Provider {
            clock: Arc::clone(&clock),
            calls: AtomicUsize::new(0),
            shown: Mutex::default(),
            mood: Mutex::new(Mood::Gives(5 * MINUTE)),
            held: Mutex::default(),
        });
        Self { clock, hands, store, provider, tallies }
    }

    fn space(&self, on_error: OnStoreError) -> Space {
        self.store.space("oidc:staff", on_error)
    }

    /// Another process with the same configuration.
    fn replica(&self) -> Sessions {
        self.replica_with(|_| {}, OnStoreError::Deny)
    }

    fn replica_with(&self, change: impl FnOnce(&mut OidcSettings), on_error: OnStoreError) -> Sessions {
        self.replica_at(change, self.space(on_error))
    }

    fn replica_at(&self, change: impl FnOnce(&mut OidcSettings), space: Space) -> Sessions {
        let mut settings = settings();
        change(&mut settings);
        let outbound = Outbound::new(Arc::clone(&self.clock), self.tallies.clone());
        Sessions::new(&settings, seal(), Arc::clone(&self.provider) as _, space, &outbound)
    }

    fn now(&self) -> SystemTime {
        self.clock.wall()
    }

    fn advance(&self, by: Duration) {
        self.hands.as_ref().expect("the clock is the test's").advance(by);
    }

    /// What a provider gives for a code; the access token lasts five minutes.
    fn granted(&self, subject: &str, sid: Option<&str>) -> Granted {
        let tokens = Tokens {
            access: Secret::new("access-0".to_owned()),
            access_until: Some(self.now() + 5 * MINUTE),
            refresh: Some(Secret::new("refresh-0".to_owned())),
            id_token: Some(Secret::new("id-0".to_owned())),
        };
        let who = Who {
            principal: principal(subject, "member"),
            subject: format!("sub-{subject}"),
            sid: sid.map(str::to_owned),
            issued: self.now(),
        };
        Granted { tokens, who }
    }

    async fn opened(&self, sessions: &Sessions, subject: &str, sid: Option<&str>) -> String {
        sessions.open(HERE, self.granted(subject, sid)).await.unwrap().0.expose().clone()
    }

    fn count(&self, event: &str) -> u64 {
        let counts = self.tallies.tally("gwanmun_sessions_total", "", &[]).counts();
        counts.iter().find(|(labels, _)| labels == &["staff", event]).map_or(0, |(_, count)| *count)
    }

    /// How often the store was asked for something.
    fn operations(&self, operation: &str) -> u64 {
        let counts = self.tallies.tally("gwanmun_store_operations_total", "", &[]).counts();
        counts.iter().filter(|(labels, _)| labels[0] == operation).map(|(_, count)| *count).sum()
    }

    fn calls(&self) -> usize {
        self.provider.calls.load(Ordering::SeqCst)
    }

    fn mood(&self, mood: Mood) {
        *self.provider.mood.lock().unwrap() = mood;
    }

    /// From now on the provider answers when it is told to.
    fn hold(&self) -> Arc<Notify> {
        let held = Arc::new(Notify::new());
        *self.provider.held.lock().unwrap() = Some(Arc::clone(&held));
        held
    }
}

impl Refresh for Provider {
    fn refresh(&self, token: Secret<String>, _: &str) -> RefreshFuture {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        self.shown.lock().unwrap().push(token.expose().clone());
        let (mood, held, now) =
            (self.mood.lock().unwrap().clone(), self.held.lock().unwrap().clone(), self.clock.wall());
        Box::pin(async move {
            if let Some(held) = held {
                held.notified().await;
            }
            match mood {
                Mood::Gives(life) => Ok(Refreshed {
                    tokens: Tokens {
                        access: Secret::new(format!("access-{number}")),
                        access_until: Some(now + life),
                        refresh: Some(Secret::new(format!("refresh-{number}"))),
                        id_token: None,
                    },
                    who: None,
                }),
                Mood::Ends => Err(NotRefreshed::Ended("invalid_grant".into())),
                Mood::IsDown => {
                    Err(NotRefreshed::Down(down::unavailable(Reason::ProviderUnavailable, "connection refused".into())))
                }
                Mood::Hangs => std::future::pending().await,
            }
        })
    }
}

fn settings() -> OidcSettings {
    OidcSettings {
        name: "staff".to_owned(),
        issuer: "https://idp.example".to_owned(),
        metadata: Vec::new(),
        client_id: "gw".to_owned(),
        client_secret: Secret::new("gw-secret".to_owned()),
        scopes: vec!["openid".to_owned()],
        algorithms: Vec::new(),
        leeway: SECOND,
        principal: PrincipalMap::default(),
        userinfo: false,
        logout_without_exp: false,
        mark: "gwanmun".to_owned(),
        timeout: 2 * SECOND,
        paths: OidcPaths { callback: "/callback".into(), logout: "/logout".into(), backchannel: "/backchannel".into() },
        session: SessionSettings {
            lifetime: 8 * 60 * MINUTE,
            idle: 30 * MINUTE,
            refresh_ahead: MINUTE,
            grace: 2 * MINUTE,
            cache: Duration::from_millis(500),
        },
    }
}

fn seal() -> Seal {
    Seal::new("gwanmun session", "https://idp.example", "gw", "gw-secret").unwrap()
}

fn principal(subject: &str, role: &str) -> Principal {
    Principal { roles: vec![role.to_owned()], ..Principal::new(subject, "session:staff", Level::High) }
}

fn token(principal: &Arc<Principal>) -> Option<&str> {
    principal.token.as_ref().map(|token| &**token.expose())
}

async fn reason(asked: impl Future<Output = Result<Arc<Principal>, Refusal>>) -> Reason {
    asked.await.unwrap_err().reason()
}
