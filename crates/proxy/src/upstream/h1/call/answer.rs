//! The rest of an answer that did not come at once, while the request may still be going out.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use gwanmun_core::{Code, Fault, Reason};
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::{Call, CallError, Sending};
use crate::h1::Malformed;
use crate::h1::body::{Body as Rest, Event};
use crate::upstream::deadline::Deadline;

/// The body of an answer that did not come at once.
pub(super) struct AnswerBody {
    call: Option<Call>,
    first: Option<Frame<Bytes>>,
    idle_timeout: Duration,
    deadline: Option<Deadline>,
    timer: Option<Pin<Box<Sleep>>>,
    timer_runs: bool,
}

impl AnswerBody {
    /// What is still to come of `call`'s answer after `first`: at most `idle_timeout` between two pieces and nothing after
    /// `deadline`.
    pub(super) fn new(
        call: Call,
        first: Option<Frame<Bytes>>,
        idle_timeout: Duration,
        deadline: Option<Deadline>,
    ) -> Self {
        Self { call: Some(call), first, idle_timeout, deadline, timer: None, timer_runs: false }
    }

    /// Ready when nothing has moved for too long, neither the answer nor the request (its latest piece: `sent_at`).
    fn poll_timer(&mut self, cx: &mut Context<'_>, sent_at: Option<Instant>) -> Poll<()> {
        if !self.timer_runs {
            self.start_timer(Instant::now());
        }
        while let Some(timer) = &mut self.timer {
            ready!(timer.as_mut().poll(cx));
            match sent_at.filter(|at| *at + self.idle_timeout > Instant::now()) {
                Some(at) if self.deadline.is_none_or(|deadline| deadline.at > Instant::now()) => self.start_timer(at),
                _ => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }

    fn start_timer(&mut self, moved: Instant) {
        let silence = moved + self.idle_timeout;
        let at = self.deadline.map_or(silence, |deadline| deadline.at.min(silence));
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(at),
            None => self.timer = Some(Box::pin(tokio::time::sleep_until(at))),
        }
        self.timer_runs = true;
    }
}

/// What comes is no body.
pub(super) fn malformed(Malformed(why): Malformed) -> Fault {
    Fault::new(Code::UpstreamMalformed, why).because(Reason::MalformedChunk)
}

/// What an answer lacks whose connection ended too early.
fn truncated(rest: &Rest) -> Reason {
    match rest {
        Rest::Length(_) => Reason::LengthTruncated,
        Rest::Chunked(_) => Reason::ChunksTruncated,
        Rest::Done | Rest::UntilClose => Reason::CloseTruncated,
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = self.get_mut();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        let Some(call) = &mut this.call else { return Poll::Ready(None) };
        // The request may still be going out; if that fails the answer still counts, the connection does not. Not so if
        // the client broke off: the upstream would wait for the rest. It may stop sending when it has read the answer.
        match call.poll_send(cx) {
            Poll::Ready(Err(CallError::Request(fault))) if fault.code() != Code::RequestTimeout => {
                this.call = None;
                return Poll::Ready(Some(Err(fault)));
            }
            Poll::Ready(Err(_)) => call.sending = Sending::Broken,
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        let sent_at = call.body_sent_at;
        let outcome = loop {
            match call.decoder.next(&mut call.idle.inbound.bytes) {
                Ok(Event::Data(data)) => break Some(Ok(Frame::data(data))),
                Ok(Event::Trailers(trailers)) => break Some(Ok(Frame::trailers(trailers))),
                Ok(Event::End) => break None,
                Err(why) => break Some(Err(malformed(why))),
                Ok(Event::NeedMore) => {}
            }
            match call.poll_read(cx) {
                Poll::Ready(Ok(0)) if call.decoder.ends_with_connection() => break None,
                Poll::Ready(Ok(0)) => {
                    let fault = Fault::new(Code::UpstreamMalformed, "the answer ended before its end");
                    break Some(Err(fault.because(truncated(&call.decoder))));
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => {
                    let fault = Fault::new(Code::UpstreamMalformed, format!("the answer broke off: {error}"));
                    break Some(Err(fault.because(truncated(&call.decoder))));
                }
                Poll::Pending => {
                    ready!(this.poll_timer(cx, sent_at));
                    break Some(Err(match this.deadline.filter(|deadline| deadline.at <= Instant::now()) {
                        Some(deadline) => deadline.fault(),
                        None => Fault::new(Code::UpstreamTimeout, "the answer's body paused for too long")
                            .because(Reason::BodyStalled),
                    }));
                }
            }
        };
        this.timer_runs = false;
        match &outcome {
            None => {
                if let Some(call) = this.call.take() {
                    call.release();
                }
            }
            Some(Err(_)) => this.call = None,
            Some(Ok(_)) => {}
        }
        Poll::Ready(outcome)
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.call.as_ref().is_none_or(|call| call.decoder.is_done())
    }

    fn size_hint(&self) -> SizeHint {
        let first = self
            .first
            .as_ref()
            .and_then(Frame::data_ref)
            .map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
        match self.call.as_ref().map_or(Some(0), |call| call.decoder.exact_length()) {
            Some(rest) => SizeHint::with_exact(first.saturating_add(rest)),
            None => SizeHint::default(),
        }
    }
}

impl Drop for AnswerBody {
    /// An answer that hyper knows to be complete is not polled to its end; its connection is still good.
    fn drop(&mut self) {
        if let Some(call) = self.call.take().filter(|call| self.first.is_none() && call.decoder.is_done()) {
            call.release();
        }
    }
}
