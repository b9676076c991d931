//! `gwanmun demo`: a gateway for each role, side by side on free ports, with a provider stub and small services behind, and
//! the lines to try.

mod certificates;
mod folder;
mod gateway;
mod page;
mod passports;
mod provider;
mod service;
mod tour;
mod wire;

use std::io;
use std::time::{Duration, SystemTime};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use gwanmun_filters::Registry;
use gwanmun_jose::{base64url, sha256};
use gwanmun_telemetry::access::{AccessLog, Sink};
use tokio::runtime::{Builder, LocalOptions};

use crate::cli::Outcome;
use crate::command::run::Signals;
use crate::terminal::{complain, say};
use certificates::{Authority, Holder, key_pem};
use folder::Folder;
use gateway::Gateway;
use passports::Passports;
use provider::{Client, Provider};
use service::{About, Link, Service};
use tour::Tour;
use wire::Port;

/// How long running requests may take once Ctrl-C was pressed.
const DRAIN: Duration = Duration::from_secs(2);

const PLAIN: &str = include_str!("demo/gateways/plain.yaml");
const PUBLIC: &str = include_str!("demo/gateways/public.yaml");
const SECURE: &str = include_str!("demo/gateways/secure.yaml");
const INTERNAL: &str = include_str!("demo/gateways/internal.yaml");

/// All that runs.
struct House {
    gateways: Vec<Gateway>,
    signals: Signals,
    /// It goes when the house does.
    _folder: Folder,
}

/// The services behind the gateways.
struct Services {
    orders: Service,
    kitchen: Service,
    api: Service,
    account: Service,
    reports: Service,
    notes: Service,
    console: Service,
}

/// Runs until Ctrl-C.
pub(crate) fn run(registry: &Registry) -> Outcome {
    let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
        Ok(runtime) => runtime,
        Err(error) => return could_not_start(&error),
    };
    runtime.block_on(async {
        match open(registry).await {
            Err(error) => could_not_start(&error),
            Ok(House { gateways, mut signals, _folder }) => {
                signals.stop().await;
                say("\nstopping");
                let stop = move || gateways.into_iter().for_each(|gateway| gateway.stop(DRAIN));
                let _ = tokio::task::spawn_blocking(stop).await;
                Outcome::Good
            }
        }
    })
}

/// Opens everything, from the services to the front, and says what to try.
async fn open(registry: &Registry) -> io::Result<House> {
    let signals = Signals::listen()?;
    let folder = Folder::new()?;
    let access_log = AccessLog::open(Sink::Stdout)?;
    let passports = Passports::default();
    let services = Services::start(&passports).await?;
    let provider = Provider::open(Port::free().await?)?;
    let (shop_secret, tools_secret, api_key) = (secret()?, secret()?, secret()?);
    write_credentials(&folder, &api_key)?;

    let at = |service: &Service| service.address.to_string();
    let issuer = || ("ISSUER", provider.issuer().to_owned());
    let start = async |named, values: &[(&str, String)]| {
        Gateway::start(registry, &folder, named, values, &access_log, &passports).await
    };
    let plain = [("ORDERS", at(&services.orders)), ("KITCHEN", at(&services.kitchen))];
    let plain = start(("plain", PLAIN), &plain).await?;
    let public =
        [issuer(), ("SECRET", shop_secret.clone()), ("API", at(&services.api)), ("ACCOUNT", at(&services.account))];
    let public = start(("public", PUBLIC), &public).await?;
    let secure = start(("secure", SECURE), &[("REPORTS", at(&services.reports))]).await?;
    let internal = [
        issuer(),
        ("SECRET", tools_secret.clone()),
        ("NOTES", at(&services.notes)),
        ("CONSOLE", at(&services.console)),
    ];
    let internal = start(("internal", INTERNAL), &internal).await?;

    let tour = Tour {
        plain: plain.address,
        public: public.address,
        secure: secure.address,
        internal: internal.address,
        issuer: provider.issuer(),
        api_key: &api_key,
        folder: folder.path(),
    };
    provider.register(client("shop", shop_secret, &public, &["shop.localhost"]));
    provider.register(client("tools", tools_secret, &internal, &["tool-a.localhost", "tool-b.localhost"]));
    services.link(&tour);
    say(&tour);
    Ok(House { gateways: vec![plain, public, secure, internal], signals, _folder: folder })
}

impl Services {
    async fn start(passports: &Passports) -> io::Result<Self> {
        let start = async |name, behind| Service::start(About { name, behind }, passports.clone()).await;
        Ok(Self {
            orders: start("orders", "behind the plain gateway").await?,
            kitchen: start("kitchen", "behind the plain gateway").await?,
            api: start("the order API", "behind the public gateway").await?,
            account: start("your account", "behind the public gateway").await?,
            reports: start("reports", "behind the secure gateway").await?,
            notes: start("tool A: notes", "behind the internal gateway").await?,
            console: start("tool B: console", "behind the internal gateway").await?,
        })
    }

    /// Has pages lead to each other, and to the way out.
    fn link(&self, tour: &Tour<'_>) {
        let link = |text, url| Link { text, url };
        let (a, b) = (tour.tool("tool-a"), tour.tool("tool-b"));
        let out = || link("Log out everywhere", "/logout".to_owned());
        self.notes.lead_to(vec![link("Tool B, by the same login", b), out()]);
        self.console.lead_to(vec![link("Tool A, by the same login", a), out()]);
        self.account.lead_to(vec![out()]);
    }
}

/// Certificates, keys and the hash of the partner's API key.
fn write_credentials(folder: &Folder, api_key: &str) -> io::Result<()> {
    let now = SystemTime::now();
    let authority = Authority::new("Gwanmun demo authority", now)?;
    folder.write("ca.pem", authority.pem())?;
    for (name, holder) in [
        ("server", Holder::Server(&["localhost"])),
        ("ann", Holder::Client("spiffe://demo/user/ann")),
        ("bob", Holder::Client("spiffe://demo/user/bob")),
    ] {
        let identity = authority.issue(name, &holder, now)?;
        folder.write(&format!("{name}.pem"), &identity.certificate)?;
        folder.write(&format!("{name}.key"), &identity.key)?;
    }
    folder.write("passport.pem", &key_pem()?)?;
    folder.write("audit.pem", &key_pem()?)?;
    let hash: String = sha256(api_key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let keys = format!("- {{id: acme, hash: \"sha256:{hash}\", scopes: [orders.read], roles: [partner]}}\n");
    folder.write("api-keys.yaml", &keys).map(drop)
}

/// A gateway as the provider knows it.
fn client(id: &'static str, secret: String, gateway: &Gateway, hosts: &[&str]) -> Client {
    let port = gateway.address.port();
    let host = format!("{}:{port}", hosts.first().unwrap_or(&"localhost"));
    let origins = hosts.iter().map(|host| format!("http://{host}:{port}")).collect();
    Client { id, secret, origins, backchannel: (gateway.address, host) }
}

/// 24 random bytes, base64url.
fn secret() -> io::Result<String> {
    let mut bytes = [0_u8; 24];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("there is no randomness"))?;
    Ok(base64url::encode(&bytes))
}

fn could_not_start(error: &io::Error) -> Outcome {
    complain(format_args!("error: the demo cannot start: {error}"));
    Outcome::CouldNotStart
}
