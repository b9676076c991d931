//! The life of a service: settings, logs, telemetry, the management port, checks, hooks, the listener, ready; a signal,
//! not ready, a delay, the rest of the requests, hooks in reverse, the last lines.

mod hooks;
mod prepare;
mod reload;
mod signals;

use std::ffi::OsString;
use std::fmt;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use gwanmun_client::Outbound;
use gwanmun_config::{Environment, Span, Spanned};
use gwanmun_telemetry::access::{AccessLog, Sink};
use gwanmun_telemetry::health::{Health, Process};
use gwanmun_telemetry::logs;
use gwanmun_telemetry::metrics::{Family, HttpServer, Runtimes, Source, Value};
use gwanmun_telemetry::operators::Operators;
use gwanmun_telemetry::spec::TelemetrySpec;
use tokio::runtime::{Builder, Handle};
use tokio::task::AbortHandle;

use crate::app::{App, Held};
use crate::blocks::Blocks;
use crate::config::{self, Asked, Configuration, Ended, Record, Reloader, Start};
use crate::management::{Management, Shown};
use crate::observe::{self, Lines, Observe, Sampling};
use crate::server::{self, Server, Serving, time};
use crate::service::{Hook, Service};
use crate::sql::Database;
use prepare::{Foundation, Prepared, Purpose};
use reload::{Reconfigure, Wanted};
use signals::Signals;

/// How long the last spans and exceptions have to leave.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why a service did not start.
#[derive(Debug, PartialEq, Eq)]
pub struct StartError {
    code: u8,
    text: String,
}

impl StartError {
    /// Neither the configuration nor the usage is at fault.
    pub(crate) fn could_not(what: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self { code: 3, text: format!("error: {what}: {why}\n") }
    }

    /// What the process ends with: 1 where the configuration is at fault, 2 after wrong usage, 3 where it could not start.
    pub fn exit_code(&self) -> u8 {
        self.code
    }
}

impl From<Ended> for StartError {
    fn from(ended: Ended) -> Self {
        Self { code: ended.code, text: ended.complaint }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.trim_end())
    }
}

impl std::error::Error for StartError {}

/// From the arguments of the process to its exit code.
pub(crate) fn run<C: Configuration>(service: Service<C>, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let (environment, folder) = (Environment::from_process(), PathBuf::new());
    let outcome = match Asked::of(service.name, service.version, arguments, environment, folder) {
        Asked::Run(start) => run_until_signal(service, start),
        Asked::Check(start) => check(&service, &start),
        Asked::Nothing(Ended { code: 0, said, .. }) => {
            // Nobody may be there to read it.
            let _ = std::io::stdout().lock().write_all(said.as_bytes());
            Ok(())
        }
        Asked::Nothing(ended) => Err(ended.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.text);
            ExitCode::from(error.code)
        }
    }
}

/// Only looks whether the configuration is good.
fn check<C: Configuration>(service: &Service<C>, start: &Start) -> Result<(), StartError> {
    let reading = config::read(service.name, start)?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| StartError::could_not("the runtime", error))?;
    let _within = runtime.enter();
    let prepared = prepare::prepare(service, reading, Purpose::Check)?;
    complain(&prepared.warnings);
    Ok(())
}

fn run_until_signal<C: Configuration>(service: Service<C>, start: Start) -> Result<(), StartError> {
    let reading = config::read(service.name, &start)?;
    init_logs(&reading.spec.telemetry);
    let runtime = Builder::new_multi_thread().enable_all().thread_name(service.name).build();
    let runtime = runtime.map_err(|error| StartError::could_not("the runtime", error))?;
    let mut in_background = None;
    let outcome = runtime.block_on(async {
        let prepared = prepare::prepare(&service, reading, Purpose::Run)?;
        complain(&prepared.warnings);
        in_background =
            Some(logs::in_background().map_err(|error| StartError::could_not("the application log", error))?);
        logs::send_to(&prepared.spec.telemetry.logs, service.name)
            .map_err(|error| StartError::could_not("telemetry.logs: the file cannot be opened", error))?;
        let mut signals =
            Signals::listen().map_err(|error| StartError::could_not("signals cannot be received", error))?;
        let mut running = tokio::select! {
            biased;
            running = begin(service, prepared) => running?,
            () = signals.stop() => return Ok(()),
        };
        let reloading = running.reload_from(start)?;
        signals.stop().await;
        if let Some(reloading) = reloading {
            reloading.abort();
        }
        running.stop_unless(signals.stop()).await;
        Ok(())
    });
    // What handlers have left behind is no reason to stay.
    runtime.shutdown_timeout(Duration::from_millis(100));
    if outcome.is_ok() {
        tracing::info!(event = "stopped", "stopped");
    }
    outcome
}

/// A service from the text of its settings. What they do not name: addresses are free ports of this machine, and there is no
/// access log.
pub(crate) async fn start_from<C: Configuration>(
    service: Service<C>,
    settings: &str,
) -> Result<Running<C>, StartError> {
    let mut reading = config::read(service.name, &Start::of_text(settings))?;
    let free = || Spanned::new("127.0.0.1:0".to_owned(), Span::NOWHERE);
    reading.spec.server.address.get_or_insert_with(free);
    reading.spec.management.address.get_or_insert_with(free);
    reading.spec.telemetry.access_log.get_or_insert_with(|| Spanned::new("off".to_owned(), Span::NOWHERE));
    let prepared = prepare::prepare(&service, reading, Purpose::Run)?;
    begin(service, prepared).await
}

/// A service at work.
pub struct Running<C = ()> {
    app: App<C>,
    address: SocketAddr,
    management: Management,
    serving: Serving,
    flushing: AbortHandle,
    on_stop: Vec<Hook<C>>,
    lines: Lines,
    access_log: AccessLog,
    delay: Duration,
    limit: Duration,
    /// Until somebody looks after reloads.
    lasting: Option<Lasting<C>>,
}

/// What a reload needs.
struct Lasting<C> {
    reconfigure: Reconfigure<C>,
    record: Arc<ArcSwap<Record>>,
    reloadable: Vec<&'static str>,
}

/// Starts a service on the runtime that this is called on.
async fn begin<C: Configuration>(service: Service<C>, prepared: Prepared<C>) -> Result<Running<C>, StartError> {
    let Prepared {
        spec,
        own,
        record,
        warnings: _,
        limits,
        tls,
        formats,
        health: configured,
        blocks,
        database,
        foundation,
    } = prepared;
    let Blocks { identity, clients } = blocks;
    let Foundation { clock, tallies, instruments, numbers, telemetry } = foundation;
    let names = prepare::checks_of(&service);
    let Service {
        name,
        version,
        routes,
        public_routes,
        on_start,
        on_stop,
        checks,
        reloadable,
        migrations,
        has_lost: _,
    } = service;
    let access_log = AccessLog::open(sink(&spec.telemetry))
        .map_err(|error| StartError::could_not("the access log cannot be opened", error))?;
    numbers.add(lost_lines(&access_log));
    let exceptions = telemetry.exceptions();
    exceptions.install_hook();
    let runtimes = Runtimes::new();
    runtimes.add("service", &Handle::current());
    numbers.add(runtimes.source());
    let health = Health::new(Handle::current(), Arc::clone(&clock), exceptions.clone());
    let outbound = Outbound::on(Handle::current(), Arc::clone(&clock), tallies.clone());
    health.follow(configured, &outbound);
    health.look_at_collectors({
        let telemetry = telemetry.clone();
        move || telemetry.collectors()
    });
    numbers.add({
        let health = health.clone();
        Arc::new(move || health.families())
    });
    let sql = database.map(Database::pool);
    if let Some(sql) = &sql {
        numbers.add(sql.numbers());
    }
    let record = Arc::new(ArcSwap::from_pointee(record));
    let (config, metrics) = (ArcSwap::from_pointee(own), instruments.clone());
    let app = App::of(Held {
        name,
        config,
        health: health.clone(),
        telemetry: telemetry.clone(),
        metrics,
        identity: identity.clone(),
        clients,
        sql,
    });
    let shown = Shown {
        name,
        version,
        record: Arc::clone(&record),
        health: health.clone(),
        telemetry: telemetry.clone(),
        numbers,
        since: clock.wall(),
        operators: Operators::new(spec.management.token.as_ref().map(|token| token.as_str())),
    };
    let management = Management::start(&spec.management, shown).await?;
    for (check, settings, make) in checks {
        health.add(&check, settings, make(&app));
    }
    if let Err(why) = identity.prepare_keys().await {
        tracing::warn!(event = "passport-keys-missing", error = why, "the keys of Passports cannot be had yet");
    }
    if let Some(sql) = app.database() {
        let started = sql.start(migrations).await;
        started.map_err(|error| StartError::could_not("the database", error))?;
        sql.watch(&health);
    }
    hooks::start(on_start, &app).await?;

    let wanted = spec.server.address.as_ref().map_or("127.0.0.1:8080", |address| address.as_str());
    let (listener, address) = server::bind(wanted)
        .await
        .map_err(|error| StartError::could_not(format_args!("server.address {wanted} cannot be bound"), error))?;
    let lines = Lines::new(&access_log, Handle::current().metrics().num_workers());
    let flushing = tokio::spawn(lines.clone().keep_flushing()).abort_handle();
    let help = "Requests that were answered with a fault, by code.";
    let observe = Arc::new(Observe {
        lines: lines.clone(),
        tracer: telemetry.tracer(),
        exceptions,
        requests: HttpServer::new(&instruments)
            .map_err(|error| StartError::could_not("the numbers of requests", error))?,
        faults: tallies.tally("gwanmun_faults_total", help, &["code"]),
        formats,
        sampling: Sampling::new(spec.telemetry.traces.sample.as_ref().map(|sample| sample.value)),
        body_bytes: limits.body_bytes,
        timeout: limits.timeout,
    });
    let routes = identity.guard(routes, public_routes);
    let routes = observe::note_route(routes.with_state(app.clone()));
    let wanted = Wanted::default();
    let (app_too, observe_too, tls_too) = (app.clone(), Arc::clone(&observe), tls.clone());
    let reconfigure = Reconfigure {
        app: app_too,
        observe: observe_too,
        tls: tls_too,
        clock,
        tallies,
        checks: names,
        migrations,
        outbound,
        wanted,
    };
    let lasting = Some(Lasting { reconfigure, record, reloadable });
    let serving = Server { listener, tls, limits, observe, routes }.start();
    tracing::info!(event = "listening", listener = "server", address = %address, "listening");
    health.set_process(Process::Ready);
    tracing::info!(event = "ready", service = name, "ready");
    let delay = time(spec.drain.delay.as_ref(), 0);
    let limit = time(spec.drain.timeout.as_ref(), 30);
    Ok(Running { app, address, management, serving, flushing, on_stop, lines, access_log, delay, limit, lasting })
}

/// The counter of lines that were lost.
fn lost_lines(access_log: &AccessLog) -> Source {
    let access_log = access_log.clone();
    Arc::new(move || {
        let lost = Value::Count(access_log.dropped().saturating_add(logs::dropped()));
        vec![Family::counter("gwanmun_log_dropped_total", "Lines of the logs that were lost.", lost)]
    })
}

impl<C: Configuration> Running<C> {
    /// Where requests arrive.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where operators look.
    pub fn management_address(&self) -> SocketAddr {
        self.management.address
    }

    /// What handlers reach.
    pub fn app(&self) -> &App<C> {
        &self.app
    }

    /// Reads what the process was started with again when it changes, until the task is aborted. Once.
    fn reload_from(&mut self, start: Start) -> Result<Option<AbortHandle>, StartError> {
        let Some(Lasting { reconfigure, record, reloadable }) = self.lasting.take() else { return Ok(None) };
        let (clock, health) = (Arc::clone(&reconfigure.clock), self.app.health().clone());
        let reloader = Reloader::new(self.app.name(), start, record, &reloadable, clock, health, self.app.metrics());
        let reloader = reloader.map_err(|error| StartError::could_not("the numbers of reloads", error))?;
        let reloading = tokio::spawn(async move {
            if let Err(error) = reloader.run(reconfigure).await {
                tracing::error!(event = "reload-off", %error, "the configuration will not be read again");
            }
        });
        Ok(Some(reloading.abort_handle()))
    }

    /// Ends as after a signal: not ready, `drain.delay`, the rest of the requests, hooks, the last lines.
    pub async fn stop(self) {
        self.stop_unless(std::future::pending()).await;
    }

    /// The same; at once when `hurry` is ready.
    async fn stop_unless(self, hurry: impl Future<Output = ()>) {
        let Self { app, management, serving, flushing, on_stop, lines, access_log, delay, limit, .. } = self;
        app.health().set_process(Process::Draining);
        tracing::info!(event = "draining", delay_ms = millis(delay), timeout_ms = millis(limit), "draining");
        let closer = serving.closer();
        let orderly = async {
            tokio::time::sleep(delay).await;
            if serving.drain(limit).await.is_err() {
                tracing::warn!(event = "drain-timeout", "requests were cut off at the end of drain.timeout");
            }
        };
        tokio::select! {
            () = orderly => {}
            () = hurry => closer.close(),
        }
        hooks::stop(on_stop, &app).await;
        if let Some(sql) = app.database() {
            let _ = tokio::time::timeout(FAREWELL, sql.close()).await;
        }
        flushing.abort();
        lines.flush();
        let (telemetry, identity) = (app.telemetry().clone(), app.identity().clone());
        // Both wait on their threads.
        let _ = tokio::task::spawn_blocking(move || {
            access_log.close();
            identity.close();
            telemetry.close(FAREWELL);
        })
        .await;
        management.stop();
    }
}

impl<C> fmt::Debug for Running<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Nobody may be there to read it.
fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

fn init_logs(spec: &TelemetrySpec) {
    logs::init(spec.logs.level.into(), spec.logs.format.into());
    logs::apply(&spec.logs);
}

fn sink(spec: &TelemetrySpec) -> Sink {
    match spec.access_log.as_ref().map(|sink| sink.as_str()) {
        None | Some("stdout") => Sink::Stdout,
        Some("off") => Sink::Off,
        Some(path) => Sink::File(path.into()),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
