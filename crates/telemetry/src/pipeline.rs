//! Everything that leaves the process, made from the section `telemetry`: started once, adapted at a reload, emptied at
//! the end.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gwanmun_client::Outbound;
use gwanmun_core::{Clock, Tallies};

use crate::calls::Calls;
use crate::exceptions::Exceptions;
use crate::export::{Collector, NumberTarget, Push, Pushed, Shipper, SpanTarget};
use crate::instrumented;
use crate::logs;
use crate::metrics::{Source, process_start};
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
    /// A service of this name and version, with an id of its own for this process: a UUID (RFC 9562, version 4).
    pub fn new(service: &str, version: &str) -> Self {
        let random = fastrand::u128(..) & !(0xf << 76) & !(0b11 << 62) | 0x4 << 76 | 0b10 << 62;
        let digits = format!("{random:032x}");
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| digits.get(part).unwrap_or_default());
        Self {
            service: service.into(),
            version: version.into(),
            instance: parts.join("-").into(),
            environment: None,
            others: Vec::new(),
        }
    }

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

/// Exporters at work. Clones are the same; the default one does nothing.
#[derive(Debug, Clone, Default)]
pub struct Telemetry {
    tracer: Tracer,
    exceptions: Exceptions,
    works: Option<Arc<Works>>,
}

/// What runs in the background.
struct Works {
    resource: Arc<Resource>,
    /// A thread for collectors alone: a slow one delays nobody else's calls.
    outbound: Outbound,
    /// Where spans go; held while that changes.
    spans_to: Mutex<Option<SpanTarget>>,
    numbers: Pushed,
    /// Where numbers go; held while that changes.
    numbers_to: Mutex<Option<(NumberTarget, Arc<Shipper<Push>>)>>,
}

impl Telemetry {
    /// Starts what `spec` asks for; it was checked before.
    pub fn start(spec: &TelemetrySpec, ground: Ground) -> Self {
        let Ground { resource, clock, tallies, numbers } = ground;
        let exceptions = Exceptions::new(Arc::clone(&clock), &tallies);
        let resource = Arc::new(resource);
        let works = Works {
            resource: Arc::clone(&resource),
            spans_to: Mutex::default(),
            numbers: Pushed { resource, numbers, start: process_start(&*clock) },
            numbers_to: Mutex::default(),
            outbound: Outbound::new(clock, tallies),
        };
        let telemetry = Self { tracer: Tracer::off(), exceptions, works: Some(Arc::new(works)) };
        telemetry.reload(spec);
        logs::hand_spans_to(instrumented::taker(telemetry.tracer()));
        telemetry
    }

    /// Does from now on what `spec` asks for. What has not changed goes on undisturbed.
    pub fn reload(&self, spec: &TelemetrySpec) {
        let Some(works) = &self.works else { return };
        works.send_spans(SpanTarget::of(&spec.traces), &self.tracer);
        works.send_numbers(NumberTarget::of(&spec.metrics));
        self.exceptions.follow(&spec.exceptions, &works.resource, &works.outbound);
    }

    /// Where spans go, after any reload too.
    pub fn tracer(&self) -> Tracer {
        self.tracer.clone()
    }

    /// Makes spans of the calls on `outbound` that are made for sampled requests, from now on.
    pub fn follow_calls(&self, outbound: &Outbound) {
        outbound.watch_by(Arc::new(Calls(self.tracer())));
    }

    /// Where panics and errors go.
    pub fn exceptions(&self) -> Exceptions {
        self.exceptions.clone()
    }

    /// How every collector does.
    pub fn collectors(&self) -> Vec<Collector> {
        let numbers = self.works.as_ref().and_then(|works| works.pusher()).map(|shipper| shipper.collector());
        [self.tracer.collector(), numbers, self.exceptions.collector(), crate::logs::collector()]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Sends what waits, for at most `limit`, and ends. Blocks the thread.
    pub fn close(&self, limit: Duration) {
        let until = Instant::now().checked_add(limit);
        let left = || until.map_or(limit, |until| until.saturating_duration_since(Instant::now()));
        let pusher = self.works.as_ref().and_then(|works| works.pusher());
        // What was counted last.
        pusher.iter().for_each(|pusher| pusher.offer(Push));
        let all = [self.tracer.ending(), self.exceptions.ending(), pusher.map(|pusher| pusher as _)];
        // All at once, under one limit.
        all.iter().flatten().for_each(|one| one.close(limit));
        all.iter().flatten().for_each(|one| one.wait(left()));
    }
}

impl Works {
    fn send_spans(&self, target: Option<SpanTarget>, tracer: &Tracer) {
        let mut present = self.spans_to.lock().unwrap_or_else(PoisonError::into_inner);
        if *present == target {
            return;
        }
        let shipper = target.as_ref().map(|target| target.shipper(&self.resource, &self.outbound));
        match shipper.transpose() {
            Ok(shipper) => {
                tracer.turn_to(shipper);
                *present = target;
            }
            Err(why) => tracing::error!(event = "telemetry", why, "spans cannot be sent"),
        }
    }

    fn send_numbers(&self, target: Option<NumberTarget>) {
        let mut present = self.numbers_to.lock().unwrap_or_else(PoisonError::into_inner);
        if present.as_ref().map(|(target, _)| target) == target.as_ref() {
            return;
        }
        let shipper = target.map(|target| Ok((target.shipper(self.numbers.clone(), &self.outbound)?, target)));
        match shipper.transpose() {
            Ok(shipper) => *present = shipper.map(|(shipper, target)| (target, shipper)),
            Err::<_, String>(why) => tracing::error!(event = "telemetry", why, "numbers cannot be sent"),
        }
    }

    fn pusher(&self) -> Option<Arc<Shipper<Push>>> {
        let present = self.numbers_to.lock().unwrap_or_else(PoisonError::into_inner);
        present.as_ref().map(|(_, shipper)| Arc::clone(shipper))
    }
}

impl fmt::Debug for Works {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Works").field("resource", &self.resource).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_process_is_told_apart() {
        let [one, other] = [(); 2].map(|()| Resource::new("orders", "1").instance);
        assert_ne!(one, other);
        let shape: String = one.chars().map(|digit| if digit.is_ascii_hexdigit() { 'x' } else { digit }).collect();
        assert_eq!(shape, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
        assert_eq!(&one[14..15], "4");
        assert!(matches!(&one[19..20], "8" | "9" | "a" | "b"));
    }
}
