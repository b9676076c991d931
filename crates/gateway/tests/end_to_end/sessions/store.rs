//! What becomes of sessions when something goes away: the store, the provider, the configuration, the gateway itself.

use std::time::{Duration, Instant};

use gwanmun_testkit::{Browser, Gateway, Page, Redis, RedisCluster, RedisSentinels, eventually};

use serde_json::json;
use tokio::task::JoinSet;

use super::{A, More, World, answered, assert_recorded, move_to, session, status, until_status};

/// A gateway that keeps its sessions in Redis.
async fn with_store(world: &World, redis: &Redis, policy: &str) -> Gateway {
    let top = format!("store: {{url: 'redis://{}', timeout: 200ms}}\n", redis.place());
    let oidc = format!("on-store-error: {policy}");
    world.gateway(More { top: &top, oidc: &oidc, session: "cache: 100ms" }).await
}

/// Longer than any worker believes what it read before.
const UNBELIEVED: Duration = Duration::from_millis(600);

/// Statuses of a running session for so long, without repetitions; no answer may take longer than a second.
async fn goes_on(browser: &Browser, time: Duration) -> Vec<u16> {
    let mut statuses = Vec::new();
    let until = Instant::now() + time;
    while Instant::now() < until {
        let begin = Instant::now();
        statuses.push(status(browser, &format!("{A}/")).await);
        assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    }
    statuses.dedup();
    statuses
}

/// Nobody logs in: neither is a login begun, nor one ended that was begun before.
#[expect(clippy::print_stdout, reason = "what was measured")]
async fn nobody_logs_in(world: &World, gateway: &Gateway, began: &Page, browser: &Browser) {
    let begin = Instant::now();
    let page = world.browser(gateway).visit(&format!("{A}/")).await;
    let took = begin.elapsed();
    println!("a login that cannot begin is answered after {took:?}");
    assert_eq!(page.status(), 503, "{page:?}");
    assert!(page.answer.header("retry-after").is_some() && page.answer.header("set-cookie").is_none(), "{page:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    let begin = Instant::now();
    let page = browser.follow(began).await;
    println!("a login that cannot end is answered after {:?}", begin.elapsed());
    assert_eq!(page.status(), 503, "{page:?}");
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    assert_eq!(session(browser, A), None);
}

/// What running sessions and new logins meet while the store is paused, killed, and back.
async fn a_store_is_lost(policy: &str, running: &[u16]) {
    let (world, mut redis) = (World::start().await, Redis::start().await);
    let gateway = with_store(&world, &redis, policy).await;
    let ann = world.browser_of("ann", &gateway).await;
    let (late, later) = (world.browser(&gateway), world.browser(&gateway));
    let began = [answered(&late, &format!("{A}/")).await, answered(&later, &format!("{A}/")).await];
    redis.pause();
    assert_eq!(goes_on(&ann, UNBELIEVED).await.last(), running.last(), "{policy}, paused");
    nobody_logs_in(&world, &gateway, &began[0], &late).await;
    redis.resume();
    until_status(&ann, &format!("{A}/"), 200).await;
    redis.kill();
    assert_eq!(goes_on(&ann, UNBELIEVED).await.last(), running.last(), "{policy}, killed");
    nobody_logs_in(&world, &gateway, &began[1], &later).await;
    // It comes back empty: sessions that it held are no more, whatever went on without it.
    redis.restart().await;
    let browser = world.browser(&gateway);
    eventually("logins again", async || (browser.open(&format!("{A}/")).await.status() == 200).then_some(())).await;
    until_status(&ann, &format!("{A}/"), 401).await;
}

/// How often Redis was asked since its counters were set back, by command. What keeps a connection is left out, and what
/// nobody waits for: that a session is used is written behind the caller's back.
fn asked(redis: &Redis) -> Vec<(String, u64)> {
    let text = redis.command(&["INFO", "commandstats"]);
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("cmdstat_")?.split_once(":calls="));
    let counted = lines.map(|(name, rest)| (name.to_owned(), rest.split(',').next().unwrap().parse().unwrap()));
    counted
        .filter(|(name, _)| !["config", "config|resetstat", "info", "pexpire", "ping"].contains(&name.as_str()))
        .collect()
}

#[tokio::test]
async fn a_session_costs_one_question_to_the_store_and_none_where_it_is_known() {
    let (world, redis) = (World::start().await, Redis::start().await);
    let top = format!("store: {{url: 'redis://{}'}}\n", redis.place());
    let more = More { top: &top, oidc: "", session: "cache: 1s" };
    let [here, there] = [world.gateway(more).await, world.gateway(more).await];
    let mut ann = world.browser_of("ann", &here).await;
    // The other replica has its connection to the store before anything is counted.
    assert_eq!(status(&world.browser_of("bob", &there).await, &format!("{A}/")).await, 200);
    move_to(&there, &mut ann);
    redis.command(&["CONFIG", "RESETSTAT"]);
    assert_eq!(status(&ann, &format!("{A}/")).await, 200);
    assert_eq!(asked(&redis), [("get".to_owned(), 1)]);
    let begin = Instant::now();
    for _ in 0..50 {
        assert_eq!(status(&ann, &format!("{A}/")).await, 200);
    }
    let again = asked(&redis).iter().map(|(_, count)| count).sum::<u64>() - 1;
    assert!(again <= begin.elapsed().as_secs() + 1, "{:?} in {:?}", asked(&redis), begin.elapsed());
}

#[tokio::test]
async fn where_the_store_must_be_there_running_sessions_wait_for_it() {
    a_store_is_lost("deny", &[503]).await;
}

#[tokio::test]
async fn where_sessions_may_be_local_running_ones_go_on_without_the_store() {
    a_store_is_lost("local", &[200]).await;
}

#[tokio::test]
async fn where_sessions_may_pass_running_ones_go_on_without_the_store() {
    a_store_is_lost("allow", &[200]).await;
}

#[tokio::test]
async fn without_the_store_a_session_that_nobody_knows_opens_nothing() {
    for policy in ["deny", "local", "allow"] {
        let (world, mut redis) = (World::start().await, Redis::start().await);
        let gateway = with_store(&world, &redis, policy).await;
        redis.kill();
        let browser = world.browser(&gateway);
        assert!(browser.plant(A, &format!("__Host-gwanmun={}; Path=/; Secure", "A".repeat(43))));
        let status = status(&browser, &format!("{A}/")).await;
        assert!(matches!(status, 401 | 503), "{policy}: {status}");
        assert_eq!(world.tool.requests(), 0, "{policy}");
    }
}

#[tokio::test]
async fn a_logout_without_the_store_says_so_and_ends_the_session_here() {
    let (world, redis) = (World::start().await, Redis::start().await);
    let gateway = with_store(&world, &redis, "local").await;
    let ann = world.browser_of("ann", &gateway).await;
    redis.pause();
    assert_eq!(goes_on(&ann, UNBELIEVED).await.last(), Some(&200));
    let begin = Instant::now();
    let page = ann.visit(&format!("{A}/logout")).await;
    assert_eq!(page.status(), 503, "{page:?}");
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    assert_recorded(&gateway, "logout", "deny", None);
    assert_eq!(status(&ann, &format!("{A}/")).await, 503);
    // The provider is told the same, so that it tries again.
    assert_eq!(world.provider.log_out(json!({"sub": "ann"}), gateway.address("plain")).await.status(), 503);
    redis.resume();
    eventually("the logout", async || {
        let told = world.provider.log_out(json!({"sub": "ann"}), gateway.address("plain")).await.status();
        (told == 200).then_some(())
    })
    .await;
    until_status(&ann, &format!("{A}/"), 401).await;
}

#[tokio::test]
async fn tokens_that_come_while_the_store_is_away_are_not_lost() {
    let (world, redis) = (World::start().await, Redis::start().await);
    world.provider.behave(|manners| manners.access = Some(Duration::from_secs(1)));
    let gateway = with_store(&world, &redis, "local").await;
    let ann = world.browser_of("ann", &gateway).await;
    world.provider.behave(|manners| manners.access = Some(Duration::from_secs(300)));
    let held = world.provider.hold("token");
    eventually("a refresh", async || {
        assert_eq!(status(&ann, &format!("{A}/")).await, 200);
        (world.provider.calls("token") > 1).then_some(())
    })
    .await;
    redis.pause();
    held.release();
    eventually("the new token", async || (world.provider.access_tokens().len() > 1).then_some(())).await;
    assert_eq!(goes_on(&ann, UNBELIEVED).await, [200]);
    redis.resume();
    let wanted = format!("Bearer {}", world.provider.access_tokens()[1]);
    eventually("the new token at the tool", async || {
        assert_eq!(status(&ann, &format!("{A}/relay/")).await, 200);
        (world.received().await.pop()?.header("authorization")? == wanted).then_some(())
    })
    .await;
    assert_eq!((world.provider.refreshes(), world.provider.replays()), (1, 0));
}

#[tokio::test]
async fn a_slow_store_keeps_a_crowd_waiting_no_longer_than_one() {
    let (world, redis) = (World::start().await, Redis::start().await);
    let gateway = with_store(&world, &redis, "deny").await;
    let browsers = [world.browser_of("ann", &gateway).await, world.browser_of("bob", &gateway).await];
    redis.pause();
    for browser in &browsers {
        assert_eq!(goes_on(browser, UNBELIEVED).await.last(), Some(&503));
    }
    let mut crowd = JoinSet::new();
    for number in 0..60 {
        let (browser, stranger) = (browsers[number % 2].clone(), world.browser(&gateway));
        crowd.spawn(async move {
            let begin = Instant::now();
            let statuses = if number % 3 == 0 {
                stranger.visit(&format!("{A}/")).await.status()
            } else {
                status(&browser, &format!("{A}/")).await
            };
            (statuses, begin.elapsed())
        });
    }
    let answers = crowd.join_all().await;
    let slowest = answers.iter().map(|(_, took)| *took).max().unwrap();
    println!("of sixty at once the last is answered after {slowest:?}");
    assert!(answers.iter().all(|(status, _)| *status == 503), "{answers:?}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    redis.resume();
    for browser in &browsers {
        until_status(browser, &format!("{A}/"), 200).await;
    }
}

#[tokio::test]
async fn a_reload_keeps_sessions_and_logins_that_have_begun() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let ann = world.browser_of("ann", &gateway).await;
    let browser = world.browser(&gateway);
    let began = answered(&browser, &format!("{A}/x")).await;
    let changed = world.configuration(More::default()).replace("X-User: /subject", "X-Person: /subject");
    gateway.reconfigure(&changed).await;
    assert_eq!(status(&ann, &format!("{A}/")).await, 200);
    assert_eq!(world.tool.received(1).await.header("x-person").as_deref(), Some("ann"));
    assert_eq!(browser.follow(&began).await.location().as_deref(), Some("https://a.test/x"));
    assert_eq!(world.provider.logins(), 2);
}

#[tokio::test]
async fn a_restart_keeps_the_sessions_that_are_in_the_store_and_no_others() {
    let (world, redis) = (World::start().await, Redis::start().await);
    let store = format!("store: 'redis://{}'\n", redis.place());
    for (top, wanted) in [(store.as_str(), 200), ("", 401)] {
        let more = More { top, ..More::default() };
        let gateway = world.gateway(more).await;
        let mut ann = world.browser_of("ann", &gateway).await;
        assert_eq!(gateway.stop().await, 0);
        let gateway = world.gateway(more).await;
        move_to(&gateway, &mut ann);
        assert_eq!(status(&ann, &format!("{A}/")).await, wanted, "{top}");
        // The provider remembers, so that the user need not log in.
        let logins = world.provider.logins();
        assert_eq!(ann.open(&format!("{A}/")).await.status(), 200);
        assert_eq!(world.provider.logins(), logins);
    }
}

#[tokio::test]
async fn while_the_provider_is_down_a_session_lasts_for_its_grace() {
    let world = World::start().await;
    for (grace, wanted) in [("5m", 200), ("0s", 503)] {
        world.provider.behave(|manners| manners.access = Some(Duration::from_secs(1)));
        let session = format!("grace: {grace}, cache: 0s");
        let gateway = world.gateway(More { session: &session, ..More::default() }).await;
        let browser = world.browser_of("ann", &gateway).await;
        world.provider.down().await;
        assert_eq!(goes_on(&browser, Duration::from_millis(1300)).await.last(), Some(&wanted), "{grace}");
        if wanted == 503 {
            gateway.access_line(|line| line["fault_reason"] == "provider-unavailable").await;
        }
        world.provider.behave(|manners| manners.access = Some(Duration::from_secs(300)));
        world.provider.up().await;
        until_status(&browser, &format!("{A}/"), 200).await;
    }
}

#[tokio::test]
async fn a_session_ends_with_its_refresh_token_and_lasts_without_one() {
    let world = World::start().await;
    world.provider.behave(|manners| manners.access = Some(Duration::from_secs(1)));
    let gateway = world.gateway(More::default()).await;
    let ann = world.browser_of("ann", &gateway).await;
    world.provider.behave(|manners| manners.refresh_tokens = false);
    let bob = world.browser_of("bob", &gateway).await;
    world.provider.revoke();
    until_status(&ann, &format!("{A}/"), 401).await;
    assert_eq!((status(&ann, &format!("{A}/")).await, world.provider.refreshes()), (401, 1));
    assert_eq!(goes_on(&bob, Duration::from_millis(1100)).await, [200]);
    assert_eq!(world.provider.refreshes(), 1);
}

#[tokio::test]
#[ignore = "a failover takes seconds: cargo xtask test --full"]
async fn sessions_survive_a_failover_of_the_store() {
    let world = World::start().await;
    let mut sentinels = RedisSentinels::start().await;
    let top = format!("store: {{url: '{}', timeout: 200ms}}\n", sentinels.url());
    let more = More { top: &top, oidc: "on-store-error: local", session: "cache: 100ms" };
    let gateway = world.gateway(more).await;
    let ann = world.browser_of("ann", &gateway).await;
    sentinels.replica.until(&["INFO", "replication"], &["master_link_status:up"]).await;
    sentinels.master.kill();
    let begin = Instant::now();
    let browser = world.browser(&gateway);
    eventually("a login by way of the new master", async || {
        assert_eq!(status(&ann, &format!("{A}/")).await, 200);
        (browser.open(&format!("{A}/")).await.status() == 200).then_some(())
    })
    .await;
    println!("logins were back {:?} after the master was killed", begin.elapsed());
    assert_eq!(status(&ann, &format!("{A}/")).await, 200);
}

#[tokio::test]
#[ignore = "a cluster takes a second to form: cargo xtask test --full"]
async fn sessions_live_in_a_cluster_too() {
    let (world, cluster) = (World::start().await, RedisCluster::start().await);
    let top = format!("store: '{}'\n", cluster.url());
    let more = More { top: &top, session: "cache: 0s", ..More::default() };
    let (one, two) = (world.gateway(more).await, world.gateway(more).await);
    world.provider.behave(|manners| manners.access = Some(Duration::from_secs(1)));
    let mut ann = world.browser_of("ann", &one).await;
    let bob = world.browser_of("bob", &two).await;
    move_to(&two, &mut ann);
    world.provider.behave(|manners| manners.access = Some(Duration::from_secs(300)));
    eventually("two refreshes", async || {
        assert_eq!((status(&ann, &format!("{A}/")).await, status(&bob, &format!("{A}/")).await), (200, 200));
        (world.provider.access_tokens().len() == 4).then_some(())
    })
    .await;
    assert_eq!(world.provider.log_out(json!({"sub": "ann"}), one.address("plain")).await.status(), 200);
    assert_eq!((status(&ann, &format!("{A}/")).await, status(&bob, &format!("{A}/")).await), (401, 200));
    bob.visit(&format!("{A}/logout")).await;
    assert_eq!(session(&bob, A), None);
}
