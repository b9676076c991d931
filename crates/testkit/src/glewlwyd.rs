//! Debian's authorization server `glewlwyd` (C, sqlite) as a process: a real issuer of another make and taste. For the full
//! tier.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
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
use crate::web_client::WebClient;

/// Its tables and its administrator, as Debian's package brings them.
const SCHEMA: &str = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3";

/// Where it keeps everything, in its folder.
const DATABASE: &str = "database";

/// Its login page.
const PAGES: &str = "/usr/share/glewlwyd/webapp";

/// How often another port is tried.
const TRIES: usize = 20;

/// How long access tokens live unless somebody wants another, in seconds.
const LIFETIME: u64 = 300;

/// What a person's client may ask for besides `openid`.
const PEOPLES_SCOPES: &[&str] = &["profile", "email", "groups"];

/// The path of the administration and, below it, of what clients ask.
const API: &str = "/api";

/// A running server; dropped, it is killed.
///
/// There is the client `gw` with the secret `gw-secret`, for client credentials and introspection, that may have the scopes
/// `orders.read` and `orders.write`. Access tokens are JWTs (`at+jwt`); their `aud` is the scope they have.
///
/// People come through the client `gateway` with the secret `gateway-secret`, see [`Glewlwyd::register`]: `ann` of the
/// groups `staff` and `ops`, and `bob` of `staff`. Their passwords are the name and `-password`. Claims are in the ID token;
/// a refresh token is good for one use. Its login page is a program in the browser, and asks once more before every redirect.
pub struct Glewlwyd {
    _process: Process,
    folder: TempDir,
    address: SocketAddr,
    session: String,
    key: TokenKey,
    log: Log,
}

impl Glewlwyd {
    /// With a key for ES256.
    pub async fn start() -> Self {
        Self::signing("ES256").await
    }

    /// With a key for `ES256`, `EdDSA` or `RS256`.
    pub async fn signing(algorithm: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let database = folder.path().join(DATABASE);
        let schema = File::open(SCHEMA).unwrap_or_else(|error| panic!("is glewlwyd installed? {SCHEMA}: {error}"));
        let made = Command::new("sqlite3").arg(&database).stdin(schema).status();
        assert!(made.is_ok_and(|status| status.success()), "no database");
        let (process, log, address, session) = serve(folder.path(), &database).await;
        let key = key(algorithm);
        let server = Self { _process: process, folder, address, session, key, log };
        server.administer("POST", "/mod/plugin/", &plugin(address, &server.key, LIFETIME)).await;
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

    /// Lets people come through a client; once.
    pub async fn register(&self, client: &WebClient) {
        self.administer("PUT", "/mod/user/database", &users()).await;
        self.administer("PUT", "/mod/user/database/reset", &json!({})).await;
        self.administer("PUT", "/mod/client/database", &clients()).await;
        self.administer("PUT", "/mod/client/database/reset", &json!({})).await;
        for scope in PEOPLES_SCOPES {
            let scope = json!({"name": scope, "password_required": false, "scheme": {}});
            self.administer("POST", "/scope/", &scope).await;
        }
        let scopes = [&["openid"], PEOPLES_SCOPES].concat();
        for (name, full, groups) in [("ann", "Ann Example", &["staff", "ops"][..]), ("bob", "Bob Example", &["staff"])]
        {
            let user = json!({
                "username": name, "password": format!("{name}-password"), "name": full, "email": format!("{name}@people.test"),
                "groups": groups, "scope": scopes, "enabled": true,
            });
            self.administer("POST", "/user/", &user).await;
        }
        let mut registration = json!({
            "client_id": "gateway", "password": "gateway-secret", "confidential": true, "enabled": true, "scope": scopes,
            "authorization_type": ["code", "refresh_token"], "redirect_uri": client.redirect_uris,
            "token_endpoint_auth_method": ["client_secret_basic", "client_secret_post"],
            "post_logout_redirect_uris": client.post_logout_redirect_uris,
        });
        if let Some(uri) = &client.backchannel_logout_uri {
            registration["backchannel_logout_uri"] = uri.as_str().into();
            registration["backchannel_logout_session_required"] = "yes".into();
        }
        self.administer("POST", "/client/", &registration).await;
        for name in ["ann", "bob"] {
            let session =
                eventually("a session", async || log_in(self.address, name, &format!("{name}-password")).await);
            let granted = json!({"scope": scopes.join(" ")});
            let (session, path) = (session.await, "/auth/grant/gateway");
            let answer = administer(self.address, "PUT", path, &session, &granted).await.unwrap();
            assert_eq!(answer.status(), 200, "{answer:?}");
        }
    }

    /// Lets access tokens live for so many seconds, from the next one on; five minutes at first.
    pub async fn issue_access_tokens_of(&self, seconds: u64) {
        self.administer("PUT", "/mod/plugin/oidc", &plugin(self.address, &self.key, seconds)).await;
        self.administer("PUT", "/mod/plugin/oidc/reset", &json!({})).await;
    }

    /// How many access tokens people have got, at first and for a refresh token.
    pub fn peoples_tokens(&self) -> usize {
        let words = "Access token generated for client 'gateway'";
        let line = |line: &&Value| line.as_str().is_some_and(|line| line.contains(words));
        self.log.lines().iter().filter(line).count()
    }

    /// Its page where the person who has come last leaves all clients, and goes to `then`, which is registered. The server itself
    /// leads there only who brings an ID token.
    pub fn logout_page(&self, then: &str) -> String {
        let mut sqlite = Command::new("sqlite3");
        sqlite
            .arg(self.folder.path().join(DATABASE))
            .arg("SELECT gpoc_sid FROM gpo_code ORDER BY gpoc_id DESC LIMIT 1");
        let output = sqlite.output().unwrap();
        let sid = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert!(!sid.is_empty(), "nobody has come: {output:?}");
        let page = format!("http://{}/login.html?prompt=end_session&plugin=oidc&client_id=gateway", self.address);
        format!("{page}&sid={sid}&callback_url={then}&post_redirect_to={then}")
    }

    /// All that it has said so far.
    pub fn log(&self) -> String {
        self.log.text()
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
        self.administer("PUT", "/mod/plugin/oidc", &plugin(self.address, &key(algorithm), LIFETIME)).await;
        self.administer("PUT", "/mod/plugin/oidc/reset", &json!({})).await;
    }

    async fn administer(&self, method: &str, path: &str, body: &Value) {
        let answer = administer(self.address, method, path, &self.session, body).await.unwrap();
        assert_eq!(answer.status(), 200, "{method} {path}: {answer:?}");
    }
}

/// The server on a port that nobody was quicker to take, and a session of its administrator.
async fn serve(folder: &Path, database: &Path) -> (Process, Log, SocketAddr, String) {
    let pages = pages(folder);
    for _ in 0..TRIES {
        let (address, file) = (free_address(), folder.join("glewlwyd.conf"));
        fs::write(&file, configuration(address, database, &pages)).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "glewlwyd", "--config-file"]).arg(&file);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let log = Log::of(child.stdout.take().unwrap());
        let process = Process::of(child);
        // It says that it has started before it listens; and whoever answers on the port may be another.
        let session = eventually("glewlwyd", async || match log_in(address, "admin", "password").await {
            Some(session) => Some(Some(session)),
            None if log.text().contains("Glewlwyd stopped") => Some(None),
            None => None,
        });
        if let Some(session) = session.await {
            return (process, log, address, session);
        }
    }
    panic!("glewlwyd did not start on {TRIES} ports");
}

/// The pages of its login, in `folder`: in Debian's package the file with their settings has become a folder.
fn pages(folder: &Path) -> PathBuf {
    let pages = folder.join("webapp");
    let mut copy = Command::new("cp");
    copy.arg("-rL").arg(PAGES).arg(&pages);
    assert!(copy.status().is_ok_and(|status| status.success()), "{copy:?}");
    let settings = pages.join("config.json");
    if settings.is_dir() {
        let text = fs::read(settings.join("config.json")).unwrap();
        fs::remove_dir_all(&settings).unwrap();
        fs::write(&settings, text).unwrap();
    }
    pages
}

/// The field that makes a request one of somebody's.
async fn log_in(address: SocketAddr, name: &str, password: &str) -> Option<String> {
    let credentials = json!({"username": name, "password": password});
    let answer = administer(address, "POST", "/auth", "", &credentials).await.ok()?;
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

fn plugin(address: SocketAddr, key: &TokenKey, lifetime: u64) -> Value {
    let kind = match key.algorithm() {
        "ES256" => "ecdsa",
        "EdDSA" => "eddsa",
        "RS256" => "rsa",
        other => panic!("no keys for {other} here"),
    };
    json!({"module": "oidc", "name": "oidc", "display_name": "", "parameters": {
        "iss": issuer(address), "subject-type": "public",
        "jwt-type": kind, "jwt-key-size": "256", "key": key.pem(), "cert": key.public_pem(), "jwks-show": true,
        "access-token-duration": lifetime, "refresh-token-duration": 86400, "code-duration": 300,
        "refresh-token-rolling": false, "refresh-token-one-use": "always", "allow-non-oidc": true,
        "auth-type-code-enabled": true, "auth-type-token-enabled": false, "auth-type-id-token-enabled": true,
        "auth-type-password-enabled": false, "auth-type-client-enabled": true, "auth-type-refresh-enabled": true,
        "pkce-allowed": true, "pkce-method-plain-allowed": false, "pkce-required": true,
        "name-claim": "mandatory", "email-claim": "mandatory",
        "claims": [{"name": "groups", "user-property": "groups", "type": "string", "mandatory": true}],
        "session-management-allowed": true, "back-channel-logout-allowed": true, "front-channel-logout-allowed": true,
        "session-cookie-name": "provider_session", "session-cookie-expiration": 86400,
        "introspection-revocation-allowed": true, "introspection-revocation-allow-target-client": true,
    }})
}

/// What is known of people.
fn users() -> Value {
    let groups = json!({"multiple": true, "read": true, "write": true});
    json!({"module": "database", "name": "database", "display_name": "", "order_rank": 0, "readonly": false, "parameters": {
        "use-glewlwyd-connection": true, "data-format": {"groups": groups},
    }})
}

/// What is known of clients. Debian's own list has the one redirect after logout, under a name that the server does not read.
fn clients() -> Value {
    let (one, many) = (json!({"read": true, "write": true}), json!({"multiple": true, "read": true, "write": true}));
    json!({"module": "database", "name": "database", "display_name": "", "order_rank": 0, "readonly": false, "parameters": {
        "use-glewlwyd-connection": true, "data-format": {
            "redirect_uri": many, "authorization_type": many, "token_endpoint_auth_method": many,
            "post_logout_redirect_uris": many, "backchannel_logout_uri": one, "backchannel_logout_session_required": one,
        },
    }})
}

fn configuration(address: SocketAddr, database: &Path, pages: &Path) -> String {
    format!(
        r#"port={port}
bind_address="{ip}"
external_url="http://{address}"
api_prefix="{api}"
log_mode="console"
log_level="INFO"
cookie_secure=0
login_url="login.html"
static_files_path="{pages}/"
static_files_mime_types = (
  {{ extension = ".html" mime_type = "text/html" }}, {{ extension = ".css" mime_type = "text/css" }},
  {{ extension = ".js" mime_type = "application/javascript" }}, {{ extension = ".json" mime_type = "application/json" }}
);
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
        pages = pages.display(),
    )
}
