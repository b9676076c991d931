//! Two gateways with one Redis behave as one: a session of one is known to the other, ends on both, and is refreshed once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gwanmun_testkit::{Browser, Gateway, Redis, eventually};
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    A, B, COOKIE, More, World, answered, assert_recorded, logins, move_to, records, session, status, until_status,
};

/// Two gateways of this world with one Redis.
struct Replicas {
    redis: Redis,
    one: Gateway,
    two: Gateway,
}

impl Replicas {
    async fn start(world: &World, more: More<'_>) -> Self {
        let redis = Redis::start().await;
        let top = format!("store: 'redis://{}'\n", redis.place());
        let more = More { top: &top, ..more };
        let (one, two) = tokio::join!(world.gateway(more), world.gateway(more));
        Self { redis, one, two }
    }

    /// Two tabs of one browser that meet one of them each.
    fn tabs(&self, browser: &Browser) -> [Browser; 2] {
        let mut tabs = [browser.clone(), browser.clone()];
        move_to(&self.one, &mut tabs[0]);
        move_to(&self.two, &mut tabs[1]);
        tabs
    }
}

#[tokio::test]
async fn a_login_may_begin_at_one_replica_end_at_the_other_and_count_at_both() {
    let world = World::start().await;
    let replicas = Replicas::start(&world, More::default()).await;
    let [at_one, at_two] = replicas.tabs(&world.browser(&replicas.one));
    let answered = answered(&at_one, &format!("{A}/x")).await;
    let name = logins(&at_one, A).remove(0);
    let kept = at_one.cookies(A).remove(&name).unwrap();
    let page = at_two.follow(&answered).await;
    assert_eq!(page.location().as_deref(), Some("https://a.test/x"), "{page:?}");
    assert_eq!((status(&at_one, &format!("{A}/")).await, status(&at_two, &format!("{A}/")).await), (200, 200));
    assert_eq!(world.provider.logins(), 1);
    // Nothing that the store holds opens anything, or names anybody.
    let session = session(&at_one, A).unwrap();
    for key in replicas.redis.command(&["KEYS", "*"]).lines() {
        let value = ["GET", "SMEMBERS", "HGETALL"].map(|command| replicas.redis.command(&[command, key])).join(" ");
        for secret in [session.as_str(), "ann@corp.test", &world.provider.access_tokens()[0]] {
            assert!(!key.contains(secret) && !value.contains(secret), "{key}: {value}");
        }
        assert_ne!(replicas.redis.command(&["TTL", key]), "-1", "{key} stays for ever");
    }
    // What was answered at the other replica is known here.
    assert!(at_one.plant(A, &format!("{name}={kept}; Path=/; Secure")));
    at_one.forget(A, COOKIE);
    let page = at_one.follow(&answered).await;
    assert!((400..500).contains(&page.status()), "{page:?}");
}

#[tokio::test]
async fn a_back_channel_logout_ends_all_sessions_of_a_user_on_both_replicas_within_a_second() {
    let world = World::start().await;
    let replicas = Replicas::start(&world, More::default()).await;
    let ann = [world.browser_of("ann", &replicas.one).await, world.browser_of("ann", &replicas.two).await];
    let bob = world.browser_of("bob", &replicas.one).await;
    assert_eq!(ann[0].open(&format!("{B}/")).await.status(), 200);
    let tabs = ann.each_ref().map(|browser| replicas.tabs(browser)).concat();
    for tab in &tabs {
        assert_eq!(status(tab, &format!("{A}/")).await, 200);
    }
    let begin = Instant::now();
    assert_eq!(world.provider.log_out(json!({"sub": "ann"}), replicas.one.address("plain")).await.status(), 200);
    for tab in &tabs {
        until_status(tab, &format!("{A}/"), 401).await;
    }
    until_status(&ann[0], &format!("{B}/"), 401).await;
    let took = begin.elapsed();
    println!("all sessions ended on both replicas after {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    for tab in replicas.tabs(&bob) {
        assert_eq!(status(&tab, &format!("{A}/")).await, 200);
    }
    assert_recorded(&replicas.one, "logout", "allow", Some("ann"));
    // The same token at the other replica has been seen.
    let token = world.provider.logout_token(json!({"sub": "bob"}));
    assert_eq!(world.provider.tell(replicas.one.address("plain"), &token).await.status(), 200);
    assert_eq!(world.provider.tell(replicas.two.address("plain"), &token).await.status(), 400);
}

#[tokio::test]
async fn a_logout_at_one_replica_is_one_at_the_other() {
    let world = World::start().await;
    let replicas = Replicas::start(&world, More::default()).await;
    let [at_one, at_two] = replicas.tabs(&world.browser_of("ann", &replicas.one).await);
    assert_eq!(status(&at_two, &format!("{A}/")).await, 200);
    let kept = session(&at_one, A).unwrap();
    at_one.visit(&format!("{A}/logout")).await;
    assert_eq!(session(&at_one, A), None);
    assert!(at_two.plant(A, &format!("__Host-gwanmun={kept}; Path=/; Secure")));
    until_status(&at_two, &format!("{A}/"), 401).await;
}

#[tokio::test]
async fn an_expiry_in_the_middle_of_fifty_requests_at_two_replicas_is_one_refresh() {
    let world = World::start().await;
    let life = Duration::from_secs(1);
    world.provider.behave(|manners| manners.access = Some(life));
    let replicas = Replicas::start(&world, More::default()).await;
    let browser = world.browser_of("ann", &replicas.one).await;
    let end = Instant::now() + life;
    world.provider.behave(|manners| manners.access = Some(Duration::from_secs(300)));
    let held = world.provider.hold("token");
    let is_over = Arc::new(AtomicBool::new(false));
    let mut tabs = JoinSet::new();
    for number in 0..50 {
        let [one, two] = replicas.tabs(&browser);
        let (tab, is_over) = (if number % 2 == 0 { one } else { two }, Arc::clone(&is_over));
        tabs.spawn(async move {
            let mut statuses = BTreeSet::new();
            while !is_over.load(Ordering::Relaxed) {
                statuses.insert(status(&tab, &format!("{A}/relay/{number}")).await);
            }
            statuses
        });
    }
    // The provider thinks about it until the old token has ended, and all are waiting.
    world.provider.called("token", 2).await;
    tokio::time::sleep_until(end.into()).await;
    held.release();
    eventually("the new token", async || (world.provider.access_tokens().len() > 1).then_some(())).await;
    is_over.store(true, Ordering::Relaxed);
    let statuses: BTreeSet<u16> = tabs.join_all().await.into_iter().flatten().collect();
    assert_eq!(statuses.into_iter().collect::<Vec<_>>(), [200]);
    assert_eq!((world.provider.refreshes(), world.provider.replays()), (1, 0));
    let known = world.provider.access_tokens().into_iter().map(|token| Some(format!("Bearer {token}")));
    let known: Vec<_> = known.collect();
    let relayed = world.received().await.into_iter().filter(|request| request.target().starts_with("/relay/"));
    assert!(relayed.into_iter().all(|request| known.contains(&request.header("authorization"))));
}

#[tokio::test]
async fn the_new_token_of_a_refresh_is_the_other_replicas_too() {
    let world = World::start().await;
    world.provider.behave(|manners| manners.access = Some(Duration::from_secs(1)));
    let replicas = Replicas::start(&world, More::default()).await;
    let browser = world.browser(&replicas.one);
    let answered = answered(&browser, &format!("{A}/")).await;
    browser.follow(&answered).await;
    world.provider.behave(|manners| manners.access = Some(Duration::from_secs(300)));
    let [at_one, at_two] = replicas.tabs(&browser);
    for tab in [&at_one, &at_two] {
        eventually("the new token", async || {
            assert_eq!(status(tab, &format!("{A}/relay")).await, 200);
            let last = world.received().await.pop()?.header("authorization")?;
            (last == format!("Bearer {}", world.provider.access_tokens().get(1)?)).then_some(())
        })
        .await;
    }
    assert_eq!(world.provider.refreshes(), 1);
}

#[tokio::test]
async fn a_session_ends_when_nobody_uses_it_and_when_its_time_is_over() {
    let world = World::start().await;
    let replicas = Replicas::start(&world, More { session: "idle: 1s, cache: 100ms", ..More::default() }).await;
    let [used_at_one, used_at_two] = replicas.tabs(&world.browser_of("ann", &replicas.one).await);
    let left = world.browser_of("bob", &replicas.two).await;
    let until = Instant::now() + Duration::from_millis(1600);
    while Instant::now() < until {
        assert_eq!(status(&used_at_one, &format!("{A}/")).await, 200);
        assert_eq!(status(&used_at_two, &format!("{A}/")).await, 200);
    }
    // The second browser was left alone; its session must not be used to find that out.
    assert_eq!(status(&left, &format!("{A}/")).await, 401);
    assert_eq!(records(&replicas.two, "authenticate").last().unwrap()["decision"], "deny");

    let brief = Replicas::start(&world, More { session: "lifetime: 1s, cache: 100ms", ..More::default() }).await;
    let [at_one, at_two] = brief.tabs(&world.browser_of("ann", &brief.one).await);
    let begin = Instant::now();
    until_status(&at_one, &format!("{A}/"), 401).await;
    assert_eq!(status(&at_two, &format!("{A}/")).await, 401);
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_session_that_ends_while_it_is_refreshed_stays_ended() {
    let world = World::start().await;
    world.provider.behave(|manners| manners.access = Some(Duration::from_secs(1)));
    let replicas = Replicas::start(&world, More { session: "cache: 0s", ..More::default() }).await;
    let tabs = replicas.tabs(&world.browser_of("ann", &replicas.one).await);
    let held = world.provider.hold("token");
    eventually("a refresh", async || {
        assert_eq!(status(&tabs[0], &format!("{A}/")).await, 200);
        (world.provider.calls("token") > 1).then_some(())
    })
    .await;
    assert_eq!(world.provider.log_out(json!({"sub": "ann"}), replicas.two.address("plain")).await.status(), 200);
    held.release();
    eventually("new tokens", async || (world.provider.access_tokens().len() > 1).then_some(())).await;
    for tab in &tabs {
        until_status(tab, &format!("{A}/"), 401).await;
    }
    // Nothing of it comes back later.
    let until = Instant::now() + Duration::from_millis(300);
    while Instant::now() < until {
        for tab in &tabs {
            assert_eq!(status(tab, &format!("{A}/")).await, 401);
        }
    }
}

#[tokio::test]
async fn where_the_use_of_a_session_is_saved_its_end_elsewhere_counts_at_once() {
    let world = World::start().await;
    let replicas = Replicas::start(&world, More { session: "cache: 1s", ..More::default() }).await;
    let [at_one, at_two] = replicas.tabs(&world.browser_of("ann", &replicas.one).await);
    for path in ["/", "/save/"] {
        assert_eq!(status(&at_two, &format!("{A}{path}")).await, 200);
    }
    let kept = session(&at_one, A).unwrap();
    at_one.visit(&format!("{A}/logout")).await;
    assert!(at_two.plant(A, &format!("{COOKIE}={kept}; Path=/; Secure")));
    let before = world.tool.requests();
    assert_eq!(status(&at_two, &format!("{A}/save/")).await, 401);
    assert_eq!(world.tool.requests(), before);
    let denied = assert_recorded(&replicas.two, "authenticate", "deny", Some("ann"));
    assert_eq!((&denied["rule"], &denied["route"]), (&"session-unknown".into(), &"save".into()), "{denied}");
}
