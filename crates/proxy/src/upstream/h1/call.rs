//! One request and its answer on one connection. Sending the request's body and receiving the answer go on side by side,
//! so that an answer may begin before the request has ended (RFC 9112 section 9.3).

mod answer;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use gwanmun_core::{Code, Fault, Reason};
use gwanmun_telemetry::metrics::UpstreamConnection;
use http::{HeaderMap, Method, StatusCode, Version};
use http_body::{Body as _, Frame};
use tokio::io::AsyncWrite;
use tokio::time::Instant;

use answer::AnswerBody;

use crate::body::Body;
use crate::h1::body::{Body as Rest, Event};
use crate::h1::encode::{self, Framing, RequestHead};
use crate::h1::head::Search;
use crate::h1::head::Unfit;
use crate::h1::{Malformed, fields, response};
use crate::inbox::Inbox;
use crate::outbox::{Outbox, Wrapping};
use crate::patience::Patience;
use crate::upstream::deadline::Deadline;
use crate::upstream::io::Io;
use crate::upstream::pool::Pool;

/// Interim answers that are waited through before the real one.
const MAX_INTERIM: usize = 16;

/// A connection between two requests.
pub(crate) struct Idle {
    pub(crate) io: Io,
    /// Counts it; dropped connections are counted off.
    pub(crate) gauge: Option<UpstreamConnection>,
    pub(crate) inbound: Inbox,
    pub(crate) outbound: Outbox,
    search: Search,
    /// For heads that do not come.
    patience: Patience,
}

impl Idle {
    pub(crate) fn new(io: Io, gauge: Option<UpstreamConnection>) -> Box<Self> {
        let (outbound, search, patience) = (Outbox::default(), Search::default(), Patience::default());
        Box::new(Self { io, gauge, inbound: Inbox::default(), outbound, search, patience })
    }

    /// Gives back the memory that serves requests only.
    pub(crate) fn rest(&mut self) {
        self.inbound = Inbox::default();
        self.outbound = Outbox::default();
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The client's body broke off.
    Request(Fault),
    /// The connection ended before the first byte of an answer.
    Closed(io::Error),
    /// The connection ended within the head of the answer.
    Truncated,
    /// The answer is no HTTP, for this reason.
    Malformed(Fault),
    /// The answer did not begin in time.
    Silent,
}

/// The head of a final answer, or of `101 Switching Protocols`.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
}

/// A request under way.
pub(crate) struct Call {
    idle: Box<Idle>,
    home: Rc<Pool>,
    method: Method,
    body: Body,
    framing: Framing,
    sending: Sending,
    /// When the body moved last, while it streams.
    body_sent_at: Option<Instant>,
    decoder: Rest,
    keep_alive: bool,
    interim: usize,
    /// Why the rest of the request was not sent.
    write_failure: Option<io::Error>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    Body,
    Rest,
    Done,
    /// The upstream does not take any more; it may have answered already.
    Broken,
}

impl Call {
    /// Prepares a request; nothing is sent before [`Call::head`] is awaited.
    pub(crate) fn new(mut idle: Box<Idle>, home: Rc<Pool>, head: &RequestHead<'_>, body: Body) -> Self {
        let framing = Framing::of(head.method, body.exact_length());
        idle.outbound.clear();
        encode::request(idle.outbound.buffer(), head, framing);
        let method = head.method.clone();
        let sending =
            if framing == Framing::Absent || framing == Framing::Length(0) { Sending::Rest } else { Sending::Body };
        Self {
            idle,
            home,
            method,
            body,
            framing,
            sending,
            body_sent_at: None,
            decoder: Rest::Done,
            keep_alive: false,
            interim: 0,
            write_failure: None,
        }
    }

    /// Sends the request and waits for the head of the answer, at most `limit` after the last piece of the request.
    pub(crate) async fn head(&mut self, limit: Duration) -> Result<ResponseHead, CallError> {
        let began = Instant::now();
        poll_fn(|cx| {
            if let Poll::Ready(outcome) = self.poll_head(cx) {
                return Poll::Ready(outcome);
            }
            let deadline = self.body_sent_at.unwrap_or(began) + limit;
            self.idle.patience.poll_until(cx, deadline).map(|()| Err(CallError::Silent))
        })
        .await
    }

    /// The answer's body. What is here already comes at once and gives the connection back; the rest streams, with at
    /// most `idle_timeout` between two pieces and nothing after `deadline`.
    pub(crate) fn into_body(mut self, idle_timeout: Duration, deadline: Option<Deadline>) -> Result<Body, Fault> {
        let first = match self.decoder.next(&mut self.idle.inbound.bytes).map_err(answer::malformed)? {
            Event::End => {
                self.release();
                return Ok(Body::Empty);
            }
            Event::Data(data) if self.decoder.is_done() => {
                self.release();
                return Ok(Body::Full(data));
            }
            Event::Data(data) => Some(Frame::data(data)),
            Event::Trailers(trailers) => Some(Frame::trailers(trailers)),
            Event::NeedMore => None,
        };
        Ok(Body::stream(AnswerBody::new(self, first, idle_timeout, deadline)))
    }

    /// The connection itself, after `101`, with what the upstream has said since.
    pub(crate) fn into_upgraded(self) -> (Io, Bytes) {
        (self.idle.io, self.idle.inbound.bytes.freeze())
    }

    /// Gives the connection back if both sides are through with this exchange and nothing unasked has come.
    fn release(mut self) {
        if self.keep_alive && self.sending == Sending::Done && self.idle.inbound.bytes.is_empty() {
            self.idle.inbound.shrink();
            self.home.put(self.idle);
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, CallError>> {
        match self.poll_send(cx) {
            Poll::Ready(Err(CallError::Closed(error))) => {
                // It may have answered before it closed: what can be read decides, now or when the socket says so.
                self.sending = Sending::Broken;
                self.write_failure = Some(error);
            }
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        loop {
            if let Some(head) = response::take(&mut self.idle.inbound.bytes, &mut self.idle.search)
                .map_err(|unfit| CallError::Malformed(unfit_head(unfit)))?
            {
                if head.status.is_informational() && head.status != StatusCode::SWITCHING_PROTOCOLS {
                    self.interim += 1;
                    if self.interim > MAX_INTERIM {
                        return Poll::Ready(Err(CallError::Malformed(
                            Fault::new(Code::UpstreamMalformed, "too many interim answers")
                                .because(Reason::TooManyInterim),
                        )));
                    }
                    continue;
                }
                self.decoder = head.framing(&self.method).map_err(|Malformed(why)| {
                    CallError::Malformed(Fault::new(Code::UpstreamMalformed, why).because(Reason::MalformedFraming))
                })?;
                self.keep_alive = head.version == Version::HTTP_11
                    && !matches!(self.decoder, Rest::UntilClose)
                    && !(head.has.connection && fields::connection_says(&head.headers, b"close"));
                return Poll::Ready(Ok(ResponseHead { status: head.status, headers: head.headers }));
            }
            match ready!(self.poll_read(cx)) {
                Ok(0) if self.idle.inbound.bytes.is_empty() && self.interim == 0 => {
                    let error = self.write_failure.take().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into());
                    return Poll::Ready(Err(CallError::Closed(error)));
                }
                Ok(0) => return Poll::Ready(Err(CallError::Truncated)),
                Ok(_) => {}
                Err(error) if self.idle.inbound.bytes.is_empty() => return Poll::Ready(Err(CallError::Closed(error))),
                Err(_) => return Poll::Ready(Err(CallError::Truncated)),
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Idle { io, inbound, .. } = &mut *self.idle;
        inbound.poll_fill(io, &self.decoder, cx)
    }

    /// Sends what can be sent now. Ready when the whole request is on its way, or when it never will be.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        loop {
            let mut waits = false;
            while self.sending == Sending::Body && self.idle.outbound.has_room() {
                match self.poll_request_piece(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(fault)) => return Poll::Ready(Err(CallError::Request(fault))),
                    Poll::Pending => {
                        waits = true;
                        break;
                    }
                }
            }
            if matches!(self.sending, Sending::Done | Sending::Broken) {
                return Poll::Ready(Ok(()));
            }
            ready!(self.idle.outbound.poll_write(Pin::new(&mut self.idle.io), cx)).map_err(CallError::Closed)?;
            let is_last = self.sending == Sending::Rest;
            if (is_last || waits) && matches!(self.idle.io, Io::Tls(_)) {
                ready!(Pin::new(&mut self.idle.io).poll_flush(cx)).map_err(CallError::Closed)?;
            }
            if is_last {
                self.sending = Sending::Done;
            } else if waits {
                return Poll::Pending;
            }
        }
    }

    /// Takes the next piece of the client's body into `outbound` or `large`.
    fn poll_request_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let piece = ready!(Pin::new(&mut self.body).poll_frame(cx)).transpose()?;
        if !matches!(self.body, Body::Empty | Body::Full(_)) {
            self.body_sent_at = Some(Instant::now());
        }
        let out = &mut self.idle.outbound;
        let Some(frame) = piece else {
            match self.framing {
                Framing::Chunked => encode::last_chunk(out.buffer(), None),
                Framing::Length(0) | Framing::Absent | Framing::Close => {}
                Framing::Length(_) => {
                    return Poll::Ready(Err(Fault::new(Code::MalformedRequest, "the body is shorter than its length")));
                }
            }
            self.sending = Sending::Rest;
            return Poll::Ready(Ok(()));
        };
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                // Trailers can only be sent after chunks; without them they are dropped (RFC 9110 section 6.5.1).
                if let (Framing::Chunked, Ok(trailers)) = (self.framing, frame.into_trailers()) {
                    encode::last_chunk(out.buffer(), Some(&trailers));
                    self.sending = Sending::Rest;
                }
                return Poll::Ready(Ok(()));
            }
        };
        if data.is_empty() {
            return Poll::Ready(Ok(()));
        }
        match &mut self.framing {
            Framing::Length(left) => {
                let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
                *left = left
                    .checked_sub(length)
                    .ok_or_else(|| Fault::new(Code::MalformedRequest, "the body is longer than its length"))?;
            }
            Framing::Chunked => {}
            Framing::Absent | Framing::Close => {
                return Poll::Ready(Err(Fault::new(Code::MalformedRequest, "a body came where there was none")));
            }
        }
        out.piece(data, if self.framing == Framing::Chunked { Wrapping::Chunk } else { Wrapping::Plain });
        if self.framing == Framing::Length(0) {
            self.sending = Sending::Rest;
        }
        Poll::Ready(Ok(()))
    }
}

fn unfit_head(unfit: Unfit) -> Fault {
    let (why, reason) = match unfit {
        Unfit::Malformed(Malformed(why)) => (why, Reason::MalformedHead),
        Unfit::TooLarge => ("the head of the answer is too large", Reason::HeadTooLarge),
        Unfit::TooMany => ("the answer has too many header fields", Reason::TooManyFields),
    };
    Fault::new(Code::UpstreamMalformed, why).because(reason)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::pin::pin;

    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::forward::OwnLines;

    /// A body in pieces, with a pause of the scheduler before each.
    struct Pieces(RefCell<VecDeque<Result<Bytes, Fault>>>, bool);

    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = Fault;

        fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
            self.1 = !self.1;
            if self.1 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(self.0.get_mut().pop_front().map(|piece| piece.map(Frame::data)))
        }
    }

    /// A body that never comes.
    struct Silence;

    impl http_body::Body for Silence {
        type Data = Bytes;
        type Error = Fault;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
            Poll::Pending
        }
    }

    async fn pair() -> (Box<Idle>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Idle::new(Io::Tcp(ours), None), listener.accept().await.unwrap().0)
    }

    fn post(idle: Box<Idle>, pieces: impl IntoIterator<Item = Result<Bytes, Fault>>) -> Call {
        let body = Body::stream(Pieces(RefCell::new(pieces.into_iter().collect()), false));
        let host = http::HeaderValue::from_static("a");
        let headers = HeaderMap::new();
        let head = RequestHead {
            method: &Method::POST,
            target: "/",
            host: &host,
            headers: &headers,
            own: &OwnLines::default(),
            upgrade: None,
        };
        Call::new(idle, Rc::new(Pool::new(Duration::ZERO)), &head, body)
    }

    #[tokio::test]
    async fn an_answer_counts_although_the_upstream_closes_before_it_has_read_the_request() {
        for _ in 0..50 {
            let (idle, mut upstream) = pair().await;
            let mut call = post(idle, (0..64).map(|_| Ok(Bytes::from(vec![0; 64 * 1024]))));
            let answering = async {
                upstream.readable().await.unwrap();
                upstream.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                // Closed with unread input: a reset.
                drop(upstream);
            };
            let (head, ()) = tokio::join!(call.head(Duration::from_secs(9)), answering);
            assert_eq!(head.unwrap().status, StatusCode::PAYLOAD_TOO_LARGE);
        }
    }

    #[tokio::test]
    async fn an_answer_ends_with_a_client_that_breaks_off() {
        let (idle, mut upstream) = pair().await;
        let mut call = post(idle, [Ok(Bytes::from_static(b"a"))]);
        call.body = Body::stream(Silence);
        upstream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe").await.unwrap();
        call.head(Duration::from_secs(9)).await.unwrap();
        call.body = Body::stream(Pieces(RefCell::new([Err(Fault::new(Code::MalformedRequest, "gone"))].into()), false));
        let mut body = pin!(call.into_body(Duration::from_secs(1), None).unwrap());
        let last = loop {
            match poll_fn(|cx| http_body::Body::poll_frame(body.as_mut(), cx)).await {
                Some(Ok(_)) => {}
                Some(Err(fault)) => break Some(fault.code()),
                None => break None,
            }
        };
        assert_eq!(last, Some(Code::MalformedRequest));
    }

    #[tokio::test]
    async fn an_answer_may_pause_while_the_request_moves() {
        let (idle, mut upstream) = pair().await;
        let mut call = post(idle, [Ok(Bytes::from_static(b"a"))]);
        call.body = Body::stream(Silence);
        upstream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe").await.unwrap();
        call.head(Duration::from_secs(9)).await.unwrap();
        let idle_timeout = Duration::from_millis(50);
        call.body_sent_at = Some(Instant::now() + idle_timeout * 4);
        let began = Instant::now();
        let mut body = pin!(call.into_body(idle_timeout, None).unwrap());
        let mut frame = poll_fn(|cx| http_body::Body::poll_frame(body.as_mut(), cx)).await;
        assert!(matches!(frame, Some(Ok(_))));
        frame = poll_fn(|cx| http_body::Body::poll_frame(body.as_mut(), cx)).await;
        assert!(matches!(frame, Some(Err(fault)) if fault.code() == Code::UpstreamTimeout));
        assert!(began.elapsed() >= idle_timeout * 5);
    }
}
