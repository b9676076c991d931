//! What another configuration means for a service that runs: who may what, how much is told, and the certificate of the
//! listener, whose files may be others under the same names.

use std::sync::Arc;

use gwanmun_client::Outbound;
use gwanmun_core::{Clock, Tallies};
use gwanmun_telemetry::health::Configured;
use gwanmun_telemetry::logs;
use tokio::runtime::Handle;

use super::prepare::{self, Looked};
use crate::app::App;
use crate::config::{Configuration, Reading, TakeOver};
use crate::ground::Ground;
use crate::identity::{Identity, Rules};
use crate::observe::Observe;
use crate::server::Tls;
use crate::settings::ServiceSpec;
use crate::sql::Migration;

/// Gives a service that runs another configuration.
pub(super) struct Reconfigure<C> {
    pub(super) app: App<C>,
    pub(super) observe: Arc<Observe>,
    pub(super) tls: Option<Tls>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tallies: Tallies,
    /// The names of checks that the service brings.
    pub(super) checks: Vec<String>,
    /// What the database, which has to be there then, is brought up to date with.
    pub(super) migrations: &'static [Migration],
    /// Where checks of the configuration call.
    pub(super) outbound: Outbound,
    /// Of the configuration that was looked at last.
    pub(super) wanted: Wanted,
}

/// What a configuration becomes before it is in force.
#[derive(Default)]
pub(super) struct Wanted {
    tls: Option<Tls>,
    rules: Option<Rules>,
    health: Configured,
}

impl<C: Configuration> TakeOver<C> for Reconfigure<C> {
    fn check(&mut self, reading: &mut Reading<C>) {
        let Looked { tls, health, .. } = prepare::look_at(reading, &self.checks);
        // Another one waits for the next start; what is wrong with it is told now.
        let _ = prepare::database(reading, self.migrations);
        let Reading { spec, diagnostics, sources, files, .. } = reading;
        let (clock, tallies, runtime) = (&self.clock, &self.tallies, &Handle::current());
        let mut ground = Ground { clock, tallies, runtime, sources, files, diagnostics };
        let rules = Identity::rules(spec.authorization.as_ref(), &mut ground);
        self.wanted = Wanted { tls, rules, health };
    }

    fn take_over(&mut self, spec: ServiceSpec, own: C, _: &[String]) {
        let Wanted { tls, rules, health } = std::mem::take(&mut self.wanted);
        logs::apply(&spec.telemetry.logs);
        self.observe.sampling.set(spec.telemetry.traces.sample.as_ref().map(|sample| sample.value));
        if let (Some(now), Some(wanted)) = (&self.tls, tls) {
            now.become_like(&wanted);
        }
        if let Some(rules) = rules {
            self.app.identity().adopt(rules);
        }
        self.app.health().follow(health, &self.outbound);
        self.app.telemetry().reload(&spec.telemetry);
        if let Err(error) = logs::send_to(&spec.telemetry.logs, self.app.name()) {
            tracing::error!(event = "log-output-kept", %error, "the application log goes where it went before");
        }
        let telemetry = self.app.telemetry().clone();
        self.app.health().look_at_collectors(move || telemetry.collectors());
        self.app.adopt(own);
    }
}
