//! What one client may use up.

use std::time::Duration;

use gwanmun_config::{ByteSize, Diagnostic, Diagnostics, Spanned, Timespan};

use crate::settings::ServerSpec;

/// What hyper has to be allowed at least.
const LEAST_HEADER_BYTES: usize = 8 * 1024;

/// The limits of `server`, with their defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// For the largest body of a request, bytes.
    pub(crate) body_bytes: u64,
    /// From a request's head to that of its answer.
    pub(crate) timeout: Duration,
    pub(crate) header_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) header_bytes: usize,
    pub(crate) header_count: usize,
    pub(crate) connections: usize,
    pub(crate) streams: u32,
}

impl Limits {
    /// What `spec` says; what makes no sense is told.
    pub(crate) fn of(spec: &ServerSpec, mistakes: &mut Diagnostics) -> Self {
        let mut refuse = |span, wanted: &str| mistakes.push(Diagnostic::error(format!("wanted {wanted}"), span));
        for time in [&spec.timeout, &spec.header_timeout, &spec.idle_timeout].into_iter().flatten() {
            if time.value.0.is_zero() {
                refuse(time.span, "a time that is not zero");
            }
        }
        for count in [&spec.header_count, &spec.connections].into_iter().flatten() {
            if count.value == 0 {
                refuse(count.span, "at least 1");
            }
        }
        if let Some(streams) = spec.streams.as_ref().filter(|streams| streams.value == 0) {
            refuse(streams.span, "at least 1");
        }
        let header_bytes = usize::try_from(bytes(spec.header_bytes.as_ref(), 32 * 1024)).unwrap_or(usize::MAX);
        if let Some(given) = spec.header_bytes.as_ref().filter(|_| header_bytes < LEAST_HEADER_BYTES) {
            refuse(given.span, "at least 8 KiB");
        }
        Self {
            body_bytes: bytes(spec.body_bytes.as_ref(), 1024 * 1024),
            timeout: time(spec.timeout.as_ref(), 30),
            header_timeout: time(spec.header_timeout.as_ref(), 10),
            idle_timeout: time(spec.idle_timeout.as_ref(), 75),
            header_bytes: header_bytes.max(LEAST_HEADER_BYTES),
            header_count: spec.header_count.as_ref().map_or(100, |count| count.value),
            connections: spec.connections.as_ref().map_or(8000, |count| count.value),
            streams: spec.streams.as_ref().map_or(128, |count| count.value),
        }
    }
}

fn bytes(given: Option<&Spanned<ByteSize>>, default: u64) -> u64 {
    given.map_or(default, |size| size.value.0)
}

/// What is given, else the default.
pub(crate) fn time(given: Option<&Spanned<Timespan>>, default_seconds: u64) -> Duration {
    given.map_or(Duration::from_secs(default_seconds), |time| time.value.0)
}
