//! Whether services behind learn which trace a request belongs to.

use gwanmun_proxy::role::{Rules, Written};

/// Refuses to have no format of trace context at all.
pub(super) fn refuse_none(written: &Written<'_>, rules: &mut Rules<'_>) {
    let Some(traces) = &written.spec.telemetry.traces.propagate else { return };
    if traces.is_empty() {
        let message = "no trace would reach the services: `telemetry.traces.propagate` is empty";
        rules.refuse(written.span, message, "leave it out, or write `propagate: [w3c]`");
    }
}
