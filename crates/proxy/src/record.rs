//! What is known about an exchange when its last byte has left: the source of log lines, metrics and audit.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use gwanmun_core::{Code, Fault, Reason};
use gwanmun_telemetry::sanitized::Sanitized;
use gwanmun_telemetry::trace::TraceContext;

use crate::steps::Steps;

/// Collected while the exchange goes on; written once, at its end.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Record {
    /// When the head of the request had arrived.
    pub started: Instant,
    /// The same moment on the wall.
    pub time: SystemTime,
    /// The trace, and our own span in it.
    pub trace: TraceContext,
    /// What was done to the request at the door.
    pub sanitized: Sanitized,
    /// The trace that an untrusted caller says it is in.
    pub linked_trace: Option<TraceContext>,
    /// The route that took the request: its place in the plan.
    pub route: Option<usize>,
    /// The upstream that was asked.
    pub upstream: Option<Arc<str>>,
    /// The endpoint that was asked.
    pub endpoint: Option<Arc<str>>,
    /// What went wrong, if the gateway answered by itself.
    pub fault: Option<Code>,
    /// What exactly went wrong, where that is known.
    pub fault_reason: Option<Reason>,
    /// What we did wrong ourselves, for who looks after the gateway.
    pub mistake: Option<Box<str>>,
    /// From the first byte to the upstream until the head of its answer.
    pub upstream_duration: Option<Duration>,
    /// What it will tell as spans, if it is sampled and they go anywhere.
    pub(crate) steps: Option<Box<Steps>>,
}

impl Record {
    /// A record that begins now.
    pub fn begin(trace: TraceContext) -> Self {
        Self {
            started: Instant::now(),
            time: SystemTime::now(),
            trace,
            sanitized: Sanitized::NOTHING,
            linked_trace: None,
            route: None,
            upstream: None,
            endpoint: None,
            fault: None,
            fault_reason: None,
            mistake: None,
            upstream_duration: None,
            steps: None,
        }
    }

    /// Notes what went wrong; of several faults the last counts.
    pub fn failed(&mut self, fault: &Fault) {
        self.fault = Some(fault.code());
        self.fault_reason = fault.reason();
        // A panic has been told already.
        if fault.code() == Code::Internal && fault.reason() != Some(Reason::Panicked) {
            self.mistake = Some(fault.detail().into());
        }
    }
}
