//! What is wrong in the section `telemetry.logs`, told before anything starts.

use gwanmun_config::{Diagnostic, Diagnostics};

use super::levels::is_name;
use super::syslog;
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
    if let Some(url) = &spec.syslog
        && let Err(wanted) = syslog::address(url)
    {
        diagnostics.push(Diagnostic::error(format!("found '{}', {wanted}", url.value), url.span));
    }
    if let Some(facility) = spec.facility.as_ref().filter(|facility| facility.value > 23) {
        let message = format!("found {}, wanted 0 to 23 (RFC 5424 table 1); 16 is local0", facility.value);
        diagnostics.push(Diagnostic::error(message, facility.span));
    }
    if let Some(path) = spec.file.as_ref().filter(|path| path.trim().is_empty()) {
        diagnostics.push(Diagnostic::error("found nothing, wanted the path of a file", path.span));
    }
    for name in &spec.redact {
        if name.trim().is_empty() {
            diagnostics.push(Diagnostic::error("found nothing, wanted the name of a field", name.span));
        }
    }
}
