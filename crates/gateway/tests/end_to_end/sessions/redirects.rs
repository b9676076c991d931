//! Where a login leads: never to another origin, whatever a request says, and never over a channel that others read.

use gwanmun_testkit::{Browser, Connection, Gateway, Message, Page};

use super::{A, More, World, session};

/// A navigation that is sent as it is, over TLS.
async fn navigate(world: &World, gateway: &Gateway, target: &str, fields: &str) -> Message {
    let request = format!("GET {target} HTTP/1.1\r\n{fields}Sec-Fetch-Mode: navigate\r\n\r\n");
    world.raw(gateway, &request).await
}

/// The browser got this answer from the first tool, cookies and all.
fn given(browser: &Browser, answer: Message) -> Page {
    for set_cookie in answer.headers.get_all("set-cookie") {
        assert!(browser.plant(A, set_cookie.to_str().unwrap()));
    }
    Page { url: format!("{A}/"), answer, trail: Vec::new() }
}

#[tokio::test]
async fn a_login_leads_back_to_the_same_origin_whatever_was_asked_for() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    for target in [
        "//evil.test/x",
        "///evil.test/x",
        "/\\evil.test",
        "/\\/evil.test",
        "/%5Cevil.test",
        "/%5c%5cevil.test",
        "/%2Fevil.test",
        "/%2f%2fevil.test",
        "/.//evil.test",
        "/x/..//evil.test",
        "/%2e//evil.test",
        "/;//evil.test",
        "/%09/evil.test",
        "/%0d%0aLocation:%20https://evil.test",
        "/@evil.test",
        "/?next=//evil.test",
        "/x?return_to=https://evil.test&redirect_uri=https://evil.test",
        "https://a.test//evil.test/",
    ] {
        let answer = navigate(&world, &gateway, target, "Host: a.test\r\n").await;
        if answer.status() == 400 {
            continue;
        }
        assert_eq!(answer.status(), 302, "{target}: {answer:?}");
        let browser = world.browser(&gateway);
        let begun = given(&browser, answer);
        assert_eq!(begun.parameter("redirect_uri").as_deref(), Some("https%3A%2F%2Fa.test%2Fcallback"), "{target}");
        let answered = browser.follow(&begun).await;
        let page = browser.follow(&answered).await;
        let location = page.location().unwrap_or_else(|| panic!("{target}: {page:?}"));
        assert!(location.starts_with("https://a.test/"), "{target}: {location}");
        assert!(session(&browser, A).is_some());
    }
}

#[tokio::test]
async fn parameters_of_our_own_paths_lead_nowhere_else() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let evil = "return_to=https://evil.test&redirect_uri=https://evil.test&next=//evil.test&rd=//evil.test\
                &post_logout_redirect_uri=https://evil.test";
    let browser = world.browser(&gateway);
    let begun = browser.visit(&format!("{A}/callback?{evil}")).await;
    if begun.location().is_some() {
        let answered = browser.follow(&begun).await;
        let page = browser.follow(&answered).await;
        assert!(page.location().is_none_or(|to| to.starts_with("https://a.test/")), "{page:?}");
    }
    let browser = world.browser_of("ann", &gateway).await;
    let page = browser.visit(&format!("{A}/logout?{evil}")).await;
    let back = browser.follow(&page).await;
    assert_eq!(back.location().as_deref(), Some("https://a.test/"), "{page:?}");
}

#[tokio::test]
async fn hosts_that_somebody_else_names_are_not_believed() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    for fields in [
        "Host: a.test\r\nX-Forwarded-Host: evil.test\r\n",
        "Host: a.test\r\nForwarded: host=evil.test;proto=https\r\n",
        "Host: a.test\r\nX-Original-Host: evil.test\r\nX-Host: evil.test\r\n",
        "Host: a.test\r\nX-Forwarded-Port: 8443\r\nX-Forwarded-Prefix: //evil.test\r\nX-Forwarded-Proto: http\r\n",
        "Host: A.TEST\r\n",
        "Host: a.test:443\r\n",
    ] {
        let answer = navigate(&world, &gateway, "/", fields).await;
        assert_eq!(answer.status(), 302, "{fields}{answer:?}");
        let begun = Page { url: format!("{A}/"), answer, trail: Vec::new() };
        let redirect_uri = begun.parameter("redirect_uri");
        assert_eq!(redirect_uri.as_deref(), Some("https%3A%2F%2Fa.test%2Fcallback"), "{fields}");
    }
    for fields in [
        "Host: a.test\r\nHost: evil.test\r\n",
        "Host: a.test@evil.test\r\n",
        "Host: a.test/evil.test\r\n",
        "Host: a.test, evil.test\r\n",
        "Host: \r\n",
        "Host: a.test\\evil.test\r\n",
        "Host: evil.test?a.test\r\n",
    ] {
        let answer = navigate(&world, &gateway, "/", fields).await;
        assert_eq!(answer.status(), 400, "{fields}{answer:?}");
    }
    for (target, fields) in [("https://evil.test/", "Host: a.test\r\n"), ("https://a.test/", "Host: evil.test\r\n")] {
        assert_eq!(navigate(&world, &gateway, target, fields).await.status(), 400, "{target} {fields}");
    }
    // A host that the client does make up is the provider's to refuse, and no browser goes there.
    let answer = navigate(&world, &gateway, "/", "Host: evil.test\r\n").await;
    if answer.status() == 302 {
        let begun = Page { url: "https://evil.test/".to_owned(), answer, trail: Vec::new() };
        let page = world.browser(&gateway).follow(&begun).await;
        assert_eq!((page.status(), page.location()), (400, None), "{page:?}");
    }
}

/// A gateway with the listener `web` in cleartext, `settings` besides.
async fn in_cleartext(world: &World, web: &str, top: &str) -> Gateway {
    let top = format!("listeners: [{{name: web, address: 127.0.0.1:0{web}}}]\n{top}");
    world.gateway(More { top: &top, ..More::default() }).await
}

#[tokio::test]
async fn over_a_channel_that_others_read_no_login_begins() {
    let world = World::start().await;
    // A balancer in front says who the client is.
    let gateway = in_cleartext(&world, ", proxy-protocol: true", "").await;
    for (path, claim) in [("/", ""), ("/callback", ""), ("/", "X-Forwarded-Proto: https\r\n")] {
        let mut connection = Connection::tcp(gateway.web()).await;
        let head = "PROXY TCP4 192.0.2.1 198.51.100.9 56324 80\r\n";
        let request = format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n{claim}Sec-Fetch-Mode: navigate\r\n\r\n");
        connection.send(head.to_owned() + &request).await;
        let answer = connection.answer().await;
        assert!((400..500).contains(&answer.status()), "{path}: {answer:?}");
        assert_eq!((answer.header("location"), answer.header("set-cookie")), (None, None), "{path}");
    }
    // A trusted proxy in front says how the client came.
    let gateway = in_cleartext(&world, "", "trusted-proxies: [127.0.0.1/32]\n").await;
    let ask = async |fields: &str| {
        let mut connection = gateway.connect().await;
        let request = format!("GET / HTTP/1.1\r\nHost: a.test\r\nSec-Fetch-Mode: navigate\r\n{fields}\r\n");
        connection.send(request).await;
        connection.answer().await
    };
    for fields in [
        "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\n",
        "X-Forwarded-For: 192.0.2.1\r\n",
        "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https, http\r\n",
        "Forwarded: for=192.0.2.1;proto=http\r\n",
    ] {
        let answer = ask(fields).await;
        assert!((400..500).contains(&answer.status()), "{fields}{answer:?}");
        assert_eq!((answer.header("location"), answer.header("set-cookie")), (None, None), "{fields}");
    }
    let answer = ask("X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n").await;
    assert_eq!(answer.status(), 302, "{answer:?}");
    assert!(answer.header("set-cookie").unwrap().starts_with("__Host-gwanmun-login-"), "{answer:?}");
    let begun = Page { url: format!("{A}/"), answer, trail: Vec::new() };
    assert_eq!(begun.parameter("redirect_uri").as_deref(), Some("https%3A%2F%2Fa.test%2Fcallback"));
}

#[tokio::test]
async fn cookies_of_ours_have_every_attribute_that_keeps_them_in() {
    let world = World::start().await;
    let gateway = world.gateway(More::default()).await;
    let browser = world.browser(&gateway);
    let begun = browser.visit(&format!("{A}/")).await;
    let answered = browser.follow(&begun).await;
    let page = browser.follow(&answered).await;
    let mut set = Vec::new();
    for page in [begun, page] {
        let all = page.answer.headers.get_all("set-cookie").iter();
        set.extend(all.map(|cookie| cookie.to_str().unwrap().to_owned()));
    }
    assert!(set.len() >= 3, "{set:?}");
    for cookie in set {
        let attributes: Vec<&str> = cookie.split("; ").skip(1).collect();
        for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
            assert!(attributes.contains(&attribute), "{attribute} in {cookie}");
        }
        assert!(cookie.starts_with("__Host-") && !cookie.contains("Domain"), "{cookie}");
        assert!(cookie.len() < 4096, "{}", cookie.len());
    }
}
