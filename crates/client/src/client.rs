//! Calls over HTTP/1.1 or HTTP/2 to one target: a bounded number at a time, each bounded in time and size, on [`Outbound`]. Built on
//! hyper's connections; redirects are answers like others, and no proxy is taken from the environment.

mod answer;
mod connect;
mod destination;
mod payload;
mod pool;
mod send;
mod sender;
mod settings;
mod tasks;
mod tls;
mod trace;
mod watch;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use gwanmun_core::Tally;
use gwanmun_resilience::{Breaker, BreakerState};
use http::{Request, Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use self::destination::Destination;
use self::pool::Pool;
use self::watch::Watched;
use crate::call_error::CallError;
use crate::outbound::Outbound;

pub use self::answer::Trailers;
pub use self::settings::{Protocol, Settings};
pub use self::tls::Tls;
pub use self::watch::{Called, Watch};

/// Makes calls to one target. Clones share its connections, its limits and its breaker.
#[derive(Clone)]
pub struct Client {
    outbound: Outbound,
    shared: Arc<Shared>,
}

struct Shared {
    target: Box<str>,
    settings: Settings,
    turns: Semaphore,
    /// Calls that are made or wait for their turn.
    calls: AtomicUsize,
    breaker: Breaker,
    pool: Arc<Pool>,
    tally: Tally,
}

/// A place among the calls that are made or wait.
struct Place(Arc<Shared>);

impl Client {
    /// A client for what is called `target` in metrics: a word of ours or of the configuration.
    pub fn new(outbound: &Outbound, target: &str, settings: Settings) -> Self {
        let help = "Calls the gateway made for itself, by status class or by why there was no answer.";
        let shared = Shared {
            target: target.into(),
            turns: Semaphore::new(settings.concurrent.clamp(1, Semaphore::MAX_PERMITS)),
            calls: AtomicUsize::new(0),
            breaker: Breaker::new(settings.breaker, outbound.clock()),
            pool: Arc::new(Pool::new(settings.idle)),
            tally: outbound.tallies().tally("gwanmun_client_calls_total", help, &["target", "outcome"]),
            settings,
        };
        Self { outbound: outbound.clone(), shared: Arc::new(shared) }
    }

    /// Makes one call to the absolute URI of `request` and reads the whole answer, whatever its status. `trace` is the
    /// caller's `traceparent`; the call becomes a child of it. May be awaited on any runtime; dropped, the call goes on.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn call(&self, mut request: Request<Bytes>, trace: Option<&str>) -> Result<Response<Bytes>, CallError> {
        trace::hand_on(request.headers_mut(), trace);
        let watched = Watched::of(&self.outbound, &request, trace);
        self.run(request, watched).await
    }

    /// The same for who tells the trace in the header fields of `request`, with a span of the call's own.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, CallError> {
        self.run(request, None).await
    }

    /// What its breaker does with calls now.
    pub fn breaker_state(&self) -> BreakerState {
        self.shared.breaker.state()
    }

    async fn run(&self, request: Request<Bytes>, watched: Option<Watched>) -> Result<Response<Bytes>, CallError> {
        let outcome = match self.begin(request, watched) {
            Ok(call) => return call.await.unwrap_or(Err(CallError::Interrupted)),
            Err(error) => Err(error),
        };
        self.shared.count(&outcome);
        outcome
    }

    fn begin(
        &self,
        mut request: Request<Bytes>,
        watched: Option<Watched>,
    ) -> Result<tokio::task::JoinHandle<Result<Response<Bytes>, CallError>>, CallError> {
        let runtime = self.outbound.handle()?;
        let destination = Destination::of(request.uri())?;
        destination.address(&mut request, self.shared.settings.protocol)?;
        let place = Place::enter(&self.shared)?;
        Ok(runtime.spawn(async move {
            let shared = &place.0;
            let outcome = shared.make(&destination, request).await;
            shared.count(&outcome);
            if let Some(watched) = watched {
                watched.ended(&outcome);
            }
            outcome
        }))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("target", &self.shared.target).finish_non_exhaustive()
    }
}

impl Shared {
    /// The life of one call.
    async fn make(&self, to: &Destination, request: Request<Bytes>) -> Result<Response<Bytes>, CallError> {
        let limit = self.settings.timeout;
        let begin = Instant::now();
        let deadline = begin.checked_add(limit).unwrap_or(begin);
        let turn = timeout_at(deadline, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| CallError::Overloaded)?.map_err(|_| CallError::Interrupted)?;
        let permit = self.breaker.permit().map_err(|open| CallError::BreakerOpen(open.retry_after))?;
        let sending = send::send(to, request, &self.settings, &self.pool);
        let outcome = timeout_at(deadline, sending).await.unwrap_or(Err(CallError::Timeout(limit)));
        match &outcome {
            Ok(answer) if answer.status().is_server_error() => permit.fail(),
            Ok(_) => permit.succeed(),
            // It says something about us, not about them.
            Err(CallError::Invalid(_) | CallError::Interrupted) => drop(permit),
            Err(_) => permit.fail(),
        }
        outcome
    }

    fn count(&self, outcome: &Result<Response<Bytes>, CallError>) {
        let outcome = match outcome {
            Ok(answer) => class(answer.status()),
            Err(error) => error.name(),
        };
        self.tally.count(&[&self.target, outcome]);
    }
}

impl Place {
    fn enter(shared: &Arc<Shared>) -> Result<Self, CallError> {
        let place = Self(Arc::clone(shared));
        let limit = shared.settings.concurrent.max(1).saturating_add(shared.settings.waiting);
        let others = shared.calls.fetch_add(1, Ordering::Relaxed);
        if others < limit { Ok(place) } else { Err(CallError::Overloaded) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        ..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests;
