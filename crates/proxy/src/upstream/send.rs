//! One request to an upstream: endpoint by turn, the next endpoint if there is no connection to be had, one more try if a
//! reused connection turned out to be closed. Nothing is sent twice that might have been acted on (RFC 9110 section 9.2.2).

use std::io;
use std::rc::Rc;

use gwanmun_core::{Code, Fault, Reason};
use http::{HeaderValue, Method, StatusCode};
use smallvec::SmallVec;
use tokio::time::Instant;

use crate::body::{self, Body, Origin};
use crate::exchange::{Exchange, UpstreamHost};
use crate::filter::Response;
use crate::forward;
use crate::h1::Malformed;
use crate::h1::encode::RequestHead;
use crate::tunnel;
use crate::upstream::Timeouts;
use crate::upstream::endpoint::Endpoint;
use crate::upstream::h1::{Call, CallError};
use crate::upstream::h2;
use crate::upstream::state::{Age, Channel, UpstreamState, Wanted};

/// Sends the exchange's request, whose headers are ready, and waits for the head of the answer.
pub(crate) async fn send(state: &UpstreamState, exchange: &mut Exchange) -> Result<Response, Fault> {
    let upstream = &*state.upstream;
    let began = Instant::now();
    let deadline = upstream.timeouts.total.map(|total| began + total);
    let answer = match deadline {
        None => attempt_until_answered(state, exchange, None).await,
        Some(at) => Box::pin(tokio::time::timeout_at(at, attempt_until_answered(state, exchange, deadline)))
            .await
            .unwrap_or_else(|_| Err(silent())),
    };
    exchange.record.upstream_duration = Some(began.elapsed());
    answer
}

async fn attempt_until_answered(
    state: &UpstreamState,
    exchange: &mut Exchange,
    deadline: Option<Instant>,
) -> Result<Response, Fault> {
    let upstream = &*state.upstream;
    let mut tried = SmallVec::<[usize; 4]>::new();
    let mut index = state.next_turn();
    let mut wanted = Wanted::Any;
    loop {
        let endpoint =
            upstream.endpoints.get(index).ok_or_else(|| Fault::new(Code::Internal, "an upstream without endpoints"))?;
        exchange.record.endpoint = Some(std::sync::Arc::clone(&endpoint.label));
        let channel = match state.channel(index, endpoint, wanted).await {
            Ok(channel) => channel,
            Err(error) => {
                tried.push(index);
                match state.other_than(&tried) {
                    Some(other) => index = other,
                    None => return Err(no_connection(endpoint, &error)),
                }
                continue;
            }
        };
        match channel {
            Channel::Http2(sender, age) => {
                match Box::pin(over_http2(sender, age, endpoint, exchange, upstream.timeouts, deadline)).await {
                    Ok(response) => return Ok(response),
                    Err(NoAnswer::Repeatable(_)) if wanted == Wanted::Any => wanted = Wanted::Fresh,
                    Err(NoAnswer::Final(fault) | NoAnswer::Repeatable(fault)) => return Err(fault),
                }
            }
            Channel::Http1(idle, pool, age) => {
                let host = host(exchange, endpoint);
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
                    upgrade: exchange.upgrade.as_ref().map(|upgrade| &upgrade.protocol),
                };
                let mut call = Call::new(idle, Rc::clone(&pool), &head, body);
                match call.head(upstream.timeouts.response).await {
                    Ok(head) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                        return tunnel::begin(exchange, head, call);
                    }
                    Ok(head) => {
                        let body = call.into_body(upstream.timeouts.idle, deadline).map_err(malformed)?;
                        let mut response = http::Response::new(body);
                        *response.status_mut() = head.status;
                        *response.headers_mut() = head.headers;
                        forward::clean_response(&mut response);
                        return Ok(response);
                    }
                    Err(CallError::Closed(_)) if repeatable => wanted = Wanted::Fresh,
                    Err(CallError::Closed(error)) => {
                        return Err(Fault::new(
                            Code::UpstreamUnreachable,
                            format!("{} closed the connection without an answer: {error}", endpoint.label),
                        ));
                    }
                    Err(CallError::Truncated) => {
                        return Err(Fault::new(
                            Code::UpstreamMalformed,
                            format!("{} closed the connection within the head of its answer", endpoint.label),
                        ));
                    }
                    Err(CallError::Malformed(why)) => return Err(malformed(why)),
                    Err(CallError::Silent) => return Err(silent()),
                    Err(CallError::Request(fault)) => return Err(fault),
                }
            }
        }
    }
}

/// Why an exchange over HTTP/2 has no answer.
enum NoAnswer {
    Final(Fault),
    /// A shared connection has ended, and to send this request, which is whole again, once more does no harm.
    Repeatable(Fault),
}

async fn over_http2(
    mut sender: h2::Sender,
    age: Age,
    endpoint: &Endpoint,
    exchange: &mut Exchange,
    timeouts: Timeouts,
    deadline: Option<Instant>,
) -> Result<Response, NoAnswer> {
    let host = host(exchange, endpoint);
    let scheme = if endpoint.tls.is_some() { http::uri::Scheme::HTTPS } else { http::uri::Scheme::HTTP };
    let request = &mut exchange.request;
    // Only a request without a body can be sent once more when it may have left already.
    let spare = (age == Age::Reused && matches!(request.body, Body::Empty) && is_idempotent(&request.method))
        .then(|| request.headers.clone());
    let (body, headers) = (std::mem::take(&mut request.body), std::mem::take(&mut request.headers));
    let (method, target) = (request.method.clone(), request.target().clone());
    let late = || Err(h2::CallError { fault: silent(), unsent: None });
    let answer = if matches!(body, Body::Empty | Body::Full(_)) {
        let call = h2::call(&mut sender, scheme, method, target, &host, headers, body);
        tokio::time::timeout(timeouts.response, call).await.unwrap_or_else(|_| late())
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
            answer = h2::call(&mut sender, scheme, method, target, &host, headers, body) => answer,
            () = silence => late(),
        };
        match (answer, progress.fault.take()) {
            (Err(_), Some(fault)) => return Err(NoAnswer::Final(fault)),
            (answer, _) => answer,
        }
    };
    let answer = match (answer, spare) {
        (Ok(answer), _) => answer,
        (Err(h2::CallError { fault, unsent: Some(unsent) }), _) => {
            let (parts, body) = unsent.into_parts();
            (request.headers, request.body) = (parts.headers, body);
            return Err(NoAnswer::Repeatable(fault));
        }
        (Err(h2::CallError { fault, unsent: None }), Some(headers)) if sender.is_closed() => {
            request.headers = headers;
            return Err(NoAnswer::Repeatable(fault));
        }
        (Err(h2::CallError { fault, .. }), _) => return Err(NoAnswer::Final(fault)),
    };
    let mut response = answer.map(|incoming| {
        body::paced(Body::from_incoming(incoming, Origin::Upstream), timeouts.idle, deadline, Code::UpstreamTimeout)
    });
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

fn no_connection(endpoint: &Endpoint, error: &io::Error) -> Fault {
    let code = if error.kind() == io::ErrorKind::TimedOut { Code::UpstreamTimeout } else { Code::UpstreamUnreachable };
    let reason = match error.kind() {
        io::ErrorKind::TimedOut => Reason::ConnectTimeout,
        io::ErrorKind::ConnectionRefused => Reason::ConnectionRefused,
        _ => Reason::ConnectFailed,
    };
    Fault::new(code, format!("no connection to {}: {error}", endpoint.label)).because(reason)
}

fn silent() -> Fault {
    Fault::new(Code::UpstreamTimeout, "the upstream did not answer in time")
}

fn malformed(Malformed(why): Malformed) -> Fault {
    Fault::new(Code::UpstreamMalformed, why)
}
