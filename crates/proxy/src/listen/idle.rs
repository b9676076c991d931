//! HTTP/2 connections on which no stream is open: hyper keeps them for ever, and each holds a place among
//! `limits.connections`. PING and the like are no activity.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::exchange::Connection;

/// Who holds a connection while no stream is open: whoever makes exchanges, and the watch.
const HOLDERS_WITHOUT_STREAMS: usize = 2;

/// Watches how long a connection has had no exchange.
pub(crate) struct IdleWatch {
    connection: Rc<Connection>,
    limit: Duration,
    idle_since: Option<Instant>,
    /// Set anew when it has rung only, so that a request costs a look at the clock and no more.
    timer: Option<Pin<Box<Sleep>>>,
}

impl IdleWatch {
    /// A watch over `connection`, which every exchange holds until its last byte has left.
    pub(crate) fn new(connection: Rc<Connection>, limit: Duration) -> Self {
        Self { connection, limit, idle_since: None, timer: None }
    }

    /// Ready when no exchange has been under way for the limit, and then again after another; to be asked after each
    /// poll of the connection.
    pub(crate) fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if Rc::strong_count(&self.connection) > HOLDERS_WITHOUT_STREAMS {
            self.idle_since = None;
        } else if self.idle_since.is_none() {
            self.idle_since = Some(Instant::now());
        }
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        loop {
            ready!(timer.as_mut().poll(cx));
            let now = Instant::now();
            match self.idle_since.map(|since| since + limit) {
                Some(end) if end <= now => {
                    self.idle_since = Some(now);
                    cx.waker().wake_by_ref();
                    return Poll::Ready(());
                }
                Some(end) => timer.as_mut().reset(end),
                None => timer.as_mut().reset(now + limit),
            }
        }
    }
}
