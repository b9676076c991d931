//! The Passport: what services get instead of credentials, with which keys they verify it, how keys change, who is asked
//! about callers, and a gateway behind a gateway.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use gwanmun_testkit::{
    Answer, Connection, Gateway, Issuer, Jws, Message, Speaks, TokenKey, Upstream, eventually, node_with, python_with,
};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::{setup, start};

const NAMES: &str = "trust-domain: example.internal, issuer: 'https://gw.example.internal'";
const TXN_TOKEN: &str = "urn:ietf:params:oauth:token-type:txn_token";

/// A gateway in front of `upstream` that takes the tokens of `issuer`, if any, and gives Passports; `section` stands in
/// `passport` beside the names.
fn stamping(upstream: &str, issuer: &Issuer, section: &str) -> String {
    let (name, jwks) = (issuer.url(), issuer.endpoint("jwks"));
    format!(
        "identity: {{issuers: {{corp: {{issuer: '{name}', jwks: '{jwks}', audiences: [gateway]}}}}}}\n\
         passport: {{{NAMES}{section}}}\n\
         routes: [{{id: all, filters: [authenticate: {{any: [{{jwt: corp}}], anonymous: true}}, passport: {{}}], upstream: '{upstream}'}}]\n"
    )
}

async fn world(section: &str) -> (Upstream, Issuer, Gateway) {
    let (upstream, issuer) = (Upstream::recording(Speaks::Http1).await, Issuer::start().await);
    let gateway = start(&stamping(upstream.url(), &issuer, section)).await;
    (upstream, issuer, gateway)
}

fn source(rest: &str) -> String {
    format!(", source: {{{rest}}}")
}

fn about_users(issuer: &Issuer) -> String {
    let url = issuer.endpoint("user");
    format!("user: {{url: '{url}{{principal.subject}}', map: {{user: /user, roles: /roles, device: /device}}}}")
}

fn exchanged(issuer: &Issuer) -> String {
    let (endpoint, jwks) = (issuer.endpoint("token"), issuer.endpoint("jwks"));
    format!("exchange: {{endpoint: '{endpoint}', client-id: gw, client-secret: gw-secret, jwks: '{jwks}'}}")
}

async fn ask(gateway: &Gateway, token: &str) -> Message {
    ask_with(gateway, token, "").await
}

async fn ask_with(gateway: &Gateway, token: &str, fields: &str) -> Message {
    gateway.connect().await.ask("GET", "/", &format!("Authorization: Bearer {token}\r\n{fields}")).await
}

async fn keys(gateway: &Gateway) -> Value {
    gateway.page("/jwks.json").await.json()
}

/// The claims of the Passport that the upstream got, verified with the keys that the gateway publishes.
async fn passport(gateway: &Gateway, received: &Message) -> Value {
    let token = received.header("txn-token").expect("a Passport");
    Jws::verified(&token, &keys(gateway).await).unwrap().claims()
}

#[tokio::test]
async fn services_get_a_passport_and_never_a_credential() {
    let (upstream, issuer, gateway) = world(", device: {id: X-Device-Id}").await;
    let token = issuer.token(json!({"roles": ["member"], "scope": "orders.read"}));
    let forged = "Txn-Token: forged\r\nTXN-TOKEN: again\r\nX-Device-Id: d9\r\n";
    assert_eq!(ask_with(&gateway, &token, forged).await.status(), 200);
    let received = upstream.received(0).await;
    assert_eq!((received.header("authorization"), received.header("x-device-id")), (None, Some("d9".to_owned())));
    let claims = passport(&gateway, &received).await;
    let user = json!({"id": "u1", "roles": ["member"], "level": "high", "source": "jwt:corp"});
    assert_eq!((&claims["tctx"]["user"], &claims["scope"]), (&user, &json!("orders.read")));
    assert_eq!(claims["tctx"]["device"], json!({"id": "d9", "level": "low", "source": "header"}));
    assert_eq!((&claims["rctx"]["req_ip"], &claims["rctx"]["role"]), (&json!("127.0.0.1"), &json!("none")));
    assert_eq!((&claims["aud"], &claims["iss"]), (&json!("example.internal"), &json!("https://gw.example.internal")));
    assert_eq!(gateway.metric(r#"gwanmun_passports_total{source="principal",outcome="minted"}"#).await, Some(1.0));

    let anonymous = gateway.connect().await.ask("GET", "/", forged).await;
    assert_eq!((anonymous.status(), upstream.received(1).await.header("txn-token")), (200, None));
    let log = gateway.access_log().text() + &gateway.log().text();
    assert!(!log.contains(&received.header("txn-token").unwrap()), "{log}");
}

#[tokio::test]
async fn a_passport_that_a_trusted_peer_sends_goes_no_further() {
    let upstream = Upstream::recording(Speaks::Http1).await;
    let url = upstream.url();
    let gateway = start(&format!("trusted-proxies: [127.0.0.1]\nroutes: [{{id: all, upstream: '{url}'}}]\n")).await;
    assert_eq!(gateway.connect().await.ask("GET", "/", "Txn-Token: a.b.c\r\n").await.status(), 200);
    assert_eq!(upstream.received(0).await.header("txn-token"), None);
}

#[tokio::test]
async fn keys_are_published_at_the_management_port_only_where_there_are_passports() {
    let (_upstream, _issuer, gateway) = world("").await;
    let page = gateway.page("/jwks.json").await;
    assert_eq!(page.header("content-type").as_deref(), Some("application/jwk-set+json"));
    assert_eq!(page.header("cache-control").as_deref(), Some("public, max-age=60"));
    let keys = page.json()["keys"].clone();
    assert!(keys.as_array().is_some_and(|keys| keys.len() == 1) && keys[0].get("d").is_none(), "{keys}");
    assert!(gateway.page("/").await.text().contains("/jwks.json"));
    gateway.reconfigure("routes: []\n").await;
    assert_eq!(gateway.page("/jwks.json").await.status(), 404);
}

#[tokio::test]
async fn a_key_made_at_the_start_outlives_reloads() {
    let (upstream, issuer, gateway) = world("").await;
    let before = keys(&gateway).await;
    gateway.reconfigure(&stamping(upstream.url(), &issuer, ", lifetime: 30s")).await;
    assert_eq!(keys(&gateway).await, before);
}

#[tokio::test]
async fn keys_change_without_a_passport_that_cannot_be_verified() {
    let (upstream, issuer) = (Upstream::recording(Speaks::Http1).await, Issuer::start().await);
    let with = |active: &str, files: &[&str]| {
        let files: Vec<String> = files.iter().map(|kid| format!("{kid}: 'file:{kid}.pem'")).collect();
        stamping(upstream.url(), &issuer, &format!(", keys: {{active: {active}, files: {{{}}}}}", files.join(", ")))
    };
    let gateway = setup()
        .with_file("old.pem", TokenKey::new("ES256", "old").pem())
        .with_file("new.pem", TokenKey::new("EdDSA", "new").pem())
        .start(&with("old", &["old"]))
        .await;
    let mut known: Vec<(String, Value)> = Vec::new();
    let steps = [with("old", &["old", "new"]), with("new", &["old", "new"])];
    for (number, step) in [None].into_iter().chain(steps.iter().map(Some)).enumerate() {
        let keys_before = keys(&gateway).await;
        if let Some(configuration) = step {
            gateway.reconfigure(configuration).await;
        }
        assert_eq!(ask(&gateway, &issuer.token(json!({}))).await.status(), 200);
        let token = upstream.received(number).await.header("txn-token").unwrap();
        Jws::verified(&token, &keys_before).expect("a service that has the keys of the step before verifies it");
        known.push((
            token,
            Jws::read(&upstream.received(number).await.header("txn-token").unwrap()).header()["kid"].clone(),
        ));
        for (token, _) in &known {
            Jws::verified(token, &keys(&gateway).await).expect("what is about is still verified");
        }
    }
    assert_eq!(known.iter().map(|(_, kid)| kid.as_str().unwrap()).collect::<Vec<_>>(), ["old", "old", "new"]);
    gateway.reconfigure(&with("new", &["new"])).await;
    assert!(Jws::verified(&known[0].0, &keys(&gateway).await).is_err());
}

#[tokio::test]
async fn a_passport_is_used_again_where_that_is_wanted() {
    let (upstream, issuer, gateway) = world(", reuse: 60s").await;
    let token = issuer.token(json!({}));
    let mut client = gateway.connect().await;
    for _ in 0..3 {
        client.ask("GET", "/", &format!("Authorization: Bearer {token}\r\n")).await;
    }
    let first = upstream.received(0).await.header("txn-token");
    for number in 1..3 {
        assert_eq!(upstream.received(number).await.header("txn-token"), first);
    }
    assert_eq!(gateway.metric(r#"gwanmun_passports_total{source="principal",outcome="reused"}"#).await, Some(2.0));
}

#[tokio::test]
async fn a_thousand_requests_of_one_caller_ask_the_auth_server_once() {
    let (upstream, issuer) = (Upstream::recording(Speaks::Http1).await, Issuer::start().await);
    issuer.user("u1", json!({"user": {"id": "user-1"}, "roles": ["gold"], "device": {"id": "d1", "level": "high"}}));
    let gateway = start(&stamping(upstream.url(), &issuer, &source(&about_users(&issuer)))).await;
    let token = issuer.token(json!({"roles": ["member"]}));
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n");
    let held = issuer.hold("user");
    let mut clients = Vec::new();
    for _ in 0..1_000 {
        let mut client = gateway.connect().await;
        client.send(&request).await;
        clients.push(client);
    }
    issuer.called("user", 1).await;
    held.release();
    for client in &mut clients {
        assert_eq!(client.answer().await.status(), 200);
    }
    assert_eq!((issuer.calls("user"), upstream.requests()), (1, 1_000));
    let claims = passport(&gateway, &upstream.received(999).await).await;
    let user = json!({"id": "user-1", "roles": ["gold"], "level": "high", "source": "jwt:corp"});
    assert_eq!((&claims["sub"], &claims["tctx"]["user"]), (&json!("u1"), &user));
    assert_eq!(claims["tctx"]["device"], json!({"id": "d1", "level": "high", "source": "auth-server"}));
}

#[tokio::test]
async fn whom_the_auth_server_does_not_know_is_refused_and_where_it_is_down_the_configuration_decides() {
    let (upstream, issuer) = (Upstream::recording(Speaks::Http1).await, Issuer::start().await);
    let with = |rest: &str| stamping(upstream.url(), &issuer, &source(&format!("{}{rest}", about_users(&issuer))));
    let gateway = start(&with("")).await;
    assert_eq!(ask(&gateway, &issuer.token(json!({"sub": "../u1"}))).await.status(), 403);
    assert_eq!(issuer.requests("user")[0].target(), "/users/..%2Fu1");
    for answer in
        [Answer::status(500), Answer::garbage(), Answer::truncated(), Answer::reset(), Answer::json(json!({}))]
    {
        issuer.answer_once("user", answer);
        let answer = eventually("another try", async || {
            let before = issuer.calls("user");
            let answer = ask(&gateway, &issuer.token(json!({}))).await;
            (issuer.calls("user") > before).then_some(answer)
        })
        .await;
        assert_eq!((answer.status(), answer.header("retry-after").as_deref()), (503, Some("1")));
        assert_eq!(answer.json()["type"], "urn:gwanmun:fault:identity-unavailable");
    }
    gateway.reconfigure(&with(", on-error: principal-only")).await;
    issuer.answer("user", Answer::status(500));
    assert_eq!(ask(&gateway, &issuer.token(json!({"roles": ["member"]}))).await.status(), 200);
    let claims = passport(&gateway, &upstream.received(0).await).await;
    assert_eq!(claims["tctx"]["user"]["roles"], json!(["member"]));
    let counted = gateway.metric(r#"gwanmun_passports_total{source="user",outcome="principal-only"}"#).await;
    assert_eq!(counted, Some(1.0));
}

#[tokio::test]
async fn a_token_of_the_auth_server_is_forwarded_as_it_is() {
    let (upstream, issuer) = (Upstream::recording(Speaks::Http1).await, Issuer::start().await);
    let section = format!("{}, device: {{id: X-Device-Id}}", source(&exchanged(&issuer)));
    let gateway = start(&stamping(upstream.url(), &issuer, &section)).await;
    let token = issuer.token(json!({"scope": "orders.read"}));
    for _ in 0..3 {
        assert_eq!(ask_with(&gateway, &token, "X-Device-Id: d9\r\n").await.status(), 200);
    }
    assert_eq!(issuer.calls("token"), 1, "the same token from the same client");
    let received = upstream.received(2).await;
    let claims = passport(&gateway, &received).await;
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(issuer.url()), &json!("example.internal")));
    assert_eq!((&claims["sub"], &claims["scope"]), (&json!("u1"), &json!("orders.read")));
    assert_eq!(claims["rctx"], json!({"req_ip": "127.0.0.1", "authn": "urn:gwanmun:authn:jwt"}));
    assert_eq!(claims["tctx"]["device"], json!({"id": "d9", "level": "low", "source": "header"}));
    assert_eq!(received.header("authorization"), None);
    assert_eq!(ask_with(&gateway, &token, "X-Device-Id: d8\r\n").await.status(), 200);
    assert_eq!(issuer.calls("token"), 2, "another device");
    assert_eq!(gateway.connect().await.ask("GET", "/", "").await.status(), 200, "nobody, and no Passport");
}

#[tokio::test]
async fn what_the_auth_server_answers_to_an_exchange_is_looked_at() {
    let (upstream, issuer) = (Upstream::recording(Speaks::Http1).await, Issuer::start().await);
    let with = |rest: &str| stamping(upstream.url(), &issuer, &source(&format!("{}{rest}", exchanged(&issuer))));
    let gateway = start(&with("")).await;
    // Each caller is another, so that nothing is remembered.
    let status =
        async |gateway: &Gateway, number: usize| ask(gateway, &issuer.token(json!({"jti": number}))).await.status();
    let good = issuer.token_with(json!({"typ": "txntoken+jwt"}), json!({"aud": "example.internal", "txn": "t"}));
    let other = issuer.token_with(json!({"typ": "txntoken+jwt"}), json!({"aud": "other.internal"}));
    let untyped = issuer.token(json!({"aud": "example.internal"}));
    let answer = |token: &str, kind: &str, issued: &str| {
        Answer::json(json!({"access_token": token, "token_type": kind, "issued_token_type": issued, "expires_in": 60}))
    };
    let cases = [
        (answer(&good, "N_A", TXN_TOKEN), 200),
        (answer(&good, "Bearer", TXN_TOKEN), 503),
        (answer(&other, "N_A", TXN_TOKEN), 503),
        (answer(&untyped, "N_A", TXN_TOKEN), 503),
        (answer("a b\r\nc", "N_A", TXN_TOKEN), 503),
        (answer(&good, "N_A", TXN_TOKEN).with_field("content-type", "text/plain"), 200),
        (Answer::json(json!({"access_token": good})), 200),
        (Answer::error(400, "invalid_grant"), 403),
        (Answer::error(400, "invalid_request"), 403),
        (Answer::error(400, "unauthorized_client"), 503),
        (Answer::error(401, "invalid_client"), 503),
        (Answer::status(500), 503),
        (Answer::garbage(), 503),
        (Answer::oversized(100_000), 503),
        (Answer::reset(), 503),
    ];
    for (number, (answer, wanted)) in cases.into_iter().enumerate() {
        issuer.answer_once("token", answer);
        assert_eq!(status(&gateway, number).await, wanted, "{number}");
    }
    issuer.down().await;
    gateway.reconfigure(&with(", on-error: principal-only")).await;
    let before = upstream.requests();
    assert_eq!(status(&gateway, 100).await, 200);
    assert_eq!(
        Jws::read(&upstream.received(before).await.header("txn-token").unwrap()).claims()["tctx"]["user"]["id"],
        "u1"
    );
}

#[tokio::test]
async fn the_claims_of_another_token_of_the_auth_server_go_into_a_passport() {
    let (upstream, issuer) = (Upstream::recording(Speaks::Http1).await, Issuer::start().await);
    let gateway = start(&stamping(upstream.url(), &issuer, &source(&exchanged(&issuer)))).await;
    let internal = issuer.token(json!({"sub": "internal-7", "roles": ["gold"]}));
    let kind = "urn:ietf:params:oauth:token-type:jwt";
    issuer.answer_once(
        "token",
        Answer::json(json!({"access_token": internal, "token_type": "N_A", "issued_token_type": kind})),
    );
    assert_eq!(ask(&gateway, &issuer.token(json!({}))).await.status(), 200);
    let claims = passport(&gateway, &upstream.received(0).await).await;
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("https://gw.example.internal"), &json!("u1")));
    assert_eq!(
        (&claims["tctx"]["user"]["id"], &claims["tctx"]["user"]["roles"]),
        (&json!("internal-7"), &json!(["gold"]))
    );
}

#[tokio::test]
async fn a_gateway_behind_a_gateway_believes_its_passports() {
    let (upstream, issuer) = (Upstream::recording(Speaks::Http1).await, Issuer::start().await);
    let port = free_port();
    let edge = start(&stamping(&format!("http://127.0.0.1:{port}"), &issuer, "")).await;
    let inner = |trusted: &str| {
        format!(
            "listeners: [{{name: web, address: '127.0.0.1:{port}'}}]\ntrusted-proxies: [{trusted}]\n\
             passport: {{trust-domain: example.internal, issuer: 'https://inner', \
             accept: {{jwks: 'http://{}/jwks.json', issuers: ['https://gw.example.internal']}}}}\n\
             routes: [{{id: all, filters: [authenticate: {{any: [{{passport: {{}}}}]}}, passport: {{}}], upstream: '{}'}}]\n",
            edge.address("management"),
            upstream.url()
        )
    };
    let gateway = start(&inner("127.0.0.1")).await;
    assert_eq!(ask(&edge, &issuer.token(json!({"roles": ["member"]}))).await.status(), 200);
    let received = upstream.received(0).await;
    let claims = passport(&gateway, &received).await;
    // The first gateway says that its client came without TLS.
    let user = json!({"id": "u1", "roles": ["member"], "level": "low", "source": "passport"});
    assert_eq!((&claims["iss"], &claims["tctx"]["user"]), (&json!("https://inner"), &user));
    let own = received.header("txn-token").unwrap();
    let with =
        async |token: &str| gateway.connect().await.ask("GET", "/", &format!("Txn-Token: {token}\r\n")).await.status();
    assert_eq!((with(&own).await, with("a.b.c").await), (200, 401));
    let stranger = TokenKey::new("EdDSA", "k").token(json!({"typ": "txntoken+jwt"}), &claims);
    assert_eq!(with(&stranger).await, 401);
    gateway.reconfigure(&inner("10.0.0.1")).await;
    assert_eq!((with(&own).await, ask(&edge, &issuer.token(json!({}))).await.status()), (401, 401));
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The block of docs/passport.md that is the file `name`.
fn shown(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/passport.md");
    let document = std::fs::read_to_string(path).unwrap();
    let blocks = document.split("\n```");
    let block = blocks.into_iter().find(|block| block.lines().nth(1).is_some_and(|line| line.ends_with(name)));
    block.and_then(|block| block.split_once('\n')).unwrap_or_else(|| panic!("no block {name}")).1.to_owned()
}

/// A service in another language; dropped, it ends.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Has the service that `command` runs verify good Passports by way of a gateway, and bad ones directly.
async fn verifies(mut command: Command) {
    let (issuer, port) = (Issuer::start().await, free_port());
    let key = TokenKey::new("EdDSA", "2026-11");
    let url = format!("http://127.0.0.1:{port}");
    let section = ", keys: {active: 2026-11, files: {2026-11: 'file:key.pem'}}";
    let gateway = setup().with_file("key.pem", key.pem()).start(&stamping(&url, &issuer, section)).await;
    let jwks = format!("http://{}/jwks.json", gateway.address("management"));
    let command = command.env("PORT", port.to_string()).env("JWKS", jwks).env("NO_PROXY", "*").stdin(Stdio::null());
    let _service = Service(command.spawn().unwrap());
    let address = ([127, 0, 0, 1], port).into();
    eventually("the service", async || TcpStream::connect(address).await.ok()).await;

    let answer = ask(&gateway, &issuer.token(json!({"roles": ["member"]}))).await;
    assert_eq!((answer.status(), answer.text().trim()), (200, "hello u1 (high)"));
    assert_eq!(gateway.get("/").await.status(), 401);
    let to = async |fields: &str| Connection::tcp(address).await.ask("GET", "/", fields).await.status();
    let now = issuer.claims(json!({}))["iat"].as_u64().unwrap();
    let claims = json!({
        "iss": "https://gw.example.internal", "aud": "example.internal", "iat": now, "exp": now + 60, "txn": "t",
        "sub": "u1", "scope": "", "req_wl": "https://gw.example.internal",
        "tctx": {"user": {"id": "u1", "roles": [], "level": "high", "source": "jwt:corp"}, "act": {}}, "rctx": {},
    });
    let header = json!({"typ": "txntoken+jwt"});
    let signed = |key: &TokenKey, header: &Value, changes: Value| {
        let mut claims = claims.clone();
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        format!("Txn-Token: {}\r\n", key.token(header.clone(), &claims))
    };
    let good = signed(&key, &header, json!({}));
    assert_eq!(to(&good).await, 200);
    let other = TokenKey::new("EdDSA", "2026-11");
    let tampered = {
        let (head, signature) = good.trim_end().rsplit_once('.').unwrap();
        let (head, _) = head.rsplit_once('.').unwrap();
        let mut claims = claims.clone();
        claims["sub"] = json!("root");
        let unsigned = Jws::unsigned(&json!({}), &claims).compact();
        format!("{head}.{}.{signature}\r\n", unsigned.split('.').nth(1).unwrap())
    };
    for (bad, fields) in [
        ("expired", signed(&key, &header, json!({"exp": now - 30}))),
        ("for another trust domain", signed(&key, &header, json!({"aud": "other.internal"}))),
        ("of another gateway", signed(&key, &header, json!({"iss": "https://other"}))),
        ("without end", signed(&key, &header, json!({"exp": null}))),
        ("another kind of token", signed(&key, &json!({"typ": "at+jwt"}), json!({}))),
        ("another's key", signed(&other, &header, json!({}))),
        ("tampered with", tampered),
        (
            "unsigned",
            format!(
                "Txn-Token: {}\r\n",
                Jws::unsigned(&json!({"alg": "none", "typ": "txntoken+jwt"}), &claims).compact()
            ),
        ),
        ("garbage", "Txn-Token: a.b.c\r\n".to_owned()),
        ("two", format!("{good}{good}")),
        ("none", String::new()),
    ] {
        assert_eq!(to(&fields).await, 401, "{bad}");
    }
    assert_eq!(to(&good).await, 200, "it lives");
}

#[tokio::test]
#[ignore = "installs PyJWT: cargo xtask test --full"]
async fn a_python_service_verifies_passports_as_documented() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let packages = &["PyJWT==2.15.1", "cryptography==50.0.2"];
    let python = tokio::task::spawn_blocking(move || python_with(packages, &folder)).await.unwrap();
    let program = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(program.path(), shown("service.py")).unwrap();
    let mut command = Command::new(python);
    command.arg(program.path());
    verifies(command).await;
}

#[tokio::test]
#[ignore = "installs jose: cargo xtask test --full"]
async fn a_node_service_verifies_passports_as_documented() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("node");
    let modules = tokio::task::spawn_blocking(move || node_with(&["jose@6.2.17"], &folder)).await.unwrap();
    let program = modules.join("service.mjs");
    std::fs::write(&program, shown("service.mjs")).unwrap();
    let mut command = Command::new("node");
    command.arg(program).current_dir(&modules);
    verifies(command).await;
}
