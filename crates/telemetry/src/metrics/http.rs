//! The numbers of HTTP as Spring's Micrometer names them: requests that a service answers, and calls that it makes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::Method;

use super::instruments::{GaugeCell, Histogram, HistogramCell, Instruments, InvalidInstrument, OTHER, Place};
use super::series::SECONDS;

/// The status of a call that no answer came to, in Micrometer's word.
const NO_ANSWER: &str = "IO_ERROR";
/// The outcome of what is none of the others.
const UNKNOWN: &str = "UNKNOWN";
/// Names whose cells are found at once. There are more only where a name is none.
const MAX_KNOWN: usize = 1000;

/// The requests that a service answers: `http_server_requests_seconds{method,uri,status,outcome}` and
/// `http_server_active_requests`. Clones are the same.
#[derive(Debug, Clone)]
pub struct HttpServer(Arc<Server>);

#[derive(Debug)]
struct Server {
    active: GaugeCell,
    requests: Table,
}

/// A request that is being answered; it counts as active until this goes.
#[derive(Debug)]
pub struct ActiveRequest(Arc<Server>);

/// The calls that a service makes: `http_client_requests_seconds{client,method,status,outcome}`. Clones are the same.
#[derive(Debug, Clone)]
pub struct HttpCalls(Arc<Table>);

impl HttpServer {
    /// Defines both.
    ///
    /// # Errors
    /// A name is taken by something of another shape.
    pub fn new(instruments: &Instruments) -> Result<Self, InvalidInstrument> {
        let active = instruments.gauge("http_server_active_requests", "Requests that are being answered.", &[])?;
        let requests = instruments.histogram(
            "http_server_requests_seconds",
            "Time from a request's head to its answer's last byte.",
            &["method", "uri", "status", "outcome"],
            &SECONDS,
        )?;
        Ok(Self(Arc::new(Server {
            active: active.with(&[]),
            requests: Table::new(requests, |[uri, method, status, outcome]| [method, uri, status, outcome]),
        })))
    }

    /// A request has begun.
    #[must_use]
    pub fn begin(&self) -> ActiveRequest {
        self.0.active.inc();
        ActiveRequest(Arc::clone(&self.0))
    }
}

impl ActiveRequest {
    /// It was answered. `route` is the template that matched, never a path as it came: `/orders/{id}`. Where none did, the
    /// request counts under `NOT_FOUND`, `REDIRECTION` or `UNKNOWN`.
    pub fn finish(self, method: &Method, route: Option<&str>, status: u16, duration: Duration) {
        let uri = route.unwrap_or(match status {
            404 => "NOT_FOUND",
            300..400 => "REDIRECTION",
            _ => UNKNOWN,
        });
        self.0.requests.count(uri, method, Some(status), duration);
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.active.dec();
    }
}

impl HttpCalls {
    /// Defines it.
    ///
    /// # Errors
    /// The name is taken by something of another shape.
    pub fn new(instruments: &Instruments) -> Result<Self, InvalidInstrument> {
        let requests = instruments.histogram(
            "http_client_requests_seconds",
            "Time from a call's beginning to its answer's last byte, or its end without one.",
            &["client", "method", "status", "outcome"],
            &SECONDS,
        )?;
        Ok(Self(Arc::new(Table::new(requests, |labels| labels))))
    }

    /// A call ended. `client` is the name in the configuration; without a status no answer came.
    pub fn finish(&self, client: &str, method: &Method, status: Option<u16>, duration: Duration) {
        self.0.count(client, method, status, duration);
    }
}

/// Cells by a name, a method and a status. Those known are found without a lock and without allocation.
#[derive(Debug)]
struct Table {
    histogram: Histogram<4>,
    labels: Labels,
    known: ArcSwap<HashMap<Arc<str>, Vec<Known>>>,
    learning: Mutex<()>,
}

/// Puts a name, a method, a status and an outcome in the order of the labels.
type Labels = for<'a> fn([&'a str; 4]) -> [&'a str; 4];

#[derive(Debug, Clone)]
struct Known {
    method: &'static str,
    status: Option<u16>,
    cell: HistogramCell,
}

impl Table {
    fn new(histogram: Histogram<4>, labels: Labels) -> Self {
        Self { histogram, labels, known: ArcSwap::default(), learning: Mutex::default() }
    }

    fn count(&self, name: &str, method: &Method, status: Option<u16>, duration: Duration) {
        let method = word(method);
        let cells = self.known.load();
        let mut cells = cells.get(name).into_iter().flatten();
        match cells.find(|known| known.method == method && known.status == status) {
            Some(known) => known.cell.took(duration),
            None => self.learn(name, method, status).took(duration),
        }
    }

    fn learn(&self, name: &str, method: &'static str, status: Option<u16>) -> HistogramCell {
        let _alone = self.learning.lock().unwrap_or_else(PoisonError::into_inner);
        let mut digits = itoa::Buffer::new();
        let code = status.map_or(NO_ANSWER, |status| digits.format(status));
        let cell = match self.histogram.place(&(self.labels)([name, method, code, outcome(status)])) {
            Place::Own(cell) => cell,
            Place::Other(cell) => return cell,
        };
        let mut known = HashMap::clone(&self.known.load());
        let is_new = known
            .get(name)
            .is_none_or(|cells| !cells.iter().any(|known| known.method == method && known.status == status));
        if is_new && (known.len() < MAX_KNOWN || known.contains_key(name)) {
            known.entry(name.into()).or_default().push(Known { method, status, cell: cell.clone() });
            self.known.store(Arc::new(known));
        }
        cell
    }
}

fn word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => OTHER,
    }
}

fn outcome(status: Option<u16>) -> &'static str {
    match status {
        Some(100..200) => "INFORMATIONAL",
        Some(200..300) => "SUCCESS",
        Some(300..400) => "REDIRECTION",
        Some(400..500) => "CLIENT_ERROR",
        Some(500..600) => "SERVER_ERROR",
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::family::{Family, Value};
    use super::super::text::text;
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// Labels of the series of `name`, and how many requests each has counted.
    fn counts(instruments: &Instruments, name: &str) -> Vec<(String, u64)> {
        let families: Vec<Family> = instruments.families().into_iter().filter(|family| family.name == name).collect();
        let sample = |sample: &super::super::Sample| {
            let labels: Vec<&str> = sample.labels.iter().map(|(_, value)| &**value).collect();
            let Value::Histogram { counts, .. } = &sample.value else { panic!() };
            (labels.join(" "), counts.iter().sum())
        };
        families.iter().flat_map(|family| &family.samples).map(sample).collect()
    }

    #[test]
    fn requests_count_under_their_route_and_how_they_ended() {
        let instruments = Instruments::new();
        let server = HttpServer::new(&instruments).unwrap();
        for (method, route, status) in [
            (Method::GET, Some("/orders/{id}"), 200),
            (Method::GET, Some("/orders/{id}"), 200),
            (Method::GET, Some("/orders/{id}"), 503),
            (Method::from_bytes(b"BREW").unwrap(), Some("/orders/{id}"), 418),
            (Method::POST, None, 404),
            (Method::GET, None, 308),
            (Method::GET, None, 400),
            (Method::GET, Some("/ws"), 101),
            (Method::GET, Some("/ws"), 600),
        ] {
            server.begin().finish(&method, route, status, MILLISECOND);
        }
        let wanted = [
            ("GET /orders/{id} 200 SUCCESS", 2),
            ("GET /orders/{id} 503 SERVER_ERROR", 1),
            ("GET /ws 101 INFORMATIONAL", 1),
            ("GET /ws 600 UNKNOWN", 1),
            ("GET REDIRECTION 308 REDIRECTION", 1),
            ("GET UNKNOWN 400 CLIENT_ERROR", 1),
            ("POST NOT_FOUND 404 CLIENT_ERROR", 1),
            ("other /orders/{id} 418 CLIENT_ERROR", 1),
        ];
        assert_eq!(
            counts(&instruments, "http_server_requests_seconds"),
            wanted.map(|(labels, n)| (labels.to_owned(), n))
        );
    }

    #[test]
    fn calls_count_under_their_client_and_how_they_ended() {
        let instruments = Instruments::new();
        let calls = HttpCalls::new(&instruments).unwrap();
        calls.finish("kitchen", &Method::GET, Some(200), MILLISECOND);
        calls.finish("kitchen", &Method::GET, None, MILLISECOND);
        let wanted = [("kitchen GET 200 SUCCESS", 1), ("kitchen GET IO_ERROR UNKNOWN", 1)];
        assert_eq!(
            counts(&instruments, "http_client_requests_seconds"),
            wanted.map(|(labels, n)| (labels.to_owned(), n))
        );
    }

    #[test]
    fn a_request_is_active_until_it_ends_or_is_given_up() {
        let instruments = Instruments::new();
        let server = HttpServer::new(&instruments).unwrap();
        let shows =
            |active: &str| text(&instruments.families()).contains(&format!("\nhttp_server_active_requests {active}\n"));
        let (one, two) = (server.begin(), server.clone().begin());
        assert!(shows("2"));
        one.finish(&Method::GET, Some("/"), 200, MILLISECOND);
        assert!(shows("1"));
        drop(two);
        assert!(shows("0"));
    }

    #[test]
    fn paths_that_are_given_for_routes_grow_nothing() {
        let instruments = Instruments::with_max_series(10);
        let server = HttpServer::new(&instruments).unwrap();
        let long = "x".repeat(300);
        for path in 0..2000 {
            server.begin().finish(&Method::GET, Some(&format!("{long}/{path}")), 200, MILLISECOND);
            server.begin().finish(&Method::GET, Some(&format!("/{path}")), 200, MILLISECOND);
        }
        let counts = counts(&instruments, "http_server_requests_seconds");
        assert_eq!((counts.len(), counts.iter().map(|(_, n)| n).sum::<u64>()), (11, 4000));
        assert!(server.0.requests.known.load().len() <= MAX_KNOWN);
    }

    #[test]
    #[ignore = "slow: measures time, which needs a machine that is not busy"]
    fn counting_a_request_takes_less_than_a_microsecond() {
        let server = HttpServer::new(&Instruments::new()).unwrap();
        let round = |_| {
            let begin = Instant::now();
            for _ in 0..100_000 {
                server.begin().finish(&Method::GET, Some("/orders/{id}"), 200, MILLISECOND);
            }
            begin.elapsed() / 100_000
        };
        let best = (0..10).map(round).min().unwrap();
        assert!(best < Duration::from_micros(1), "{best:?}");
    }
}
