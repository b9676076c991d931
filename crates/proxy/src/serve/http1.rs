//! HTTP/1 on a connection: request after request, each read in one piece where it comes in one, answered with one write
//! where the answer is small. The bytes are `crate::h1`'s; here is what waits for them.

mod answer;
mod client_body;
mod date;
mod line;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use gwanmun_core::{Code, Fault};
use http::header::CONNECTION;
use http::{Method, Version};
use tokio::io::AsyncWrite;
use tokio::time::Instant;

use self::answer::Cut;
use self::client_body::ClientBody;
use self::date::with_date;
use self::line::{Line, SharedLine, Stream};
use super::{Answered, begin, refuse, respond};
use crate::admit;
use crate::body::{Body, Inspection, Pace};
use crate::exchange::Connection;
use crate::finish::Finish;
use crate::h1::body::Body as Rest;
use crate::h1::encode::{self, Framing, ResponseHead};
use crate::h1::fields;
use crate::h1::head::{Bounds, Search};
use crate::h1::request::{self, Head, Refused, RequestBounds};
use crate::listen::stream::ServerIo;
use crate::outbox::Outbox;
use crate::patience::Patience;
use crate::plan::Limits;
use crate::worker::{ConnectionPermit, Worker};

/// When it should finish, a connection on which nothing runs is still listened to for so long: its next request may be on its
/// way.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// After an answer that the client may not have read yet, what it still sends is taken from it for so long, since closing
/// upon unread bytes would take the answer back from it (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(2);
/// And so much of it.
const LINGER_BYTES: usize = 1024 * 1024;

/// Requests that have come ahead are answered so many at a turn, then it is the other connections'.
const AT_A_TURN: u32 = 16;

/// Serves request after request.
pub(super) async fn serve(
    worker: &Rc<Worker>,
    limits: Limits,
    connection: Rc<Connection>,
    permit: &Rc<ConnectionPermit>,
    io: ServerIo,
) {
    poll_fn(|cx| {
        permit.wake(cx.waker());
        Poll::Ready(())
    })
    .await;
    let line = Line::new(io);
    let mut outbox = Outbox::default();
    let mut search = Search::default();
    let mut patience = Patience::default();
    let mut first = true;
    let mut in_a_row = 0;
    loop {
        let next = next(permit, &limits, &line, &mut search, &mut patience, first).await;
        first = false;
        let outcome = match next {
            Ok(head) => one(worker, permit, &limits, &connection, &line, &mut outbox, head).await,
            Err(NoRequest::Refused(refusal)) => {
                let (mut finish, answered) = refuse(worker, &connection, *refusal);
                answer(permit, &limits, &line, &mut outbox, &mut finish, answered, Asked::UNKNOWN).await
            }
            Err(NoRequest::Over) => return,
        };
        line.borrow_mut().end_request();
        match outcome {
            After::Again => {
                line.borrow_mut().inbound.shrink();
                outbox.rest();
                in_a_row = if line.borrow().inbound.bytes.is_empty() { 0 } else { in_a_row + 1 };
                if in_a_row == AT_A_TURN {
                    in_a_row = 0;
                    tokio::task::yield_now().await;
                }
            }
            After::Close => break,
            After::Reset => {
                line.borrow().io.reset_at_end();
                return;
            }
            After::Gone => return,
        }
    }
    linger(&line, &mut patience).await;
}

/// What comes instead of a request.
enum NoRequest {
    /// Something that is none.
    Refused(Box<Refused>),
    /// Nothing more.
    Over,
}

/// What becomes of a connection after an exchange.
enum After {
    /// It takes another request.
    Again,
    /// It ends in good order.
    Close,
    /// It ends so that the client notices that the answer is not whole.
    Reset,
    /// It has ended.
    Gone,
}

/// Waits for the next request's head.
async fn next(
    permit: &ConnectionPermit,
    limits: &Limits,
    line: &SharedLine,
    search: &mut Search,
    patience: &mut Patience,
    first: bool,
) -> Result<Head, NoRequest> {
    let bounds = RequestBounds {
        head: Bounds { bytes: limits.header_bytes, fields: limits.header_count },
        target: limits.uri_bytes,
    };
    let (mut quiet_since, mut head_since, mut finishing_since) = (None, None, None);
    let mut at_start = true;
    poll_fn(|cx| {
        let line = &mut *line.borrow_mut();
        loop {
            if at_start {
                // Some clients end a body with a line of its own (RFC 9112 section 2.2).
                match line.inbound.bytes.get(..2) {
                    Some(b"\r\n") => {
                        let _ = line.inbound.bytes.split_to(2);
                        at_start = false;
                    }
                    Some(_) => at_start = false,
                    None => {}
                }
            }
            let may_be_blank = at_start && line.inbound.bytes.first() == Some(&b'\r');
            if !line.inbound.bytes.is_empty() && !may_be_blank {
                match request::take(&mut line.inbound.bytes, search, bounds) {
                    Ok(Some(head)) => return Poll::Ready(Ok(head)),
                    Ok(None) => {}
                    Err(refusal) => return Poll::Ready(Err(NoRequest::Refused(refusal))),
                }
            }
            match line.poll_fill(cx) {
                Poll::Ready(Ok(0)) if !line.inbound.bytes.is_empty() => {
                    let cut = Fault::new(Code::MalformedRequest, "the connection ended within a head");
                    return Poll::Ready(Err(NoRequest::Refused(Refused::unread(cut))));
                }
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(NoRequest::Over)),
                Poll::Ready(Ok(_)) => continue,
                Poll::Pending => {}
            }
            let now = Instant::now();
            let deadline = if line.inbound.bytes.is_empty() && !first {
                let quiet = *quiet_since.get_or_insert(now) + limits.idle_timeout;
                if permit.should_finish() { quiet.min(*finishing_since.get_or_insert(now) + LAST_WORDS) } else { quiet }
            } else {
                // A new connection has said something already, or has this long to begin.
                *head_since.get_or_insert(now) + limits.header_timeout
            };
            std::task::ready!(patience.poll_until(cx, deadline));
            return Poll::Ready(Err(if line.inbound.bytes.is_empty() {
                NoRequest::Over
            } else {
                let late = Fault::new(Code::RequestTimeout, "the head took longer than header-timeout");
                NoRequest::Refused(Refused::unread(late))
            }));
        }
    })
    .await
}

/// What must be known of a request to answer it.
#[derive(Debug, Clone)]
struct Asked {
    method: Method,
    version: Version,
    /// Whether the client reads trailers.
    trailers: bool,
    /// Whether it may send another request.
    keep_alive: bool,
    /// Whether it asks to leave HTTP.
    upgrade: bool,
}

impl Asked {
    /// For a request that could not be read: the connection ends with the answer.
    const UNKNOWN: Self =
        Self { method: Method::GET, version: Version::HTTP_11, trailers: false, keep_alive: false, upgrade: false };

    fn of(head: &Head) -> Self {
        let says = |option| head.has.connection && fields::connection_says(&head.headers, option);
        let keep_alive = match head.version {
            Version::HTTP_11 => !says(b"close"),
            _ => says(b"keep-alive") && !says(b"close"),
        };
        let trailers = head.has.te
            && head
                .headers
                .get_all(http::header::TE)
                .iter()
                .flat_map(fields::list)
                .any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
        Self { method: head.method.clone(), version: head.version, trailers, keep_alive, upgrade: head.has.upgrade }
    }
}

/// One request, from its head to the last byte of its answer.
async fn one(
    worker: &Rc<Worker>,
    permit: &ConnectionPermit,
    limits: &Limits,
    connection: &Rc<Connection>,
    line: &SharedLine,
    outbox: &mut Outbox,
    head: Head,
) -> After {
    let mut asked = Asked::of(&head);
    let received = Rc::new(Cell::new(0));
    let body = body_of(worker, limits, line, &head, &received);
    let Head { method, uri, version, headers, hosts, .. } = head;
    let head = admit::Head { method, uri, version, headers, hosts };
    let (mut finish, admitted) = begin(worker, limits, connection, head, body, received);
    // Whoever sends what could be read in two ways gets no second reading.
    asked.keep_alive &= admitted.is_ok();
    let answered = {
        let mut responding = pin!(respond(&mut finish, admitted));
        poll_fn(|cx| match responding.as_mut().poll(cx) {
            Poll::Ready(answered) => Poll::Ready(Some(answered)),
            Poll::Pending => line.borrow_mut().poll_gone(cx).map(|()| None),
        })
        .await
    };
    match answered {
        Some(answered) => answer(permit, limits, line, outbox, &mut finish, answered, asked).await,
        None => After::Gone,
    }
}

/// The request's body: what has come already if that is all of it, else what reads the rest.
fn body_of(worker: &Rc<Worker>, limits: &Limits, line: &SharedLine, head: &Head, received: &Rc<Cell<u64>>) -> Body {
    let mut held = line.borrow_mut();
    match head.body {
        Rest::Done => return Body::Empty,
        Rest::Length(length) => {
            let whole = usize::try_from(length).ok().filter(|length| *length <= held.inbound.bytes.len());
            if let Some(whole) = whole.filter(|_| limits.body_bytes.is_none_or(|limit| length <= limit)) {
                received.set(length);
                return Body::Full(held.inbound.bytes.split_to(whole).freeze());
            }
            held.rest = Rest::Length(length);
        }
        Rest::Chunked(_) | Rest::UntilClose => held.rest = Rest::Chunked(crate::h1::body::Chunk::begin()),
    }
    if head.has.expect && held.inbound.bytes.is_empty() && head.version == Version::HTTP_11 {
        held.owe_continue();
    }
    drop(held);
    let plan = worker.plan();
    let inspection = Inspection::new(limits.body_bytes, received, &plan.plan.internal_headers);
    Body::stream(ClientBody::of(line, inspection, Pace::new(limits.body_timeout, limits.body_rate)))
}

/// Sends an answer.
async fn answer(
    permit: &ConnectionPermit,
    limits: &Limits,
    line: &SharedLine,
    outbox: &mut Outbox,
    finish: &mut Finish,
    answered: Answered,
    asked: Asked,
) -> After {
    let Answered { response, tunnel } = answered;
    let (mut head, body) = response.into_parts();
    let framing = answer::framing(&asked.method, asked.version, &head, &body);
    answer::mend_length(&mut head, &body, &asked.method);
    let keep_alive = tunnel.is_none()
        && asked.keep_alive
        && framing != Framing::Close
        && !finish.exchange.record.fault.is_some_and(is_doubtful)
        && !permit.should_finish()
        && !(head.headers.contains_key(CONNECTION) && fields::connection_says(&head.headers, b"close"))
        && {
            let line = line.borrow();
            // What came after a request to leave HTTP is no request, even if the upstream stays.
            line.rest.is_done() && (!asked.upgrade || line.inbound.bytes.is_empty())
        };
    outbox.buffer().extend_from_slice(line.borrow_mut().begin_answer());
    with_date(SystemTime::now(), |date| {
        let head = ResponseHead {
            status: head.status,
            version: asked.version,
            headers: &head.headers,
            framing,
            keep_alive,
            date,
        };
        encode::response(outbox.buffer(), &head);
    });
    // Its fields have been written.
    drop(head);
    let sent = answer::send(line, outbox, body, framing, asked.trailers, finish).await;
    match (sent, tunnel) {
        (Ok(()), Some(tunnel)) => {
            let passed = tunnel.run(Stream(Rc::clone(line)), limits.upgrade_idle_timeout).await;
            finish.passed(passed);
            After::Gone
        }
        (Ok(()), None) if keep_alive => After::Again,
        (Ok(()), None) => After::Close,
        // A client that is taken to have gone may still be there, with half an answer.
        (Err(Cut::Truncated | Cut::ClientGone), _) => After::Reset,
    }
}

/// Whether a request with this fault says that its client does not speak HTTP as we do, so that what follows it may mean
/// something else than it seems to.
fn is_doubtful(fault: Code) -> bool {
    matches!(fault, Code::MalformedRequest | Code::UriTooLong)
}

/// Ends a connection in good order: says that nothing follows, and takes from the client what it still sends.
async fn linger(line: &SharedLine, patience: &mut Patience) {
    let until = Instant::now() + LINGER;
    let mut taken = 0;
    let mut shut = false;
    poll_fn(|cx| {
        let line = &mut *line.borrow_mut();
        if !shut {
            match Pin::new(&mut line.io).poll_shutdown(cx) {
                Poll::Ready(Ok(())) => shut = true,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                // Over TLS this is a word of its own, which a client that reads nothing holds up.
                Poll::Pending => return patience.poll_until(cx, until),
            }
        }
        loop {
            line.inbound.bytes.clear();
            match line.poll_fill(cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(read)) => taken += read,
                Poll::Pending => return patience.poll_until(cx, until),
            }
            if taken > LINGER_BYTES {
                return Poll::Ready(());
            }
        }
    })
    .await;
}
