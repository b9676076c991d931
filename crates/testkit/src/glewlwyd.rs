//! Debian's authorization server `glewlwyd` (C, sqlite) as a process: a real issuer of another make and taste. For the full
//! tier.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::base64url;
use crate::connection::Connection;
use crate::free_port::free_address;
use crate::log::Log;
use crate::message::Message;
use crate::patience::eventually;
use crate::process::Process;
use crate::token_key::TokenKey;

/// Its tables and its administrator, as Debian's package brings them.
const SCHEMA: &str = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3";

/// How often another port is tried.
const TRIES: usize = 20;

/// The path of the administration and, below it, of what clients ask.
const API: &str = "/api";

/// A running server; dropped, it is killed.
///
/// There is the client `gw` with the secret `gw-secret`, for client credentials and introspection, that may have the scopes
/// `orders.read` and `orders.write`. Access tokens are JWTs (`at+jwt`); their `aud` is the scope they have.
pub struct Glewlwyd {
    _process: Process,
    _folder: TempDir,
    address: SocketAddr,
    session: String,
}

impl Glewlwyd {
    /// With a key for ES256.
    pub async fn start() -> Self {
        Self::signing("ES256").await
    }

    /// With a key for `ES256`, `EdDSA` or `RS256`.
    pub async fn signing(algorithm: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let database = folder.path().join("database");
        let schema = File::open(SCHEMA).unwrap_or_else(|error| panic!("is glewlwyd installed? {SCHEMA}: {error}"));
        let made = Command::new("sqlite3").arg(&database).stdin(schema).status();
        assert!(made.is_ok_and(|status| status.success()), "no database");
        let (process, address, session) = serve(folder.path(), &database).await;
        let server = Self { _process: process, _folder: folder, address, session };
        server.administer("POST", "/mod/plugin/", &plugin(address, &key(algorithm))).await;
        for scope in ["orders.read", "orders.write"] {
            server
                .administer("POST", "/scope/", &json!({"name": scope, "password_required": false, "scheme": {}}))
                .await;
        }
        let (id, secret) = server.client();
        let client = json!({
            "client_id": id, "password": secret, "confidential": true, "enabled": true,
            "scope": ["orders.read", "orders.write"],
            "authorization_type": ["client_credentials"],
            "token_endpoint_auth_method": ["client_secret_basic", "client_secret_post"],
        });
        server.administer("POST", "/client/", &client).await;
        server
    }

    /// Its identifier, `iss`; discovery is there.
    pub fn url(&self) -> String {
        issuer(self.address)
    }

    /// Where its keys are.
    pub fn jwks_url(&self) -> String {
        format!("{}/jwks", self.url())
    }

    /// Its token endpoint.
    pub fn token_endpoint(&self) -> String {
        format!("{}/token", self.url())
    }

    /// Its introspection endpoint.
    pub fn introspection_endpoint(&self) -> String {
        format!("{}/introspect", self.url())
    }

    /// Its revocation endpoint (RFC 7009).
    pub fn revocation_endpoint(&self) -> String {
        format!("{}/revoke", self.url())
    }

    /// A client's id and secret, which go by Basic.
    pub fn client(&self) -> (&'static str, &'static str) {
        ("gw", "gw-secret")
    }

    /// Signs with a new key and publishes only that.
    pub async fn rotate(&self, algorithm: &str) {
        self.administer("PUT", "/mod/plugin/oidc", &plugin(self.address, &key(algorithm))).await;
        self.administer("PUT", "/mod/plugin/oidc/reset", &json!({})).await;
    }

    async fn administer(&self, method: &str, path: &str, body: &Value) {
        let answer = administer(self.address, method, path, &self.session, body).await.unwrap();
        assert_eq!(answer.status(), 200, "{method} {path}: {answer:?}");
    }
}

/// The server on a port that nobody was quicker to take, and a session of its administrator.
async fn serve(folder: &Path, database: &Path) -> (Process, SocketAddr, String) {
    for _ in 0..TRIES {
        let (address, file) = (free_address(), folder.join("glewlwyd.conf"));
        fs::write(&file, configuration(address, database)).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "glewlwyd", "--config-file"]).arg(&file);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let log = Log::of(child.stdout.take().unwrap());
        let process = Process::of(child);
        // It says that it has started before it listens; and whoever answers on the port may be another.
        let session = eventually("glewlwyd", async || match log_in(address).await {
            Some(session) => Some(Some(session)),
            None if log.text().contains("Glewlwyd stopped") => Some(None),
            None => None,
        });
        if let Some(session) = session.await {
            return (process, address, session);
        }
    }
    panic!("glewlwyd did not start on {TRIES} ports");
}

/// The field that makes a request one of the administrator's.
async fn log_in(address: SocketAddr) -> Option<String> {
    let administrator = json!({"username": "admin", "password": "password"});
    let answer = administer(address, "POST", "/auth", "", &administrator).await.ok()?;
    let cookie = answer.header("set-cookie").filter(|_| answer.status() == 200)?;
    Some(format!("Cookie: {}\r\n", cookie.split(';').next()?))
}

async fn administer(address: SocketAddr, method: &str, path: &str, session: &str, body: &Value) -> io::Result<Message> {
    let body = body.to_string();
    let length = body.len();
    let mut connection = Connection::plain(TcpStream::connect(address).await?);
    let request = format!(
        "{method} {API}{path} HTTP/1.1\r\nHost: {address}\r\n{session}Content-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    connection.try_send(request).await?;
    connection.try_answer(method).await
}

fn issuer(address: SocketAddr) -> String {
    format!("http://{address}{API}/oidc")
}

/// One whose coordinates begin with another byte than zero, which this server leaves out against RFC 7518, section 6.2.1.2.
fn key(algorithm: &str) -> TokenKey {
    loop {
        let key = TokenKey::new(algorithm, "unnamed");
        let jwk = key.jwk();
        let mut coordinates = ["x", "y"].iter().filter_map(|name| base64url::decode(jwk[name].as_str()?));
        if jwk["kty"] != "EC" || coordinates.all(|coordinate| coordinate[0] != 0) {
            return key;
        }
    }
}

fn plugin(address: SocketAddr, key: &TokenKey) -> Value {
    let kind = match key.algorithm() {
        "ES256" => "ecdsa",
        "EdDSA" => "eddsa",
        "RS256" => "rsa",
        other => panic!("no keys for {other} here"),
    };
    json!({"module": "oidc", "name": "oidc", "display_name": "", "parameters": {
        "iss": issuer(address), "subject-type": "public",
        "jwt-type": kind, "jwt-key-size": "256", "key": key.pem(), "cert": key.public_pem(), "jwks-show": true,
        "access-token-duration": 300, "refresh-token-duration": 300, "code-duration": 300,
        "refresh-token-rolling": false, "allow-non-oidc": true,
        "auth-type-code-enabled": false, "auth-type-token-enabled": false, "auth-type-id-token-enabled": true,
        "auth-type-password-enabled": false, "auth-type-client-enabled": true, "auth-type-refresh-enabled": false,
        "introspection-revocation-allowed": true, "introspection-revocation-allow-target-client": true,
    }})
}

fn configuration(address: SocketAddr, database: &Path) -> String {
    format!(
        r#"port={port}
bind_address="{ip}"
external_url="http://{address}"
api_prefix="{api}"
log_mode="console"
log_level="INFO"
cookie_secure=0
session_key="session"
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="/usr/lib/glewlwyd/user"
client_module_path="/usr/lib/glewlwyd/client"
user_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"
plugin_module_path="/usr/lib/glewlwyd/plugin"
hash_algorithm="SHA512"
database = {{ type = "sqlite3" path = "{database}" }};
"#,
        port = address.port(),
        ip = address.ip(),
        api = API.trim_start_matches('/'),
        database = database.display(),
    )
}
