//! Logging in: once for all hosts, in every tab, from a form that was sent too late; what tools and scripts see of it.

use std::time::{Duration, Instant};

use gwanmun_testkit::{Answer, Forgery, Http2, Jws, Reply, eventually};
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    A, B, COOKIE, LOCAL, LOCAL_COOKIE, More, World, answered, assert_recorded, logins, records, session, status,
};

#[tokio::test]
async fn one_login_reaches_two_tools_on_two_hosts() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let browser = world.browser(&gateway);
    assert!(browser.plant(A, "theme=dark; Path=/"));
    let page = browser.open(&format!("{A}/board?x=1&y=%2F")).await;
    assert_eq!((page.status(), page.url.as_str()), (200, "https://a.test/board?x=1&y=%2F"), "{page:?}");
    let login = assert_recorded(&gateway, "login", "allow", Some("ann"));
    assert_eq!((&login["credential"], &login["client"]), (&"session:staff".into(), &"127.0.0.1".into()), "{login}");
    assert_recorded(&gateway, "authenticate", "allow", Some("ann"));
    // The second host asks the provider, which asks nobody.
    let page = browser.open(&format!("{B}/")).await;
    assert_eq!((page.status(), page.url.as_str(), page.trail.len()), (200, "https://b.test/", 3), "{page:?}");
    assert_eq!((world.provider.logins(), world.provider.calls("authorize")), (1, 2));
    let (first, second) = (session(&browser, A).unwrap(), session(&browser, B).unwrap());
    assert_ne!(first, second);
    assert!(first.len() == 43 && second.len() == 43, "{first} {second}");
    // The login's own cookies are gone.
    assert_eq!((logins(&browser, A).len(), logins(&browser, B).len()), (0, 0));
    let [at_first, at_second] = world.received().await.try_into().unwrap();
    assert_eq!((at_first.target(), at_first.header("cookie").as_deref()), ("/board?x=1&y=%2F", Some("theme=dark")));
    assert_eq!((at_second.target(), at_second.header("cookie")), ("/", None));
    for request in [at_first, at_second] {
        assert_eq!(request.header("x-user").as_deref(), Some("ann"));
        assert_eq!(Jws::read(&request.header("txn-token").unwrap()).claims()["sub"], "ann");
        assert_eq!(request.header("authorization"), None);
    }
    // What opens anything stands in no log.
    let audit = std::fs::read_to_string(gateway.folder().join("audit.jsonl")).unwrap();
    let log = gateway.log().text() + &gateway.access_log().text() + &audit;
    let answer = page.trail.last().unwrap().split_once("code=").unwrap().1;
    for secret in [&first, &second, "gw-secret", answer, &world.provider.access_tokens()[0]] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[tokio::test]
async fn no_cookie_of_ours_reaches_a_tool_however_it_is_written_nor_on_an_open_route() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let browser = world.browser_of("ann", &gateway).await;
    let session = session(&browser, A).unwrap();
    let login = "__Host-gwanmun-login-abcdefgh=x";
    for (number, cookies) in [
        format!("Cookie: {COOKIE}={session}; theme=dark\r\n"),
        format!("Cookie: theme=dark;{COOKIE}={session}\r\n"),
        format!("Cookie: {login};   {COOKIE}={session}  ; theme=dark\r\n"),
        format!("Cookie: theme=dark\r\nCookie: {COOKIE}={session}\r\n"),
        format!("Cookie: theme=dark; {COOKIE}=\"{session}\"\r\n"),
        format!("Cookie: theme=dark; {COOKIE} ={session}\r\n"),
        format!("Cookie: theme=dark; {COOKIE}\r\n"),
        format!("Cookie: {COOKIE}={session}; theme=dark; {COOKIE}=other; {LOCAL_COOKIE}=x\r\n"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/open/{number}");
        let answer = world.raw(&gateway, &format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n{cookies}\r\n")).await;
        if answer.status() != 200 {
            assert_eq!(answer.status(), 400, "{cookies}");
        }
    }
    for request in world.received().await {
        let cookies = request.header("cookie").unwrap_or_default();
        assert!(!cookies.contains("gwanmun") && !cookies.contains(&session), "{request:?}");
        assert!(!request.target().starts_with("/open/") || cookies == "theme=dark", "{request:?}");
    }
    assert!(world.tool.requests() > 4);
}

#[tokio::test]
async fn what_a_path_wants_is_wanted_on_that_path() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let bob = world.browser_of("bob", &gateway).await;
    assert_eq!(bob.open(&format!("{A}/admin/users")).await.status(), 403);
    let denied = assert_recorded(&gateway, "authorize", "deny", Some("bob"));
    assert_eq!((&denied["resource"], &denied["route"]), (&"a.test/admin/users".into(), &"admin".into()), "{denied}");
    assert_eq!(status(&bob, &format!("{A}/")).await, 200);
    let ann = world.browser_of("ann", &gateway).await;
    assert_eq!(ann.open(&format!("{A}/admin/users")).await.status(), 200);
    assert_recorded(&gateway, "authorize", "allow", Some("ann"));
}

#[tokio::test]
async fn only_pages_are_sent_to_log_in() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let browser = world.browser(&gateway);
    for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS"] {
        let page = browser.fetch(method, &format!("{A}/api")).await;
        assert_eq!(page.status(), 401, "{method}: {page:?}");
        let challenge = r#"Cookie realm="gwanmun", cookie-name="__Host-gwanmun""#;
        assert_eq!(page.answer.header("www-authenticate").as_deref(), Some(challenge), "{method}");
        assert_eq!((page.answer.header("set-cookie"), page.answer.header("location")), (None, None), "{method}");
        if method != "HEAD" {
            assert_eq!(page.answer.json()["type"], "urn:gwanmun:fault:unauthenticated");
        }
        assert_recorded(&gateway, "authenticate", "deny", None);
    }
    // Whoever does not say what it wants a page for is asked what it takes.
    let ask = async |fields: &str| {
        world.raw(&gateway, &format!("GET /api HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n")).await.status()
    };
    for (fields, wanted) in [
        ("", 401),
        ("Accept: */*\r\n", 401),
        ("Accept: application/json\r\n", 401),
        ("Accept: text/html\r\nSec-Fetch-Mode: cors\r\n", 401),
        ("Accept: text/html\r\nSec-Fetch-Mode: no-cors\r\n", 401),
        ("Accept: text/html\r\nX-Requested-With: XMLHttpRequest\r\nSec-Fetch-Mode: same-origin\r\n", 401),
        ("Accept: text/html,*/*;q=0.8\r\n", 302),
        ("Sec-Fetch-Mode: navigate\r\n", 302),
    ] {
        assert_eq!(ask(fields).await, wanted, "{fields}");
    }
    let head = browser.head(&format!("{A}/")).await;
    assert_eq!((head.status(), head.answer.text()), (302, String::new()));
    assert_eq!(head.answer.header("cache-control").as_deref(), Some("no-store"));
    assert_eq!((world.provider.calls("authorize"), world.tool.requests()), (0, 0));
    let browser = world.browser_of("ann", &gateway).await;
    assert_eq!(browser.head(&format!("{A}/")).await.status(), 200);
    assert_eq!(browser.fetch("POST", &format!("{A}/api")).await.status(), 200);
}

#[tokio::test]
async fn a_form_that_is_sent_without_a_session_is_kept_by_its_page() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let browser = world.browser(&gateway);
    let (url, fields) = (format!("{A}/comments?draft=7"), [("text", "a <b> & \"c\" 'd' é\r\n2"), ("kind", "new")]);
    let page = browser.submit(&url, &fields).await;
    assert_eq!(page.status(), 401, "{page:?}");
    assert!(page.answer.header("content-type").unwrap().starts_with("text/html"), "{page:?}");
    assert_eq!(page.answer.header("cache-control").as_deref(), Some("no-store"));
    assert!(page.answer.header("content-security-policy").is_some());
    let text = page.answer.text();
    for piece in ["a &lt;b&gt; &amp; &quot;c&quot;", "é", "name=\"kind\"", "value=\"new\"", "/callback"] {
        assert!(text.contains(piece), "{piece} in {text}");
    }
    assert!(!text.contains("<b>"), "{text}");
    assert_eq!(world.tool.requests(), 0);
    // The page opens the login in another tab, and sends the form again.
    let done = browser.open(&format!("{A}/callback")).await;
    assert_eq!(done.status(), 200, "{done:?}");
    assert!(session(&browser, A).is_some());
    assert_eq!(browser.submit(&url, &fields).await.status(), 200);
    let received = world.tool.received(0).await;
    assert_eq!((received.method(), received.target()), ("POST", "/comments?draft=7"));
    assert!(received.text().contains("kind=new"));
}

#[tokio::test]
async fn two_tabs_log_in_at_once_and_both_arrive_where_they_wanted() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let browser = world.browser(&gateway);
    let (first, second) = (browser.visit(&format!("{A}/first?x=1")).await, browser.visit(&format!("{A}/second")).await);
    let (at_first, at_second) = (browser.follow(&first).await, browser.follow(&second).await);
    // In the other order.
    let (second, first) = (browser.follow(&at_second).await, browser.follow(&at_first).await);
    assert_eq!(first.location().as_deref(), Some("https://a.test/first?x=1"), "{first:?}");
    assert_eq!(second.location().as_deref(), Some("https://a.test/second"), "{second:?}");
    for page in [first, second] {
        assert_eq!(browser.follow(&page).await.status(), 200);
    }
    assert_eq!(records(&gateway, "login").len(), 2);
    assert!(logins(&browser, A).is_empty());
}

#[tokio::test]
async fn on_this_machine_a_login_goes_without_tls() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let browser = world.browser(&gateway);
    let page = browser.open(&format!("{LOCAL}/x")).await;
    assert_eq!((page.status(), page.url.as_str()), (200, "http://tool.localhost/x"), "{page:?}");
    assert_eq!(session(&browser, LOCAL).unwrap().len(), 43);
    assert_eq!(world.tool.received(0).await.header("cookie"), None);
}

#[tokio::test]
async fn services_behind_get_the_access_token_where_that_is_said() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let browser = world.browser_of("ann", &gateway).await;
    let page = browser.visit_with(&format!("{A}/relay/x"), "Authorization: Bearer forged\r\n").await;
    assert_eq!(page.status(), 200);
    let [token] = world.provider.access_tokens().try_into().unwrap();
    let received = world.received().await;
    assert_eq!(received.last().unwrap().header("authorization"), Some(format!("Bearer {token}")));
}

#[tokio::test]
async fn a_login_that_the_provider_refuses_says_so_and_a_later_one_is_good() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let browser = world.browser(&gateway);
    world.provider.behave(|manners| manners.refusal = Some(("access_denied".into(), "not today".into())));
    let page = browser.open(&format!("{A}/")).await;
    assert!((400..500).contains(&page.status()), "{page:?}");
    assert!(page.answer.header("content-type").unwrap().starts_with("text/html"));
    assert_recorded(&gateway, "login", "deny", None);
    gateway.access_line(|line| line["fault_reason"] == "login-refused").await;
    assert_eq!((session(&browser, A), world.provider.calls("token")), (None, 0));
    world.provider.behave(|manners| manners.refusal = None);
    assert_eq!(browser.open(&format!("{A}/")).await.status(), 200);
}

#[tokio::test]
async fn while_the_provider_is_down_nobody_logs_in_and_sessions_go_on() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let ann = world.browser_of("ann", &gateway).await;
    let browser = world.browser(&gateway);
    let answered = answered(&browser, &format!("{A}/")).await;
    world.provider.down().await;
    assert_eq!(status(&ann, &format!("{A}/")).await, 200);
    let page = browser.follow(&answered).await;
    assert_eq!(page.status(), 503, "{page:?}");
    assert!(page.answer.header("retry-after").is_some(), "{page:?}");
    assert_recorded(&gateway, "login", "deny", None);
    assert_eq!(session(&browser, A), None);
    world.provider.up().await;
    assert_eq!(browser.open(&format!("{A}/")).await.status(), 200);
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_waited_for_no_longer_than_the_timeout() {
    let world = World::start().await;
    let gateway = world.gateway(More { oidc: "timeout: 300ms", ..More::default() }).await;
    let browser = world.browser(&gateway);
    let held = world.provider.hold("discovery");
    let begin = Instant::now();
    let page = browser.visit(&format!("{A}/")).await;
    assert_eq!(page.status(), 503, "{page:?}");
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    held.release();
    eventually("the provider", async || browser.visit(&format!("{A}/")).await.location()).await;
    let answered = answered(&browser, &format!("{A}/")).await;
    let held = world.provider.hold("token");
    let begin = Instant::now();
    let page = browser.follow(&answered).await;
    assert_eq!((page.status(), session(&browser, A)), (503, None), "{page:?}");
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    held.release();
    assert_eq!(browser.open(&format!("{A}/")).await.status(), 200);
}

#[tokio::test]
async fn what_the_id_token_does_not_say_user_info_may() {
    let world = World::start().await;
    world.provider.forge(Forgery::claims(json!({"groups": null})));
    for (oidc, wanted) in [("", 403), ("userinfo: true", 200)] {
        let gateway = world.gateway(More { oidc, ..More::default() }).await;
        let browser = world.browser_of("ann", &gateway).await;
        assert_eq!(status(&browser, &format!("{A}/admin/")).await, wanted, "{oidc}");
    }
    assert_eq!(world.provider.calls("userinfo"), 1);
}

#[tokio::test]
async fn over_http2_cookies_may_come_in_pieces() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let session = session(&world.browser_of("ann", &gateway).await, A).unwrap();
    let mut client = Http2::tls(gateway.web(), "a.test", &world.authority).await;
    let ask = |path: &str| {
        let request = http::Request::builder().uri(format!("{A}{path}"));
        request.header("cookie", "theme=dark").header("cookie", format!("{COOKIE}={session}")).header("cookie", "b=c")
    };
    let answer = client.ask(ask("/two").body(Reply::empty()).unwrap()).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    let received = world.tool.received(1).await;
    assert_eq!(received.header("x-user").as_deref(), Some("ann"));
    assert_eq!(
        received.header("cookie").map(|cookies| cookies.replace(", ", "; ")).as_deref(),
        Some("theme=dark; b=c")
    );
}

#[tokio::test]
async fn a_hundred_people_log_in_at_the_same_moment() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let mut people = JoinSet::new();
    for number in 0..100 {
        let browser = world.browser(&gateway);
        people.spawn(async move { browser.open(&format!("{A}/{number}")).await.status() });
    }
    let statuses = people.join_all().await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}\n{}", gateway.access_log().text());
    assert_eq!((world.provider.calls("discovery"), world.provider.calls("jwks")), (1, 1));
}

#[tokio::test]
async fn what_a_broken_provider_answers_logs_nobody_in() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    for answer in [
        Answer::garbage(),
        Answer::oversized(2_000_000),
        Answer::truncated(),
        Answer::reset(),
        Answer::status(500),
        Answer::status(200),
        Answer::json(json!({"access_token": "a", "token_type": "Bearer"})),
        Answer::json(json!({"access_token": "a", "token_type": "Bearer", "id_token": "a.b.c"})),
        Answer::redirect(&world.provider.endpoint("jwks")),
    ] {
        world.provider.answer_once("token", answer.clone());
        let browser = world.browser(&gateway);
        let page = browser.open(&format!("{A}/")).await;
        assert!(page.status() >= 400 && session(&browser, A).is_none(), "{answer:?}: {page:?}");
        assert_recorded(&gateway, "login", "deny", None);
    }
    assert_eq!(world.browser(&gateway).open(&format!("{A}/")).await.status(), 200);
}
