//! TLS at the listener.

use gwanmun_chassis::axum::routing::get;
use gwanmun_chassis::axum::{Extension, Router};
use gwanmun_chassis::{App, ClientCertificate};
use gwanmun_testkit::{Authority, Connection, Http2, Identity, eventually};
use tempfile::TempDir;

use crate::program::Program;
use crate::scene::serve;

fn routes() -> Router<App> {
    async fn who(client: Option<Extension<ClientCertificate>>) -> String {
        client.map_or("nobody".to_owned(), |Extension(client)| format!("{:?} {:?}", client.dns_names(), client.uris()))
    }
    Router::new().route("/", get(who))
}

fn folder(identity: &Identity, clients: &Authority) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("a.pem"), identity.pem()).unwrap();
    std::fs::write(folder.path().join("a.key"), identity.key()).unwrap();
    std::fs::write(folder.path().join("clients.pem"), clients.pem()).unwrap();
    folder
}

fn settings(folder: &TempDir, more: &str) -> String {
    let path = folder.path().display();
    format!(
        "server: {{tls: {{certificate: {path}/a.pem, key: {path}/a.key{}}}}}",
        more.replace("CA", &format!("{path}/clients.pem"))
    )
}

#[tokio::test]
async fn http1_and_http2_are_spoken_over_tls() {
    let authority = Authority::new();
    let folder = folder(&authority.issue(&["orders.test"]), &authority);
    let running = serve(routes(), &settings(&folder, "")).await;
    let mut client = Connection::tls(running.address(), "orders.test", &authority, &["http/1.1"]).await.unwrap();
    assert_eq!(client.get("/").await.text(), "nobody");
    let mut client = Http2::tls(running.address(), "orders.test", &authority).await;
    assert_eq!(client.get("/").await.text(), "nobody");
    let mut plain = Connection::tcp(running.address()).await;
    plain.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(plain.try_answer("GET").await.is_err());
    running.stop().await;
}

#[tokio::test]
async fn a_client_needs_a_certificate_of_the_right_authority() {
    let (authority, clients) = (Authority::new(), Authority::called("clients"));
    let (right, wrong) = (clients.issue(&["kitchen.test"]), authority.issue(&["kitchen.test"]));
    let folder = folder(&authority.issue(&["orders.test"]), &clients);
    let running = serve(routes(), &settings(&folder, ", client-ca: CA")).await;
    let address = running.address();
    let mut client = Connection::tls_as(&right, address, "orders.test", &authority).await.unwrap();
    assert_eq!(client.get("/").await.text(), r#"["kitchen.test"] []"#);
    for refused in [
        Connection::tls_as(&wrong, address, "orders.test", &authority).await,
        Connection::tls(address, "orders.test", &authority, &[]).await,
    ] {
        // In TLS 1.3 the client learns it after its handshake.
        let Ok(mut client) = refused else { continue };
        let _ = client.try_send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(client.try_answer("GET").await.is_err());
    }
    running.stop().await;

    let running = serve(routes(), &settings(&folder, ", client-ca: CA, client-auth: optional")).await;
    let mut client = Connection::tls(running.address(), "orders.test", &authority, &[]).await.unwrap();
    assert_eq!(client.get("/").await.text(), "nobody");
    running.stop().await;
}

#[tokio::test]
async fn a_certificate_that_changes_is_shown_to_new_connections() {
    let (authority, next) = (Authority::called("old"), Authority::called("new"));
    let folder = folder(&authority.issue(&["orders.test"]), &authority);
    std::fs::write(folder.path().join("application.yaml"), "server: {tls: {certificate: a.pem, key: a.key}}").unwrap();
    let program = Program::start_in(folder, "", &[]);
    let (address, _) = program.ready().await;
    let mut old = Connection::tls(address, "orders.test", &authority, &[]).await.unwrap();
    assert_eq!(old.get("/").await.text(), "here");
    // A certificate without its key changes nothing.
    let identity = next.issue(&["orders.test"]);
    std::fs::write(program.path("a.pem"), identity.pem()).unwrap();
    program.event("reload-failed").await;
    assert!(Connection::tls(address, "orders.test", &authority, &[]).await.is_ok());
    std::fs::write(program.path("a.key"), identity.key()).unwrap();
    let mut new =
        eventually("the new certificate", async || Connection::tls(address, "orders.test", &next, &[]).await.ok())
            .await;
    assert_eq!(new.get("/").await.text(), "here");
    assert_eq!(old.get("/").await.text(), "here");
}
