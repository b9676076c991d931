//! Who tries to come by somebody's session, or to put somebody into his own: planted, swapped, guessed and replayed cookies,
//! answers that belong to another login, floods and loops.

use gwanmun_testkit::{Browser, Message, Page, Reply, Speaks, Upstream};
use http::Response;

use super::{A, B, COOKIE, LOCAL_COOKIE, More, World, answered, assert_recorded, logins, records, session, status};

fn plant(browser: &Browser, origin: &str, name: &str, value: &str) {
    assert!(browser.plant(origin, &format!("{name}={value}; Path=/; Secure; HttpOnly")));
}

/// The same answer of the provider with another parameter.
fn with_parameter(answered: &Page, name: &str, value: &str) -> String {
    let location = answered.location().unwrap();
    let old = format!("{name}={}", answered.parameter(name).unwrap());
    location.replace(&old, &format!("{name}={value}"))
}

/// No login came of it.
async fn assert_no_login(page: &Page, browser: &Browser) {
    assert!((400..600).contains(&page.status()), "{page:?}");
    assert_eq!(session(browser, A), None, "{page:?}");
}

/// Nothing came of it for somebody who is logged in already: a page that says so, or the way to the beginning.
fn assert_ends_where_it_was(page: &Page) {
    let leads_home = page.location().is_some_and(|to| to == format!("{A}/"));
    assert!(leads_home || (400..500).contains(&page.status()), "{page:?}");
}

#[tokio::test]
async fn a_cookie_that_was_planted_before_a_login_is_never_adopted() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let attacker = world.browser_of("bob", &gateway).await;
    let attackers = session(&attacker, A).unwrap();
    world.provider.log_in_as("ann");
    // One that nobody knows, planted before the login; one of the attacker's own, planted in the middle of it.
    for planted in ["A".repeat(43), attackers.clone()] {
        let victim = world.browser(&gateway);
        let is_known = planted == attackers;
        if !is_known {
            plant(&victim, A, COOKIE, &planted);
        }
        let answered = answered(&victim, &format!("{A}/")).await;
        if is_known {
            plant(&victim, A, COOKIE, &planted);
        }
        victim.follow(&answered).await;
        assert_ne!(session(&victim, A).unwrap(), planted);
        assert_eq!(status(&victim, &format!("{A}/")).await, 200);
        let told = world.received().await.pop().unwrap().header("x-user");
        assert_eq!(told.as_deref(), Some("ann"));
        plant(&victim, A, COOKIE, &planted);
        let wanted = if is_known { 200 } else { 401 };
        assert_eq!(status(&victim, &format!("{A}/")).await, wanted);
    }
    // The attacker is still who it was.
    assert_eq!(status(&attacker, &format!("{A}/")).await, 200);
    assert_eq!(world.received().await.pop().unwrap().header("x-user").as_deref(), Some("bob"));
}

#[tokio::test]
async fn an_answer_to_somebody_elses_login_logs_nobody_in() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let (attacker, victim) = (world.browser(&gateway), world.browser(&gateway));
    let theirs = answered(&attacker, &format!("{A}/")).await;
    let calls = world.provider.calls("token");
    // The attacker sends the victim a link to its own answer: without a login, and with one that was begun for another.
    let page = victim.visit(&theirs.location().unwrap()).await;
    assert_no_login(&page, &victim).await;
    assert_recorded(&gateway, "login", "deny", None);
    gateway.access_line(|line| line["fault_reason"] == "login-unknown").await;
    victim.visit(&format!("{A}/")).await;
    let page = victim.visit(&theirs.location().unwrap()).await;
    assert_no_login(&page, &victim).await;
    // A login's cookie under another login's name is none of its.
    let (name, value) = attacker.cookies(A).into_iter().find(|(name, _)| name.contains("-login-")).unwrap();
    let own = logins(&victim, A).remove(0);
    plant(&victim, A, &own, &value);
    let page = victim.visit(&theirs.location().unwrap()).await;
    assert_no_login(&page, &victim).await;
    assert_eq!(world.provider.calls("token"), calls, "no code was brought to the provider");
    assert!(name != own && records(&gateway, "login").len() == 3);
    // Its own browser is let in.
    assert!(attacker.follow(&theirs).await.location().is_some());
}

#[tokio::test]
async fn a_cookie_is_good_at_the_host_it_was_made_for() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let browser = world.browser_of("ann", &gateway).await;
    let session_at_a = session(&browser, A).unwrap();
    plant(&browser, B, COOKIE, &session_at_a);
    let page = browser.fetch("GET", &format!("{B}/")).await;
    assert_eq!(page.status(), 401, "{page:?}");
    gateway.access_line(|line| line["fault_reason"] == "session-elsewhere").await;
    let denied = assert_recorded(&gateway, "authenticate", "deny", None);
    assert_eq!(denied["resource"], "b.test/");
    // Nor is it good in cleartext, under the name for cleartext, or on another port.
    for fields in [format!("Cookie: {LOCAL_COOKIE}={session_at_a}\r\n"), format!("Cookie: {COOKIE}={session_at_a}\r\n")]
    {
        let mut connection = gwanmun_testkit::Connection::tcp(gateway.address("plain")).await;
        connection.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n")).await;
        assert_eq!(connection.answer().await.status(), 401, "{fields}");
    }
    let request = format!("GET / HTTP/1.1\r\nHost: a.test:8443\r\nCookie: {COOKIE}={session_at_a}\r\n\r\n");
    assert_eq!(world.raw(&gateway, &request).await.status(), 401);
    let request = format!("GET / HTTP/1.1\r\nHost: a.test\r\nCookie: {LOCAL_COOKIE}={session_at_a}\r\n\r\n");
    assert_eq!(world.raw(&gateway, &request).await.status(), 401, "the name without its prefix");
    // A login's cookie of one host is none at the other.
    let begun = browser.visit(&format!("{B}/")).await;
    let (name, value) = browser.cookies(B).into_iter().find(|(name, _)| name.contains("-login-")).unwrap();
    plant(&browser, A, &name, &value);
    let answered = browser.follow(&begun).await;
    let page = browser.visit(&answered.location().unwrap().replace(B, A)).await;
    assert_ends_where_it_was(&page);
    assert_eq!(session(&browser, A), Some(session_at_a.clone()));
    assert_eq!(world.tool.requests(), 1);
}

#[tokio::test]
async fn two_session_cookies_are_no_session() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let session = session(&world.browser_of("ann", &gateway).await, A).unwrap();
    let other = "A".repeat(43);
    for cookies in [
        format!("Cookie: {COOKIE}={session}; {COOKIE}={other}\r\n"),
        format!("Cookie: {COOKIE}={other}; {COOKIE}={session}\r\n"),
        format!("Cookie: {COOKIE}={session}; {COOKIE}={session}\r\n"),
        format!("Cookie: {COOKIE}={session}\r\nCookie: {COOKIE}={other}\r\n"),
    ] {
        let answer = world.raw(&gateway, &format!("GET / HTTP/1.1\r\nHost: a.test\r\n{cookies}\r\n")).await;
        assert!(matches!(answer.status(), 400 | 401), "{cookies}{answer:?}");
    }
    assert_eq!(world.tool.requests(), 1);
    gateway.access_line(|line| line["fault_reason"] == "two-credentials").await;
    assert_recorded(&gateway, "authenticate", "deny", None);
}

#[tokio::test]
async fn an_answer_of_the_provider_is_good_once() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let browser = world.browser(&gateway);
    let answered = answered(&browser, &format!("{A}/")).await;
    let (name, value) = browser.cookies(A).into_iter().find(|(name, _)| name.contains("-login-")).unwrap();
    assert!(browser.follow(&answered).await.location().is_some());
    let first = session(&browser, A);
    // Again, by the back button: the login's cookie is gone.
    let page = browser.follow(&answered).await;
    assert_ends_where_it_was(&page);
    assert_eq!(session(&browser, A), first);
    // Again, by somebody who kept the login's cookie.
    let thief = world.browser(&gateway);
    plant(&thief, A, &name, &value);
    let page = thief.follow(&answered).await;
    assert_no_login(&page, &thief).await;
    assert_recorded(&gateway, "login", "deny", None);
    assert_eq!(session(&browser, A), first);
    // Again, with a code that is new: the provider takes it, and the login is over still.
    let again = world.browser(&gateway);
    let begun = again.visit(&format!("{A}/")).await;
    let first_time = again.follow(&begun).await;
    let (name, value) = again.cookies(A).into_iter().find(|(name, _)| name.contains("-login-")).unwrap();
    let second_time = again.follow(&begun).await;
    assert_ne!(first_time.parameter("code"), second_time.parameter("code"));
    assert!(again.follow(&first_time).await.location().is_some());
    let thief = world.browser(&gateway);
    plant(&thief, A, &name, &value);
    let page = thief.follow(&second_time).await;
    assert_no_login(&page, &thief).await;
    gateway.access_line(|line| line["fault_reason"] == "login-replayed").await;
}

#[tokio::test]
async fn an_answer_that_comes_twice_at_once_opens_one_session() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let browser = world.browser(&gateway);
    let begun = browser.visit(&format!("{A}/")).await;
    let (first, second) = (browser.follow(&begun).await, browser.follow(&begun).await);
    let (one, two) = tokio::join!(browser.follow(&first), browser.follow(&second));
    let let_in = [&one, &two].iter().filter(|page| page.location().is_some()).count();
    assert_eq!(let_in, 1, "{one:?}\n{two:?}");
    let allowed = records(&gateway, "login").iter().filter(|record| record["decision"] == "allow").count();
    assert_eq!(allowed, 1);
}

#[tokio::test]
async fn states_codes_and_nonces_of_two_tabs_do_not_mix() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let browser = world.browser(&gateway);
    let (first, second) = (answered(&browser, &format!("{A}/1")).await, answered(&browser, &format!("{A}/2")).await);
    // The code of one with the state of the other fails at the provider, which knows the challenge.
    let mixed = with_parameter(&first, "code", &second.parameter("code").unwrap());
    let page = browser.visit(&mixed).await;
    assert_no_login(&page, &browser).await;
    gateway.access_line(|line| line["fault_reason"] == "code-refused").await;
    assert_recorded(&gateway, "login", "deny", None);
    // States that nobody made.
    for state in ["", "A", &"A".repeat(43), &"A".repeat(4000), "%00", "..%2f..%2f", "%22%3E%3Cscript%3E"] {
        let page = browser.visit(&with_parameter(&second, "state", state)).await;
        assert_no_login(&page, &browser).await;
        assert!(!page.answer.text().contains("<script>"), "{page:?}");
    }
    // A parameter twice could be read in two ways.
    let location = second.location().unwrap();
    for twice in ["state", "code", "iss"] {
        let before = records(&gateway, "login").len();
        let page = browser.visit(&format!("{location}&{twice}={}", second.parameter(twice).unwrap())).await;
        assert_no_login(&page, &browser).await;
        assert_recorded(&gateway, "login", "deny", None);
        assert_eq!(records(&gateway, "login").len(), before + 1, "{twice}");
    }
    assert!(world.tool.requests() == 0);
}

#[tokio::test]
async fn a_browser_that_never_keeps_its_session_is_told_so_and_not_sent_around_for_ever() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let browser = world.browser(&gateway);
    let mut page = browser.visit(&format!("{A}/")).await;
    let mut steps = 0;
    while page.location().is_some() {
        steps += 1;
        assert!(steps < 40, "a login loop without an end");
        page = browser.follow(&page).await;
        browser.forget(A, COOKIE);
    }
    println!("a loop ends after {steps} redirects");
    assert!((400..500).contains(&page.status()), "{page:?}");
    gateway.access_line(|line| line["fault_reason"] == "login-loop").await;
    assert_eq!(assert_recorded(&gateway, "login", "deny", None)["rule"], "login-loop");
    assert!(page.answer.header("content-type").unwrap().starts_with("text/html"), "{page:?}");
    // Somebody else is not concerned.
    assert_eq!(world.browser(&gateway).open(&format!("{A}/")).await.status(), 200);
}

#[tokio::test]
async fn however_many_tabs_a_browser_opens_it_keeps_four_logins() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let browser = world.browser(&gateway);
    let mut last = None;
    for number in 0..12 {
        let page = browser.visit(&format!("{A}/{number}?{}", "x".repeat(400))).await;
        assert_eq!(page.status(), 302, "{page:?}");
        let cookies = browser.cookies(A);
        assert!(logins(&browser, A).len() <= 4, "{cookies:?}");
        let bytes: usize = cookies.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!(bytes <= 16 * 1024, "{bytes} bytes of cookies");
        last = Some(page);
    }
    let answered = browser.follow(&last.unwrap()).await;
    assert!(browser.follow(&answered).await.location().unwrap().starts_with("https://a.test/11?x"));
}

#[tokio::test]
async fn oversized_and_garbled_cookies_are_no_session_and_do_no_harm() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let browser = world.browser(&gateway);
    let answered = answered(&browser, &format!("{A}/")).await;
    let query = answered.location().unwrap().split_once('?').unwrap().1.to_owned();
    let name = logins(&browser, A).remove(0);
    for value in ["", "x", "\u{e9}", "\"", "A\tB", "%00", "=====", &"A".repeat(42), &"A".repeat(44), &"A".repeat(8000)]
    {
        let request = format!("GET / HTTP/1.1\r\nHost: a.test\r\nCookie: {COOKIE}={value}\r\n\r\n");
        let answer = world.raw(&gateway, &request).await;
        assert!(matches!(answer.status(), 400 | 401 | 431), "{value}: {answer:?}");
        let request = format!("GET /callback?{query} HTTP/1.1\r\nHost: a.test\r\nCookie: {name}={value}\r\n\r\n");
        let answer = world.raw(&gateway, &request).await;
        assert!((400..500).contains(&answer.status()), "{value}: {answer:?}");
        assert!(!answer.header("set-cookie").unwrap_or_default().contains("__Host-gwanmun=ey"), "{answer:?}");
    }
    let many: String = (0..60).map(|number| format!("; __Host-gwanmun-login-{number:08}=x")).collect();
    let request = format!("GET / HTTP/1.1\r\nHost: a.test\r\nAccept: text/html\r\nCookie: a=b{many}\r\n\r\n");
    let answer = world.raw(&gateway, &request).await;
    assert!(matches!(answer.status(), 302 | 400 | 431), "{answer:?}");
    assert_eq!((world.tool.requests(), world.provider.calls("token")), (0, 0));
    // The login that was begun is as good as before.
    assert!(browser.follow(&answered).await.location().is_some());
}

#[tokio::test]
async fn a_tool_that_sets_a_cookie_of_our_name_sets_none() {
    let world = World::start().await;
    let set = |_| async {
        Response::builder()
            .header("set-cookie", format!("{COOKIE}={}; Path=/; Secure", "A".repeat(43)))
            .header("set-cookie", "theme=dark; Path=/")
            .header("set-cookie", format!("{LOCAL_COOKIE}=x; Path=/"))
            .header("set-cookie", "__Host-gwanmun-login-abcdefgh=x; Path=/; Secure")
            .header("set-cookie", format!(" {COOKIE}=; Max-Age=0; Path=/; Secure"))
            .body(Reply::from("evil"))
            .unwrap()
    };
    let evil = Upstream::answering(Speaks::Http1, set).await;
    let evil = World { tool: evil, ..world };
    let gateway = evil.gateway(More::default()).await;
    let browser = evil.browser_of("ann", &gateway).await;
    let before = session(&browser, A);
    for path in ["/", "/open/x"] {
        let page = browser.fetch("GET", &format!("{A}{path}")).await;
        assert_eq!(page.status(), 200);
        assert_eq!(page.answer.header("set-cookie").as_deref(), Some("theme=dark; Path=/"), "{page:?}");
        assert_eq!(session(&browser, A), before);
    }
}

#[tokio::test]
async fn a_form_of_another_site_is_neither_sent_with_the_session_nor_kept() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let browser = world.browser_of("ann", &gateway).await;
    let page = browser.submit_from_elsewhere(&format!("{A}/transfers"), &[("to", "mallory")]).await;
    assert_eq!(page.status(), 401, "{page:?}");
    assert!(!page.answer.text().contains("mallory") && !page.answer.text().contains("<form"), "{page:?}");
    assert_eq!((world.tool.requests(), status(&browser, &format!("{A}/")).await), (1, 200));
}

#[tokio::test]
async fn another_site_logs_nobody_out() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let browser = world.browser_of("ann", &gateway).await;
    let mut headers = http::HeaderMap::new();
    headers.insert("location", format!("{A}/logout").parse().unwrap());
    let answer = Message { start: "HTTP/1.1 302 Found".to_owned(), headers, ..Message::default() };
    let evil = Page { url: "https://evil.test/".to_owned(), answer, trail: Vec::new() };
    // The user is asked, on a page that no other site can lay another over.
    let page = browser.follow(&evil).await;
    assert_eq!((page.status(), page.location()), (200, None), "{page:?}");
    assert!(page.answer.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"), "{page:?}");
    assert!(page.answer.text().contains("<form method=\"post\""), "{page:?}");
    let page = browser.submit_from_elsewhere(&format!("{A}/logout"), &[]).await;
    assert_eq!(page.location(), None, "{page:?}");
    assert_eq!(status(&browser, &format!("{A}/")).await, 200);
    // The button on that page.
    let page = browser.submit(&format!("{A}/logout"), &[]).await;
    assert!(page.location().unwrap().starts_with(&world.provider.endpoint("end-session")), "{page:?}");
    assert_eq!(session(&browser, A), None);
}
