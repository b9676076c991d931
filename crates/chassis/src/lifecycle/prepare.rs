//! From what was read to what the start needs: everything that can be wrong with a configuration is found here, before
//! anything has begun.

use gwanmun_config::{Diagnostic, Diagnostics, Spanned};

use crate::config::{Ended, Reading, Record, Settings};
use crate::server::{Limits, Tls};
use crate::settings::ServiceSpec;

/// A configuration that can be started.
pub(super) struct Prepared<C> {
    pub(super) spec: ServiceSpec,
    pub(super) own: C,
    /// As it was written.
    pub(super) record: Record,
    /// To be shown.
    pub(super) warnings: String,
    pub(super) limits: Limits,
    pub(super) tls: Option<Tls>,
}

/// Looks at everything.
///
/// # Errors
/// All mistakes.
pub(super) fn prepare<C>(mut reading: Reading<C>) -> Result<Prepared<C>, Ended> {
    let spec = &reading.spec;
    let mistakes = &mut reading.diagnostics;
    for address in [&spec.server.address, &spec.management.address, &spec.management.probes] {
        check_address(address.as_ref(), mistakes);
    }
    if let Some(sample) = &spec.telemetry.traces.sample
        && !(0.0..=1.0).contains(&sample.value)
    {
        mistakes.push(Diagnostic::error(format!("found {}, wanted a share from 0 to 1", sample.value), sample.span));
    }
    let limits = Limits::of(&spec.server, mistakes);
    let tls = spec.server.tls.as_ref().and_then(|tls| Tls::load(tls, &reading.sources, &mut reading.files, mistakes));
    let Settings { spec, own, record, warnings } = reading.settle()?;
    Ok(Prepared { spec, own, record, warnings, limits, tls })
}

/// `host:port`; whether it can be bound is another question.
fn check_address(address: Option<&Spanned<String>>, mistakes: &mut Diagnostics) {
    let Some(address) = address else { return };
    let is_port = |port: &str| !port.is_empty() && port.parse::<u16>().is_ok();
    if !address.value.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && is_port(port)) {
        let found = address.value.escape_debug();
        mistakes.push(Diagnostic::error(format!("found '{found}', wanted host:port"), address.span));
    }
}
