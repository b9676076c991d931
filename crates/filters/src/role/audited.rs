//! The audit log of roles that always have one.

use gwanmun_config::Node;
use gwanmun_proxy::role::{Rules, Written};

const AUDIT: &str = "audit";

/// Where it is written if nobody says so.
const FILE: &str = "audit.jsonl";

/// The section that is there although nobody wrote it.
pub(super) fn otherwise(written: &Written<'_>) -> Vec<(&'static str, Node)> {
    vec![(AUDIT, written.map([("file", written.text(FILE))]))]
}

/// Says what nobody has chosen, and what lets decisions go without a record.
pub(super) fn warn(written: &Written<'_>, rules: &mut Rules<'_>) {
    let Some(audit) = written.section(AUDIT) else {
        let message = format!("what is decided is recorded in {FILE} beside this file: there is no `audit` section");
        rules.warn(written.span, message, "audit: {file: PATH, key: \"file:PATH\"}");
        return;
    };
    let on_sink_error = audit.node.entry("on-sink-error").map(|entry| &entry.node);
    if let Some(node) = on_sink_error.filter(|node| node.text() == Some("allow")) {
        let message = "while the audit log cannot be written, requests pass that nobody can trace";
        rules.warn(node.span, message, "`on-sink-error: deny` refuses them (503)");
    }
}
