//! People who log in: a browser, the gateway, an OpenID provider and the tools behind. Each file is one subject; what they
//! stand on is here.

mod attacks;
mod forgeries;
mod login;
mod logout;
mod redirects;
mod replicas;
mod store;

use std::sync::Arc;

use gwanmun_testkit::{
    Authority, Browser, Connection, Gateway, Message, OpenIdProvider, Page, Speaks, Upstream, eventually,
};
use serde_json::Value;

use crate::setup;

/// The first tool, and the second on a host of its own.
const A: &str = "https://a.test";
const B: &str = "https://b.test";
/// A tool in cleartext, which is for this machine only.
const LOCAL: &str = "http://tool.localhost";
/// The session's cookie over https, and over http.
const COOKIE: &str = "__Host-gwanmun";
const LOCAL_COOKIE: &str = "gwanmun";

/// A provider with its users, a tool, and gateways between.
struct World {
    provider: OpenIdProvider,
    tool: Upstream,
    authority: Arc<Authority>,
}

/// What stands in a configuration besides the usual.
#[derive(Default, Clone, Copy)]
struct More<'a> {
    /// In `session`: `idle: 1s`.
    session: &'a str,
    /// Beside it: `userinfo: true`.
    oidc: &'a str,
    /// At the top: `store: …`.
    top: &'a str,
}

impl World {
    async fn start() -> Self {
        let provider = OpenIdProvider::start(&[A, B, LOCAL]).await;
        let authority = Arc::new(Authority::new());
        Self { provider, tool: Upstream::recording(Speaks::Http1).await, authority }
    }

    /// `/admin` for admins, `/open` for everybody, `/relay` with the access token, `/save` for sessions
    /// whose use is written at once; everything else for whoever is logged in.
    fn configuration(&self, more: More<'_>) -> String {
        let (issuer, tool, More { session, oidc, top }) = (self.provider.url(), self.tool.url(), more);
        let oidc = if oidc.is_empty() { String::new() } else { format!("      {oidc}\n") };
        let listeners = if top.contains("listeners:") {
            ""
        } else {
            "listeners:\n\
             - {name: web, address: 127.0.0.1:0, tls: {certificates: [{certificate: edge.pem, key: edge.key}]}}\n\
             - {name: plain, address: 127.0.0.1:0}\n"
        };
        let staff = "authenticate: {any: [{session: staff}]}";
        format!(
            "{listeners}{top}workers: 2\n\
             audit: {{file: audit.jsonl}}\n\
             passport: {{trust-domain: corp.test, issuer: 'https://gw.corp.test'}}\n\
             identity:\n  oidc:\n    staff:\n      issuer: '{issuer}'\n      client-id: gw\n      client-secret: gw-secret\n      \
             scopes: [openid, groups]\n      session: {{{session}}}\n{oidc}\
             routes:\n\
             - {{id: admin, predicates: [path: '/admin/**'], filters: [{staff}, authorize: {{roles: [admin]}}], upstream: '{tool}'}}\n\
             - {{id: open, predicates: [path: '/open/**'], upstream: '{tool}'}}\n\
             - {{id: relay, predicates: [path: '/relay/**'], filters: [{staff}, token-relay], upstream: '{tool}'}}\n\
             - {{id: save, predicates: [path: '/save/**'], filters: [{staff}, save-session], upstream: '{tool}'}}\n\
             - {{id: tool, filters: [{staff}, user-headers: {{{USER_HEADERS}}}, passport: {{}}], upstream: '{tool}'}}\n"
        )
    }

    /// A gateway between.
    async fn gateway(&self, more: More<'_>) -> Gateway {
        let identity = self.authority.issue(&["a.test", "b.test"]);
        let setup = setup().with_file("edge.pem", identity.pem()).with_file("edge.key", identity.key());
        setup.start(&self.configuration(more)).await
    }

    /// A browser that finds both hosts at a gateway.
    fn browser(&self, gateway: &Gateway) -> Browser {
        let mut browser = Browser::trusting(&self.authority);
        move_to(gateway, &mut browser);
        browser
    }

    /// A browser in which somebody has logged in at the first tool.
    async fn browser_of(&self, user: &str, gateway: &Gateway) -> Browser {
        self.provider.log_in_as(user);
        let browser = self.browser(gateway);
        let page = browser.open(&format!("{A}/")).await;
        assert_eq!(page.status(), 200, "{page:?}\n{}", gateway.log().text());
        browser
    }

    /// What a request gets that is sent as it is, over TLS.
    async fn raw(&self, gateway: &Gateway, request: &str) -> Message {
        let mut connection = Connection::tls(gateway.web(), "a.test", &self.authority, &["http/1.1"]).await.unwrap();
        connection.send(request).await;
        connection.answer().await
    }

    /// The requests that the tool has got so far.
    async fn received(&self) -> Vec<Message> {
        let mut all = Vec::new();
        for number in 0..self.tool.requests() {
            all.push(self.tool.received(number).await);
        }
        all
    }
}

/// What the tool is told about the user.
const USER_HEADERS: &str = "X-User: /subject, X-Groups: /roles";

/// The browser finds the hosts at this gateway from now on.
fn move_to(gateway: &Gateway, browser: &mut Browser) {
    browser.find("a.test", gateway.web());
    browser.find("b.test", gateway.web());
    browser.find("tool.localhost", gateway.address("plain"));
}

/// The value of the session's cookie at an origin.
fn session(browser: &Browser, origin: &str) -> Option<String> {
    let name = if origin == LOCAL { LOCAL_COOKIE } else { COOKIE };
    browser.cookies(&format!("{origin}/")).remove(name)
}

/// The names of the cookies of logins in progress at an origin.
fn logins(browser: &Browser, origin: &str) -> Vec<String> {
    browser.cookies(&format!("{origin}/")).into_keys().filter(|name| name.contains("-login-")).collect()
}

/// What a script gets.
async fn status(browser: &Browser, url: &str) -> u16 {
    browser.fetch("GET", url).await.status()
}

/// Waits until a script gets this status.
async fn until_status(browser: &Browser, url: &str, wanted: u16) {
    eventually(&format!("{wanted} from {url}"), async || (status(browser, url).await == wanted).then_some(())).await;
}

/// Begins a login and comes back from the provider, without the step that shows its answer to the gateway.
async fn answered(browser: &Browser, url: &str) -> Page {
    let begun = browser.visit(url).await;
    let answered = browser.follow(&begun).await;
    assert!(answered.parameter("code").is_some(), "{answered:?}");
    answered
}

/// The audit records so far about this event.
fn records(gateway: &Gateway, event: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(gateway.folder().join("audit.jsonl")).unwrap_or_default();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["event"] == event).collect()
}

/// Checks the last audit record about an event: decision, and who it is about.
fn assert_recorded(gateway: &Gateway, event: &str, decision: &str, actor: Option<&str>) -> Value {
    let records = records(gateway, event);
    let last = records.last().unwrap_or_else(|| panic!("no record of a {event}")).clone();
    assert_eq!((last["decision"].as_str(), last["actor"].as_str()), (Some(decision), actor), "{last}");
    last
}
