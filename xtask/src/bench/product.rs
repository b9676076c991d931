//! The proxies that are compared: who they are, how each is configured and started.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::certificate::Certificate;
use super::identity::Identity;
use super::row::{Door, Routes};
use super::{envoy, gwanmun, haproxy, nginx, services};
use crate::failure::{Failure, While};
use crate::steps;
use crate::workspace;

/// A proxy that takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Product {
    /// Ours.
    Gwanmun,
    /// Debian's nginx.
    Nginx,
    /// Debian's HAProxy.
    Haproxy,
    /// Envoy as PyPI packages it.
    Envoy,
    /// A service of one handler on axum, and nothing else.
    Axum,
    /// The same handler on the chassis.
    Chassis,
}

/// What a proxy is to do and where: the same duties for all.
///
/// Duties: a line per request in the access log, `X-Forwarded-For`, [`SET_HEADER`] set to the upstream,
/// [`REMOVED_HEADER`] kept from the upstream, [`ADDED_HEADER`] in the answer.
pub(crate) struct Setup {
    /// What the listener speaks.
    pub(crate) door: Door,
    /// The routes, all to the one origin.
    pub(crate) routes: Routes,
    /// Where to listen.
    pub(crate) address: SocketAddr,
    /// A second address, for a management port.
    pub(crate) management: SocketAddr,
    /// The origin.
    pub(crate) backend: SocketAddr,
    /// A folder for the configuration, the logs and what else the proxy writes.
    pub(crate) folder: PathBuf,
    /// For [`Door::Tls`].
    pub(crate) certificate: Certificate,
    /// Whom it lets pass; everybody where nothing is said.
    pub(crate) identity: Option<Identity>,
    /// Whether one request in a hundred is sampled and sent to a receiver.
    pub(crate) spans: bool,
    /// A header of every request: `Txn-Token: …`.
    pub(crate) header: Option<String>,
}

/// The request header that every proxy sets, with its value.
pub(crate) const SET_HEADER: (&str, &str) = ("X-Bench", "set");
/// The request header that every client sends and every proxy removes.
pub(crate) const REMOVED_HEADER: &str = "X-Remove-Me";
/// The response header that every proxy adds, with its value.
pub(crate) const ADDED_HEADER: (&str, &str) = ("X-Gateway", "passed");

impl Setup {
    /// The access log.
    pub(crate) fn access_log(&self) -> PathBuf {
        self.folder.join("access.log")
    }

    /// A file in the folder, written.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let path = self.folder.join(name);
        std::fs::write(&path, text).while_doing(path.display())?;
        Ok(path)
    }
}

/// How a configured proxy is called.
pub(crate) struct Calls {
    /// Runs it in the foreground.
    pub(crate) run: Command,
    /// Checks the configuration and ends.
    pub(crate) check: Command,
    /// Whether its standard output is the access log.
    pub(crate) logs_to_stdout: bool,
}

impl Product {
    /// Every proxy, without services, in the order of the rounds and of the report.
    pub(crate) const ALL: [Self; 4] = [Self::Gwanmun, Self::Nginx, Self::Haproxy, Self::Envoy];

    /// The proxy with this name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|product| product.name() == name)
    }

    /// The name in the report and of its folder.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gwanmun => "gwanmun",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Envoy => "envoy",
            Self::Axum => "axum",
            Self::Chassis => "chassis",
        }
    }

    /// The program's file.
    pub(crate) fn program(self) -> PathBuf {
        match self {
            Self::Gwanmun => workspace::target().join("release/gwanmun"),
            Self::Nginx => on_path("nginx"),
            Self::Haproxy => on_path("haproxy"),
            Self::Envoy => envoy::program(),
            Self::Axum => workspace::target().join("release/examples/bench_axum"),
            Self::Chassis => workspace::target().join("release/examples/bench_chassis"),
        }
    }

    /// What the program says of its version.
    pub(crate) fn version(self) -> String {
        let argument = if self == Self::Gwanmun || self == Self::Envoy { "--version" } else { "-v" };
        let Ok(output) = Command::new(self.program()).arg(argument).output() else { return "not there".to_owned() };
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("unknown").trim();
        // Some begin with the path they were called by.
        line.split_once(" version: ").map_or(line, |(_, version)| version).to_owned()
    }

    /// Writes the configuration and says how to run it.
    pub(crate) fn configure(self, setup: &Setup) -> Result<Calls, Failure> {
        match self {
            Self::Gwanmun => gwanmun::configure(setup),
            Self::Nginx => nginx::configure(setup),
            Self::Haproxy => haproxy::configure(setup),
            Self::Envoy => envoy::configure(setup),
            Self::Axum | Self::Chassis => services::configure(self, setup),
        }
    }
}

/// Debian keeps daemons in `/usr/sbin`, which not every `PATH` has.
fn on_path(name: &str) -> PathBuf {
    let daemon = Path::new("/usr/sbin").join(name);
    if daemon.exists() { daemon } else { PathBuf::from(name) }
}

/// Tells a person which configuration a proxy refused, and why.
pub(crate) fn checked(product: Product, check: Command) -> Result<(), Failure> {
    steps::output(check).map(drop).while_doing(format_args!("{} refuses its configuration", product.name()))
}
