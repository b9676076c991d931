//! What filters decide about callers goes to the audit log, if there is one, before it takes effect.

use gwanmun_audit::{AuditLog, Decision, Event, Record};
use gwanmun_core::{Code, Fault};
use gwanmun_proxy::{Exchange, Invalid, NoSection, Parts, Sections};

use crate::section::audit::Audit;

/// Where decisions are recorded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Audited(Option<AuditLog>);

/// Whom a record is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Actor<'a> {
    pub(crate) subject: &'a str,
    pub(crate) credential: &'a str,
}

impl Audited {
    /// As the configuration says.
    pub(crate) fn of(parts: &Parts<'_>) -> Result<Self, Invalid> {
        Self::at(parts.sections)
    }

    /// The same for a filter that a section builds.
    pub(crate) fn at(sections: &Sections) -> Result<Self, Invalid> {
        match sections.of::<Audit>() {
            Ok(audit) => Ok(Self(audit.log().cloned())),
            Err(NoSection::Absent) => Ok(Self(None)),
            Err(faulty) => Err(faulty.needed("audit")),
        }
    }

    /// Has it recorded what was decided about the request, and by which rule (the fault's reason where none is named), and
    /// returns what was decided. What cannot be recorded does not happen, unless the log allows it.
    pub(crate) fn conclude(
        &self,
        exchange: &mut Exchange,
        event: Event,
        rule: Option<&str>,
        outcome: Result<(), Fault>,
    ) -> Result<(), Fault> {
        let caller = exchange.principal.clone();
        let actor = caller.as_ref().map(|caller| Actor { subject: &caller.subject, credential: &caller.credential });
        self.note(exchange, event, actor, rule, outcome.as_ref().err());
        outcome
    }

    /// The same about `actor`, whoever sent the request; `fault` is why it may not be.
    pub(crate) fn note(
        &self,
        exchange: &mut Exchange,
        event: Event,
        actor: Option<Actor<'_>>,
        rule: Option<&str>,
        fault: Option<&Fault>,
    ) {
        let Self(Some(log)) = self else { return };
        let trace_id = exchange.record.trace.trace_id_hex();
        let written = log.record(&record(exchange, event, actor, rule, fault, &trace_id));
        exchange.require(async { written.await.map_err(|why| Fault::new(Code::AuditUnavailable, why.to_string())) });
    }
}

fn record<'a>(
    exchange: &'a Exchange,
    event: Event,
    actor: Option<Actor<'a>>,
    rule: Option<&'a str>,
    fault: Option<&'a Fault>,
    trace_id: &'a str,
) -> Record<'a> {
    let decision = if fault.is_none() { Decision::Allow } else { Decision::Deny };
    let mut record = Record::new(event, decision)
        .action(exchange.request.method.as_str())
        .resource(exchange.host_name(), exchange.original.path())
        .trace_id(trace_id);
    if let Some(actor) = actor {
        record = record.actor(actor.subject).credential(actor.credential);
    }
    if let Some(address) = exchange.client {
        record = record.client(address);
    }
    if let Some(route) = &exchange.route {
        record = record.route(&**route);
    }
    if let Some(fault) = fault {
        record = record.fault(fault.code());
    }
    match rule.or_else(|| Some(fault?.reason()?.name())) {
        Some(rule) => record.rule(rule),
        None => record,
    }
}
