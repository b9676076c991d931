//! How long sessions last, where they are good, and what is asked of the store for that.

use gwanmun_testkit::eventually;

use super::*;

#[tokio::test]
async fn who_has_logged_in_is_found_by_every_replica_at_that_origin_only() {
    let world = World::new();
    let (one, other) = (world.replica(), world.replica());
    let (session, opened) = one.open(HERE, world.granted("ann", Some("s1"))).await.unwrap();
    let session = session.expose();
    assert_eq!(session.len(), 43);
    assert_eq!((&*opened.subject, &*opened.credential, opened.level), ("ann", "session:staff", Level::High));
    assert_eq!(token(&opened), Some("access-0"));
    for sessions in [&one, &other] {
        assert_eq!(sessions.recall(session, HERE), None);
        let found = sessions.find(session, HERE).await.unwrap();
        assert_eq!(found, opened);
        assert!(Arc::ptr_eq(&found, &sessions.recall(session, HERE).unwrap()));
        assert_eq!(reason(sessions.find(session, "https://other.example")).await, Reason::SessionElsewhere);
        assert_eq!(sessions.recall(session, "https://other.example"), None);
        assert!(sessions.end(session, "https://other.example").await.unwrap().is_none());
    }
    assert!(one.find(session, HERE).await.is_ok());
    assert_eq!(reason(one.find(&"A".repeat(43), HERE)).await, Reason::SessionUnknown);
    assert_eq!(world.count("opened"), 1);
}

#[tokio::test]
async fn what_is_not_formed_like_a_session_is_not_asked_for_and_a_made_up_one_once() {
    let world = World::new();
    let sessions = world.replica();
    for text in ["", "x", &"A".repeat(44), &"é".repeat(22), &format!("{}=", "A".repeat(42))] {
        assert_eq!(reason(sessions.find(text, HERE)).await, Reason::SessionUnknown);
    }
    assert_eq!(world.operations("get"), 0);
    for _ in 0..10 {
        assert_eq!(reason(sessions.find(&"A".repeat(43), HERE)).await, Reason::SessionUnknown);
    }
    assert_eq!(world.operations("get"), 1);
}

#[tokio::test]
async fn a_flood_of_made_up_sessions_puts_nobody_out() {
    let world = World::new();
    let sessions = world.replica();
    let session = world.opened(&sessions, "ann", None).await;
    sessions.find(&session, HERE).await.unwrap();
    let before = world.operations("get");
    for _ in 0..6_000 {
        let made_up = Id::random().unwrap();
        assert!(sessions.find(made_up.expose(), HERE).await.is_err());
    }
    assert_eq!(world.operations("get"), before + 6_000);
    assert!(sessions.0.held(&sessions.0.shelf.name(Id::read(&session).unwrap())).is_some());
    assert!(sessions.recall(&session, HERE).is_some());
}

#[tokio::test]
async fn a_session_is_believed_for_its_cache_and_then_asked_for_once() {
    let world = World::new();
    let (one, other) = (world.replica(), world.replica());
    let session = world.opened(&one, "ann", None).await;
    let before = world.operations("get");
    let asked = || world.operations("get") - before;
    one.find(&session, HERE).await.unwrap();
    assert_eq!(asked(), 0, "who opened it knows it");
    let all = (0..50).map(|_| other.find(&session, HERE));
    for found in together(all).await {
        found.unwrap();
    }
    assert_eq!(asked(), 1);
    world.advance(Duration::from_millis(499));
    assert!(one.recall(&session, HERE).is_some());
    world.advance(Duration::from_millis(1));
    assert!(one.recall(&session, HERE).is_none() && other.recall(&session, HERE).is_none());
    one.find(&session, HERE).await.unwrap();
    assert_eq!(asked(), 2);
}

#[tokio::test]
async fn a_session_that_nobody_uses_ends_and_one_that_is_used_lasts_to_its_lifetime() {
    let world = World::new();
    let sessions = world.replica();
    let idle = world.opened(&sessions, "ann", None).await;
    let mut granted = world.granted("bob", None);
    granted.tokens.refresh = None;
    let (used, _) = sessions.open(HERE, granted).await.unwrap();
    let used = used.expose();
    let begun = world.now();
    while world.now() + 29 * MINUTE < begun + 8 * 60 * MINUTE {
        world.advance(29 * MINUTE);
        let before = world.operations("touch");
        sessions.find(used, HERE).await.unwrap();
        eventually("the touch", async || (world.operations("touch") > before).then_some(())).await;
    }
    assert_eq!(reason(sessions.find(&idle, HERE)).await, Reason::SessionUnknown);
    let left = (begun + 8 * 60 * MINUTE).duration_since(world.now()).unwrap();
    world.advance(left - Duration::from_millis(1));
    sessions.find(used, HERE).await.unwrap();
    world.advance(Duration::from_millis(1));
    assert_eq!(sessions.recall(used, HERE), None);
    assert_eq!(reason(sessions.find(used, HERE)).await, Reason::SessionUnknown);
}

#[tokio::test]
async fn that_a_session_is_used_is_written_now_and_then_and_at_once_if_so_wanted() {
    let world = World::new();
    let sessions = world.replica();
    let session = world.opened(&sessions, "ann", None).await;
    for _ in 0..59 {
        world.advance(SECOND);
        sessions.find(&session, HERE).await.unwrap();
    }
    assert_eq!(world.operations("touch"), 0);
    world.advance(SECOND);
    assert_eq!(sessions.recall(&session, HERE), None);
    for _ in 0..5 {
        sessions.find(&session, HERE).await.unwrap();
    }
    eventually("the touch", async || (world.operations("touch") == 1).then_some(())).await;
    sessions.save(&session, HERE).await.unwrap();
    assert_eq!(world.operations("touch"), 2);
    assert_eq!(sessions.save(&session, "https://other.example").await.unwrap_err().reason(), Reason::SessionElsewhere);
    sessions.end(&session, HERE).await.unwrap().unwrap();
    assert_eq!(sessions.save(&session, HERE).await.unwrap_err().reason(), Reason::SessionUnknown);
}

#[tokio::test]
async fn without_a_refresh_token_a_session_outlives_its_access_token() {
    let world = World::new();
    let sessions = world.replica();
    let mut granted = world.granted("ann", None);
    granted.tokens.refresh = None;
    let (session, _) = sessions.open(HERE, granted).await.unwrap();
    world.advance(5 * MINUTE - SECOND);
    assert_eq!(token(&sessions.find(session.expose(), HERE).await.unwrap()), Some("access-0"));
    world.advance(Duration::from_millis(999));
    assert!(sessions.find(session.expose(), HERE).await.is_ok());
    world.advance(Duration::from_millis(1));
    assert_eq!(sessions.recall(session.expose(), HERE), None, "it had a token");
    let found = sessions.find(session.expose(), HERE).await.unwrap();
    assert_eq!((token(&found), &*found.subject), (None, "ann"));
    assert_eq!(world.calls(), 0);
}

#[tokio::test]
async fn of_several_who_ask_whether_something_is_seen_for_the_first_time_one_hears_yes() {
    let world = World::new();
    let (one, other) = (world.replica(), world.replica());
    assert!(one.first_time("login", "state", MINUTE).await.unwrap());
    assert!(!other.first_time("login", "state", MINUTE).await.unwrap());
    assert!(one.first_time("logout", "state", MINUTE).await.unwrap());
    world.advance(MINUTE);
    assert!(other.first_time("login", "state", MINUTE).await.unwrap());
}

#[tokio::test]
async fn a_user_has_no_more_sessions_than_are_kept_but_those_that_ended_do_not_count() {
    let world = World::new();
    let sessions = world.replica();
    let first = world.opened(&sessions, "ann", None).await;
    for _ in 1..1024 {
        world.opened(&sessions, "ann", None).await;
    }
    let open = || sessions.open(HERE, world.granted("ann", None));
    let refused = open().await.unwrap_err();
    assert_eq!(refused.reason(), Reason::TooManySessions);
    assert!(matches!(refused, Refusal::Insufficient { .. }));
    world.opened(&sessions, "bob", None).await;
    let gets = world.operations("get");
    open().await.unwrap_err();
    assert!(world.operations("get") - gets < 10, "they are not all looked at again at once");
    sessions.end(&first, HERE).await.unwrap().unwrap();
    open().await.unwrap();
    world.advance(30 * MINUTE);
    open().await.unwrap();
    assert_eq!(world.count("too-many"), 2);
}

/// Awaits all of them at the same time, on this thread.
pub(super) async fn together<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, outcome) in &mut futures {
            if outcome.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *outcome = Some(value);
            }
        }
        match futures.iter().all(|(_, outcome)| outcome.is_some()) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    futures.into_iter().filter_map(|(_, outcome)| outcome).collect()
}
