//! HTTP/2 connections on which no stream is open: hyper keeps them for ever, and each holds a place among
//! `limits.connections`. PING and the like are no activity.

use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use crate::exchange::Connection;
use crate::patience::Patience;

/// Who holds a connection while no stream is open: whoever makes exchanges, and the watch.
const HOLDERS_WITHOUT_STREAMS: usize = 2;

/// Watches how long a connection has had no exchange.
pub(crate) struct IdleWatch {
    connection: Rc<Connection>,
    limit: Duration,
    idle_since: Option<Instant>,
    timer: Patience,
}

impl IdleWatch {
    /// A watch over `connection`, which every exchange holds until its last byte has left.
    pub(crate) fn new(connection: Rc<Connection>, limit: Duration) -> Self {
        Self { connection, limit, idle_since: None, timer: Patience::default() }
    }

    /// Ready when no exchange has been under way for the limit, and then again after another; to be asked after each
    /// poll of the connection.
    pub(crate) fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if Rc::strong_count(&self.connection) > HOLDERS_WITHOUT_STREAMS {
            self.idle_since = None;
        } else if self.idle_since.is_none() {
            self.idle_since = Some(Instant::now());
        }
        // Looked at even while something is under way, since nobody tells when that ends.
        let since = self.idle_since.unwrap_or_else(Instant::now);
        ready!(self.timer.poll_until(cx, since + self.limit));
        self.idle_since = Some(Instant::now());
        cx.waker().wake_by_ref();
        Poll::Ready(())
    }
}
