//! What filters decide about callers goes to the audit log, if there is one, before it takes effect.

use gwanmun_audit::{AuditLog, Decision, Event, Record};
use gwanmun_core::{Code, Fault};
use gwanmun_proxy::{Exchange, Invalid, NoSection, Parts};

use crate::section::audit::Audit;

/// Where decisions are recorded.
#[derive(Debug, Clone)]
pub(crate) struct Audited(Option<AuditLog>);

impl Audited {
    /// As the configuration says.
    pub(crate) fn of(parts: &Parts<'_>) -> Result<Self, Invalid> {
        match parts.sections.of::<Audit>() {
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
        if let Some(log) = &self.0 {
            let trace_id = exchange.record.trace.trace_id_hex();
            let written = log.record(&record(exchange, event, rule, &outcome, &trace_id));
            exchange
                .require(async { written.await.map_err(|why| Fault::new(Code::AuditUnavailable, why.to_string())) });
        }
        outcome
    }
}

fn record<'a>(
    exchange: &'a Exchange,
    event: Event,
    rule: Option<&'a str>,
    outcome: &Result<(), Fault>,
    trace_id: &'a str,
) -> Record<'a> {
    let decision = if outcome.is_ok() { Decision::Allow } else { Decision::Deny };
    let mut record = Record::new(event, decision)
        .action(exchange.request.method.as_str())
        .resource(exchange.host_name(), exchange.original.path())
        .trace_id(trace_id);
    if let Some(principal) = &exchange.principal {
        record = record.actor(&principal.subject).credential(&principal.credential);
    }
    if let Some(address) = exchange.client {
        record = record.client(address);
    }
    if let Some(route) = &exchange.route {
        record = record.route(&**route);
    }
    if let Err(fault) = outcome {
        record = record.fault(fault.code());
    }
    match rule.or_else(|| Some(outcome.as_ref().err()?.reason()?.name())) {
        Some(rule) => record.rule(rule),
        None => record,
    }
}
