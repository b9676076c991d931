//! One request to an upstream: endpoint by turn, the next endpoint if there is no connection to be had, one more try if a
//! reused connection turned out to be closed. Nothing is sent twice that might have been acted on (RFC 9110 section 9.2.2).

use std::io;
use std::rc::Rc;

use gwanmun_core::{Code, Fault, Reason};
use http::{HeaderValue, Method, StatusCode};
use smallvec::SmallVec;
use tokio::time::Instant;

use crate::body::{self, Body};
use crate::exchange::{Exchange, UpstreamHost};
use crate::filter::Response;
use crate::forward::{self, OwnLines};
use crate::h1::encode::RequestHead;
use crate::tunnel;
use crate::upstream::Timeouts;
use crate::upstream::deadline::Deadline;
use crate::upstream::endpoint::Endpoint;
use crate::upstream::h1::{Call, CallError};
use crate::upstream::h2;
use crate::upstream::no_connection::is_of_tls;
use crate::upstream::state::{Age, Channel, UpstreamState, Wanted};

/// How often a request is sent anew, to the same endpoint.
const MAX_RETRIES: u8 = 2;

/// Sends the exchange's request, whose headers are ready, and waits for the head of the answer.
pub(crate) async fn send(state: &UpstreamState, exchange: &mut Exchange) -> Result<Response, Fault> {
    let began = Instant::now();
    exchange.record.call_begins();
    let answer = match Deadline::of(exchange, state.upstream.timeouts.total, began)? {
        None => attempt_until_answered(state, exchange, None).await,
        Some(deadline) => {
            Box::pin(tokio::time::timeout_at(deadline.at, attempt_until_answered(state, exchange, Some(deadline))))
                .await
                .unwrap_or_else(|_| Err(deadline.fault()))
        }
    };
    exchange.record.upstream_duration = Some(began.elapsed());
    exchange.record.call_ends(answer.as_ref().map(Response::status));
    answer
}

async fn attempt_until_answered(
    state: &UpstreamState,
    exchange: &mut Exchange,
    deadline: Option<Deadline>,
) -> Result<Response, Fault> {
    let upstream = &*state.upstream;
    let mut tried = SmallVec::<[usize; 4]>::new();
    let mut index = state.next_turn();
    let mut wanted = Wanted::Any;
    let mut retries = 0;
    // Whether the headers have the fields about the client and the trace already.
    let mut prepared = false;
    loop {
        let endpoint =
            upstream.endpoints.get(index).ok_or_else(|| Fault::new(Code::Internal, "an upstream without endpoints"))?;
        exchange.record.endpoint = Some(std::sync::Arc::clone(&endpoint.label));
        let channel = match state.channel(index, endpoint, wanted).await {
            Ok(channel) => channel,
            Err(failed) => {
                tried.push(index);
                match state.other_than(&tried) {
                    Some(other) => index = other,
                    None => return Err(failed.into_fault(&endpoint.label)),
                }
                state.count_retry(failed.reason());
                continue;
            }
        };
        match channel {
            Channel::Http2(stream, age) => {
                if !prepared {
                    prepared = true;
                    forward::prepare(exchange);
                }
                match Box::pin(over_http2(stream, age, endpoint, exchange, upstream.timeouts, deadline)).await {
                    Ok(response) => return Ok(response),
                    Err(NoAnswer::Repeatable(fault)) if retries < MAX_RETRIES => {
                        retries += 1;
                        wanted = Wanted::Fresh;
                        exchange.record.call_is_resent();
                        fault.reason().into_iter().for_each(|reason| state.count_retry(reason));
                    }
                    Err(NoAnswer::Final(fault) | NoAnswer::Repeatable(fault)) => return Err(fault),
                }
            }
            Channel::Http1(idle, pool, age) => {
                let host = host(exchange, endpoint);
                let own = if prepared { OwnLines::default() } else { forward::prepare_lines(exchange) };
                prepared |= own.are_among_headers();
                let request = &mut exchange.request;
                // Only a request without a body can be sent once more.
                let repeatable =
                    age == Age::Reused && matches!(request.body, Body::Empty) && is_idempotent(&request.method);
                let body = std::mem::take(&mut request.body);
                let head = RequestHead {
                    method: &request.method,
                    target: request.target().as_str(),
                    host: &host,
                    headers: &request.headers,
                    own: &own,
                    upgrade: exchange.upgrade.as_ref().map(|upgrade| &upgrade.protocol),
                };
                let mut call = Call::new(idle, Rc::clone(&pool), &head, body);
                match call.head(upstream.timeouts.response).await {
                    Ok(head) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                        return tunnel::begin(exchange, head, call);
                    }
                    Ok(head) => {
                        let body = call.into_body(upstream.timeouts.idle, deadline)?;
                        let mut response = http::Response::new(body);
                        *response.status_mut() = head.status;
                        *response.headers_mut() = head.headers;
                        forward::clean_response(&mut response);
                        return Ok(response);
                    }
                    Err(CallError::Closed(_)) if repeatable => {
                        wanted = Wanted::Fresh;
                        exchange.record.call_is_resent();
                        state.count_retry(Reason::StaleConnection);
                    }
                    Err(CallError::Closed(error)) => {
                        let why = format!("{} closed the connection without an answer: {error}", endpoint.label);
                        return Err(Fault::new(Code::UpstreamUnreachable, why).because(closed(age, &error)));
                    }
                    Err(CallError::Truncated) => {
                        return Err(Fault::new(
                            Code::UpstreamMalformed,
                            format!("{} closed the connection within the head of its answer", endpoint.label),
                        )
                        .because(Reason::HeadTruncated));
                    }
                    Err(CallError::Silent) => return Err(silent()),
                    Err(CallError::Malformed(fault) | CallError::Request(fault)) => return Err(fault),
                }
            }
        }
    }
}

/// Why an exchange over HTTP/2 has no answer.
enum NoAnswer {
    Final(Fault),
    /// To send this request, which is whole again, once more does no harm.
    Repeatable(Fault),
}

async fn over_http2(
    mut stream: h2::Stream,
    age: Age,
    endpoint: &Endpoint,
    exchange: &mut Exchange,
    timeouts: Timeouts,
    deadline: Option<Deadline>,
) -> Result<Response, NoAnswer> {
    let host = host(exchange, endpoint);
    let scheme = if endpoint.tls.is_some() { http::uri::Scheme::HTTPS } else { http::uri::Scheme::HTTP };
    let request = &mut exchange.request;
    // Only a request without a body is sent once more when the upstream may have acted on it.
    let harmless = age == Age::Reused && matches!(request.body, Body::Empty) && is_idempotent(&request.method);
    let body = std::mem::take(&mut request.body);
    // hyper keeps what it is given: the headers stay for a second attempt, and for the words that a fault is told in.
    let (method, target, headers) = (request.method.clone(), request.target().clone(), request.headers.clone());
    let (answer, spare, request_body) = if matches!(body, Body::Empty | Body::Full(_)) {
        let spare = match &body {
            Body::Full(bytes) => Body::Full(bytes.clone()),
            _ => Body::Empty,
        };
        let call = h2::call(&mut stream, scheme, method, target, &host, headers, body);
        let answer = tokio::time::timeout(timeouts.response, call).await;
        (answer.unwrap_or_else(|_| Err(h2::CallError::Failed(silent()))), Some(spare), None)
    } else {
        let (body, progress) = body::followed(body);
        // Counted from the latest piece of the request.
        let silence = async {
            while progress.moved.get().elapsed() < timeouts.response {
                tokio::time::sleep_until(progress.moved.get() + timeouts.response).await;
            }
        };
        let answer = tokio::select! {
            biased;
            answer = h2::call(&mut stream, scheme, method, target, &host, headers, body) => answer,
            () = silence => Err(h2::CallError::Failed(silent())),
        };
        match (&answer, progress.fault.take()) {
            (Err(_), Some(fault)) => return Err(NoAnswer::Final(fault)),
            (Err(h2::CallError::NotActed(_)), None) => (answer, progress.take_back(), None),
            _ => {
                progress.forget();
                (answer, None, Some(progress))
            }
        }
    };
    let answer = match (answer, spare) {
        (Ok(answer), _) => answer,
        (Err(h2::CallError::NotActed(fault)), Some(spare)) => {
            request.body = spare;
            return Err(NoAnswer::Repeatable(fault));
        }
        (Err(h2::CallError::Lost(fault)), _) if harmless => return Err(NoAnswer::Repeatable(fault)),
        (Err(h2::CallError::Failed(fault) | h2::CallError::NotActed(fault) | h2::CallError::Lost(fault)), _) => {
            return Err(NoAnswer::Final(fault));
        }
    };
    let place = stream.place;
    let mut response = answer.map(|incoming| h2::answer(incoming, place, timeouts.idle, deadline, request_body));
    forward::clean_response(&mut response);
    Ok(response)
}

/// The `Host` that this endpoint gets.
pub(crate) fn host(exchange: &Exchange, endpoint: &Endpoint) -> HeaderValue {
    match &exchange.upstream_host {
        UpstreamHost::Endpoint => endpoint.authority.clone(),
        UpstreamHost::Client => exchange.host.clone().unwrap_or_else(|| endpoint.authority.clone()),
        UpstreamHost::Given(host) => host.clone(),
    }
}

/// Methods that may be sent again (RFC 9110 section 9.2.2).
fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE)
}

fn silent() -> Fault {
    Fault::new(Code::UpstreamTimeout, "the upstream did not answer in time").because(Reason::HeadStalled)
}

/// Why a connection ended before an answer.
fn closed(age: Age, error: &io::Error) -> Reason {
    if is_of_tls(error) {
        // TLS 1.3 tells a client only after its handshake that it was refused.
        return Reason::TlsHandshake;
    }
    match (age, error.kind()) {
        (Age::Reused, _) => Reason::StaleConnection,
        (Age::Fresh, io::ErrorKind::UnexpectedEof) => Reason::ClosedEarly,
        (Age::Fresh, _) => Reason::ConnectionReset,
    }
}
