//! From what was read to what the start needs: everything that can be wrong with a configuration is found here, before
//! anything has begun.

use std::sync::Arc;

use gwanmun_config::{Diagnostic, Diagnostics, Spanned};
use gwanmun_core::{Clock, SystemClock, Tallies};
use gwanmun_telemetry::health::Configured;
use gwanmun_telemetry::metrics::{HttpCalls, Instruments, Numbers, process, service_build};
use gwanmun_telemetry::operators::Operators;
use gwanmun_telemetry::pipeline::{Ground, Resource, Telemetry};
use gwanmun_telemetry::spec::{Propagation, TelemetrySpec};
use gwanmun_telemetry::trace::TraceFormats;

use super::StartError;
use crate::blocks::Blocks;
use crate::config::{Reading, Record, Settings};
use crate::identity::Sink;
use crate::outgoing::Told;
use crate::server::{Limits, Tls};
use crate::service::Service;
use crate::settings::ServiceSpec;
use crate::sql::{Database, Migration};

/// A configuration that can be started.
pub(super) struct Prepared<C> {
    pub(super) spec: ServiceSpec,
    pub(super) own: C,
    /// As it was written.
    pub(super) record: Record,
    /// To be shown.
    pub(super) warnings: String,
    pub(super) limits: Limits,
    pub(super) tls: Option<Tls>,
    pub(super) formats: TraceFormats,
    pub(super) health: Configured,
    pub(super) blocks: Blocks,
    pub(super) database: Option<Database>,
    pub(super) foundation: Foundation,
}

/// Names of checks that a service may have besides those that it brings.
const CHECKS: [&str; 3] = ["collectors", "configuration", "database"];

/// What everything else stands on: the time, and those who count and tell.
pub(super) struct Foundation {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tallies: Tallies,
    pub(super) instruments: Instruments,
    pub(super) numbers: Numbers,
    pub(super) telemetry: Telemetry,
}

/// What a configuration is looked at for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To run.
    Run,
    /// To be told whether it is good: nothing leaves the process.
    Check,
}

/// Looks at everything. To be called on the runtime of the service.
///
/// # Errors
/// All mistakes.
pub(super) fn prepare<C>(
    service: &Service<C>,
    mut reading: Reading<C>,
    purpose: Purpose,
) -> Result<Prepared<C>, StartError> {
    if service.has_lost {
        let why = "`config` comes after routes, hooks or checks, which know nothing of it";
        return Err(StartError::could_not("the service is put together in the wrong order", why));
    }
    let Looked { limits, tls, health } = look_at(&mut reading, &checks_of(service));
    let database = database(&mut reading, service.migrations);
    let may_tell = purpose == Purpose::Run && !reading.diagnostics.has_errors();
    let environment = reading.profiles().first().map(|profile| Arc::from(profile.as_str()));
    let spec = &reading.spec;
    let foundation = Foundation::lay(service.name, service.version, environment, may_tell.then_some(&spec.telemetry));
    let formats = formats(&spec.telemetry);
    let calls = HttpCalls::new(&foundation.instruments);
    let calls = calls.map_err(|error| StartError::could_not("the numbers of calls", error))?;
    let told = Told::new(foundation.telemetry.tracer(), formats, calls);
    let (sources, files, mistakes) = (&reading.sources, &mut reading.files, &mut reading.diagnostics);
    let sink = match purpose {
        Purpose::Run => Sink::Opened,
        Purpose::Check => Sink::Untouched,
    };
    let blocks = Blocks::build(spec, sink, &told, &foundation.tallies, sources, files, mistakes);
    let Settings { spec, own, record, warnings } = reading.settle()?;
    let blocks = blocks.ok_or_else(|| StartError::could_not("the configuration", "something is wrong with it"))?;
    Ok(Prepared { spec, own, record, warnings, limits, tls, formats, health, blocks, database, foundation })
}

/// What can be looked at without anything to stand on.
pub(super) struct Looked {
    limits: Limits,
    pub(super) tls: Option<Tls>,
    pub(super) health: Configured,
}

/// The names of the checks that `service` brings.
pub(super) fn checks_of<C>(service: &Service<C>) -> Vec<String> {
    service.checks.iter().map(|(name, ..)| name.clone()).collect()
}

/// Looks at what needs nothing to stand on; `checks` are those that the service brings.
pub(super) fn look_at<C>(reading: &mut Reading<C>, checks: &[String]) -> Looked {
    let Reading { spec, diagnostics, sources, files, .. } = reading;
    for address in [&spec.server.address, &spec.management.address, &spec.management.probes] {
        check_address(address.as_ref(), diagnostics);
    }
    spec.telemetry.check(diagnostics);
    Operators::check(spec.management.token.as_ref(), diagnostics);
    let limits = Limits::of(&spec.server, diagnostics);
    let tls = spec.server.tls.as_ref().and_then(|tls| Tls::load(tls, sources, files, diagnostics));
    let known: Vec<&str> = CHECKS.into_iter().chain(checks.iter().map(String::as_str)).collect();
    let health = spec.health.configured(&known, diagnostics);
    Looked { limits, tls, health }
}

/// The database, if there is to be one: there must be, where something brings it up to date.
pub(super) fn database<C>(reading: &mut Reading<C>, migrations: &[Migration]) -> Option<Database> {
    if let Some(spec) = &reading.spec.database {
        return Database::of(spec, &mut reading.diagnostics);
    }
    // It may well be in what could not be read.
    if !migrations.is_empty() && !reading.diagnostics.has_errors() {
        let mistake = Diagnostic::error("this service has migrations, and no 'database' that they are for", None);
        reading.diagnostics.push(mistake.with_hint("write 'database:' and its 'url' below it"));
    }
    None
}

impl Foundation {
    /// Who tells only counts where there is no `spec`.
    fn lay(name: &str, version: &str, environment: Option<Arc<str>>, spec: Option<&TelemetrySpec>) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (tallies, instruments, numbers) = (Tallies::default(), Instruments::new(), Numbers::new());
        numbers.add(instruments.source());
        numbers.add_tallies(tallies.clone());
        let resource = Resource { environment, ..Resource::new(name, version) };
        numbers.add(process(Arc::clone(&clock)));
        numbers.add(service_build(Arc::clone(&resource.service), Arc::clone(&resource.version)));
        let ground =
            Ground { resource, clock: Arc::clone(&clock), tallies: tallies.clone(), numbers: numbers.source() };
        let telemetry = spec.map_or_else(Telemetry::default, |spec| Telemetry::start(spec, ground));
        Self { clock, tallies, instruments, numbers, telemetry }
    }
}

/// `host:port`; whether it can be bound is another question.
fn check_address(address: Option<&Spanned<String>>, mistakes: &mut Diagnostics) {
    let Some(address) = address else { return };
    let is_port = |port: &str| !port.is_empty() && port.parse::<u16>().is_ok();
    if !address.value.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && is_port(port)) {
        let found = address.value.escape_debug();
        mistakes.push(Diagnostic::error(format!("found '{found}', wanted host:port"), address.span));
    }
}

fn formats(spec: &TelemetrySpec) -> TraceFormats {
    match &spec.traces.propagate {
        None => TraceFormats::new([Propagation::W3c]),
        Some(formats) => TraceFormats::new(formats.iter().map(|format| format.value)),
    }
}
