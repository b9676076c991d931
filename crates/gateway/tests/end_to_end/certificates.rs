//! Users with certificates of their own, by TLS with the gateway or with a proxy in front: who is believed, who is refused
//! and what is written down about it.

use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};

use gwanmun_testkit::{
    Authority, Connection, Gateway, Identity, Message, Setup, Speaks, Upstream, eventually, patiently,
};
use serde_json::{Value, json};

use crate::setup;

const ANN: &str = "uri:spiffe://corp/user/ann";
const BOB: &str = "uri:spiffe://corp/user/bob";

/// Who signs the gateway's certificate and its users'.
struct World {
    edge: Authority,
    people: Authority,
    upstream: Upstream,
}

impl World {
    async fn new() -> Self {
        Self { edge: Authority::new(), people: Authority::new(), upstream: Upstream::recording(Speaks::Http1).await }
    }

    fn setup(&self) -> Setup {
        let edge = self.edge.issue(&["a.test"]);
        setup()
            .with_file("edge.pem", edge.pem())
            .with_file("edge.key", edge.key())
            .with_file("edge-ca.pem", self.edge.pem())
            .with_file("people.pem", self.people.pem())
            .with_file("people.crl", self.people.revoking(&[], 3000))
    }

    /// A listener `edge` with TLS settings, a listener `web` without TLS, users by certificates, and other sections.
    fn configuration(&self, tls: &str, people: &str, more: &str) -> String {
        format!(
            "listeners:\n  - {{name: web, address: '127.0.0.1:0'}}\n  - {{name: edge, address: '127.0.0.1:0', tls: \
             {{certificates: [{{certificate: edge.pem, key: edge.key}}], {tls}}}}}\n\
             audit: {{file: audit.jsonl}}\n\
             identity: {{certificates: {{people: {{ca: people.pem, crl: people.crl, user-from: ['uri:spiffe://corp/user/{{user}}', \
             'dns:{{user}}.people.corp', 'email:{{user}}@corp']{people}}}}}}}\n\
             routes: [{{id: all, filters: [authenticate: {{any: [{{client-cert: people}}]}}], upstream: '{}'}}]\n{more}",
            self.upstream.url()
        )
    }

    async fn start(&self, people: &str, more: &str) -> Gateway {
        self.setup().start(&self.configuration("client-auth: unverified", people, more)).await
    }

    /// Every request that has reached the service.
    async fn received(&self) -> Vec<Message> {
        let mut received = Vec::new();
        for number in 0..self.upstream.requests() {
            received.push(self.upstream.received(number).await);
        }
        received
    }

    async fn shows(&self, identity: &Identity, gateway: &Gateway) -> Connection {
        Connection::tls_as(identity, gateway.address("edge"), "a.test", &self.edge).await.unwrap()
    }
}

/// The latest of so many records.
fn latest(gateway: &Gateway, count: usize) -> Value {
    let text = std::fs::read_to_string(gateway.folder().join("audit.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut records: Vec<_> = lines.filter(|line| line["event"] != "head").collect();
    assert_eq!(records.len(), count, "{records:?}");
    records.pop().unwrap()
}

/// The answer and the record of a refusal, which are the same for everybody but for the rule in the record.
#[track_caller]
fn is_refused(answer: &Message, record: &Value, reason: &str, what: &str) {
    assert_eq!(answer.status(), 401, "{what}");
    assert_eq!(answer.header("www-authenticate").as_deref(), Some("Certificate realm=\"gwanmun\""), "{what}");
    assert_eq!(answer.json()["type"], "urn:gwanmun:fault:unauthenticated", "{what}");
    let told = ["event", "decision", "fault", "rule", "actor"].map(|member| &record[member]);
    let wanted = [&json!("authenticate"), &json!("deny"), &json!("unauthenticated"), &json!(reason), &Value::Null];
    assert_eq!(told, wanted, "{what}");
}

#[track_caller]
fn is_let_in(answer: &Message, record: &Value, user: &str) {
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let told = ["event", "decision", "actor", "credential"].map(|member| &record[member]);
    assert_eq!(told, [&json!("authenticate"), &json!("allow"), &json!(user), &json!("client-cert:people")]);
}

async fn run(mut command: Command) -> Output {
    let line = format!("{command:?}");
    patiently(&line, tokio::task::spawn_blocking(move || command.output())).await.unwrap().unwrap()
}

#[tokio::test]
async fn curl_shows_a_certificate_as_pem_and_as_pkcs_12() {
    let world = World::new().await;
    let gateway = world.start("", "").await;
    let ann = world.people.intermediate().draft(&[ANN]).issue();
    std::fs::write(gateway.folder().join("ann.pem"), ann.pem()).unwrap();
    std::fs::write(gateway.folder().join("ann.key"), ann.key()).unwrap();
    let mut bundle = Command::new("openssl");
    bundle.args("pkcs12 -export -in ann.pem -inkey ann.key -out ann.p12 -passout pass:secret".split(' '));
    assert!(
        run({
            bundle.current_dir(gateway.folder());
            bundle
        })
        .await
        .status
        .success()
    );
    let (port, pem) = (gateway.address("edge").port(), "--cert ann.pem --key ann.key");
    let resolve = format!("--resolve a.test:{port}:127.0.0.1 https://a.test:{port}/");
    for (number, shown) in
        [pem, "--http2 --cert ann.pem --key ann.key", "--cert-type P12 --cert ann.p12:secret"].iter().enumerate()
    {
        let mut curl = Command::new("curl");
        let line = format!("--silent --show-error --fail --noproxy * --cacert edge-ca.pem {shown} {resolve}");
        curl.args(line.split(' ')).current_dir(gateway.folder());
        let output = run(curl).await;
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("request {number}"), "{output:?}");
        assert_eq!(latest(&gateway, number + 1)["actor"], "ann");
    }
}

#[tokio::test]
async fn every_bad_certificate_is_refused_alike_and_recorded_with_its_reason() {
    let world = World::new().await;
    let gateway = world.start("", "").await;
    let (people, stranger) = (&world.people, Authority::new());
    let draft = || people.draft(&[ANN]);
    let revoked = draft().issue();
    std::fs::write(gateway.folder().join("people.crl"), people.revoking(&[&revoked], 3000)).unwrap();
    gateway.event("reloaded").await;
    let named = |names: &[&str]| people.draft(names).issue();
    let raw =
        |tag: u8, bytes: &[u8]| people.draft(&[]).with_raw_names(&[(tag, bytes), (0x86, &ANN.as_bytes()[4..])]).issue();
    let forged = [
        ("another authority", stranger.draft(&[ANN]).issue(), "client-certificate-untrusted"),
        (
            "another authority's intermediate",
            stranger.intermediate().draft(&[ANN]).issue(),
            "client-certificate-untrusted",
        ),
        ("expired", draft().expired().issue(), "client-certificate-expired"),
        ("not yet valid", draft().since(4000).issue(), "client-certificate-expired"),
        ("revoked", revoked, "client-certificate-revoked"),
        ("for servers only", draft().for_servers().issue(), "client-certificate-unfit"),
        ("an authority's, with a user's name", draft().as_authority().issue(), "client-certificate-unfit"),
        ("an intermediate", people.intermediate().as_client(), "client-certificate-unfit"),
        ("the root", people.as_client(), "client-certificate-unfit"),
        (
            "a common name only",
            people.draft(&[]).called("spiffe://corp/user/ann").issue(),
            "client-certificate-unnamed",
        ),
        ("a name of nobody", named(&["dns:ann.evil.corp"]), "client-certificate-unnamed"),
        ("two users", named(&[ANN, BOB]), "client-certificate-unnamed"),
        ("a user with a slash", named(&["uri:spiffe://corp/user/ann/../bob"]), "client-certificate-unnamed"),
        ("a URI with NUL", named(&["uri:spiffe://corp/user/ann\0.evil"]), "client-certificate-malformed"),
        ("a DNS name with NUL", named(&["dns:ann.people.corp\0.evil.test"]), "client-certificate-malformed"),
        ("an address with NUL", named(&["email:ann@corp\0.evil.test"]), "client-certificate-malformed"),
        ("a good name beside a bad one", raw(0x82, b"ann\xc0\x80"), "client-certificate-malformed"),
        ("a good name beside an empty one", raw(0x81, b""), "client-certificate-malformed"),
    ];
    for (number, (what, identity, reason)) in forged.iter().enumerate() {
        let answer = world.shows(identity, &gateway).await.get("/").await;
        is_refused(&answer, &latest(&gateway, number + 1), reason, what);
    }
    let mut nobody = Connection::tls(gateway.address("edge"), "a.test", &world.edge, &[]).await.unwrap();
    is_refused(&nobody.get("/").await, &latest(&gateway, forged.len() + 1), "no-credential", "nothing");
    assert_eq!(world.upstream.requests(), 0);
    let answer = world.shows(&draft().issue(), &gateway).await.get("/").await;
    is_let_in(&answer, &latest(&gateway, forged.len() + 2), "ann");
}

#[tokio::test]
async fn a_certificate_without_its_key_is_nobodys() {
    let world = World::new().await;
    let gateway = world.start("", "").await;
    let (ann, eve) = (world.people.draft(&[ANN]).issue(), Authority::new().draft(&[BOB]).issue());
    let mut thief = world.shows(&ann.stolen_by(&eve), &gateway).await;
    // TLS 1.3 tells a client that it is refused only after the handshake.
    let _ = thief.try_send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert!(thief.try_answer("GET").await.is_err());
    let series = r#"gwanmun_connections_refused_total{listener="edge",reason="client-certificate-untrusted"}"#;
    eventually("the refusal to be counted", async || gateway.metric(series).await.filter(|count| *count == 1.0)).await;
    assert_eq!(world.upstream.requests(), 0);
}

#[tokio::test]
async fn handshakes_that_a_listener_refuses_are_counted_and_told() {
    let world = World::new().await;
    let tls = "client-ca: [people.pem, more.pem], crl: people.crl, client-auth: required";
    let more = Authority::called("another authority");
    let revoked = world.people.draft(&[ANN]).issue();
    let setup = world.setup().with_file("more.pem", more.pem());
    let gateway = setup
        .with_file("people.crl", world.people.revoking(&[&revoked], 3000) + &more.revoking(&[], 3000))
        .start(&world.configuration(tls, "", ""))
        .await;
    let draft = || world.people.draft(&[ANN]);
    for (identity, reason) in [
        (Some(Authority::new().draft(&[ANN]).issue()), "client-certificate-untrusted"),
        (Some(draft().expired().issue()), "client-certificate-expired"),
        (Some(revoked), "client-certificate-revoked"),
        (Some(draft().for_servers().issue()), "client-certificate-unfit"),
        (None, "client-certificate-missing"),
    ] {
        let mut client = match &identity {
            Some(identity) => world.shows(identity, &gateway).await,
            None => Connection::tls(gateway.address("edge"), "a.test", &world.edge, &[]).await.unwrap(),
        };
        let _ = client.try_send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        assert!(client.try_answer("GET").await.is_err(), "{reason}");
        let series = format!(r#"gwanmun_connections_refused_total{{listener="edge",reason="{reason}"}}"#);
        eventually("the refusal to be counted", async || gateway.metric(&series).await.filter(|count| *count == 1.0))
            .await;
    }
    let line = gateway.event("client-certificate-refused").await;
    assert_eq!((&line["listener"], &line["client"]), (&json!("edge"), &json!("127.0.0.1")));
    assert_eq!(world.shows(&draft().issue(), &gateway).await.get("/").await.status(), 200);
    // By the other authority's file.
    let answer = world.shows(&more.draft(&[BOB]).issue(), &gateway).await.get("/").await;
    is_refused(&answer, &latest(&gateway, 2), "client-certificate-untrusted", "the section trusts one of them only");
}

#[tokio::test]
async fn headers_from_outside_are_nothing_with_tls_or_without() {
    let world = World::new().await;
    let gateway = world.start("", "").await;
    let ann = world.people.draft(&[ANN]).issue();
    let der = base64(&ann);
    let forgeries = [
        "X-Forwarded-Client-Cert: URI=spiffe://corp/user/bob\r\n".to_owned(),
        "X-Forwarded-Client-Cert: By=spiffe://corp/gw;URI=spiffe://corp/user/bob,URI=spiffe://corp/user/bob\r\n"
            .to_owned(),
        "X_Forwarded_Client_Cert: URI=spiffe://corp/user/bob\r\n".to_owned(),
        format!("Client-Cert: :{der}:\r\n"),
        format!("Client-Cert: :{der}:\r\nClient-Cert: :{der}:\r\n"),
        format!("Client-Cert: :{der}:\r\nClient-Cert-Chain: :{der}:\r\nX-Forwarded-Client-Cert: Cert=x\r\n"),
        "X-Client-Cert: x\r\nSSL-Client-Verify: SUCCESS\r\nX-SSL-Client-S-DN: CN=bob\r\n".to_owned(),
    ];
    for (number, fields) in forgeries.iter().enumerate() {
        let answer = gateway.connect().await.ask("GET", "/", fields).await;
        is_refused(&answer, &latest(&gateway, 2 * number + 1), "no-credential", fields);
        let answer = world.shows(&ann, &gateway).await.ask("GET", "/", fields).await;
        is_let_in(&answer, &latest(&gateway, 2 * number + 2), "ann");
    }
    let received = world.received().await;
    assert_eq!(received.len(), forgeries.len());
    for name in
        ["client-cert", "client-cert-chain", "x-forwarded-client-cert", "x_forwarded_client_cert", "ssl-client-verify"]
    {
        assert!(received.iter().all(|request| request.header(name).is_none()), "{name}");
    }
}

#[tokio::test]
async fn of_what_a_trusted_proxy_sends_the_last_element_counts_and_nothing_goes_further() {
    let world = World::new().await;
    let gateway = world.start("", "trusted-proxies: [127.0.0.1/32]\n").await;
    let (ann, eve) = (world.people.draft(&[ANN]).issue(), Authority::new().draft(&[BOB]).issue());
    let (by, outside) = ("By=spiffe://corp/gw", "URI=spiffe://corp/user/root");
    let cert = |identity: &Identity| percent(&identity.pem());
    let mut count = 0;
    for (fields, wanted) in [
        (
            format!(
                "X-Forwarded-Client-Cert: {by};Hash={};Subject=\"CN=ann\";{}\r\n",
                "a".repeat(64),
                ANN.replace("uri:", "URI=")
            ),
            Ok("ann"),
        ),
        (format!("X-Forwarded-Client-Cert: {outside},{by};Cert=\"{}\"\r\n", cert(&ann)), Ok("ann")),
        (
            format!("X-Forwarded-Client-Cert: {outside}\r\nX-Forwarded-Client-Cert: {by};Cert=\"{}\"\r\n", cert(&ann)),
            Ok("ann"),
        ),
        (format!("Client-Cert: :{}:\r\n", base64(&ann)), Ok("ann")),
        (
            format!("X-Forwarded-Client-Cert: {outside},{by};Cert=\"{}\";{outside}\r\n", cert(&eve)),
            Err("client-certificate-untrusted"),
        ),
        (
            format!("X-Forwarded-Client-Cert: {outside},{by};Hash={}\r\n", "a".repeat(64)),
            Err("client-certificate-unnamed"),
        ),
        (
            format!("X-Forwarded-Client-Cert: {outside};Subject=\",{by};Subject=\"CN=x\";{outside}\r\n"),
            Err("client-certificate-malformed"),
        ),
        (
            format!("X-Forwarded-Client-Cert: {by};{outside};URI=spiffe://corp/user/bob\r\n"),
            Err("client-certificate-unnamed"),
        ),
        (format!("Client-Cert: :{}:\r\n", base64(&eve)), Err("client-certificate-untrusted")),
        (format!("Client-Cert: {}\r\n", base64(&ann)), Err("client-certificate-malformed")),
        (format!("Client-Cert: :{0}:\r\nClient-Cert: :{0}:\r\n", base64(&ann)), Err("two-credentials")),
        (format!("Client-Cert: :{}:\r\nX-Forwarded-Client-Cert: {outside}\r\n", base64(&ann)), Err("two-credentials")),
        (String::new(), Err("no-credential")),
    ] {
        count += 1;
        let answer = gateway.connect().await.ask("GET", "/", &fields).await;
        let record = latest(&gateway, count);
        match wanted {
            Ok(user) => is_let_in(&answer, &record, user),
            Err(reason) => is_refused(&answer, &record, reason, &fields),
        }
    }
    // A certificate of the connection's own beside what a proxy says.
    let answer =
        world.shows(&ann, &gateway).await.ask("GET", "/", &format!("X-Forwarded-Client-Cert: {outside}\r\n")).await;
    is_refused(&answer, &latest(&gateway, count + 1), "two-credentials", "TLS and a header");
    for request in world.received().await {
        assert_eq!((request.header("client-cert"), request.header("x-forwarded-client-cert")), (None, None));
    }
}

#[tokio::test]
async fn where_the_header_is_said_the_other_and_the_proxys_own_certificate_do_not_count() {
    let world = World::new().await;
    let more = "trusted-proxies: [127.0.0.1/32]\n";
    let gateway = world.start(", header: x-forwarded-client-cert, require-certificate: true", more).await;
    let ann = world.people.draft(&[ANN]).issue();
    let proxy = world.people.draft(&[BOB]).issue();
    let good = format!("X-Forwarded-Client-Cert: Cert=\"{}\"\r\nClient-Cert: :junk:\r\n", percent(&ann.pem()));
    let mut hop = world.shows(&proxy, &gateway).await;
    is_let_in(&hop.ask("GET", "/", &good).await, &latest(&gateway, 1), "ann");
    is_refused(&hop.ask("GET", "/", "").await, &latest(&gateway, 2), "no-credential", "the proxy alone");
    let word = "X-Forwarded-Client-Cert: URI=spiffe://corp/user/ann\r\n";
    is_refused(&hop.ask("GET", "/", word).await, &latest(&gateway, 3), "client-certificate-unfit", word);
    assert_eq!(world.received().await[0].header("client-cert"), None);
}

#[tokio::test]
async fn revoked_while_connected_is_refused_on_the_next_request_and_a_new_authority_is_believed() {
    let world = World::new().await;
    let gateway = world.start("", "").await;
    let (ann, bob) = (world.people.draft(&[ANN]).issue(), world.people.draft(&[BOB]).issue());
    let (mut hers, mut his) = (world.shows(&ann, &gateway).await, world.shows(&bob, &gateway).await);
    is_let_in(&hers.get("/").await, &latest(&gateway, 1), "ann");
    is_let_in(&his.get("/").await, &latest(&gateway, 2), "bob");
    std::fs::write(gateway.folder().join("people.crl"), world.people.revoking(&[&ann], 3000)).unwrap();
    gateway.event("reloaded").await;
    is_refused(&hers.get("/").await, &latest(&gateway, 3), "client-certificate-revoked", "the same connection");
    is_let_in(&his.get("/").await, &latest(&gateway, 4), "bob");
    let successor = Authority::new();
    std::fs::write(gateway.folder().join("people.crl"), successor.revoking(&[], 3000)).unwrap();
    std::fs::write(gateway.folder().join("people.pem"), successor.pem()).unwrap();
    eventually("the new authority", async || {
        let answer = world.shows(&successor.draft(&[ANN]).issue(), &gateway).await.get("/").await;
        (answer.status() == 200).then_some(())
    })
    .await;
    let answer = his.get("/").await;
    assert_eq!(answer.status(), 401);
}

#[tokio::test]
async fn a_resumed_session_has_the_certificate_it_began_with_and_is_judged_anew() {
    let world = World::new().await;
    let gateway = world.start("", "").await;
    let ann = world.people.draft(&[ANN]).issue();
    std::fs::write(gateway.folder().join("ann.pem"), ann.pem()).unwrap();
    std::fs::write(gateway.folder().join("ann.key"), ann.key()).unwrap();
    let port = gateway.address("edge").port();
    let shake = async |options: &str| {
        let line = format!(
            "printf 'GET / HTTP/1.1\\r\\nHost: a.test\\r\\nConnection: close\\r\\n\\r\\n' | openssl s_client -connect 127.0.0.1:{port} \
             -servername a.test -ign_eof {options}"
        );
        let mut command = Command::new("sh");
        command.args(["-c", &line]).current_dir(gateway.folder());
        String::from_utf8_lossy(&run(command).await.stdout).into_owned()
    };
    let first = shake("-cert ann.pem -key ann.key -sess_out session.pem").await;
    assert!(first.contains("HTTP/1.1 200 OK") && first.contains("New, TLSv1.3"), "{first}");
    let second = shake("-sess_in session.pem").await;
    assert!(second.contains("HTTP/1.1 200 OK") && second.contains("Reused, TLSv1.3"), "{second}");
    assert_eq!(latest(&gateway, 2)["actor"], "ann");
    std::fs::write(gateway.folder().join("people.crl"), world.people.revoking(&[&ann], 3000)).unwrap();
    gateway.event("reloaded").await;
    let third = shake("-sess_in session.pem").await;
    assert!(third.contains("HTTP/1.1 401") && third.contains("Reused, TLSv1.3"), "{third}");
    assert_eq!(latest(&gateway, 3)["rule"], "client-certificate-revoked");
}

#[tokio::test]
async fn a_name_in_the_certificate_decides_the_route() {
    let world = World::new().await;
    let configuration = world.configuration("client-auth: unverified", "", "").replace(
        "routes: [",
        "filters: [authenticate: {any: [{client-cert: people}], anonymous: true}]\n\
         routes: [{id: ann, predicates: [client-cert: 'uri:spiffe://corp/user/a*'], filters: [respond: {body: only for ann}]}, \
         {id: users, predicates: [client-cert: {san: 'uri:spiffe://corp/user/*'}], filters: [respond: {body: for users}]}, ",
    );
    let gateway = world.setup().start(&configuration).await;
    for (name, wanted) in [(ANN, "only for ann"), (BOB, "for users")] {
        let answer = world.shows(&world.people.draft(&[name]).issue(), &gateway).await.get("/").await;
        assert_eq!(answer.text(), wanted);
    }
    let mut nobody = Connection::tls(gateway.address("edge"), "a.test", &world.edge, &[]).await.unwrap();
    assert_eq!(nobody.get("/").await.status(), 401);
}

/// A proxy in front, of another make, that ends TLS: whoever comes by it is whose certificate it has seen.
async fn behind(world: &World, gateway: &Gateway, door: SocketAddr) {
    eventually("a proxy to listen", async || tokio::net::TcpStream::connect(door).await.ok()).await;
    let through = async |identity: Option<&Identity>, fields: &str| {
        let client = match identity {
            Some(identity) => Connection::tls_as(identity, door, "a.test", &world.edge).await,
            None => Connection::tls(door, "a.test", &world.edge, &[]).await,
        };
        client.unwrap().ask("GET", "/", fields).await
    };
    let ann = world.people.draft(&[ANN]).issue();
    let forged = format!("X-Forwarded-Client-Cert: URI=spiffe://corp/user/root\r\nClient-Cert: :{}:\r\n", base64(&ann));
    is_let_in(&through(Some(&ann), "").await, &latest(gateway, 1), "ann");
    is_let_in(&through(Some(&ann), &forged).await, &latest(gateway, 2), "ann");
    // nginx itself refuses what has expired.
    let stranger = Authority::new().draft(&[ANN]).issue();
    is_refused(
        &through(Some(&stranger), &forged).await,
        &latest(gateway, 3),
        "client-certificate-untrusted",
        "a stranger",
    );
    is_refused(&through(None, &forged).await, &latest(gateway, 4), "no-credential", "no certificate");
    assert!(world.received().await.iter().all(|request| request.header("x-forwarded-client-cert").is_none()));
}

fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A program in front of the gateway; dropped, it is killed.
struct InFront(std::process::Child);

impl InFront {
    fn start(program: &str, arguments: &[&str], gateway: &Gateway) -> Self {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", program]).args(arguments).current_dir(gateway.folder());
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for InFront {
    fn drop(&mut self) {
        // Its own children end with it then.
        let _ = Command::new("kill").args(["-s", "TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test --full"]
async fn nginx_in_front_sends_the_certificate_of_its_client() {
    let world = World::new().await;
    let gateway = world.start(", header: x-forwarded-client-cert", "trusted-proxies: [127.0.0.1/32]\n").await;
    let (door, folder, web) = (free_address(), gateway.folder(), gateway.web());
    let configuration = format!(
        "daemon off;\nuser root;\nworker_processes 1;\npid nginx.pid;\nerror_log nginx.log;\nevents {{}}\nhttp {{\n  access_log off;\n  \
         map $ssl_client_escaped_cert $forwarded_client_cert {{\n    \"\" \"\";\n    default 'Cert=\"$ssl_client_escaped_cert\"';\n  }}\n  \
         server {{\n    listen {door} ssl;\n    ssl_certificate edge.pem;\n    ssl_certificate_key edge.key;\n    \
         ssl_verify_client optional_no_ca;\n    location / {{\n      proxy_set_header Client-Cert \"\";\n      \
         proxy_set_header X-Forwarded-Client-Cert $forwarded_client_cert;\n      proxy_pass http://{web};\n    }}\n  }}\n}}\n"
    );
    std::fs::write(folder.join("nginx.conf"), configuration).unwrap();
    let prefix = folder.to_str().unwrap();
    let _nginx = InFront::start("nginx", &["-p", prefix, "-c", "nginx.conf"], &gateway);
    behind(&world, &gateway, door).await;
}

#[tokio::test]
#[ignore = "needs haproxy: cargo xtask test --full"]
async fn haproxy_in_front_sends_the_certificate_of_its_client() {
    let world = World::new().await;
    let gateway = world.start(", header: client-cert", "trusted-proxies: [127.0.0.1/32]\n").await;
    let (door, folder, web) = (free_address(), gateway.folder(), gateway.web());
    let both = std::fs::read_to_string(folder.join("edge.pem")).unwrap()
        + &std::fs::read_to_string(folder.join("edge.key")).unwrap();
    std::fs::write(folder.join("both.pem"), both).unwrap();
    let configuration = format!(
        "defaults\n  mode http\n  timeout connect 5s\n  timeout client 5s\n  timeout server 5s\nfrontend door\n  \
         bind {door} ssl crt both.pem ca-file people.pem verify optional crt-ignore-err all ca-ignore-err all\n  \
         http-request del-header X-Forwarded-Client-Cert\n  http-request del-header Client-Cert\n  \
         http-request set-header Client-Cert :%[ssl_c_der,base64]: if {{ ssl_c_used }}\n  default_backend gateway\n\
         backend gateway\n  server gateway {web}\n"
    );
    std::fs::write(folder.join("haproxy.cfg"), configuration).unwrap();
    let _haproxy = InFront::start("haproxy", &["-db", "-f", "haproxy.cfg"], &gateway);
    behind(&world, &gateway, door).await;
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The first certificate as `Client-Cert` has it between colons: what stands between the lines of PEM.
fn base64(identity: &Identity) -> String {
    let pem = identity.pem();
    pem.lines().skip(1).take_while(|line| !line.starts_with('-')).collect()
}
