//! The end of an exchange: the record goes to the access log and the metrics, once.

use std::cell::Cell;
use std::rc::Rc;

use gwanmun_core::{Code, Fault};
use gwanmun_telemetry::access::Entry;
use gwanmun_telemetry::metrics::InFlight;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, StatusCode, Version};

use crate::exchange::{Connection, Exchange};
use crate::record::Record;
use crate::worker::{Worker, WorkerPlan};

/// Writes the record when it is dropped.
pub(crate) struct Finish {
    worker: Rc<Worker>,
    plan: Rc<WorkerPlan>,
    connection: Rc<Connection>,
    client: Option<std::net::IpAddr>,
    record: Record,
    began: Began,
    host: Option<HeaderValue>,
    target: PathAndQuery,
    version: Version,
    status: StatusCode,
    bytes_out: u64,
}

/// What is known of a request before filters change it, and counted from its beginning.
pub(crate) struct Began {
    pub(crate) method: Method,
    pub(crate) user_agent: Option<HeaderValue>,
    /// Bytes of the body that have come.
    pub(crate) received: Rc<Cell<u64>>,
    pub(crate) _in_flight: InFlight,
}

impl Finish {
    /// Takes over what `exchange` knows at the end.
    pub(crate) fn of(
        worker: Rc<Worker>,
        plan: Rc<WorkerPlan>,
        began: Began,
        exchange: Exchange,
        status: StatusCode,
    ) -> Self {
        Self {
            worker,
            plan,
            client: exchange.client,
            record: exchange.record,
            began,
            host: exchange.host,
            target: exchange.original,
            version: exchange.request.version,
            connection: exchange.connection,
            status,
            bytes_out: 0,
        }
    }

    /// Counts bytes of the body that leave.
    pub(crate) fn sent(&mut self, length: usize) {
        self.bytes_out = self.bytes_out.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
    }

    /// The answer broke off after its head had left.
    pub(crate) fn failed(&mut self, fault: &Fault) {
        self.record.fault = Some(fault.code());
    }

    /// What went through a tunnel.
    pub(crate) fn passed(&mut self, passed: crate::tunnel::Passed) {
        self.began.received.set(passed.from_client);
        self.bytes_out = passed.to_client;
    }
}

impl Drop for Finish {
    fn drop(&mut self) {
        let duration = self.record.started.elapsed();
        let metrics = &self.plan.metrics;
        metrics.request(self.record.route, self.status.as_u16(), duration);
        if let Some(code) = self.record.fault {
            metrics.fault(code);
        }
        if self.worker.log_is_off() {
            return;
        }
        let (trace_id, span_id) = (self.record.trace.trace_id_hex(), self.record.trace.span_id_hex());
        let route = self.record.route.and_then(|index| self.plan.plan.routes.get(index));
        self.worker.log(&Entry {
            time: self.record.time,
            trace_id: &trace_id,
            span_id: &span_id,
            client: self.client,
            listener: &self.connection.listener,
            protocol: protocol(self.version),
            method: self.began.method.as_str(),
            host: self.host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default(),
            path: self.target.path().as_bytes(),
            route: route.map(|route| &*route.id),
            upstream: self.record.upstream.as_deref(),
            endpoint: self.record.endpoint.as_deref(),
            status: self.status.as_u16(),
            fault: self.record.fault.map(Code::name),
            duration,
            upstream_duration: self.record.upstream_duration,
            bytes_in: self.began.received.get(),
            bytes_out: self.bytes_out,
            principal: None,
            user_agent: self.began.user_agent.as_ref().map(HeaderValue::as_bytes),
        });
    }
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}
