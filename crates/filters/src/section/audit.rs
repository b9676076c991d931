//! `audit`: the log of who was let do what. One per process: it outlives the configuration, since its lines hold each other.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use gwanmun_audit::{AuditLog, OnSinkError, Settings, Unopened};
use gwanmun_config::{ByteSize, Spanned};
use gwanmun_core::{Secret, Tallies};
use gwanmun_proxy::{Ground, Lasting, Network, SectionSpec};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::file_reference;

/// A log of every authentication and authorization, in lines that hold each other by their hashes and are signed now and
/// then: `gwanmun audit verify` finds whatever was changed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AuditSpec {
    /// Where it is written, relative to this file.
    file: Spanned<PathBuf>,
    /// After how many lines a signed head is written (1000).
    #[serde(default)]
    sign_every: Option<Spanned<u64>>,
    /// The private key that signs: `file:` and the path of a PEM, Ed25519 or P-256. Without it one is made at the start.
    #[serde(default)]
    key: Option<Spanned<String>>,
    /// What happens to what cannot be recorded: `deny` refuses it (503), `allow` lets it pass and counts it.
    #[serde(default)]
    on_sink_error: OnSinkErrorSpec,
    /// How large the file may grow before it is set aside as `FILE.NUMBER`; by default without bound.
    #[serde(default)]
    max_bytes: Option<ByteSize>,
}

/// What happens to what cannot be recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum OnSinkErrorSpec {
    /// It does not happen.
    #[default]
    Deny,
    /// It happens, and is counted.
    Allow,
}

/// The audit log of a configuration; none where it is only looked at.
pub struct Audit(Option<AuditLog>);

impl Audit {
    /// The log, if decisions are to be recorded.
    pub fn log(&self) -> Option<&AuditLog> {
        self.0.as_ref()
    }
}

/// The logs that are open: with what they were opened, and where they are.
#[derive(Default)]
struct Open(Mutex<Vec<(String, PathBuf, AuditLog)>>);

impl SectionSpec for AuditSpec {
    const KEY: &'static str = "audit";
    type Section = Audit;

    fn build(self, ground: &mut Ground<'_>) -> Option<Audit> {
        let file = ground.reader.resolve(&self.file);
        let mut settings = Settings::new(&file);
        if let Some(every) = &self.sign_every {
            if every.value == 0 {
                ground.refuse(every.span, "found 0, wanted a number of lines from 1");
                return None;
            }
            settings.sign_every = every.value;
        }
        if let Some(key) = &self.key {
            let read = match file_reference::path_of(key) {
                Some(path) => ground.reader.read(&path).map_err(|why| format!("'{}': {why}", path.value.display())),
                None => Err(format!("found '{}', wanted file: and the path of a private key", key.value)),
            };
            match read {
                Ok(pem) => settings.key = Some(Secret::new(pem)),
                Err(why) => {
                    ground.refuse_with_hint(key.span, why, "openssl genpkey -algorithm ed25519 -out audit.pem");
                    return None;
                }
            }
        }
        settings.on_sink_error = match self.on_sink_error {
            OnSinkErrorSpec::Deny => OnSinkError::Deny,
            OnSinkErrorSpec::Allow => OnSinkError::Allow,
        };
        settings.max_bytes = self.max_bytes.map(|size| size.0);
        if ground.lasting.network() == Network::Offline {
            return match settings.check() {
                Ok(()) => Some(Audit(None)),
                Err(why) => self.refuse(&why, ground),
            };
        }
        let tallies = ground.lasting.of(Tallies::default);
        let clock = Arc::clone(ground.clock);
        match open(ground.lasting, settings, |settings| AuditLog::open(settings, clock, &tallies)) {
            Ok(log) => Some(Audit(Some(log))),
            Err(why) => self.refuse(&why, ground),
        }
    }
}

impl AuditSpec {
    /// Tells why there is no log, at the key or at the file.
    fn refuse(&self, why: &Unopened, ground: &mut Ground<'_>) -> Option<Audit> {
        let span = match (why, &self.key) {
            (Unopened::Key(_), Some(key)) => key.span,
            _ => self.file.span,
        };
        ground.refuse(span, why.to_string());
        None
    }
}

/// The log of this process. What is open stays open: a chain has one writer, and a configuration may come back to a file
/// that it left, or was never in force.
fn open(
    lasting: &Lasting,
    settings: Settings,
    make: impl FnOnce(Settings) -> Result<AuditLog, Unopened>,
) -> Result<AuditLog, Unopened> {
    let open = lasting.of(Open::default);
    let mut logs = open.0.lock().unwrap_or_else(PoisonError::into_inner);
    let written = format!("{settings:?}");
    if let Some((before, _, log)) = logs.iter().find(|(_, file, _)| *file == settings.file) {
        if *before != written {
            tracing::warn!(event = "restart-needed", keys = "audit", "these keys take effect at the next start");
        }
        return Ok(log.clone());
    }
    let file = settings.file.clone();
    let log = make(settings)?;
    let closed = log.clone();
    lasting.at_end(move || closed.close());
    logs.push((written, file, log.clone()));
    Ok(log)
}
