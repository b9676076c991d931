//! An answer on its way to the client: its framing (RFC 9112 section 6), and its body as it comes from the upstream.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Poll, ready};

use gwanmun_core::{Code, Fault};
use http::header::CONTENT_LENGTH;
use http::response::Parts;
use http::{HeaderValue, Method, StatusCode, Version};
use http_body::Body as _;
use tokio::io::AsyncWrite;

use super::line::SharedLine;
use crate::body::Body;
use crate::finish::Finish;
use crate::h1::encode::{self, Framing};
use crate::h1::fields;
use crate::outbox::{Outbox, Wrapping};

/// How an answer ended that did not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The client takes nothing any more.
    ClientGone,
    /// The rest of the body does not come.
    Truncated,
}

/// How the body of the answer to a `method` request is told.
pub(super) fn framing(method: &Method, version: Version, head: &Parts, body: &Body) -> Framing {
    if *method == Method::HEAD || head.status == StatusCode::NOT_MODIFIED || has_no_body(head.status) {
        return Framing::Absent;
    }
    match body.exact_length().or_else(|| fields::length(&head.headers).ok()) {
        Some(length) => Framing::Length(length),
        None if version == Version::HTTP_11 => Framing::Chunked,
        None => Framing::Close,
    }
}

/// Makes `Content-Length` say what it may where no body follows (RFC 9110 section 8.6).
pub(super) fn mend_length(head: &mut Parts, body: &Body, method: &Method) {
    if has_no_body(head.status) {
        head.headers.remove(CONTENT_LENGTH);
    } else if *method == Method::HEAD
        && let Some(length @ 1..) = body.exact_length()
    {
        head.headers.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
}

/// Statuses whose answers end with their heads.
fn has_no_body(status: StatusCode) -> bool {
    status.is_informational() || status == StatusCode::NO_CONTENT
}

/// Sends what waits in `outbox`, then `body`. Trailers go along if the client said that it reads them.
pub(super) async fn send(
    line: &SharedLine,
    outbox: &mut Outbox,
    mut body: Body,
    mut framing: Framing,
    trailers_wanted: bool,
    finish: &mut Finish,
) -> Result<(), Cut> {
    let wrapping = if framing == Framing::Chunked { Wrapping::Chunk } else { Wrapping::Plain };
    let mut ended = matches!(framing, Framing::Absent | Framing::Length(0));
    let mut fault: Option<Fault> = None;
    poll_fn(|cx| {
        loop {
            let mut waits = false;
            while !ended && outbox.has_room() {
                match Pin::new(&mut body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                        Ok(data) if data.is_empty() => {}
                        Ok(data) => {
                            let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
                            if let Framing::Length(left) = &mut framing {
                                let Some(rest) = left.checked_sub(length) else {
                                    fault =
                                        Some(Fault::new(Code::UpstreamMalformed, "the body is longer than its length"));
                                    ended = true;
                                    break;
                                };
                                *left = rest;
                                ended = rest == 0;
                            }
                            finish.sent(data.len());
                            outbox.piece(data, wrapping);
                        }
                        Err(frame) => {
                            if framing == Framing::Chunked {
                                let trailers = frame.into_trailers().ok().filter(|_| trailers_wanted);
                                encode::last_chunk(outbox.buffer(), trailers.as_ref());
                                ended = true;
                            }
                        }
                    },
                    Poll::Ready(Some(Err(broken))) => {
                        fault = Some(broken);
                        ended = true;
                    }
                    Poll::Ready(None) => {
                        match framing {
                            Framing::Chunked => encode::last_chunk(outbox.buffer(), None),
                            Framing::Length(1..) => {
                                fault =
                                    Some(Fault::new(Code::UpstreamMalformed, "the body is shorter than its length"));
                            }
                            Framing::Length(0) | Framing::Absent | Framing::Close => {}
                        }
                        ended = true;
                    }
                    Poll::Pending => {
                        waits = true;
                        break;
                    }
                }
            }
            let line = &mut *line.borrow_mut();
            if !outbox.is_empty() {
                line.was_taken_from();
            }
            let written = ready!(outbox.poll_write(Pin::new(&mut line.io), cx));
            let written = match written {
                Ok(()) if (ended || waits) && line.io.holds_back_writes() => {
                    ready!(Pin::new(&mut line.io).poll_flush(cx))
                }
                written => written,
            };
            if written.is_err() {
                return Poll::Ready(Err(Cut::ClientGone));
            }
            if let Some(fault) = &fault {
                finish.failed(fault);
                return Poll::Ready(Err(Cut::Truncated));
            }
            if ended {
                return Poll::Ready(Ok(()));
            }
            if waits {
                return line.poll_gone(cx).map(|()| Err(Cut::ClientGone));
            }
        }
    })
    .await
}
