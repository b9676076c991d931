//! The section `audit`, and what business code records: on the same chain as what identity decides, with who acts, for
//! whom and in which trace taken from the request.

use std::future::IntoFuture;
use std::path::Path;
use std::pin::Pin;

use gwanmun_audit::{AuditLog, Decision, Event, OnSinkError, Record, Settings, Unavailable};
use gwanmun_config::{ByteSize, Spanned};
use gwanmun_core::{Code, Fault, Secret};
use gwanmun_telemetry::scope;
use schemars::JsonSchema;
use serde::Deserialize;

use super::About;
use super::caller::{Caller, Outcome};
use crate::ground::Ground;

/// A log of who was let do what, in lines that hold each other by their hashes and are signed now and then: the same as
/// the gateway's, checked by the same `gwanmun audit verify`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AuditSpec {
    /// Where it is written, relative to this file.
    pub file: Spanned<String>,
    /// After how many lines a signed head is written (1000).
    #[serde(default)]
    pub sign_every: Option<Spanned<u64>>,
    /// The private key that signs: `file:` and the path of a PEM, Ed25519 or P-256. Without it one is made at the start.
    #[serde(default)]
    pub key: Option<Spanned<String>>,
    /// What happens to what cannot be recorded: `deny` refuses it (503), `allow` lets it pass and counts it.
    #[serde(default)]
    pub on_sink_error: OnSinkErrorSpec,
    /// How large the file may grow before it is set aside as `FILE.NUMBER`; by default without bound.
    #[serde(default)]
    pub max_bytes: Option<ByteSize>,
}

/// What happens to what cannot be recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnSinkErrorSpec {
    /// It does not happen.
    #[default]
    Deny,
    /// It happens, and is counted.
    Allow,
}

impl AuditSpec {
    /// What the log is opened with; nothing is opened here.
    pub(super) fn settings(&self, ground: &mut Ground<'_>) -> Option<Settings> {
        let mut settings = Settings::new(ground.resolve(Path::new(&self.file.value), self.file.span));
        if let Some(every) = &self.sign_every {
            if every.value == 0 {
                ground.refuse(every.span, "found 0, wanted a number of lines from 1");
                return None;
            }
            settings.sign_every = every.value;
        }
        if let Some(key) = &self.key {
            settings.key = Some(Secret::new(ground.read(key)?));
        }
        settings.on_sink_error = match self.on_sink_error {
            OnSinkErrorSpec::Deny => OnSinkError::Deny,
            OnSinkErrorSpec::Allow => OnSinkError::Allow,
        };
        settings.max_bytes = self.max_bytes.map(|size| size.0);
        let span = self.key.as_ref().map_or(self.file.span, |key| key.span);
        settings.check().map_err(|why| ground.refuse(span, why.to_string())).ok()?;
        Some(settings)
    }
}

/// Where business code records what it does. An extractor; outside of requests `App::audit`. Without the section `audit`
/// nothing is recorded, and nothing fails.
#[derive(Clone)]
pub struct Audit {
    log: Option<AuditLog>,
    caller: Option<Caller>,
}

/// A line that is about to be recorded, by awaiting it.
#[must_use = "it is recorded when it is awaited"]
pub struct Entry {
    audit: Audit,
    action: &'static str,
    resource: Option<String>,
    actor: Option<String>,
    rule: Option<String>,
    decision: Decision,
}

impl Audit {
    pub(super) fn new(log: Option<AuditLog>, caller: Option<Caller>) -> Self {
        Self { log, caller }
    }

    /// Records what is done, by a name of few different ones: `order.cancelled`. It is allowed, if nothing else is said.
    pub fn record(&self, action: &'static str) -> Entry {
        let (resource, actor, rule) = (None, None, None);
        Entry { audit: self.clone(), action, resource, actor, rule, decision: Decision::Allow }
    }
}

impl Entry {
    /// To what: `order/7`. What stands behind a `?` or `#` is left out.
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// Whether it was allowed.
    pub fn decision(mut self, decision: Decision) -> Self {
        self.decision = decision;
        self
    }

    /// The rule that decided.
    pub fn rule(mut self, rule: impl Into<String>) -> Self {
        self.rule = Some(rule.into());
        self
    }

    /// Who acts, where that is not the caller of a request: the name of a job.
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = Some(actor.into());
        self
    }
}

/// A line on its way into the file.
type Written = Pin<Box<dyn Future<Output = Result<(), Unavailable>> + Send>>;

impl IntoFuture for Entry {
    type Output = Result<(), Fault>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<(), Fault>> + Send>>;

    /// Done when the line is in the file. Fails where it cannot be there and the log says `on-sink-error: deny`: what it
    /// tells of should not be done then.
    fn into_future(self) -> Self::IntoFuture {
        let Self { audit, action, resource, actor, rule, decision } = self;
        let Some(log) = audit.log else { return Box::pin(async { Ok(()) }) };
        let resource = resource.unwrap_or_default();
        let outcome = Outcome { decision, rule: rule.as_deref(), fault: None, actor: actor.as_deref() };
        let written: Written = match &audit.caller {
            Some(caller) => {
                let about = About { event: Event::Business, action: Some((action, &resource)) };
                Box::pin(caller.record(&log, about, outcome))
            }
            None => {
                let trace = scope::current().map(|trace| trace.trace_id_hex());
                let mut record = Record::new(Event::Business, decision).action(action).resource("", &resource);
                if let Some(trace) = trace.as_deref() {
                    record = record.trace_id(trace);
                }
                Box::pin(log.record(&outcome.tell(record)))
            }
        };
        Box::pin(async { written.await.map_err(|why| Fault::new(Code::AuditUnavailable, why.to_string())) })
    }
}
