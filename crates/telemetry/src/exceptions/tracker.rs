//! The way to a tracker: envelopes in a bounded queue, sent one by one, and not while it asks to be left alone.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use gwanmun_client::{CallError, Client, Outbound, Settings};
use gwanmun_core::Clock;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri};

use super::dsn::Dsn;
use super::kinds::Told;
use super::sentry;
use crate::export::{Attempt, Collector, Ends, Shipper, ShipperSettings};
use crate::pipeline::Resource;

const AUTH: HeaderName = HeaderName::from_static("x-sentry-auth");
const RATE_LIMITS: HeaderName = HeaderName::from_static("x-sentry-rate-limits");

/// What is kept for a tracker that is away, and how often it is tried: seldom things are worth some patience.
const SETTINGS: ShipperSettings =
    ShipperSettings { queued: 100, batch: 1, linger: Duration::ZERO, attempts: 10, timeout: Duration::from_secs(15) };
/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// What is read of an answer.
const ANSWER: usize = 64 * 1024;
/// A tracker that does not say for how long it wants to be left alone.
const REST: Duration = Duration::from_secs(60);
/// No tracker is left alone for longer than this.
const LONGEST_REST: Duration = Duration::from_secs(3600);

/// A tracker that speaks Sentry's protocol.
pub(super) struct Tracker {
    dsn: Dsn,
    resource: Resource,
    environment: Option<Arc<str>>,
    shipper: Arc<Shipper<Bytes>>,
}

/// What one attempt needs.
struct Way {
    client: Client,
    to: Uri,
    credential: HeaderValue,
    clock: Arc<dyn Clock>,
    /// It is not asked before this time, in milliseconds since 1970.
    not_before: AtomicU64,
}

impl Tracker {
    /// The tracker at `dsn`, told on the thread of `outbound`.
    pub(super) fn start(
        dsn: Dsn,
        resource: Resource,
        environment: Option<Arc<str>>,
        outbound: &Outbound,
    ) -> Result<Self, CallError> {
        let unusable = || CallError::Invalid("the DSN cannot be used".into());
        let settings = Settings {
            timeout: TIMEOUT,
            connect_timeout: TIMEOUT / 2,
            answer_bytes: ANSWER,
            concurrent: 1,
            waiting: 1,
            ..Settings::default()
        };
        let way = Arc::new(Way {
            client: Client::new(outbound, "exceptions", settings),
            to: dsn.envelopes().ok_or_else(unusable)?,
            credential: dsn.credential().ok_or_else(unusable)?,
            clock: outbound.clock(),
            not_before: AtomicU64::new(0),
        });
        let send = move |batch: Arc<[Bytes]>| {
            let way = Arc::clone(&way);
            async move {
                match batch.first() {
                    Some(envelope) => way.send(envelope.clone()).await,
                    None => Attempt::Sent,
                }
            }
        };
        let shipper = Shipper::start("exceptions", &dsn.to_string(), SETTINGS, outbound, send)?;
        Ok(Self { dsn, resource, environment, shipper })
    }

    /// Whether it is the same as one that would be started with this.
    pub(super) fn is(&self, dsn: &Dsn, environment: Option<&Arc<str>>) -> bool {
        self.dsn == *dsn && self.environment.as_ref() == environment
    }

    /// Tells it. Never waits.
    pub(super) fn tell(&self, told: &Told) {
        let id = fastrand::u128(1..);
        self.shipper.offer(sentry::envelope(told, id, &self.resource, self.environment.as_ref()));
    }

    /// What is waited for at the end.
    pub(super) fn ending(&self) -> Arc<dyn Ends> {
        Arc::clone(&self.shipper) as Arc<dyn Ends>
    }

    /// How it does.
    pub(super) fn collector(&self) -> Collector {
        self.shipper.collector()
    }
}

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracker").field("dsn", &self.dsn).finish_non_exhaustive()
    }
}

impl Way {
    /// One attempt with one envelope.
    async fn send(&self, envelope: Bytes) -> Attempt {
        let now = millis(self.clock.wall());
        let rest = self.not_before.load(Ordering::Relaxed).saturating_sub(now);
        if rest > 0 {
            return Attempt::Later(Some(Duration::from_millis(rest)), "it wants to be left alone".into());
        }
        let request = Request::post(self.to.clone())
            .header(CONTENT_TYPE, sentry::CONTENT_TYPE)
            .header(AUTH, self.credential.clone())
            .body(envelope);
        let Ok(request) = request else { return Attempt::Refused("no request can be made".into()) };
        match self.client.call(request, None).await {
            Ok(answer) => self.judge(&answer),
            Err(CallError::BreakerOpen(after)) => {
                Attempt::Later(Some(after), CallError::BreakerOpen(after).to_string().into())
            }
            Err(error) => Attempt::Later(None, error.to_string().into()),
        }
    }

    fn judge(&self, answer: &Response<Bytes>) -> Attempt {
        let status = answer.status();
        let is_too_much = status == StatusCode::TOO_MANY_REQUESTS;
        let rest = rest_asked(answer.headers()).or(is_too_much.then_some(REST)).map(|rest| rest.min(LONGEST_REST));
        if let Some(rest) = rest {
            let until = millis(self.clock.wall()).saturating_add(u64::try_from(rest.as_millis()).unwrap_or(u64::MAX));
            self.not_before.store(until, Ordering::Relaxed);
        }
        let why = || format!("status {}", status.as_u16()).into();
        match status {
            status if status.is_success() => Attempt::Sent,
            _ if is_too_much => Attempt::Later(rest, why()),
            StatusCode::REQUEST_TIMEOUT => Attempt::Later(rest, why()),
            status if status.is_server_error() => Attempt::Later(rest, why()),
            _ => Attempt::Refused(why()),
        }
    }
}

/// For how long a tracker wants no more events: `X-Sentry-Rate-Limits: 60:error;default:organization, 2700:transaction`,
/// or `Retry-After: 60`.
fn rest_asked(headers: &HeaderMap) -> Option<Duration> {
    let text = |value: &HeaderValue| value.to_str().map(str::to_owned).ok();
    let mut limits = headers.get_all(RATE_LIMITS).iter().filter_map(text).peekable();
    if limits.peek().is_none() {
        let seconds = headers.get(RETRY_AFTER).and_then(text)?;
        return seconds.trim().parse().map(Duration::from_secs).ok();
    }
    let seconds = |limit: &str| {
        let (seconds, rest) = limit.trim().split_once(':')?;
        let kinds = rest.split(':').next().unwrap_or_default();
        // No kind is every kind.
        let is_ours = kinds.is_empty() || kinds.split(';').any(|kind| matches!(kind, "error" | "default"));
        // Some say fractions.
        let seconds = seconds.split('.').next().unwrap_or_default().parse().ok()?;
        is_ours.then_some(seconds)
    };
    let asked = limits.flat_map(|limits| limits.split(',').filter_map(seconds).collect::<Vec<u64>>()).max()?;
    Some(Duration::from_secs(asked))
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
