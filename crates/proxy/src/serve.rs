//! From an accepted connection to exchanges: TLS, which HTTP, and then request by request.

mod http1;
mod http2;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use gwanmun_core::{Code, Fault, Reason};
use gwanmun_telemetry::scope;
use gwanmun_telemetry::trace::TraceContext;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Uri, Version, header};
use tokio_rustls::TlsAcceptor;

use crate::admit::{Head, exchange_of};
use crate::body::Body;
use crate::client_chain::ClientChain;
use crate::exchange::{Connection, Exchange, Request, Scheme};
use crate::filter::Response;
use crate::finish::{Began, Finish};
use crate::h1::request::Refused;
use crate::handle::{Unwatched, handle};
use crate::listen::accept::Arrived;
use crate::listen::proxied;
use crate::listen::proxy_protocol::Header;
use crate::listen::stream::{Carrier, ServerIo};
use crate::listen::unproven;
use crate::plan::{Limits, Listener};
use crate::record::Record;
use crate::reply;
use crate::tunnel::{self, Tunnel};
use crate::worker::{ConnectionPermit, Worker};

/// Serves one connection to its end.
pub(crate) async fn connection(
    worker: &Rc<Worker>,
    index: usize,
    listener: &Listener,
    mut arrived: Arrived,
    permit: Rc<ConnectionPermit>,
) -> Result<(), Box<dyn std::error::Error>> {
    let patience = listener.limits.header_timeout;
    let told = if listener.proxy_protocol {
        let header = Box::pin(proxied::introduced(worker, index, listener, &mut arrived, &permit)).await?;
        let Some(header) = header else { return Ok(()) };
        Some(header)
    } else {
        None
    };
    let (carrier, peer, port) = match arrived {
        Arrived::Unix(stream) => (Carrier::Unix(stream), None, 0),
        Arrived::Tcp { stream, peer, port } => {
            stream.set_nodelay(true)?;
            match &listener.tls {
                None => (Carrier::Tcp(stream), Some(peer), port),
                Some(config) => {
                    let acceptor = TlsAcceptor::from(std::sync::Arc::clone(config));
                    let shaken = permit.expect(patience, acceptor.accept(stream)).await?;
                    let stream = shaken.inspect_err(|error| unproven::note(worker, index, listener, peer, error))?;
                    (Carrier::Tls(Box::new(stream)), Some(peer), port)
                }
            }
        }
    };
    let scheme = if listener.tls.is_some() { Scheme::Https } else { Scheme::Http };
    let (negotiated, chain) = match &carrier {
        Carrier::Tls(stream) => {
            let session = stream.get_ref().1;
            let shown = session.peer_certificates().unwrap_or_default();
            let chain = ClientChain::new(shown.iter().map(AsRef::as_ref));
            (session.alpn_protocol().map(|protocol| protocol == b"h2"), chain)
        }
        Carrier::Tcp(_) | Carrier::Unix(_) => (None, None),
    };
    let mut io = ServerIo::new(carrier, listener.limits.idle_timeout);
    let http2 = match negotiated {
        Some(http2) => http2,
        None => match permit.expect(patience, io.begins_with_http2()).await?? {
            Some(http2) => http2,
            None => return Ok(()),
        },
    };
    let name = std::sync::Arc::clone(&listener.name);
    let shared = match told {
        Some(Header::Client { source, destination }) => {
            Connection::new(Some(source), name, index, scheme, destination.port())
        }
        Some(Header::Unknown) => Connection::new(None, name, index, scheme, port).of_nobody(),
        Some(Header::Local) | None => Connection::new(peer, name, index, scheme, port),
    };
    let shared = Rc::new(shared.with_client_chain(chain));
    if http2 {
        http2::serve(worker, listener.limits, shared, &permit, io).await?;
    } else {
        http1::serve(worker, listener.limits, shared, &permit, io).await;
    }
    Ok(())
}

/// An answer on its way, and what goes on after a `101`.
pub(crate) struct Answered {
    pub(crate) response: Response,
    pub(crate) tunnel: Option<Tunnel>,
}

/// Lets a request in, or not. `received` counts what comes of `body`. From here on there will be a record, also if the
/// client leaves and this is dropped.
fn begin(
    worker: &Rc<Worker>,
    limits: &Limits,
    connection: &Rc<Connection>,
    head: Head,
    body: Body,
    received: Rc<Cell<u64>>,
) -> (Finish, Result<(), Fault>) {
    let plan = worker.plan();
    let began = Began {
        method: head.method.clone(),
        user_agent: head.headers.get(header::USER_AGENT).cloned(),
        received,
        _in_flight: plan.metrics.in_flight(connection.listener_index),
    };
    let (exchange, admitted) = exchange_of(&plan.plan, limits, connection, head, body);
    (Finish::of(Rc::clone(worker), plan, began, exchange), admitted)
}

/// Takes a request through the filters to its upstream, if it was let in.
async fn respond(finish: &mut Finish, admitted: Result<(), Fault>) -> Answered {
    let plan = finish.plan();
    let response = match admitted {
        Ok(()) => {
            let trace = finish.exchange.record.trace;
            let (exchange, exceptions) = finish.parts();
            let mut unwatched = Unwatched;
            let caught = {
                let mut handling = pin!(handle(&plan.plan, exchange, &*plan, &mut unwatched));
                // What a filter does wrong costs its request, and nobody else's.
                poll_fn(|cx| {
                    let _working = scope::enter(Some(trace));
                    match exceptions.catch(|| handling.as_mut().poll(cx)) {
                        Ok(polled) => polled.map(Ok),
                        Err(panicked) => Poll::Ready(Err(panicked)),
                    }
                })
                .await
            };
            match caught {
                Ok(response) => response,
                Err(panicked) => {
                    finish.panicked(panicked);
                    let fault = Fault::new(Code::Internal, "a part of the gateway panicked").because(Reason::Panicked);
                    reply::to_fault(&mut finish.exchange, &fault)
                }
            }
        }
        Err(fault) => reply::to_fault(&mut finish.exchange, &fault),
    };
    answered(response, finish)
}

/// A request that could not be read is answered and recorded all the same.
fn refuse(worker: &Rc<Worker>, connection: &Rc<Connection>, refused: Refused) -> (Finish, Answered) {
    let plan = worker.plan();
    let (method, uri, version) = refused.line.unwrap_or_else(|| (unread_method(), Uri::default(), Version::HTTP_11));
    let began = Began {
        method: method.clone(),
        user_agent: None,
        received: Rc::default(),
        _in_flight: plan.metrics.in_flight(connection.listener_index),
    };
    let target = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    let request = Request::new(method, version, target, HeaderMap::new(), Body::Empty);
    let client = connection.peer.map(|peer| peer.ip().to_canonical());
    let record = Record::begin(TraceContext::new_root(false));
    let exchange = Exchange::new(Rc::clone(connection), client, None, request, record, 0);
    let mut finish = Finish::of(Rc::clone(worker), plan, began, exchange);
    let response = reply::to_fault(&mut finish.exchange, &refused.fault);
    let answered = answered(response, &mut finish);
    (finish, answered)
}

/// What the log says for the method of a request whose first line could not be read.
fn unread_method() -> Method {
    Method::from_bytes(b"-").unwrap_or_default()
}

fn answered(mut response: Response, finish: &mut Finish) -> Answered {
    let tunnel = tunnel::agreed(&mut finish.exchange, &mut response);
    finish.answered(response.status());
    Answered { response, tunnel }
}
