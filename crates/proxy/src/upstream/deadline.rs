//! When an exchange must be over, and by whose word.

use std::time::Duration;

use gwanmun_core::{Code, Fault, Reason};
use tokio::time::Instant;

use crate::exchange::Exchange;
use crate::grpc;

/// The moment after which nothing more of an answer is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    reason: Reason,
}

impl Deadline {
    /// The earlier of `total` from `began` on and the caller's own `grpc-timeout`, which counts from the head of its
    /// request on.
    ///
    /// # Errors
    /// `malformed-request` if the `grpc-timeout` cannot be read.
    pub(crate) fn of(exchange: &Exchange, total: Option<Duration>, began: Instant) -> Result<Option<Self>, Fault> {
        let total = total.map(|total| Self { at: began + total, reason: Reason::TotalTimeout });
        let Some(patience) = grpc::timeout(&exchange.request)? else { return Ok(total) };
        let left = patience.saturating_sub(exchange.record.started.elapsed());
        let asked = Self { at: began + left, reason: Reason::GrpcTimeout };
        Ok(Some(total.filter(|total| total.at < asked.at).unwrap_or(asked)))
    }

    /// It has passed.
    pub(crate) fn fault(self) -> Fault {
        Fault::new(Code::UpstreamTimeout, "the exchange took too long altogether").because(self.reason)
    }
}
