//! What is wrong in the section `telemetry.logs`, told before anything starts.

use gwanmun_config::{Diagnostic, Diagnostics};

use super::levels::is_name;
use crate::spec::LogsSpec;

/// Tells every mistake in `spec` at its place.
pub fn check(spec: &LogsSpec, diagnostics: &mut Diagnostics) {
    for (name, level) in &spec.levels {
        if !is_name(name) {
            let message =
                format!("found the target '{name}', wanted letters, digits, _ : . and -, such as my_service::orders");
            diagnostics.push(Diagnostic::error(message, level.span));
        }
    }
    for name in &spec.redact {
        if name.trim().is_empty() {
            diagnostics.push(Diagnostic::error("found nothing, wanted the name of a field", name.span));
        }
    }
}
