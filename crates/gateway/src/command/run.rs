//! `gwanmun run`: from files to a serving gateway, and from a signal to a clean end.

mod reload;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gwanmun_config::Watch;
use gwanmun_core::{SystemClock, Tallies};
use gwanmun_filters::Registry;
use gwanmun_filters::outbound::outbound;
use gwanmun_proxy::{GatewaySpec, Lasting, Network, Plan, Server, Tellers};
use gwanmun_telemetry::access::{AccessLog, Sink};
use gwanmun_telemetry::health::Process;
use gwanmun_telemetry::logs;
use gwanmun_telemetry::metrics::{Metrics, gateway_build, process};
use gwanmun_telemetry::pipeline::{Ground, Resource, Telemetry};
use tokio::runtime::{Builder, LocalOptions};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::Outcome;
use crate::load::to_run;
use crate::management::{GatewayHealth, Management};
use crate::open_files;
use crate::terminal::complain;
use reload::{Cause, DrainTimes, Fixed, Running};

/// How often earlier plans are looked after that a request may still follow.
const TIDY: Duration = Duration::from_secs(1);

/// How long what waits for collectors may hold up the end.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Serves until a signal says stop.
pub(crate) fn run(registry: &Registry, files: &[PathBuf]) -> Outcome {
    let lasting = Lasting::new(Network::Online);
    let mut configuration = to_run(registry, files, &lasting, |spec| {
        let spec = &spec.telemetry.logs;
        logs::init(spec.level.into(), spec.format.into());
        logs::apply(spec);
    });
    configuration.complain();
    let Some(plan) = configuration.plan.take() else { return Outcome::AtFault };
    if configuration.spec.listeners.is_empty() {
        complain("error: the configuration has no listeners, so nothing could be served");
        return Outcome::AtFault;
    }
    let spec = &configuration.spec;
    let _in_background = match logs::in_background() {
        Ok(guard) => guard,
        Err(error) => return could_not_start("the application log", &error),
    };
    if let Err(error) = logs::send_to(&spec.telemetry.logs, "gwanmun") {
        return could_not_start("telemetry.logs: the file cannot be opened", &error);
    }
    let open_files = open_files::raise();
    open_files::warn_if_short(open_files, &plan);
    let access_log = match AccessLog::open(sink(spec)) {
        Ok(log) => log,
        Err(error) => {
            let path = spec.telemetry.access_log.as_ref().map_or("stdout", |path| path.as_str());
            return could_not_start(&format!("the access log '{path}' cannot be opened"), &error);
        }
    };
    let metrics = Metrics::new();
    metrics.add_dropped_source({
        let access_log = access_log.clone();
        move || access_log.dropped()
    });
    metrics.add_dropped_source(logs::dropped);
    let tallies = Tallies::clone(&lasting.of(Tallies::default));
    metrics.add_tallies(tallies.clone());
    metrics.add_source(process(Arc::new(SystemClock)));
    metrics.add_source(gateway_build(env!("CARGO_PKG_VERSION")));
    let telemetry = Telemetry::start(&spec.telemetry, ground(&plan, tallies, &metrics));
    telemetry.exceptions().install_hook();
    telemetry.follow_calls(&outbound(&lasting, &plan.clock));
    let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
        Ok(runtime) => runtime,
        Err(error) => return could_not_start("the runtime", &error),
    };
    let tellers = Tellers {
        metrics: metrics.clone(),
        access_log: access_log.clone(),
        exceptions: telemetry.exceptions(),
        tracer: telemetry.tracer(),
    };
    let workers = workers(spec);
    let (fixed, drain) = (Fixed::of(spec), DrainTimes::of(spec));
    let health = match GatewayHealth::new(Tallies::clone(&lasting.of(Tallies::default)), telemetry.clone()) {
        Ok(health) => health,
        Err(error) => return could_not_start("the checks of health", &error),
    };
    metrics.add_source(Arc::new({
        let health = health.health().clone();
        move || health.families()
    }));
    let outcome = runtime.block_on(async {
        let bound = Management::bind(&configuration, metrics.clone(), health.health().clone(), telemetry.clone());
        let management = match bound.await {
            Ok(management) => management,
            Err(error) => return could_not_start(&error.0, &error.1),
        };
        let mut watch = Watch::of(std::mem::take(&mut configuration.files));
        let checks = std::mem::take(&mut configuration.health);
        // The texts and their nodes have served.
        drop(configuration);
        let mut signals = match Signals::listen() {
            Ok(signals) => signals,
            Err(error) => return could_not_start("signals cannot be received", &error),
        };
        let server = match Server::start(plan, workers, tellers) {
            Ok(server) => server,
            Err(error) => return could_not_start("the gateway cannot start", &error),
        };
        metrics.started(SystemTime::now());
        management.serve(server.plans());
        health.taken_over(checks, &server, SystemTime::now());
        health.health().set_process(Process::Ready);
        gwanmun_memory::give_back();
        tracing::info!(event = "ready", workers, open_files, "ready");
        let mut running = Running {
            registry,
            files,
            lasting: &lasting,
            server,
            management,
            health,
            metrics,
            telemetry: telemetry.clone(),
            fixed,
            drain,
            open_files,
        };
        let mut untidy = false;
        loop {
            let cause = tokio::select! {
                biased;
                asked = signals.next() => match asked {
                    Asked::Stop => break,
                    Asked::Reload => Cause::Signal,
                },
                () = watch.changed() => Cause::Files,
                () = tokio::time::sleep(TIDY), if untidy => {
                    untidy = running.server.tidy();
                    gwanmun_memory::give_back();
                    continue;
                }
            };
            watch = Watch::of(running.reload(cause));
            untidy = true;
            gwanmun_memory::give_back();
        }
        let Running { server, management: _management, health, drain: DrainTimes { delay, limit }, .. } = running;
        health.health().set_process(Process::Draining);
        tracing::info!(event = "draining", delay_ms = millis(delay), timeout_ms = millis(limit), "draining");
        stop(server, &mut signals, delay, limit).await;
        Outcome::Good
    });
    lasting.end();
    access_log.close();
    telemetry.close(LAST_WORDS);
    if outcome == Outcome::Good {
        tracing::info!(event = "stopped", "stopped");
    }
    outcome
}

/// Waits for the delay, then drains; a second signal ends either at once, and with it what still runs.
async fn stop(server: Server, signals: &mut Signals, delay: Duration, limit: Duration) {
    tokio::select! {
        () = tokio::time::sleep(delay) => {}
        () = signals.stop() => {
            let _ = tokio::task::spawn_blocking(move || drop(server)).await;
            return;
        }
    }
    let stopper = server.stopper();
    let drained = tokio::task::spawn_blocking(move || server.drain(limit));
    tokio::pin!(drained);
    tokio::select! {
        _ = &mut drained => {}
        () = signals.stop() => {
            stopper();
            let _ = drained.await;
        }
    }
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Reload,
    Stop,
}

/// The signals of the contract.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }

    /// Waits until it is time to stop.
    pub(crate) async fn stop(&mut self) {
        while self.next().await != Asked::Stop {}
    }
}

fn could_not_start(what: &str, why: &dyn std::fmt::Display) -> Outcome {
    complain(format!("error: {what}: {why}"));
    Outcome::CouldNotStart
}

/// What telemetry is made with.
fn ground(plan: &Plan, tallies: Tallies, metrics: &Metrics) -> Ground {
    let mut resource = Resource::new("gwanmun", env!("CARGO_PKG_VERSION"));
    resource.others.extend(plan.role.map(|role| ("gwanmun.role", role.into())));
    Ground { resource, clock: Arc::new(SystemClock), tallies, numbers: metrics.source() }
}

/// How many threads serve requests.
fn workers(spec: &GatewaySpec) -> usize {
    spec.workers.as_ref().map_or_else(cores, |workers| workers.value)
}

/// The cores that affinity and cgroup grant.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn sink(spec: &GatewaySpec) -> Sink {
    match spec.telemetry.access_log.as_ref().map(|sink| sink.as_str()) {
        None | Some("stdout") => Sink::Stdout,
        Some("off") => Sink::Off,
        Some(path) => Sink::File(path.into()),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
