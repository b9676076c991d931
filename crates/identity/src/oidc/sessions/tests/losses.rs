//! A Redis that is killed, stands still and comes back.

use std::time::Instant;

use gwanmun_testkit::{Redis, eventually};

use super::*;

/// What the store may take, and what a busy machine does to that.
const LIMIT: Duration = Duration::from_millis(900);

async fn timed<T>(asked: impl Future<Output = T>) -> T {
    let begin = Instant::now();
    let outcome = asked.await;
    assert!(begin.elapsed() < LIMIT, "{:?}", begin.elapsed());
    outcome
}

/// A session that is known, and one that is not.
struct Before {
    server: Redis,
    world: World,
    sessions: Sessions,
    known: String,
    unknown: String,
}

impl Before {
    async fn with(on_error: OnStoreError) -> Self {
        let server = Redis::start().await;
        let world = World::redis(&server.place());
        let short = |settings: &mut OidcSettings| settings.session.cache = Duration::from_millis(50);
        let (sessions, other) = (world.replica_with(short, on_error), world.replica());
        let known = world.opened(&sessions, "ann", Some("s1")).await;
        let unknown = world.opened(&other, "bob", Some("s2")).await;
        sessions.find(&known, HERE).await.unwrap();
        sessions.is_open().await.unwrap();
        Self { server, world, sessions, known, unknown }
    }

    async fn find(&self, session: &str) -> Result<Arc<Principal>, Refusal> {
        match self.sessions.recall(session, HERE) {
            Some(principal) => Ok(principal),
            None => timed(self.sessions.find(session, HERE)).await,
        }
    }

    /// What the store said last is believed no longer.
    async fn lost(&self) {
        eventually("the loss", async || timed(self.sessions.is_open()).await.is_err().then_some(())).await;
        tokio::time::sleep(Duration::from_millis(60)).await;
    }

    async fn nothing_begins_or_ends(&self) {
        let lost = |refusal: Refusal| assert_eq!(refusal.reason(), Reason::StoreLost);
        lost(timed(self.sessions.is_open()).await.unwrap_err());
        lost(timed(self.sessions.first_time("login", "x", MINUTE)).await.unwrap_err());
        lost(timed(self.sessions.open(HERE, self.world.granted("ann", None))).await.unwrap_err());
        lost(self.find(&self.unknown).await.unwrap_err());
        lost(timed(self.sessions.end(&self.unknown, HERE)).await.unwrap_err());
        let whose = Whose { subject: Some("sub-bob"), sid: None, since: self.world.now() };
        lost(timed(self.sessions.end_all(&whose)).await.unwrap_err());
    }
}

#[tokio::test]
async fn with_deny_nobody_is_known_while_the_store_is_lost_and_all_are_when_it_is_back() {
    let before = Before::with(OnStoreError::Deny).await;
    before.server.pause();
    before.lost().await;
    before.nothing_begins_or_ends().await;
    assert_eq!(before.find(&before.known).await.unwrap_err().reason(), Reason::StoreLost);
    assert_eq!(timed(before.sessions.save(&before.known, HERE)).await.unwrap_err().reason(), Reason::StoreLost);
    before.server.resume();
    for session in [&before.known, &before.unknown] {
        eventually("the session", async || before.find(session).await.ok()).await;
    }
}

#[tokio::test]
async fn with_allow_and_local_those_go_on_that_are_known_until_they_end() {
    for on_error in [OnStoreError::Allow, OnStoreError::Local] {
        let mut before = Before::with(on_error).await;
        before.server.kill();
        before.lost().await;
        for _ in 0..3 {
            assert_eq!(before.find(&before.known).await.unwrap().subject, "ann");
            before.nothing_begins_or_ends().await;
        }
        timed(before.sessions.save(&before.known, HERE)).await.unwrap();
        assert!(before.world.count("without-store") > 0);
        let whose = Whose { subject: None, sid: Some("s1"), since: before.world.now() + SECOND };
        let refused = timed(before.sessions.end_all(&whose)).await.unwrap_err();
        assert!(matches!(refused, Refusal::Unavailable { reason: Reason::StoreLost, .. }));
        assert_eq!(before.find(&before.known).await.unwrap_err().reason(), Reason::StoreLost, "it is forgotten");
        before.server.restart().await;
        eventually("the answer", async || {
            let refused = before.find(&before.known).await.unwrap_err();
            (refused.reason() == Reason::SessionUnknown).then_some(())
        })
        .await;
        eventually("the store", async || before.sessions.is_open().await.ok()).await;
        before.world.opened(&before.sessions, "ann", None).await;
    }
}

#[tokio::test]
async fn who_logs_out_while_the_store_is_lost_is_forgotten_here() {
    let before = Before::with(OnStoreError::Allow).await;
    before.server.pause();
    before.lost().await;
    before.find(&before.known).await.unwrap();
    assert!(timed(before.sessions.end(&before.known, "https://other.example")).await.is_err());
    before.find(&before.known).await.unwrap();
    assert!(timed(before.sessions.end(&before.known, HERE)).await.is_err());
    assert_eq!(before.find(&before.known).await.unwrap_err().reason(), Reason::StoreLost);
    before.server.resume();
    eventually("the end", async || before.sessions.end(&before.known, HERE).await.ok()).await.unwrap();
}

#[tokio::test]
async fn a_known_session_goes_on_without_the_store_no_longer_than_it_would_be_idle() {
    let server = Redis::start().await;
    let world = World::redis_by_hand(&server.place());
    let sessions = world.replica_with(|_| {}, OnStoreError::Allow);
    let mut granted = world.granted("ann", None);
    granted.tokens.refresh = None;
    let (session, _) = sessions.open(HERE, granted).await.unwrap();
    server.pause();
    world.advance(30 * MINUTE - SECOND);
    sessions.find(session.expose(), HERE).await.unwrap();
    world.advance(SECOND);
    assert_eq!(reason(sessions.find(session.expose(), HERE)).await, Reason::StoreLost);
}

#[tokio::test]
async fn a_store_that_is_lost_at_the_refresh_is_as_a_provider_that_is_down() {
    let server = Redis::start().await;
    let world = World::redis_by_hand(&server.place());
    let sessions = world.replica_with(|settings| settings.session.grace = 60 * MINUTE, OnStoreError::Allow);
    let session = world.opened(&sessions, "ann", None).await;
    server.pause();
    world.advance(5 * MINUTE);
    // It is asked for twice: for the session and for the lock.
    let found = sessions.find(&session, HERE).await.unwrap();
    assert_eq!((token(&found), world.calls()), (None, 0));
    timed(sessions.find(&session, HERE)).await.unwrap();
    server.resume();
    eventually("the new token", async || {
        world.advance(SECOND);
        tokio::time::sleep(Duration::from_millis(50)).await;
        (token(&sessions.find(&session, HERE).await.unwrap()).is_some()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn new_tokens_are_written_down_when_the_store_is_back() {
    let server = Redis::start().await;
    let world = World::redis_by_hand(&server.place());
    let sessions = world.replica_with(|_| {}, OnStoreError::Allow);
    let session = world.opened(&sessions, "ann", None).await;
    world.advance(5 * MINUTE);
    let go_on = world.hold();
    let (found, ()) = tokio::join!(sessions.find(&session, HERE), async {
        eventually("the refresh", async || (world.calls() == 1).then_some(())).await;
        server.pause();
        go_on.notify_one();
    });
    assert_eq!(token(&found.unwrap()), None, "nobody waits for that any longer");
    server.resume();
    eventually("the new token", async || (world.count("refreshed") == 1).then_some(())).await;
    world.advance(SECOND);
    assert_eq!(token(&world.replica().find(&session, HERE).await.unwrap()), Some("access-1"));
    assert_eq!(world.calls(), 1);
}

#[tokio::test]
async fn a_flood_of_made_up_sessions_leaves_the_store_to_those_who_have_one() {
    let before = Before::with(OnStoreError::Deny).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    before.server.pause();
    let made_up: Vec<_> = (0..2_000).map(|_| Id::random().unwrap()).collect();
    let flood = super::lasting::together(made_up.iter().enumerate().map(|(number, id)| {
        let sessions = &before.sessions;
        async move {
            match number % 2 {
                0 => sessions.find(id.expose(), HERE).await.map(drop),
                _ => sessions.end(id.expose(), HERE).await.map(drop),
            }
        }
    }));
    let mine = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        before.server.resume();
        before.sessions.find(&before.known, HERE).await
    };
    let (flood, mine) = tokio::join!(flood, mine);
    assert_eq!(mine.unwrap().subject, "ann");
    let lost =
        flood.iter().filter(|outcome| outcome.as_ref().is_err_and(|refused| refused.reason() == Reason::StoreLost));
    assert!(lost.count() >= 2_000 - 256);
}
