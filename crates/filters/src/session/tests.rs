use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use gwanmun_client::{Outbound, Tls};
use gwanmun_core::{ManualClock, Secret, Tallies};
use gwanmun_identity::{OidcPaths, OidcSettings, PrincipalMap, SessionSettings};
use gwanmun_jose::Algorithm;
use gwanmun_proxy::{Connection, Filter, Lasting, Network, Response};
use gwanmun_store::{Bounds, OnStoreError, Store};
use http::Method;

use super::*;
use crate::Registry;
use crate::fixture::{Fixture, body, compiled, exchange_with, outcome, over_tls, pass_back, values};

const NOW: u64 = 1_700_000_000;
const SESSION: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const BROWSER: (&str, &str) = ("sec-fetch-mode", "navigate");

/// A provider that cannot be asked, with sessions in memory.
pub(super) fn entrance(name: &str, cookie: &str) -> Arc<Entrance> {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(NOW)));
    let tallies = Tallies::default();
    let minute = Duration::from_secs(60);
    let settings = OidcSettings {
        name: name.to_owned(),
        issuer: "https://idp.example".to_owned(),
        metadata: vec!["https://idp.example/.well-known/openid-configuration".parse().unwrap()],
        client_id: "gw".to_owned(),
        client_secret: Secret::new("secret".to_owned()),
        scopes: vec!["openid".to_owned()],
        algorithms: vec![Algorithm::Es256],
        leeway: Duration::ZERO,
        principal: PrincipalMap::of_people(),
        userinfo: false,
        logout_without_exp: false,
        mark: cookie.to_owned(),
        timeout: Duration::from_secs(1),
        paths: OidcPaths {
            callback: "/callback".to_owned(),
            logout: "/logout".to_owned(),
            backchannel: "/backchannel-logout".to_owned(),
        },
        session: SessionSettings {
            lifetime: 60 * minute,
            idle: 30 * minute,
            refresh_ahead: minute,
            grace: minute,
            cache: Duration::from_millis(500),
        },
    };
    let outbound = Outbound::offline(Arc::clone(&clock), tallies.clone());
    let space = Store::memory(Bounds::default(), Arc::clone(&clock), &tallies).space("oidc", OnStoreError::Deny);
    let oidc = Arc::new(Oidc::new(settings, Tls::default(), space, &outbound).unwrap());
    Arc::new(Entrance::new(oidc, CookieNames::new(cookie), "/".to_owned(), clock, false))
}

fn door() -> SessionDoor {
    SessionDoor::new(vec![entrance("staff", "gwanmun")], crate::audited::Audited::default())
}

/// What the door answers, with what the client gets of it.
async fn answered(method: Method, target: &str, fields: &[(&str, &str)], sent: &str) -> (Exchange, Response) {
    let mut exchange = over_tls(exchange_with(method, target, fields));
    exchange.request.body = sent.to_owned().into();
    let response = outcome(&door(), &mut exchange).await;
    let response = response.unwrap_or_else(|fault| panic!("{fault}")).expect("the request was let go on");
    (exchange, response)
}

async fn refused(method: Method, target: &str, fields: &[(&str, &str)], sent: &str) -> Fault {
    let mut exchange = over_tls(exchange_with(method, target, fields));
    exchange.request.body = sent.to_owned().into();
    outcome(&door(), &mut exchange).await.expect_err("the request was answered")
}

#[test]
fn an_origin_is_as_the_browser_sees_it() {
    let of = |scheme, host: &str| {
        let mut exchange = exchange_with(Method::GET, "/", &[("host", host)]);
        let peer = "192.0.2.1:40000".parse().unwrap();
        exchange.connection = Rc::new(Connection::new(Some(peer), Arc::from("main"), 0, scheme, 443));
        origin(&exchange)
    };
    for (scheme, host, wanted) in [
        (Scheme::Https, "Tool.Example", Some("https://tool.example")),
        (Scheme::Https, "tool.example:443", Some("https://tool.example")),
        (Scheme::Https, "tool.example:", Some("https://tool.example")),
        (Scheme::Https, "tool.example:8443", Some("https://tool.example:8443")),
        (Scheme::Https, "tool.example:80", Some("https://tool.example:80")),
        (Scheme::Http, "127.0.0.1:80", Some("http://127.0.0.1")),
        (Scheme::Http, "[::1]:8080", Some("http://[::1]:8080")),
        (Scheme::Https, "[::1]", Some("https://[::1]")),
        (Scheme::Https, "tool.example;x", None),
        (Scheme::Https, "a@b", None),
        (Scheme::Https, "a/b", None),
    ] {
        assert_eq!(of(scheme, host).as_deref(), wanted, "{host}");
    }
    let mut nameless = exchange_with(Method::GET, "/", &[]);
    nameless.host = None;
    assert_eq!(origin(&nameless), None);
}

#[tokio::test]
async fn an_answer_to_no_login_is_a_page_that_leads_nowhere_by_itself() {
    for query in ["state=abcdefghijkl&code=x", "code=x", "error=access_denied", "iss=https://idp.example"] {
        let (exchange, response) = answered(Method::GET, &format!("/callback?{query}"), &[BROWSER], "").await;
        assert_eq!(response.status(), 403, "{query}");
        assert_eq!(exchange.record.fault_reason, Some(Reason::LoginUnknown), "{query}");
        assert_eq!(values(response.headers(), "cache-control"), ["no-store"]);
        assert!(values(response.headers(), "set-cookie").is_empty(), "{query}");
        assert!(!response.headers().contains_key("location") && !response.headers().contains_key("refresh"));
        let html = body(response).await;
        assert!(html.contains("href=\"https://shop.example/callback\"") && !html.contains("access_denied"), "{html}");
    }
    let fault = refused(Method::GET, "/callback?state=abcdefghijkl&code=x", &[], "").await;
    assert_eq!((fault.code(), fault.reason()), (Code::Forbidden, Some(Reason::LoginUnknown)));
}

#[tokio::test]
async fn a_parameter_that_stands_there_twice_is_refused() {
    for query in
        ["state=abcdefgh&state=abcdefgh&code=x", "code=a&%63ode=b&state=abcdefgh", "state=a&iss=b&iss=b", "state=%ff"]
    {
        let fault = refused(Method::GET, &format!("/callback?{query}"), &[], "").await;
        assert_eq!(fault.code(), Code::MalformedRequest, "{query}");
    }
}

#[tokio::test]
async fn a_login_that_the_browser_has_is_asked_about_and_forgotten_when_it_is_no_good() {
    let fields = [BROWSER, ("cookie", "__Host-gwanmun-login-abcdefgh=nonsense; a=1")];
    let (exchange, response) = answered(Method::GET, "/callback?state=abcdefghijkl&code=x", &fields, "").await;
    assert_eq!(response.status(), 403);
    assert!(exchange.record.fault_reason.is_some());
    let cookies = values(response.headers(), "set-cookie");
    assert_eq!(cookies, ["__Host-gwanmun-login-abcdefgh=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"]);
}

#[tokio::test]
async fn a_browser_that_logs_in_again_and_again_is_stopped() {
    let streak = format!("__Host-gwanmun-streak=3-{}; __Host-gwanmun-login-abcdefgh=AAAA", NOW - 5);
    let fields = [BROWSER, ("cookie", streak.as_str())];
    let (exchange, response) = answered(Method::GET, "/callback?state=abcdefghijkl&code=x", &fields, "").await;
    assert_eq!((response.status().as_u16(), exchange.record.fault_reason), (403, Some(Reason::LoginLoop)));
    assert!(body(response).await.contains("again and again"));
}

#[tokio::test]
async fn whoever_has_logged_in_in_another_tab_is_told_to_go_back() {
    let (_, response) = answered(Method::GET, "/callback?done", &[BROWSER], "").await;
    assert_eq!(response.status(), 200);
    assert!(body(response).await.contains("go back to the one that you came from"));
}

#[tokio::test]
async fn other_methods_are_not_for_these_paths() {
    for (method, path, allowed) in [
        (Method::POST, "/callback", "GET"),
        (Method::HEAD, "/callback?state=abcdefghijkl&code=x", "GET"),
        (Method::PUT, "/logout", "GET, POST"),
        (Method::HEAD, "/logout", "GET, POST"),
        (Method::GET, "/backchannel-logout", "POST"),
    ] {
        let (_, response) = answered(method, path, &[], "").await;
        assert_eq!((response.status().as_u16(), values(response.headers(), "allow")), (405, vec![allowed]), "{path}");
    }
}

#[tokio::test]
async fn paths_are_the_gateways_to_the_letter() {
    for path in ["/callback/", "/callbacks", "/a/callback", "/Callback", "/"] {
        let mut exchange = over_tls(exchange_with(Method::GET, path, &[]));
        assert!(outcome(&door(), &mut exchange).await.unwrap().is_none(), "{path}");
    }
}

#[tokio::test]
async fn another_site_cannot_log_anybody_out() {
    let cookie = format!("__Host-gwanmun={SESSION}");
    for (method, site) in [
        (Method::GET, ("sec-fetch-site", "cross-site")),
        (Method::GET, ("sec-fetch-site", "same-site")),
        (Method::POST, ("sec-fetch-site", "same-site")),
        (Method::POST, ("origin", "https://evil.example")),
        (Method::POST, ("origin", "null")),
    ] {
        let (_, response) = answered(method, "/logout", &[BROWSER, site, ("cookie", &cookie)], "").await;
        assert_eq!(response.status(), 200, "{site:?}");
        assert!(values(response.headers(), "set-cookie").is_empty(), "{site:?}");
        let html = body(response).await;
        assert!(html.contains("<form method=\"post\" action=\"https://shop.example/logout\""), "{html}");
    }
}

#[tokio::test]
async fn logging_out_is_fine_where_nobody_is_logged_in() {
    for (method, fields) in [(Method::GET, &[BROWSER][..]), (Method::POST, &[("sec-fetch-site", "same-origin")])] {
        let (_, response) = answered(method, "/logout", fields, "").await;
        assert_eq!(response.status(), 303);
        assert_eq!(values(response.headers(), "location"), ["https://shop.example/"]);
        assert_eq!(values(response.headers(), "cache-control"), ["no-store"]);
    }
}

#[tokio::test]
async fn a_logout_request_has_one_token() {
    let form = ("content-type", "application/x-www-form-urlencoded");
    let long = format!("logout_token={}", "a".repeat(33 << 10));
    for (fields, sent) in [
        (&[form][..], "logout_token=a&logout_token=b"),
        (&[form], "logout_token="),
        (&[form], "token=a"),
        (&[form], ""),
        (&[form], "logout_token=%ff"),
        (&[form], &long),
        (&[("content-type", "application/json")], "{\"logout_token\": \"a\"}"),
        (&[], "logout_token=a"),
    ] {
        let (exchange, response) = answered(Method::POST, "/backchannel-logout", fields, sent).await;
        assert_eq!((response.status().as_u16(), exchange.record.fault), (400, Some(Code::MalformedRequest)));
        assert_eq!(values(response.headers(), "cache-control"), ["no-store"]);
        assert!(body(response).await.starts_with("{\"error\":\"invalid_request\""));
    }
}

/// `authenticate` in a route, and the door before it.
struct Gate {
    door: SessionDoor,
    filter: Box<dyn Filter>,
}

impl Gate {
    fn new(arguments: &str) -> Self {
        let text = "identity: {issuers: {corp: {issuer: 'https://a', jwks: 'https://a/k', audiences: a}}, oidc: {staff: {issuer: 'https://idp.example', client-id: gw, client-secret: s}}}\n";
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(NOW)));
        let (plan, _) = compiled(text, Registry::standard().catalog(), &clock, &Lasting::new(Network::Offline));
        let sections = plan.unwrap().sections;
        let door = SessionDoor::new(
            vec![Arc::clone(sections.of::<Entrances>().unwrap().named("staff").unwrap())],
            crate::audited::Audited::default(),
        );
        let fixture = Fixture::new().with_sections(sections);
        let filter = fixture.filter::<crate::authenticate::AuthenticateSpec>(arguments).unwrap();
        Self { door, filter }
    }

    async fn passed(&self, mut exchange: Exchange) -> (Exchange, Result<Option<Response>, Fault>) {
        assert!(outcome(&self.door, &mut exchange).await.unwrap().is_none());
        let mut outcome = outcome(&*self.filter, &mut exchange).await;
        if let Ok(Some(response)) = &mut outcome {
            pass_back(&self.door, &mut exchange, response).unwrap();
        }
        (exchange, outcome)
    }
}

#[tokio::test]
async fn whoever_goes_to_a_page_is_sent_to_log_in_and_programs_are_not() {
    let gate = Gate::new("{any: [{session: staff}]}");
    for method in [Method::GET, Method::HEAD] {
        let (_, outcome) = gate.passed(over_tls(exchange_with(method, "/a?b=1", &[BROWSER]))).await;
        let response = outcome.unwrap().unwrap();
        assert_eq!(response.status(), 302);
        assert_eq!(values(response.headers(), "cache-control"), ["no-store"]);
        // Where a configuration is only looked at the provider is not asked for its login page.
        assert_eq!(values(response.headers(), "location"), ["https://idp.example"]);
    }
    for fields in [&[("sec-fetch-mode", "cors"), ("accept", "text/html")][..], &[("accept", "application/json")], &[]] {
        let (_, outcome) = gate.passed(over_tls(exchange_with(Method::GET, "/", fields))).await;
        let fault = outcome.err().unwrap();
        assert_eq!((fault.code(), fault.reason()), (Code::Unauthenticated, Some(Reason::NoCredential)));
        assert_eq!(fault.challenge(), Some(r#"Cookie realm="gwanmun", cookie-name="__Host-gwanmun""#));
    }
}

#[tokio::test]
async fn a_list_with_several_credentials_names_them_all() {
    let gate = Gate::new("{any: [{jwt: corp}, {session: staff}]}");
    let (_, outcome) = gate.passed(over_tls(exchange_with(Method::GET, "/", &[]))).await;
    let wanted = r#"Bearer realm="gwanmun", Cookie realm="gwanmun", cookie-name="__Host-gwanmun""#;
    assert_eq!(outcome.err().unwrap().challenge(), Some(wanted));
    let bearer = ("authorization", "Bearer x");
    let (_, outcome) = gate.passed(over_tls(exchange_with(Method::GET, "/", &[BROWSER, bearer]))).await;
    assert!(outcome.is_err(), "whoever brings a token is a program");
}

#[tokio::test]
async fn over_http_from_elsewhere_nobody_is_sent_to_log_in() {
    let gate = Gate::new("{any: [{session: staff}]}");
    let (exchange, outcome) = gate.passed(exchange_with(Method::GET, "/", &[BROWSER])).await;
    let response = outcome.unwrap().unwrap();
    assert_eq!((response.status().as_u16(), exchange.record.fault), (401, Some(Code::Unauthenticated)));
    assert!(body(response).await.contains("Please use https"));
}

#[tokio::test]
async fn our_cookies_go_no_further_whoever_is_asked_for() {
    let gate = Gate::new("{any: [{session: staff}], anonymous: true}");
    let fields = [("cookie", "a=1; gwanmun=x; __Host-gwanmun-login-abcdefgh=y")];
    let (exchange, outcome) = gate.passed(over_tls(exchange_with(Method::GET, "/", &fields))).await;
    assert!(outcome.unwrap().is_none());
    assert_eq!(values(&exchange.request.headers, "cookie"), ["a=1"]);
}

#[tokio::test]
async fn two_sessions_are_refused_and_forgotten() {
    let gate = Gate::new("{any: [{session: staff}]}");
    let cookie = format!("__Host-gwanmun={SESSION}; __Host-gwanmun={SESSION}");
    let (exchange, outcome) = gate.passed(over_tls(exchange_with(Method::GET, "/", &[("cookie", &cookie)]))).await;
    assert_eq!(outcome.err().unwrap().reason(), Some(Reason::TwoCredentials));
    assert_eq!(exchange.own_cookies.answer.len(), 1);
}

async fn posted(fields: &[(&str, &str)], sent: &str) -> (Exchange, Response) {
    let gate = Gate::new("{any: [{jwt: corp}, {session: staff}]}");
    let fields = [&[BROWSER][..], fields].concat();
    let mut exchange = over_tls(exchange_with(Method::POST, "/save?x=%22%3E", &fields));
    exchange.request.body = sent.to_owned().into();
    let (exchange, outcome) = gate.passed(exchange).await;
    (exchange, outcome.unwrap().unwrap())
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const HERE: (&str, &str) = ("sec-fetch-site", "same-origin");

#[tokio::test]
async fn what_was_filled_in_is_not_lost() {
    let sent = "text=a%0D%0Ab%22%3E%3Cscript%3E&n=1&n=2&empty=";
    let (exchange, response) = posted(&[FORM, HERE], sent).await;
    assert_eq!((response.status().as_u16(), exchange.record.fault_reason), (401, Some(Reason::NoCredential)));
    assert_eq!(values(response.headers(), "referrer-policy"), ["same-origin"], "the form is sent from no other origin");
    let challenge = values(response.headers(), "www-authenticate").join("");
    assert!(challenge.starts_with("Cookie "), "{challenge}");
    let html = body(response).await;
    for wanted in [
        "<form method=\"post\" action=\"https://shop.example/save?x=%22%3E\"",
        "name=\"text\" value=\"a&#13;&#10;b&quot;&gt;&lt;script&gt;\"",
        "name=\"n\" value=\"1\"",
        "name=\"n\" value=\"2\"",
        "name=\"empty\" value=\"\"",
        "target=\"_blank\" rel=\"noopener\" href=\"https://shop.example/callback\"",
    ] {
        assert!(html.contains(wanted), "{wanted}: {html}");
    }
    assert!(!html.contains("<script>"), "{html}");
}

#[tokio::test]
async fn what_cannot_be_sent_again_exactly_is_left_to_the_back_button() {
    let long = format!("a={}", "b".repeat(64 << 10));
    let many = "a&".repeat(2001);
    for (fields, sent) in [
        (&[HERE, ("content-type", "multipart/form-data; boundary=x")][..], "--x"),
        (&[HERE], "a=1"),
        (&[HERE, FORM], "a=%ff"),
        (&[HERE, FORM], "=1"),
        (&[HERE, FORM], "a=%00"),
        (&[HERE, FORM], "_charset_=utf-8"),
        (&[HERE, FORM], &long),
        (&[HERE, FORM], &many),
    ] {
        let html = body(posted(fields, sent).await.1).await;
        assert!(html.contains("Back button") && !html.contains("<form"), "{sent:.20}: {html:.300}");
    }
}

#[tokio::test]
async fn what_another_site_sends_is_never_kept() {
    for site in [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "https://evil.example")]
    {
        let html = body(posted(&[FORM, site], "to=evil").await.1).await;
        assert!(html.contains("Another site") && !html.contains("<form") && !html.contains("evil"), "{html}");
    }
    let html = body(posted(&[FORM], "to=evil").await.1).await;
    assert!(!html.contains("<form"), "who does not say where they come from is not believed: {html}");
}

#[tokio::test]
async fn what_was_sent_while_nobody_can_be_asked_is_left_to_the_back_button_too() {
    let entrance = entrance("staff", "gwanmun");
    let lost = || Fault::new(Code::StoreUnavailable, "x").because(Reason::StoreLost);
    for (method, has_link) in [(Method::GET, true), (Method::POST, false)] {
        let mut exchange = over_tls(exchange_with(method, "/save?x=1", &[BROWSER]));
        let response = entrance.receive(&mut exchange, lost()).await.unwrap();
        assert_eq!((response.status().as_u16(), exchange.record.fault), (503, Some(Code::StoreUnavailable)));
        let html = body(response).await;
        assert_eq!(html.contains("href=\"https://shop.example/save?x=1\""), has_link, "{html}");
        assert_eq!(html.contains("Back button"), !has_link, "{html}");
    }
}
