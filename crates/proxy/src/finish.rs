//! The end of an exchange: the record goes to the access log and the metrics, once.

use std::cell::Cell;
use std::rc::Rc;

use gwanmun_core::{Code, Fault, Reason};
use gwanmun_telemetry::access::Entry;
use gwanmun_telemetry::exceptions::{Exception, Exceptions, Panicked};
use gwanmun_telemetry::metrics::InFlight;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};

use crate::body::Body;
use crate::exchange::Exchange;
use crate::steps::{self, Ended};
use crate::worker::{Worker, WorkerPlan};

/// What the record says of a client that left before it had an answer: a status nobody is sent, as nginx has it.
const CLIENT_LEFT: u16 = 499;

/// An exchange that will be recorded, however it ends: when this is dropped.
pub(crate) struct Finish {
    pub(crate) exchange: Exchange,
    worker: Rc<Worker>,
    plan: Rc<WorkerPlan>,
    began: Began,
    /// `None` while there is no answer.
    status: Option<StatusCode>,
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
    /// An exchange without an answer.
    pub(crate) fn of(worker: Rc<Worker>, plan: Rc<WorkerPlan>, began: Began, exchange: Exchange) -> Self {
        Self { exchange, worker, plan, began, status: None, bytes_out: 0 }
    }

    /// What the exchange follows.
    pub(crate) fn plan(&self) -> Rc<WorkerPlan> {
        Rc::clone(&self.plan)
    }

    /// The exchange, and where it goes if it panics.
    pub(crate) fn parts(&mut self) -> (&mut Exchange, &Exceptions) {
        (&mut self.exchange, self.worker.exceptions())
    }

    /// The exchange panicked. What that says goes no further than to who looks after the gateway.
    pub(crate) fn panicked(&self, panicked: Panicked) {
        drop(match &self.exchange.route {
            Some(route) => panicked.during(&**route),
            None => panicked,
        });
    }

    /// There is an answer; what was kept of the request is not needed any more.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
        self.exchange.request.body = Body::Empty;
        self.exchange.request.headers = HeaderMap::new();
    }

    /// Counts bytes of the body that leave.
    pub(crate) fn sent(&mut self, length: usize) {
        self.bytes_out = self.bytes_out.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
    }

    /// The answer broke off after its head had left.
    pub(crate) fn failed(&mut self, fault: &Fault) {
        self.exchange.record.failed(fault);
    }

    /// What went through a tunnel.
    pub(crate) fn passed(&mut self, passed: crate::tunnel::Passed) {
        self.began.received.set(passed.from_client);
        self.bytes_out = passed.to_client;
    }
}

impl Drop for Finish {
    fn drop(&mut self) {
        let record = &self.exchange.record;
        let duration = record.started.elapsed();
        let status = self.status.map_or(CLIENT_LEFT, |status| status.as_u16());
        let metrics = &self.plan.metrics;
        metrics.request(record.route, status, duration);
        if let Some(code) = record.fault {
            metrics.fault(code, record.fault_reason);
        }
        if let Some(mistake) = &record.mistake {
            let mut exception = Exception::new("internal", &**mistake);
            exception.trace = Some(record.trace);
            exception.transaction = self.exchange.route.as_deref().map(str::to_owned);
            self.worker.exceptions().capture(exception);
        }
        if !record.sanitized.is_nothing() {
            metrics.sanitized(record.sanitized);
        }
        let route = record.route.and_then(|index| self.plan.plan.routes.get(index)).map(|route| &*route.id);
        let user_agent = self.began.user_agent.as_ref().map(HeaderValue::as_bytes);
        if let Some(steps) = &record.steps {
            let (exchange, method) = (&self.exchange, &self.began.method);
            let ended = Ended { exchange, method, user_agent, route, status, duration };
            steps::tell(steps, &ended, &self.worker.shared.tracer);
        }
        if self.worker.log_is_off() {
            return;
        }
        let linked_trace_id = record.linked_trace.map(|trace| trace.trace_id_hex());
        let (trace_id, span_id) = (record.trace.trace_id_hex(), record.trace.span_id_hex());
        self.worker.log(&Entry {
            time: record.time,
            trace_id: &trace_id,
            span_id: &span_id,
            client: self.exchange.client,
            listener: &self.exchange.connection.listener,
            protocol: protocol(self.exchange.request.version),
            method: self.began.method.as_str(),
            host: self.exchange.host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default(),
            path: self.exchange.original.path().as_bytes(),
            route,
            upstream: record.upstream.as_deref(),
            endpoint: record.endpoint.as_deref(),
            status,
            fault: record.fault.map(Code::name),
            fault_reason: record.fault_reason.map(Reason::name),
            duration,
            upstream_duration: record.upstream_duration,
            bytes_in: self.began.received.get(),
            bytes_out: self.bytes_out,
            principal: self.exchange.principal.as_ref().map(|principal| principal.subject.as_str()),
            user_agent,
            sanitized: record.sanitized,
            linked_trace_id: linked_trace_id.as_deref(),
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
