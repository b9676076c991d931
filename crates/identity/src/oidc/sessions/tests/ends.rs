//! How sessions end, also those that are just being opened or refreshed.

use gwanmun_testkit::{Redis, eventually, patiently};

use super::*;

fn whose<'a>(subject: Option<&'a str>, sid: Option<&'a str>, since: SystemTime) -> Whose<'a> {
    Whose { subject, sid, since }
}

async fn lives(sessions: &Sessions, session: &str) -> bool {
    sessions.recall(session, HERE).is_some() || sessions.find(session, HERE).await.is_ok()
}

#[tokio::test]
async fn who_logs_out_here_is_logged_out_at_all_hosts_of_the_same_login() {
    let world = World::new();
    let (one, other) = (world.replica(), world.replica());
    let mine = world.opened(&one, "ann", Some("s1")).await;
    let there = other.open("https://other.example", world.granted("ann", Some("s1"))).await.unwrap().0;
    let (another, bobs) = (world.opened(&one, "ann", Some("s2")).await, world.opened(&one, "bob", Some("s1")).await);
    for session in [&mine, &another, &bobs] {
        one.find(session, HERE).await.unwrap();
        other.find(session, HERE).await.unwrap();
    }
    let ended = one.end(&mine, HERE).await.unwrap().unwrap();
    assert_eq!((&*ended.principal.subject, ended.id_token.unwrap().expose().as_str()), ("ann", "id-0"));
    assert!(!lives(&one, &mine).await, "this process knows at once");
    assert!(lives(&other, &mine).await, "the others believe for half a second");
    world.advance(Duration::from_millis(500));
    assert!(!lives(&other, &mine).await);
    assert!(other.find(there.expose(), "https://other.example").await.is_err());
    for sessions in [&one, &other] {
        assert!(lives(sessions, &another).await && lives(sessions, &bobs).await);
    }
    assert!(one.end(&mine, HERE).await.unwrap().is_none());
    assert_eq!(world.count("logged-out"), 2);
}

#[test]
fn what_ends_is_forgotten_on_all_workers_at_once() {
    let world = World::new();
    let worker = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sessions = Arc::new(world.replica());
    let session = Arc::new(worker().block_on(world.opened(&sessions, "ann", None)));
    let steps = Arc::new(std::sync::Barrier::new(2));
    let another = std::thread::spawn({
        let (sessions, session, steps) = (Arc::clone(&sessions), Arc::clone(&session), Arc::clone(&steps));
        move || {
            worker().block_on(sessions.find(&session, HERE)).unwrap();
            assert!(sessions.recall(&session, HERE).is_some());
            steps.wait();
            steps.wait();
            assert!(sessions.recall(&session, HERE).is_none());
            assert!(worker().block_on(sessions.find(&session, HERE)).is_err());
        }
    });
    steps.wait();
    worker().block_on(sessions.end(&session, HERE)).unwrap().unwrap();
    steps.wait();
    another.join().unwrap();
}

#[tokio::test]
async fn a_provider_ends_those_of_a_sid_or_all_of_a_user() {
    let world = World::new();
    let sessions = world.replica();
    let (a1, a2) = (world.opened(&sessions, "ann", Some("s1")).await, world.opened(&sessions, "ann", Some("s2")).await);
    let (b1, a3) = (world.opened(&sessions, "bob", Some("s1")).await, world.opened(&sessions, "ann", None).await);
    let now = world.now();
    assert_eq!(sessions.end_all(&whose(None, None, now)).await.unwrap().len(), 0);
    assert_eq!(sessions.end_all(&whose(Some("sub-ann"), Some("s1"), now)).await.unwrap().len(), 1);
    assert!(!lives(&sessions, &a1).await && lives(&sessions, &b1).await && lives(&sessions, &a2).await);
    assert_eq!(sessions.end_all(&whose(None, Some("s1"), now)).await.unwrap().len(), 1);
    assert!(!lives(&sessions, &b1).await);
    assert_eq!(sessions.end_all(&whose(Some("sub-ann"), None, now)).await.unwrap().len(), 2);
    assert!(!lives(&sessions, &a2).await && !lives(&sessions, &a3).await);
    assert_eq!(sessions.end_all(&whose(Some("sub-ann"), None, now)).await.unwrap().len(), 0);
    assert_eq!(world.count("ended-by-provider"), 4);
}

#[tokio::test]
async fn a_session_that_names_none_at_the_provider_ends_with_any_of_its_users() {
    let world = World::new();
    let sessions = world.replica();
    let (mine, bobs) = (world.opened(&sessions, "ann", None).await, world.opened(&sessions, "bob", None).await);
    let another = world.opened(&sessions, "ann", Some("s1")).await;
    let now = world.now();
    assert!(sessions.end_all(&whose(None, Some("s2"), now)).await.unwrap().is_empty());
    assert!(lives(&sessions, &mine).await);
    let ended = sessions.end_all(&whose(Some("sub-ann"), Some("s2"), now)).await.unwrap();
    assert_eq!(ended.iter().map(|principal| &*principal.subject).collect::<Vec<_>>(), ["ann"]);
    assert!(!lives(&sessions, &mine).await && lives(&sessions, &bobs).await && lives(&sessions, &another).await);
}

#[tokio::test]
async fn what_began_after_an_ending_goes_on_and_what_began_before_is_not_opened_any_more() {
    let world = World::new();
    let sessions = world.replica();
    for (user, subject, sid) in [("ann", true, false), ("bob", false, true), ("cy", true, true)] {
        let about = format!("sub-{user}");
        let about = (subject.then_some(&*about), sid.then_some(user));
        let early = world.granted(user, Some(user));
        world.advance(SECOND);
        let since = world.now();
        world.advance(SECOND);
        let late = world.opened(&sessions, user, Some(user)).await;
        assert_eq!(sessions.end_all(&whose(about.0, about.1, since)).await.unwrap().len(), 0);
        // An older ending that comes late takes nothing back.
        sessions.end_all(&whose(about.0, about.1, since - MINUTE)).await.unwrap();
        assert!(lives(&sessions, &late).await);
        assert_eq!(sessions.open(HERE, early).await.unwrap_err().reason(), Reason::SessionUnknown, "{about:?}");
        world.opened(&sessions, user, Some(user)).await;
    }
}

#[tokio::test]
async fn a_session_that_is_opened_while_its_user_logs_out_does_not_survive() {
    let server = Redis::start().await;
    let world = World::redis(&server.place());
    let (one, other) = (world.replica(), world.replica());
    for round in 0..40 {
        let sid = format!("s{round}");
        let mine = world.opened(&one, "ann", Some(&sid)).await;
        let (opened, ended) = tokio::join!(
            async {
                tokio::time::sleep(Duration::from_micros(round * 20)).await;
                one.open(HERE, world.granted("ann", Some(&sid))).await
            },
            async {
                match round % 2 {
                    0 => other.end_all(&whose(None, Some(&sid), world.now() + MINUTE)).await.map(drop),
                    _ => other.end(&mine, HERE).await.map(drop),
                }
            },
        );
        ended.unwrap();
        // What is open now was opened after the ending: the next one ends it.
        if let Ok((session, _)) = opened {
            let now = world.now() + MINUTE;
            let is_there = other.find(session.expose(), HERE).await.is_ok();
            assert_eq!(other.end_all(&whose(None, Some(&sid), now)).await.unwrap().len(), usize::from(is_there));
            assert!(!is_there || round % 2 == 1, "what the provider ended lives on");
        }
        assert!(other.find(&mine, HERE).await.is_err());
    }
}

#[tokio::test]
async fn a_session_that_was_named_before_its_user_logged_out_cannot_be_put_any_more() {
    let world = World::new();
    let sessions = world.replica();
    let (mine, shelf) = (world.opened(&sessions, "ann", Some("s1")).await, &sessions.0.shelf);
    let id = Id::random().unwrap();
    let name = shelf.name(Id::read(id.expose()).unwrap());
    shelf.join(shelf::Group::Sid("s1"), &name, MINUTE).await.unwrap();
    sessions.end(&mine, HERE).await.unwrap().unwrap();
    assert!(!shelf.put_new(&name, bytes::Bytes::from_static(b"sealed"), MINUTE).await.unwrap());
    assert_eq!(reason(sessions.find(id.expose(), HERE)).await, Reason::SessionUnknown);
    assert_eq!(world.count("unreadable"), 0);
}

#[tokio::test]
async fn what_was_read_before_an_ending_is_not_kept_after_it() {
    let world = World::new();
    let sessions = world.replica();
    let session = world.opened(&sessions, "ann", None).await;
    let name = sessions.0.shelf.name(Id::read(&session).unwrap());
    let (epoch, read) = (sessions.0.epoch(), sessions.0.held(&name).unwrap());
    sessions.0.keep(&name, &read, epoch);
    assert!(sessions.0.held(&name).is_some());
    sessions.end(&session, HERE).await.unwrap().unwrap();
    sessions.0.keep(&name, &read, epoch);
    assert!(sessions.0.held(&name).is_none());
}

#[tokio::test]
async fn a_session_that_ends_while_it_is_refreshed_stays_ended() {
    let world = World::new();
    let (one, other) = (Arc::new(world.replica()), world.replica());
    let session = world.opened(&one, "ann", None).await;
    world.advance(5 * MINUTE);
    let go_on = world.hold();
    let waiting = tokio::spawn({
        let (one, session) = (Arc::clone(&one), session.clone());
        async move { one.find(&session, HERE).await.map(drop) }
    });
    eventually("the refresh", async || (world.calls() == 1).then_some(())).await;
    assert!(other.end(&session, HERE).await.unwrap().is_some());
    go_on.notify_one();
    let refused = patiently("the answer", waiting).await.unwrap().unwrap_err();
    assert_eq!(refused.reason(), Reason::SessionUnknown);
    assert!(!lives(&one, &session).await && !lives(&other, &session).await);
}

#[tokio::test]
async fn who_goes_away_while_logging_out_is_logged_out() {
    let server = Redis::start().await;
    let world = World::redis(&server.place());
    let sessions = world.replica();
    for _ in 0..20 {
        let session = world.opened(&sessions, "ann", Some("s1")).await;
        drop(tokio::time::timeout(Duration::from_micros(1), sessions.end(&session, HERE)).await);
        eventually("the end", async || sessions.find(&session, HERE).await.is_err().then_some(())).await;
    }
}
