//! Logging out: by the user, here and at the provider; by the provider, for a user or for one login.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::{A, B, More, World, assert_recorded, records, session, status, until_status};

#[tokio::test]
async fn logging_out_on_one_host_ends_the_login_on_all_and_at_the_provider() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let browser = world.browser_of("ann", &gateway).await;
    assert_eq!(browser.open(&format!("{B}/")).await.status(), 200);
    let page = browser.visit(&format!("{A}/logout")).await;
    assert!(page.location().unwrap().starts_with(&world.provider.endpoint("end-session")), "{page:?}");
    assert_eq!(page.answer.header("cache-control").as_deref(), Some("no-store"));
    assert_eq!(session(&browser, A), None);
    assert_recorded(&gateway, "logout", "allow", Some("ann"));
    let back = browser.follow(&page).await;
    assert_eq!(back.location().as_deref(), Some("https://a.test/"), "{back:?}");
    // A worker may believe in the other host's session for a moment.
    until_status(&browser, &format!("{A}/"), 401).await;
    until_status(&browser, &format!("{B}/"), 401).await;
    assert!(world.provider.sids().is_empty());
    // The next login asks the user.
    assert_eq!(browser.open(&format!("{B}/")).await.status(), 200);
    assert_eq!(world.provider.logins(), 2);
}

#[tokio::test]
async fn where_the_provider_has_no_page_for_it_a_logout_ends_here() {
    let world = World::start().await;
    world.provider.behave(|manners| manners.end_session = false);
    let gateway = world.gateway(More::default()).await;
    let browser = world.browser_of("ann", &gateway).await;
    let ended = session(&browser, A).unwrap();
    let page = browser.visit(&format!("{A}/logout")).await;
    assert_eq!(page.location().as_deref(), Some("https://a.test/"), "{page:?}");
    assert_eq!(session(&browser, A), None);
    // Whoever kept the cookie has nothing.
    assert!(browser.plant(A, &format!("__Host-gwanmun={ended}; Path=/; Secure")));
    until_status(&browser, &format!("{A}/"), 401).await;
}

#[tokio::test]
async fn a_logout_without_a_session_is_no_mistake_and_asks_nobody() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let browser = world.browser(&gateway);
    let page = browser.visit(&format!("{A}/logout")).await;
    assert!(page.status() < 400, "{page:?}");
    assert!(page.location().is_none_or(|to| to == "https://a.test/"), "{page:?}");
    assert_eq!(world.provider.calls("end-session"), 0);
}

#[tokio::test]
async fn a_provider_ends_all_sessions_of_a_user_or_those_of_one_login() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let (ann, ann_again) = (world.browser_of("ann", &gateway).await, world.browser_of("ann", &gateway).await);
    let bob = world.browser_of("bob", &gateway).await;
    assert_eq!(ann_again.open(&format!("{B}/")).await.status(), 200);
    let [_, second, _] = world.provider.sids().try_into().unwrap();
    let plain = gateway.address("plain");

    // One login: both hosts of that browser, and nothing else.
    let answer = world.provider.log_out(json!({"sub": "ann", "sid": second}), plain).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    for origin in [A, B] {
        until_status(&ann_again, &format!("{origin}/"), 401).await;
    }
    assert_eq!((status(&ann, &format!("{A}/")).await, status(&bob, &format!("{A}/")).await), (200, 200));

    // The same where the token names nobody but the login.
    world.provider.log_in_as("ann");
    assert_eq!(ann_again.open(&format!("{A}/")).await.status(), 200);
    let third = world.provider.sids().pop().unwrap();
    assert_eq!(world.provider.log_out(json!({"sid": third}), plain).await.status(), 200);
    assert_recorded(&gateway, "logout", "allow", Some("ann"));
    until_status(&ann_again, &format!("{A}/"), 401).await;
    assert_eq!((status(&ann, &format!("{A}/")).await, status(&bob, &format!("{A}/")).await), (200, 200));

    // All of a user.
    world.provider.log_in_as("ann");
    assert_eq!(ann_again.open(&format!("{A}/")).await.status(), 200);
    assert_eq!(world.provider.log_out(json!({"sub": "ann"}), plain).await.status(), 200);
    for browser in [&ann, &ann_again] {
        until_status(browser, &format!("{A}/"), 401).await;
    }
    assert_eq!(status(&bob, &format!("{A}/")).await, 200);
    assert_recorded(&gateway, "logout", "allow", Some("ann"));
    assert_eq!(records(&gateway, "logout").len(), 3);

    // Nobody is there to be ended; the provider hears that it is so.
    assert_eq!(world.provider.log_out(json!({"sub": "ann"}), plain).await.status(), 200);
    assert_recorded(&gateway, "logout", "allow", Some("ann"));
    assert_eq!(world.provider.log_out(json!({"sid": third}), plain).await.status(), 200);
    assert_recorded(&gateway, "logout", "allow", None);
}

#[tokio::test]
async fn a_logout_reaches_gateways_that_share_nothing_by_way_of_the_provider() {
    let world = World::start().await;
    let (one, two) = (world.gateway(More::default()).await, world.gateway(More::default()).await);
    let gateways = [one.address("plain"), two.address("plain")];
    world.provider.behave(|manners| manners.told = gateways.into());
    let browser = world.browser_of("ann", &one).await;
    let mut at_two = browser.clone();
    at_two.find("b.test", two.web());
    assert_eq!(at_two.open(&format!("{B}/")).await.status(), 200);
    let page = browser.visit(&format!("{A}/logout")).await;
    browser.follow(&page).await;
    until_status(&at_two, &format!("{B}/"), 401).await;
    assert_recorded(&two, "logout", "allow", Some("ann"));
}

#[tokio::test]
async fn who_logs_in_after_a_logout_is_not_ended_by_it() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let minute_ago = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - 60;
    let token = world.provider.logout_token(json!({"sub": "ann", "iat": minute_ago}));
    let ann = world.browser_of("ann", &gateway).await;
    // However late it is delivered.
    assert_eq!(world.provider.tell(gateway.address("plain"), &token).await.status(), 200);
    let until = Instant::now() + Duration::from_millis(700);
    while Instant::now() < until {
        assert_eq!(status(&ann, &format!("{A}/")).await, 200);
    }
}
