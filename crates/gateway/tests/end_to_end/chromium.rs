//! People in front of a real browser, tools that know nothing of logins, and providers that others have written. What each
//! page looks like is drawn into `target/tmp/screenshots`.

mod world;

use std::time::{Duration, Instant};

use gwanmun_testkit::{Authority, Chromium, Connection, Gateway, Tab, Tool, WebClient, eventually};
use serde_json::{Value, json};

use world::{HOSTS, World, origins};

/// The session's cookie over https.
const COOKIE: &str = "__Host-gwanmun";

/// The status of what a page asks for as programs do.
const STATUS: &str = "fetch('/data').then(answer => answer.status)";

/// A gateway in front of both tools, known to the provider; `session` is what is said of sessions.
async fn edge(world: &World, session: &str) -> (Gateway, [String; 2]) {
    let gateway = world.gateway(session).await;
    let tools = origins(&gateway, "https");
    world.provider.register(&world.client(&[&gateway])).await;
    (gateway, tools)
}

/// Waits until a program in the page is told so.
async fn is_told(tab: Tab<'_>, status: u64) {
    eventually(&format!("a {status}"), async || (tab.evaluate(STATUS).await == status).then_some(())).await;
}

async fn heading(tab: Tab<'_>) -> String {
    tab.evaluate("document.querySelector('h1').textContent").await.as_str().unwrap().to_owned()
}

async fn one_login_is_for_all_tools_and_one_logout_too(world: World) {
    let (_gateway, [a, b]) = edge(&world, "").await;
    let chromium = Chromium::start().await;
    let person = chromium.person().await;
    let (tab, other) = (person.tab().await, person.tab().await);
    // The page that was wanted is the page that is seen in the end.
    tab.goto(&format!("{a}/reports?day=1&q=a%20b")).await;
    world.provider.log_in(tab, "ann").await;
    tab.reaches(&format!("{a}/reports?day=1&q=a%20b")).await;
    let fields = Tool::received(tab).await["fields"].clone();
    tab.screenshot("logged-in").await;
    assert!(!fields["x-webauth-user"].as_str().unwrap().is_empty(), "{fields}");
    assert_eq!(fields["x-webauth-email"], "ann@people.test");
    assert_eq!(fields["x-webauth-groups"], "staff,ops");
    assert_eq!(fields["cookie"], Value::Null);
    // The other tool asks for no password.
    other.goto(&b).await;
    world.provider.pass(other).await;
    other.reaches(&b).await;
    assert_eq!(Tool::received(other).await["fields"]["x-webauth-user"], fields["x-webauth-user"]);
    // No program of a page gets at the cookies, which are each of one host, and die with the browser.
    assert_eq!(tab.evaluate("document.cookie").await, "");
    for host in HOSTS {
        let all = person.cookies().await;
        let is_it = |cookie: &&Value| cookie["domain"] == host && cookie["name"] == COOKIE;
        let [cookie] = all.iter().filter(is_it).collect::<Vec<_>>()[..] else { panic!("{all:?}") };
        assert_eq!(cookie["value"].as_str().unwrap().len(), 43);
        let attributes = ["name", "path", "httpOnly", "secure", "sameSite", "expires"].map(|key| &cookie[key]);
        assert_eq!(json!(attributes), json!([COOKIE, "/", true, true, "Lax", -1]));
    }
    // Another site may lead to the logout, but not do it.
    other.evaluate(&format!("void(location.href = '{a}/logout')")).await;
    other.sees("button").await;
    assert_eq!(heading(other).await, "Do you want to log out?");
    other.screenshot("logout").await;
    is_told(tab, 200).await;
    other.click("a").await;
    assert_eq!(Tool::received(other).await["fields"]["x-webauth-email"], "ann@people.test");
    other.goto(&b).await;
    // The tool's own link does it, here and at the provider.
    tab.click("a[href='/logout']").await;
    world.provider.log_out(tab).await;
    tab.sees(world.provider.lets_go_at()).await;
    is_told(other, 401).await;
    assert!(person.cookies().await.iter().all(|cookie| cookie["domain"] != HOSTS[0] || cookie["name"] != COOKIE));
    other.goto(&b).await;
    world.provider.log_in(other, "bob").await;
    other.reaches(&b).await;
    assert_eq!(Tool::received(other).await["fields"]["x-webauth-email"], "bob@people.test");
}

#[tokio::test]
#[ignore = "needs Chromium and an OpenID provider from npm: cargo xtask test --full"]
async fn one_login_is_for_all_tools_with_npms_oidc_provider() {
    one_login_is_for_all_tools_and_one_logout_too(World::with_npm().await).await;
}

#[tokio::test]
#[ignore = "needs Chromium and glewlwyd: cargo xtask test --full"]
async fn one_login_is_for_all_tools_with_glewlwyd() {
    one_login_is_for_all_tools_and_one_logout_too(World::with_debian().await).await;
}

async fn a_logout_at_the_provider_is_known_to_all_replicas_within_a_second(world: World) {
    let (one, two) = (world.gateway("").await, world.gateway("").await);
    world.provider.register(&world.client(&[&one, &two])).await;
    let ([a, _], [_, b]) = (origins(&one, "https"), origins(&two, "https"));
    let chromium = Chromium::start().await;
    let person = chromium.person().await;
    let (tab, other, leaving) = (person.tab().await, person.tab().await, person.tab().await);
    tab.goto(&a).await;
    world.provider.log_in(tab, "ann").await;
    tab.reaches(&a).await;
    other.goto(&b).await;
    world.provider.pass(other).await;
    other.reaches(&b).await;
    // Both know the session of the first, which each has to look at.
    let session = Session::of(&world, &a, person.cookies().await);
    assert_eq!([session.status(&one).await, session.status(&two).await], [200, 200]);
    leaving.goto(&world.provider.logout_page(&format!("{a}/"))).await;
    world.provider.log_out(leaving).await;
    let token = one.access_line(|line| line["path"] == "/backchannel-logout").await;
    assert_eq!(token["status"], 200, "{token}");
    let begin = Instant::now();
    eventually("the end of all sessions", async || {
        let known = [session.status(&one).await, session.status(&two).await];
        let seen = [tab.evaluate(STATUS).await, other.evaluate(STATUS).await];
        (known == [401, 401] && seen == [401, 401]).then_some(())
    })
    .await;
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
#[ignore = "needs Chromium and an OpenID provider from npm: cargo xtask test --full"]
async fn a_logout_at_npms_oidc_provider_is_known_to_all_replicas() {
    a_logout_at_the_provider_is_known_to_all_replicas_within_a_second(World::with_npm().await).await;
}

#[tokio::test]
#[ignore = "needs Chromium and glewlwyd: cargo xtask test --full"]
async fn a_logout_at_glewlwyd_is_known_to_all_replicas() {
    a_logout_at_the_provider_is_known_to_all_replicas_within_a_second(World::with_debian().await).await;
}

async fn tokens_that_expire_among_many_requests_are_refreshed_once(world: World) {
    let session = "refresh-ahead: 1s";
    let (one, two) = (world.gateway(session).await, world.gateway(session).await);
    world.provider.register(&world.client(&[&one, &two])).await;
    world.provider.issue_access_tokens_of(5).await;
    let [a, _] = origins(&one, "https");
    let chromium = Chromium::start().await;
    let person = chromium.person().await;
    let tab = person.tab().await;
    tab.goto(&a).await;
    world.provider.log_in(tab, "ann").await;
    tab.reaches(&a).await;
    let session = Session::of(&world, &a, person.cookies().await);
    // From before the tokens are due until after they would have ended; the next ones are not due for long.
    world.provider.issue_access_tokens_of(300).await;
    let (asked, others) = tokio::join!(
        tab.evaluate(
            "(async () => {
                const end = Date.now() + 6000, statuses = {};
                const ask = async () => {
                    while (Date.now() < end) {
                        const { status } = await fetch('/data');
                        statuses[status] = (statuses[status] ?? 0) + 1;
                    }
                };
                await Promise.all(Array.from({ length: 50 }, ask));
                return statuses;
            })()"
        ),
        session.statuses(&two, Duration::from_secs(6)),
    );
    assert!(asked["200"].as_u64().unwrap() >= 50 && asked.as_object().unwrap().len() == 1, "{asked}");
    assert!(others.len() > 1 && others.iter().all(|&status| status == 200), "{others:?}");
    assert_eq!(world.provider.refreshes(1), 1, "{}", world.provider.log());
}

#[tokio::test]
#[ignore = "needs Chromium and an OpenID provider from npm: cargo xtask test --full"]
async fn tokens_of_npms_oidc_provider_are_refreshed_once() {
    tokens_that_expire_among_many_requests_are_refreshed_once(World::with_npm().await).await;
}

#[tokio::test]
#[ignore = "needs Chromium and glewlwyd: cargo xtask test --full"]
async fn tokens_of_glewlwyd_are_refreshed_once() {
    tokens_that_expire_among_many_requests_are_refreshed_once(World::with_debian().await).await;
}

async fn two_tabs_log_in_at_once(world: World) {
    let (_gateway, [a, _]) = edge(&world, "").await;
    let chromium = Chromium::start().await;
    let person = chromium.person().await;
    let (first, second) = (person.tab().await, person.tab().await);
    first.goto(&format!("{a}/first")).await;
    second.goto(&format!("{a}/second")).await;
    // Both are at the provider's, and the one that came last is the first to be done.
    world.provider.log_in(second, "ann").await;
    second.reaches(&format!("{a}/second")).await;
    world.provider.log_in(first, "ann").await;
    first.reaches(&format!("{a}/first")).await;
    for tab in [first, second] {
        assert_eq!(tab.reload().await, 200);
        assert_eq!(Tool::received(tab).await["fields"]["x-webauth-email"], "ann@people.test");
    }
    let names: Vec<_> = (person.cookies().await.into_iter())
        .filter(|cookie| cookie["domain"] == HOSTS[0])
        .map(|cookie| cookie["name"].as_str().unwrap().to_owned())
        .filter(|name| name.starts_with(COOKIE))
        .collect();
    assert!(names.iter().all(|name| !name.contains("-login-")), "{names:?}");
}

#[tokio::test]
#[ignore = "needs Chromium and an OpenID provider from npm: cargo xtask test --full"]
async fn two_tabs_log_in_at_once_with_npms_oidc_provider() {
    two_tabs_log_in_at_once(World::with_npm().await).await;
}

#[tokio::test]
#[ignore = "needs Chromium and glewlwyd: cargo xtask test --full"]
async fn two_tabs_log_in_at_once_with_glewlwyd() {
    two_tabs_log_in_at_once(World::with_debian().await).await;
}

async fn a_form_outlives_the_session_it_was_filled_in(world: World) {
    let (_gateway, [a, _]) = edge(&world, "").await;
    let chromium = Chromium::start().await;
    let person = chromium.person().await;
    let tab = person.tab().await;
    tab.goto(&a).await;
    world.provider.log_in(tab, "ann").await;
    tab.reaches(&a).await;
    let (title, text) = ("\"Quarter\" <1> & 50 %", "Zeile eins, größer\nline two + more; 日本\n\n  end ");
    tab.fill("input[name=title]", title).await;
    tab.fill("textarea", text).await;
    world.redis.command(&["FLUSHALL"]);
    is_told(tab, 401).await;
    let told = tab
        .evaluate("fetch('/data').then(answer => [answer.redirected, answer.headers.get('www-authenticate')])")
        .await;
    assert_eq!(told, json!([false, format!("Cookie realm=\"gwanmun\", cookie-name=\"{COOKIE}\"")]));
    tab.click("button").await;
    tab.sees("a[target=_blank]").await;
    assert_eq!(heading(tab).await, "You are not logged in any more");
    tab.screenshot("form-kept").await;
    let beside = tab.click_opening("a[target=_blank]").await;
    world.provider.pass(beside).await;
    beside.reaches(&format!("{a}/callback?done")).await;
    assert_eq!(heading(beside).await, "You are logged in");
    beside.screenshot("logged-in-beside").await;
    tab.click("button").await;
    let received = Tool::received(tab).await;
    assert_eq!((&received["method"], &received["target"]), (&json!("POST"), &json!("/notes?from=form")));
    let sent = tab.evaluate(&format!("[...new URLSearchParams({}).entries()]", received["body"])).await;
    // Browsers send line breaks so.
    assert_eq!(sent, json!([["title", title], ["kind", "a & b"], ["text", text.replace('\n', "\r\n")]]));
    assert_eq!(received["fields"]["x-webauth-email"], "ann@people.test");
    // As the form itself was sent from: tools look at that.
    assert_eq!(received["fields"]["origin"], a);
}

#[tokio::test]
#[ignore = "needs Chromium and an OpenID provider from npm: cargo xtask test --full"]
async fn a_form_outlives_its_session_with_npms_oidc_provider() {
    a_form_outlives_the_session_it_was_filled_in(World::with_npm().await).await;
}

#[tokio::test]
#[ignore = "needs Chromium and glewlwyd: cargo xtask test --full"]
async fn a_form_outlives_its_session_with_glewlwyd() {
    a_form_outlives_the_session_it_was_filled_in(World::with_debian().await).await;
}

#[tokio::test]
#[ignore = "needs Chromium and an OpenID provider from npm: cargo xtask test --full"]
async fn a_form_with_a_file_is_still_there_when_one_goes_back() {
    let world = World::with_npm().await;
    let (_gateway, [a, _]) = edge(&world, "").await;
    let chromium = Chromium::start().await;
    let person = chromium.person().await;
    let tab = person.tab().await;
    tab.goto(&a).await;
    world.provider.log_in(tab, "ann").await;
    tab.reaches(&a).await;
    let as_with_a_file = "void(document.querySelector('form').enctype = 'multipart/form-data')";
    tab.evaluate(as_with_a_file).await;
    tab.fill("textarea", "an hour's work").await;
    world.redis.command(&["FLUSHALL"]);
    is_told(tab, 401).await;
    tab.click("button").await;
    let beside = tab.click_opening("a[target=_blank]").await;
    beside.reaches(&format!("{a}/callback?done")).await;
    tab.screenshot("form-not-kept").await;
    tab.back().await;
    tab.sees("textarea").await;
    tab.evaluate(as_with_a_file).await;
    tab.click("button").await;
    tab.reaches(&format!("{a}/notes?from=form")).await;
    let body = Tool::received(tab).await["body"].clone();
    assert!(body.as_str().unwrap().contains("an hour's work"), "{body}");
}

#[tokio::test]
#[ignore = "needs Chromium and an OpenID provider from npm: cargo xtask test --full"]
async fn who_does_not_want_to_log_in_is_told_so_and_may_try_again() {
    let world = World::with_npm().await;
    let (gateway, [a, _]) = edge(&world, "").await;
    let chromium = Chromium::start().await;
    let tab = chromium.person().await.tab().await;
    tab.goto(&format!("{a}/reports")).await;
    tab.click("a").await;
    tab.reaches(&format!("{a}/callback?")).await;
    assert_eq!(heading(tab).await, "You were not logged in");
    tab.screenshot("login-refused").await;
    assert_eq!(gateway.access_line(|line| line["fault_reason"] == "login-refused").await["status"], 403);
    tab.click("a").await;
    world.provider.log_in(tab, "ann").await;
    tab.reaches(&a).await;
    assert_eq!(tab.goto(&format!("{a}/reports")).await, 200);
}

#[tokio::test]
#[ignore = "needs Chromium and an OpenID provider from npm: cargo xtask test --full"]
async fn while_the_store_is_lost_nobody_is_logged_in_and_all_are_told_why() {
    let mut world = World::with_npm().await;
    let (_gateway, [a, b]) = edge(&world, "").await;
    let chromium = Chromium::start().await;
    let person = chromium.person().await;
    let (tab, other) = (person.tab().await, person.tab().await);
    tab.goto(&a).await;
    world.provider.log_in(tab, "ann").await;
    tab.reaches(&a).await;
    world.redis.kill();
    is_told(tab, 503).await;
    assert_eq!(tab.reload().await, 503);
    assert_eq!(other.goto(&b).await, 503);
    assert_eq!(heading(other).await, "Logins are not possible at the moment");
    other.screenshot("store-lost").await;
    world.redis.restart().await;
    eventually("the store to be back", async || (other.goto(&b).await == 200).then_some(())).await;
    other.reaches(&b).await;
    assert_eq!(Tool::received(other).await["fields"]["x-webauth-email"], "ann@people.test");
}

#[tokio::test]
#[ignore = "needs Chromium and an OpenID provider from npm: cargo xtask test --full"]
async fn on_this_machine_a_login_needs_no_certificate() {
    let world = World::with_npm().await;
    let gateway = world.plain_gateway("").await;
    let [a, b] = origins(&gateway, "http");
    world.provider.register(&WebClient::of(&[a.clone(), b.clone()])).await;
    let chromium = Chromium::start().await;
    let person = chromium.person().await;
    let tab = person.tab().await;
    tab.goto(&format!("{a}/reports")).await;
    world.provider.log_in(tab, "ann").await;
    tab.reaches(&format!("{a}/reports")).await;
    assert_eq!(tab.goto(&b).await, 200);
    tab.reaches(&b).await;
    for host in HOSTS {
        let all = person.cookies().await;
        let cookie = all.iter().find(|cookie| cookie["domain"] == host && cookie["name"] == "gwanmun").unwrap();
        let attributes = ["path", "httpOnly", "secure", "sameSite"].map(|key| &cookie[key]);
        assert_eq!(json!(attributes), json!(["/", true, false, "Lax"]));
    }
    tab.click("a[href='/logout']").await;
    world.provider.log_out(tab).await;
    tab.sees(world.provider.asks_in()).await;
}

/// A session as a program of somebody's shows it who has got at the cookie.
struct Session<'a> {
    authority: &'a Authority,
    request: String,
}

impl<'a> Session<'a> {
    /// The one of the first tool's host at `origin`.
    fn of(world: &'a World, origin: &str, cookies: Vec<Value>) -> Self {
        let is_it = |cookie: &&Value| cookie["domain"] == HOSTS[0] && cookie["name"] == COOKIE;
        let value = cookies.iter().find(is_it).unwrap()["value"].as_str().unwrap();
        let host = origin.strip_prefix("https://").unwrap();
        let request = format!("GET /data HTTP/1.1\r\nHost: {host}\r\nCookie: {COOKIE}={value}\r\n\r\n");
        Self { authority: &world.authority, request }
    }

    async fn status(&self, gateway: &Gateway) -> u16 {
        let mut client = Connection::tls(gateway.web(), HOSTS[0], self.authority, &[]).await.unwrap();
        client.send(&self.request).await;
        client.answer().await.status()
    }

    /// One after the other, for so long.
    async fn statuses(&self, gateway: &Gateway, time: Duration) -> Vec<u16> {
        let begin = Instant::now();
        let mut statuses = Vec::new();
        while begin.elapsed() < time {
            statuses.push(self.status(gateway).await);
        }
        statuses
    }
}
