//! One end of a connection, whatever is spoken on it; the other is driven by tasks.

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};

use crate::client::payload::Payload;
use crate::client::tasks::Tasks;

/// One end of a connection.
pub(crate) struct Sender {
    speaks: Speaks,
    tasks: Tasks,
}

/// What is spoken.
pub(crate) enum Speaks {
    /// HTTP/1.1.
    Http1(http1::SendRequest<Payload>),
    /// HTTP/2.
    Http2(http2::SendRequest<Payload>),
}

impl Sender {
    /// That of a connection that consists of `tasks`.
    pub(crate) fn new(speaks: Speaks, tasks: Tasks) -> Self {
        Self { speaks, tasks }
    }

    /// Sends a request; what could not leave comes back in the error.
    pub(crate) async fn send(
        &mut self,
        request: Request<Payload>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Payload>>> {
        match &mut self.speaks {
            Speaks::Http1(sender) => sender.try_send_request(request).await,
            Speaks::Http2(sender) => sender.try_send_request(request).await,
        }
    }

    /// Waits until it can take a request.
    pub(crate) async fn ready(&mut self) -> hyper::Result<()> {
        match &mut self.speaks {
            Speaks::Http1(sender) => sender.ready().await,
            Speaks::Http2(sender) => sender.ready().await,
        }
    }

    /// Whether it can take a request, and nothing of an earlier one is left.
    pub(crate) fn is_ready(&self) -> bool {
        let takes = match &self.speaks {
            Speaks::Http1(sender) => sender.is_ready(),
            Speaks::Http2(sender) => sender.is_ready(),
        };
        takes && self.tasks.are_at_rest()
    }

    pub(crate) fn is_closed(&self) -> bool {
        match &self.speaks {
            Speaks::Http1(sender) => sender.is_closed(),
            Speaks::Http2(sender) => sender.is_closed(),
        }
    }
}
