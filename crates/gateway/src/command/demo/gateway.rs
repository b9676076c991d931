//! One of the demo's gateways: its configuration is a file in the demo's folder, so that it can be looked at, and it runs as
//! any other does.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use gwanmun_filters::Registry;
use gwanmun_filters::section::passport::PassportOffice;
use gwanmun_proxy::{Lasting, Network, Server, Tellers};
use gwanmun_telemetry::access::AccessLog;
use gwanmun_telemetry::exceptions::Exceptions;
use gwanmun_telemetry::metrics::Metrics;
use gwanmun_telemetry::tracer::Tracer;

use super::folder::Folder;
use super::passports::Passports;
use crate::load::to_run;

/// A gateway that serves.
pub(super) struct Gateway {
    server: Server,
    lasting: Lasting,
    pub(super) address: SocketAddr,
}

impl Gateway {
    /// Starts the one whose configuration is `template`, with `values` in the place of `@NAME@`. Services believe its
    /// Passports from then on.
    pub(super) async fn start(
        registry: &Registry,
        folder: &Folder,
        (name, template): (&str, &str),
        values: &[(&str, String)],
        access_log: &AccessLog,
        passports: &Passports,
    ) -> io::Result<Self> {
        let text =
            values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("@{name}@"), value));
        let path = folder.write(&format!("{name}.yaml"), &text)?;
        let lasting = Lasting::new(Network::Online);
        let plan = Self::plan(registry, &path, &lasting)?;
        let office = plan.sections.of::<PassportOffice>().ok();
        let tellers = Tellers {
            metrics: Metrics::new(),
            access_log: access_log.clone(),
            exceptions: Exceptions::default(),
            tracer: Tracer::off(),
        };
        let server = Server::start(plan, 1, tellers).map_err(io::Error::other)?;
        if let Some(office) = office {
            passports.trust(&format!("https://{name}.demo.internal"), &office).await?;
        }
        let listening = server.listening();
        let address = listening.first().and_then(|(_, address)| address.parse().ok());
        let address = address.ok_or_else(|| io::Error::other(format!("the gateway '{name}' has no listener")))?;
        Ok(Self { server, lasting, address })
    }

    /// What the file says; it has no mistakes, unless the demo has one.
    fn plan(registry: &Registry, path: &Path, lasting: &Lasting) -> io::Result<gwanmun_proxy::Plan> {
        let configuration = to_run(registry, &[path.to_owned()], lasting, |_| {});
        // What it warns of, such as sessions in memory, is meant here.
        if configuration.plan.is_none() {
            configuration.complain();
        }
        configuration.plan.ok_or_else(|| io::Error::other("the demo's own configuration has a mistake"))
    }

    /// Ends it, when running requests have ended or after `limit`.
    pub(super) fn stop(self, limit: Duration) {
        self.server.drain(limit);
        self.lasting.end();
    }
}
