//! A reload: the files are read and compiled beside what runs, and taken over as a whole or not at all.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use gwanmun_config::Files;
use gwanmun_filters::Registry;
use gwanmun_proxy::{GatewaySpec, Lasting, Server};
use gwanmun_telemetry::logs;
use gwanmun_telemetry::metrics::{Metrics, Reload};
use gwanmun_telemetry::pipeline::Telemetry;

use super::workers;
use crate::load::{Configuration, to_run};
use crate::management::{GatewayHealth, Management};
use crate::open_files;

/// A gateway that runs, and what it takes to give it another configuration.
pub(super) struct Running<'a> {
    pub(super) registry: &'a Registry,
    pub(super) files: &'a [PathBuf],
    pub(super) lasting: &'a Lasting,
    pub(super) server: Server,
    pub(super) management: Management,
    pub(super) health: GatewayHealth,
    pub(super) metrics: Metrics,
    pub(super) telemetry: Telemetry,
    pub(super) fixed: Fixed,
    pub(super) drain: DrainTimes,
    /// How many there may be.
    pub(super) open_files: Option<u64>,
}

/// Why a configuration is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Signal,
    Files,
}

/// How the gateway will stop.
#[derive(Debug, Clone, Copy)]
pub(super) struct DrainTimes {
    pub(super) delay: Duration,
    pub(super) limit: Duration,
}

impl DrainTimes {
    pub(super) fn of(spec: &GatewaySpec) -> Self {
        Self { delay: spec.drain.delay.0, limit: spec.drain.timeout.0 }
    }
}

/// What is taken from the start of the process, by key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fixed([(&'static str, String); 5]);

impl Fixed {
    pub(super) fn of(spec: &GatewaySpec) -> Self {
        let probes = spec.management.probes.as_ref().map_or("", |address| address.as_str());
        let access_log = spec.telemetry.access_log.as_ref().map_or("stdout", |sink| sink.as_str());
        Self([
            ("workers", workers(spec).to_string()),
            ("management.address", spec.management.address.value.clone()),
            ("management.probes", probes.to_owned()),
            ("telemetry.access-log", access_log.to_owned()),
            ("telemetry.logs.format", format!("{:?}", spec.telemetry.logs.format)),
        ])
    }

    /// The keys that are another in `spec`.
    fn changed_in(&self, spec: &GatewaySpec) -> Vec<&'static str> {
        let other = Self::of(spec);
        self.0.iter().zip(other.0).filter(|(one, other)| **one != *other).map(|((key, _), _)| *key).collect()
    }
}

impl Running<'_> {
    /// Reads the files again and takes them over; one with mistakes changes nothing. Returns what was read.
    pub(super) fn reload(&mut self, cause: Cause) -> Files {
        let mut configuration = to_run(self.registry, self.files, self.lasting, |_| {});
        configuration.complain();
        let files = std::mem::take(&mut configuration.files);
        match self.take_over(&mut configuration) {
            Ok(()) => {
                let now = SystemTime::now();
                self.metrics.reload(Reload::Success, now);
                self.management.taken_over(&configuration);
                self.health.taken_over(std::mem::take(&mut configuration.health), &self.server, now);
                tracing::info!(event = "reloaded", ?cause, "the new configuration is in force");
                self.tell_what_waits(&configuration.spec);
            }
            Err(reason) => {
                let now = SystemTime::now();
                self.metrics.reload(Reload::Failure, now);
                tracing::error!(event = "reload-failed", ?cause, reason, "the old configuration stays in force");
                self.health.not_taken_over(reason, now);
            }
        }
        files
    }

    fn take_over(&mut self, configuration: &mut Configuration) -> Result<(), String> {
        let plan = configuration.plan.take().ok_or("the new configuration has mistakes")?;
        let spec = &configuration.spec;
        if spec.listeners.is_empty() {
            return Err("the new configuration has no listeners".to_owned());
        }
        open_files::warn_if_short(self.open_files, &plan);
        self.server.replace(plan).map_err(|error| error.to_string())?;
        logs::apply(&spec.telemetry.logs);
        self.telemetry.reload(&spec.telemetry);
        if let Err(error) = logs::send_to(&spec.telemetry.logs, "gwanmun") {
            tracing::error!(event = "log-output-kept", %error, "the application log goes where it went before");
        }
        self.drain = DrainTimes::of(spec);
        Ok(())
    }

    fn tell_what_waits(&self, spec: &GatewaySpec) {
        let keys = self.fixed.changed_in(spec);
        if !keys.is_empty() {
            let keys = keys.join(", ");
            tracing::warn!(event = "restart-needed", keys, "these keys take effect at the next start");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::from_text;

    #[test]
    fn keys_that_wait_for_a_restart_are_named_and_others_are_not() {
        let spec = |text: &str| from_text(&Registry::standard(), "gw.yaml", text).spec;
        let fixed = Fixed::of(&spec("workers: 2\n"));
        let changed = |text: &str| fixed.changed_in(&spec(text));
        assert!(
            changed("workers: 2\nlimits: {connections: 5}\ntelemetry: {access-log: stdout, logs: {level: debug}}\n")
                .is_empty()
        );
        assert_eq!(changed("workers: 3\nmanagement: {probes: '127.0.0.1:1'}\n"), ["workers", "management.probes"]);
        let all =
            "management: {address: '127.0.0.1:1'}\nworkers: 2\ntelemetry: {access-log: off, logs: {format: text}}\n";
        assert_eq!(changed(all), ["management.address", "telemetry.access-log", "telemetry.logs.format"]);
    }
}
