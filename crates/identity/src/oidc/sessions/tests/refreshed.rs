//! Refreshes: one for all workers and all replicas, behind everybody's back as long as that is possible.

use gwanmun_testkit::{Redis, eventually, patiently};

use super::lasting::together;
use super::*;

async fn at(sessions: &Sessions, session: &str) -> Arc<Principal> {
    patiently("the session", sessions.find(session, HERE)).await.unwrap()
}

#[tokio::test]
async fn while_the_old_token_is_good_nobody_waits_for_a_new_one() {
    let world = World::new();
    let sessions = world.replica();
    let session = world.opened(&sessions, "ann", None).await;
    world.advance(4 * MINUTE - Duration::from_millis(1));
    assert_eq!(token(&at(&sessions, &session).await), Some("access-0"));
    assert_eq!(world.calls(), 0);
    world.advance(Duration::from_millis(1));
    assert_eq!(sessions.recall(&session, HERE), None, "it is time");
    let go_on = world.hold();
    for _ in 0..20 {
        assert_eq!(token(&at(&sessions, &session).await), Some("access-0"));
    }
    eventually("the refresh", async || (world.calls() == 1).then_some(())).await;
    go_on.notify_one();
    eventually("the new token", async || (token(&at(&sessions, &session).await) == Some("access-1")).then_some(()))
        .await;
    assert_eq!(*world.provider.shown.lock().unwrap(), ["refresh-0"]);
    world.advance(4 * MINUTE);
    at(&sessions, &session).await;
    eventually("the second refresh", async || (world.calls() == 2).then_some(())).await;
    assert_eq!(world.provider.shown.lock().unwrap()[1], "refresh-1");
}

async fn fifty_on_two_replicas(world: &World) {
    let (one, other) = (world.replica(), world.replica());
    let session = world.opened(&one, "ann", None).await;
    at(&other, &session).await;
    world.advance(5 * MINUTE);
    let all = (0..50).map(|number| at(if number % 2 == 0 { &one } else { &other }, &session));
    for principal in together(all).await {
        assert_eq!(token(&principal), Some("access-1"));
    }
    assert_eq!(world.calls(), 1);
    assert_eq!(world.count("refreshed"), 1);
}

#[tokio::test]
async fn fifty_requests_on_two_replicas_make_one_refresh() {
    let world = World::new();
    fifty_on_two_replicas(&world).await;
}

#[tokio::test]
async fn fifty_requests_on_two_replicas_with_one_redis_make_one_refresh() {
    let server = Redis::start().await;
    let world = World::redis_by_hand(&server.place());
    fifty_on_two_replicas(&world).await;
}

#[tokio::test]
async fn what_the_provider_says_anew_of_the_user_counts_and_what_it_leaves_out_stays() {
    struct Says;
    impl Refresh for Says {
        fn refresh(&self, _: Secret<String>, subject: &str) -> RefreshFuture {
            let subject = subject.to_owned();
            Box::pin(async move {
                let tokens =
                    Tokens { access: Secret::new("new".into()), access_until: None, refresh: None, id_token: None };
                let issued = UNIX_EPOCH;
                let who = Who { principal: principal("ann", "admin"), subject, sid: None, issued };
                Ok(Refreshed { tokens, who: Some(who) })
            })
        }
    }
    let world = World::new();
    let outbound = Outbound::new(Arc::clone(&world.clock), world.tallies.clone());
    let sessions = Sessions::new(&settings(), seal(), Arc::new(Says), world.space(OnStoreError::Deny), &outbound);
    let session = world.opened(&sessions, "ann", Some("s1")).await;
    world.advance(5 * MINUTE);
    let principal = at(&sessions, &session).await;
    assert_eq!((&*principal.roles, token(&principal)), (&["admin".to_owned()][..], Some("new")));
    assert_eq!(principal.expires, Some(record::written(world.now() - 5 * MINUTE + 8 * 60 * MINUTE)));
    let ended = sessions.end(&session, HERE).await.unwrap().unwrap();
    assert_eq!(ended.id_token.unwrap().expose(), "id-0");
}

#[tokio::test]
async fn a_provider_that_gives_no_more_tokens_ends_the_session() {
    let world = World::new();
    let (one, other) = (world.replica(), world.replica());
    let session = world.opened(&one, "ann", Some("s1")).await;
    world.mood(Mood::Ends);
    world.advance(4 * MINUTE + SECOND);
    at(&one, &session).await;
    eventually("the end", async || one.find(&session, HERE).await.is_err().then_some(())).await;
    assert_eq!(reason(one.find(&session, HERE)).await, Reason::SessionUnknown);
    assert_eq!(reason(other.find(&session, HERE)).await, Reason::SessionUnknown);
    assert_eq!((world.calls(), world.count("refresh-refused")), (1, 1));
    assert!(one.0.shelf.members(shelf::Group::Sid("s1")).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_no_to_a_token_that_somebody_else_has_exchanged_ends_nothing() {
    let world = World::new();
    let (one, other) = (world.replica(), world.replica());
    let session = world.opened(&one, "ann", None).await;
    world.advance(5 * MINUTE);
    world.mood(Mood::Ends);
    let go_on = world.hold();
    let name = one.0.shelf.name(Id::read(&session).unwrap());
    let (found, ()) = tokio::join!(one.find(&session, HERE), async {
        eventually("the refresh", async || (world.calls() == 1).then_some(())).await;
        // A replica whose lock has run out comes back with what it was given.
        let read = other.0.read(&name).await.unwrap().unwrap();
        let tokens =
            Tokens { access: Secret::new("rotated".into()), access_until: None, refresh: None, id_token: None };
        other.0.write(&name, &read, Refreshed { tokens, who: None }).await.unwrap().unwrap();
        go_on.notify_one();
    });
    assert_eq!(token(&found.unwrap()), Some("rotated"));
}

#[tokio::test]
async fn while_the_provider_is_down_a_session_goes_on_for_its_grace() {
    let world = World::new();
    let sessions = world.replica();
    let session = world.opened(&sessions, "ann", None).await;
    world.mood(Mood::IsDown);
    world.advance(5 * MINUTE);
    for second in 0..4 {
        for _ in 0..5 {
            assert_eq!(token(&at(&sessions, &session).await), None, "the old token is over");
        }
        eventually("another try", async || (world.calls() == second + 1).then_some(())).await;
        eventually("its failure", async || (world.count("refresh-failed") == second as u64 + 1).then_some(())).await;
        world.advance(SECOND);
    }
    world.advance(2 * MINUTE - 4 * SECOND);
    assert_eq!(reason(sessions.find(&session, HERE)).await, Reason::ProviderUnavailable);
    assert_eq!(world.calls(), 5);
    assert_eq!(reason(sessions.find(&session, HERE)).await, Reason::ProviderUnavailable);
    assert_eq!(world.calls(), 5, "not more often than once a second");
    world.mood(Mood::Gives(5 * MINUTE));
    world.advance(SECOND);
    assert_eq!(token(&at(&sessions, &session).await), Some("access-6"));
}

#[tokio::test]
async fn a_provider_that_is_silent_holds_callers_for_its_time_limit_once() {
    let world = World::new();
    let sessions = world.replica_with(|settings| settings.timeout = Duration::from_millis(100), OnStoreError::Deny);
    let session = world.opened(&sessions, "ann", None).await;
    world.mood(Mood::Hangs);
    world.advance(5 * MINUTE);
    let begin = std::time::Instant::now();
    assert_eq!(token(&at(&sessions, &session).await), None);
    assert!(begin.elapsed() >= Duration::from_millis(100) && begin.elapsed() < SECOND, "{:?}", begin.elapsed());
    for calls in 1..=2 {
        let begin = std::time::Instant::now();
        at(&sessions, &session).await;
        assert!(begin.elapsed() < Duration::from_millis(90), "{:?}", begin.elapsed());
        let failures = calls as u64;
        eventually("the failure", async || (world.count("refresh-failed") == failures).then_some(())).await;
        assert_eq!(world.calls(), calls);
        world.advance(SECOND);
    }
}

#[tokio::test]
async fn a_replica_that_dies_with_the_lock_delays_the_next_until_the_lock_is_over() {
    let world = World::new();
    let (died, next) = (world.replica(), world.replica());
    let session = world.opened(&died, "ann", None).await;
    let name = died.0.shelf.name(Id::read(&session).unwrap());
    world.advance(5 * MINUTE);
    let lock = died.0.shelf.lock(&name, 9 * SECOND).await.unwrap().unwrap();
    let (found, ()) = tokio::join!(at(&next, &session), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(world.calls(), 0);
        world.advance(9 * SECOND);
    });
    assert_eq!(token(&found), Some("access-1"));
    assert_eq!(*world.provider.shown.lock().unwrap(), ["refresh-0"]);
    drop(lock);
}

#[tokio::test]
async fn tokens_that_last_shorter_than_they_are_refreshed_ahead_are_used_for_half_their_life() {
    let world = World::new();
    let sessions = world.replica();
    let session = world.opened(&sessions, "ann", None).await;
    world.mood(Mood::Gives(20 * SECOND));
    world.advance(5 * MINUTE);
    assert_eq!(token(&at(&sessions, &session).await), Some("access-1"));
    for _ in 0..18 {
        world.advance(Duration::from_millis(500));
        assert_eq!(token(&at(&sessions, &session).await), Some("access-1"));
    }
    assert_eq!(world.calls(), 1);
    world.advance(SECOND);
    at(&sessions, &session).await;
    eventually("the refresh", async || (world.calls() == 2).then_some(())).await;
}
