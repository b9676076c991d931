//! A reload: the files are read again when one of them is another, or after SIGHUP. What may change takes its new value, all
//! else waits for the next start, which is said once; a configuration with mistakes changes nothing.

use std::io::Write;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use gwanmun_config::{Diagnostics, Files, Watch};
use gwanmun_core::{Clock, Stamp};
use gwanmun_telemetry::health::{Health, Outcome, Status};
use gwanmun_telemetry::metrics::{Counter, Gauge, Instruments, InvalidInstrument};
use tokio::signal::unix::{SignalKind, signal};

use super::change::{Change, Reloadable};
use super::{Configuration, Reading, Record, Settings, Start, in_order, read};
use crate::settings::{RELOADABLE, ServiceSpec};

/// What `/health` calls it.
const COMPONENT: &str = "configuration";

/// Looks after the configuration that is in force.
pub(crate) struct Reloader<C> {
    name: &'static str,
    start: Start,
    reloadable: Reloadable,
    record: Arc<ArcSwap<Record>>,
    clock: Arc<dyn Clock>,
    health: Health,
    numbers: Numbers,
    /// Keys that wait for the next start, as they were told last.
    waiting: Vec<String>,
    taken: SystemTime,
    section: PhantomData<fn() -> C>,
}

/// What another configuration means for a service that runs. Called for what was read, and for what will be in force.
pub(crate) trait TakeOver<C>: Send {
    /// Adds what is wrong with it.
    fn check(&mut self, reading: &mut Reading<C>);

    /// It is in force from now on; `changed` are the keys with new values.
    fn take_over(&mut self, spec: ServiceSpec, own: C, changed: &[String]);
}

/// Why a configuration is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Signal,
    Files,
}

struct Numbers {
    reloads: Counter<1>,
    last_successful: Gauge<0>,
}

impl<C: Configuration> Reloader<C> {
    /// After `record` was taken over, which is what is shown to operators from now on. `own` are the keys of the service's
    /// section that may change.
    ///
    /// # Errors
    /// A metric is there already, in another shape.
    pub(crate) fn new(
        name: &'static str,
        start: Start,
        record: Arc<ArcSwap<Record>>,
        own: &[&str],
        clock: Arc<dyn Clock>,
        health: Health,
        instruments: &Instruments,
    ) -> Result<Self, InvalidInstrument> {
        let numbers = Numbers::new(instruments)?;
        let start = start.with_profiles(record.load().profiles.clone());
        let reloadable = Reloadable::new(RELOADABLE, name, own);
        let taken = clock.wall();
        let reloader = Self {
            name,
            start,
            reloadable,
            record,
            clock,
            health,
            numbers,
            waiting: Vec::new(),
            taken,
            section: PhantomData,
        };
        reloader.tell(None);
        Ok(reloader)
    }

    /// Runs until it is dropped.
    ///
    /// # Errors
    /// SIGHUP cannot be received.
    pub(crate) async fn run(mut self, mut service: impl TakeOver<C>) -> std::io::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut watch = Watch::of(self.record.load().files.clone());
        loop {
            let cause = tokio::select! {
                _ = hangup.recv() => Cause::Signal,
                () = watch.changed() => Cause::Files,
            };
            watch = Watch::of(self.reload(cause, &mut service));
        }
    }

    /// Reads again and takes over what may change. Returns what was read.
    fn reload(&mut self, cause: Cause, service: &mut impl TakeOver<C>) -> Files {
        let (files, outcome) = self.attempt(service);
        match outcome {
            Ok(change) => {
                self.taken = self.clock.wall();
                self.numbers.succeeded();
                let keys = change.changed.join(", ");
                tracing::info!(event = "reloaded", ?cause, keys, "the new configuration is in force");
                if change.waiting != self.waiting && !change.waiting.is_empty() {
                    let keys = change.waiting.join(", ");
                    tracing::warn!(event = "restart-needed", keys, "these keys take effect at the next start");
                }
                self.waiting = change.waiting;
                self.tell(None);
            }
            Err(complaint) => {
                let _ = write!(std::io::stderr().lock(), "{complaint}");
                self.numbers.failed();
                let reason = "the new configuration has mistakes";
                tracing::error!(event = "reload-failed", ?cause, reason, "the old configuration stays in force");
                self.tell(Some(reason));
            }
        }
        files
    }

    /// What changed, or all mistakes.
    fn attempt(&self, service: &mut impl TakeOver<C>) -> (Files, Result<Change, String>) {
        let mut reading: Reading<C> = match read(self.name, &self.start) {
            Ok(reading) => reading,
            Err(ended) => return (self.record.load().files.clone(), Err(ended.complaint)),
        };
        service.check(&mut reading);
        let files = reading.files.clone();
        let settings = match reading.settle() {
            Ok(settings) => settings,
            Err(ended) => return (files, Err(ended.complaint)),
        };
        let _ = write!(std::io::stderr().lock(), "{}", settings.warnings);
        let outcome = self.adopt(settings, service).map_err(|ended| ended.complaint);
        (files, outcome)
    }

    fn adopt(&self, new: Settings<C>, service: &mut impl TakeOver<C>) -> Result<Change, super::Ended> {
        let in_force = self.record.load();
        let Record { document, sources, .. } = &**in_force;
        let change = Change::of(document, sources, &new.record.document, &new.record.sources, &self.reloadable);
        let record = Record { document: change.document.clone(), ..new.record };
        let mut reading: Reading<C> = in_order(self.name, record, Diagnostics::new());
        service.check(&mut reading);
        let Settings { spec, own, record, .. } = reading.settle()?;
        self.record.store(Arc::new(record));
        service.take_over(spec, own, &change.changed);
        Ok(change)
    }

    /// `UNKNOWN` speaks against nothing: the service works as before, but not as the files say.
    fn tell(&self, failed: Option<&str>) {
        let status = if failed.is_some() || !self.waiting.is_empty() { Status::Unknown } else { Status::Up };
        let mut outcome = Outcome::new(status).with("in-force-since", written(self.taken));
        if let Some(reason) = failed {
            outcome = outcome.with("last-reload", "failure").with("reason", reason);
            outcome = outcome.with("at", written(self.clock.wall()));
        }
        if !self.waiting.is_empty() {
            outcome = outcome.with("restart-needed", self.waiting.clone());
        }
        self.health.tell(COMPONENT, outcome);
    }
}

impl Numbers {
    fn new(instruments: &Instruments) -> Result<Self, InvalidInstrument> {
        let help = "Attempts to reload the configuration, by result.";
        let reloads = instruments.counter("config_reloads_total", help, &["result"])?;
        for result in ["success", "failure"] {
            let _ = reloads.with(&[result]);
        }
        let help =
            "1 if the latest reload succeeded, or there was none; 0 if the configuration before it is still in force.";
        let last_successful = instruments.gauge("config_last_reload_successful", help, &[])?;
        last_successful.with(&[]).set(1.0);
        Ok(Self { reloads, last_successful })
    }

    fn succeeded(&self) {
        self.reloads.with(&["success"]).inc();
        self.last_successful.with(&[]).set(1.0);
    }

    fn failed(&self) {
        self.reloads.with(&["failure"]).inc();
        self.last_successful.with(&[]).set(0.0);
    }
}

/// RFC 3339.
fn written(time: SystemTime) -> String {
    let mut out = Vec::new();
    Stamp::new().push(&mut out, time);
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;
    use std::sync::Mutex;
    use std::time::Duration;

    use gwanmun_config::Environment;
    use gwanmun_core::SystemClock;
    use gwanmun_telemetry::exceptions::Exceptions;
    use gwanmun_telemetry::health::Audience;
    use serde::Deserialize;
    use tempfile::TempDir;

    use super::*;
    use crate::config::Asked;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "kebab-case")]
    struct Orders {
        max_items: u32,
        url: String,
    }

    /// What was taken over last, and the keys that changed.
    #[derive(Clone, Default)]
    struct Taken(Arc<Mutex<Option<Seen>>>);

    type Seen = (Orders, Vec<String>);

    impl TakeOver<Orders> for Taken {
        fn check(&mut self, reading: &mut Reading<Orders>) {
            if reading.own.as_ref().is_some_and(|own| own.max_items == 13) {
                reading.diagnostics.push(gwanmun_config::Diagnostic::error("unlucky", None));
            }
        }

        fn take_over(&mut self, _: ServiceSpec, own: Orders, changed: &[String]) {
            *self.0.lock().unwrap() = Some((own, changed.to_vec()));
        }
    }

    struct Running {
        folder: TempDir,
        record: Arc<ArcSwap<Record>>,
        health: Health,
        instruments: Instruments,
        reloader: Reloader<Orders>,
    }

    fn running(text: &str) -> Running {
        let folder = TempDir::new().unwrap();
        write(folder.path(), text);
        let environment = Environment::default();
        let asked = Asked::of("orders", "1", Vec::<OsString>::new(), environment, folder.path().to_path_buf());
        let Asked::Run(start) = asked else { panic!("{asked:?}") };
        let reading: Reading<Orders> = read("orders", &start).unwrap();
        let settings = reading.settle().unwrap_or_else(|ended| panic!("{}", ended.complaint));
        let record = Arc::new(ArcSwap::from_pointee(settings.record));
        let clock = Arc::new(SystemClock);
        let runtime = tokio::runtime::Handle::current();
        let health = Health::new(runtime, clock.clone(), Exceptions::default());
        let instruments = Instruments::new();
        let shown = Arc::clone(&record);
        let reloader =
            Reloader::new("orders", start, shown, &["max-items"], clock, health.clone(), &instruments).unwrap();
        Running { folder, record, health, instruments, reloader }
    }

    fn write(folder: &Path, text: &str) {
        std::fs::write(folder.join("application.yaml"), text).unwrap();
    }

    fn component(health: &Health) -> serde_json::Value {
        let (_, text) = health.page("/health", Audience::Operators).unwrap();
        let page: serde_json::Value = serde_json::from_str(&text).unwrap();
        page["components"]["configuration"].clone()
    }

    fn reloads(instruments: &Instruments) -> String {
        format!("{:?}", instruments.families().iter().map(|family| &family.samples).collect::<Vec<_>>())
    }

    #[tokio::test]
    async fn what_may_change_changes_and_what_waits_is_told() {
        let Running { folder, record, health, mut reloader, .. } = running("orders: {max-items: 1, url: a}");
        let mut taken = Taken::default();
        let mut reload = |text: &str| {
            write(folder.path(), text);
            reloader.reload(Cause::Signal, &mut taken);
            taken.0.lock().unwrap().take()
        };
        assert_eq!(component(&health)["status"], "UP");
        let (own, changed) = reload("orders: {max-items: 2, url: b}\nserver: {address: '127.0.0.1:1'}").unwrap();
        assert_eq!(own, Orders { max_items: 2, url: "a".to_owned() });
        assert_eq!(changed, ["orders.max-items"]);
        assert_eq!(component(&health)["status"], "UNKNOWN");
        assert_eq!(
            component(&health)["details"]["restart-needed"],
            serde_json::json!(["orders.url", "server.address"])
        );
        let properties = record.load().properties("orders");
        assert!(properties.contains(r#""properties":{"max-items":2,"url":"a"}"#), "{properties}");
        assert!(record.load().environment().contains(r#""orders.url":{"origin":"#), "{}", record.load().environment());
        let (own, changed) = reload("orders: {max-items: 2, url: a}").unwrap();
        assert_eq!((own.max_items, changed.len()), (2, 0));
        assert_eq!(component(&health)["status"], "UP");
    }

    #[tokio::test]
    async fn a_configuration_with_mistakes_changes_nothing_and_is_told() {
        let Running { folder, record, health, instruments, mut reloader } = running("orders: {max-items: 1, url: a}");
        let mut taken = Taken::default();
        for text in ["orders: {max-items: many, url: a}", "orders: {max-items: 13, url: a}", "orders: [", ""] {
            write(folder.path(), text);
            reloader.reload(Cause::Files, &mut taken);
            assert!(taken.0.lock().unwrap().is_none(), "{text}");
            assert_eq!(component(&health)["details"]["last-reload"], "failure", "{text}");
            assert_eq!(component(&health)["status"], "UNKNOWN");
        }
        assert!(record.load().properties("orders").contains(r#""max-items":1"#));
        let numbers = reloads(&instruments);
        assert!(numbers.contains("Count(4)"), "{numbers}");
        write(folder.path(), "orders: {max-items: 3, url: a}");
        reloader.reload(Cause::Files, &mut taken);
        assert_eq!(taken.0.lock().unwrap().take().unwrap().0.max_items, 3);
        assert_eq!(component(&health)["status"], "UP");
    }

    #[tokio::test]
    async fn a_file_that_is_written_is_read_again() {
        let Running { folder, reloader, .. } = running("orders: {max-items: 1, url: a}");
        let taken = Taken::default();
        let task = tokio::spawn(reloader.run(taken.clone()));
        write(folder.path(), "orders: {max-items: 2, url: a}");
        let seen = async {
            while taken.0.lock().unwrap().is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(15), seen).await.expect("the change is noticed");
        task.abort();
        assert_eq!(taken.0.lock().unwrap().take().unwrap().0.max_items, 2);
    }
}
