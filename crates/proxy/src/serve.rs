//! From an accepted connection to exchanges: TLS, which HTTP, and then request by request.

mod http1;
mod http2;

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Version, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio_rustls::TlsAcceptor;

use crate::admit::admit;
use crate::body::Recorded;
use crate::exchange::{Connection, Scheme};
use crate::finish::{Began, Finish};
use crate::handle::{Unwatched, handle};
use crate::listen::accept::Arrived;
use crate::listen::deferred::Outlet;
use crate::listen::idle::IdleWatch;
use crate::listen::stream::{Carrier, ServerIo};
use crate::plan::{Limits, Listener};
use crate::reply;
use crate::worker::{ConnectionPermit, Worker};

/// While draining, a connection that has said nothing yet may still begin to speak for so long.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Serves one connection to its end.
pub(crate) async fn connection(
    worker: &Rc<Worker>,
    index: usize,
    listener: &Listener,
    arrived: Arrived,
    permit: Rc<ConnectionPermit>,
) -> Result<(), Box<dyn std::error::Error>> {
    let patience =
        listener.limits.header_timeout.min(if worker.drain.has_begun() { LAST_WORDS } else { Duration::MAX });
    let (carrier, peer, port) = match arrived {
        Arrived::Unix(stream) => (Carrier::Unix(stream), None, 0),
        Arrived::Tcp { stream, peer, port } => {
            stream.set_nodelay(true)?;
            match &listener.tls {
                None => (Carrier::Tcp(stream), Some(peer), port),
                Some(config) => {
                    let acceptor = TlsAcceptor::from(std::sync::Arc::clone(config));
                    let stream = tokio::time::timeout(patience, acceptor.accept(stream)).await??;
                    (Carrier::Tls(Box::new(stream)), Some(peer), port)
                }
            }
        }
    };
    let scheme = if listener.tls.is_some() { Scheme::Https } else { Scheme::Http };
    let negotiated = match &carrier {
        Carrier::Tls(stream) => stream.get_ref().1.alpn_protocol().map(|protocol| protocol == b"h2"),
        Carrier::Tcp(_) | Carrier::Unix(_) => None,
    };
    let mut io = ServerIo::new(carrier, listener.limits.idle_timeout);
    let http2 = match negotiated {
        Some(http2) => http2,
        None => match tokio::time::timeout(patience, io.begins_with_http2()).await?? {
            Some(http2) => http2,
            None => return Ok(()),
        },
    };
    let shared = Rc::new(Connection::new(peer, std::sync::Arc::clone(&listener.name), index, scheme, port));
    if http2 {
        http2::serve(worker, listener.limits, shared, &permit, io).await?
    } else {
        http1::serve(worker, listener.limits, shared, &permit, io).await?
    }
    Ok(())
}

/// Drives a connection to its end; when the worker drains, or nothing runs for too long, it is told to finish what runs.
async fn until_drained<C: Future<Output = hyper::Result<()>>>(
    worker: &Rc<Worker>,
    permit: &ConnectionPermit,
    mut connection: Pin<&mut C>,
    finish: impl Fn(Pin<&mut C>),
    mut http2: Option<(Outlet, IdleWatch)>,
) -> hyper::Result<()> {
    let (mut registered, mut told) = (false, false);
    poll_fn(|cx| {
        if !registered {
            registered = true;
            permit.wake(cx.waker());
        }
        // Polled before it is told: a request that has come already is still answered.
        let mut outcome = connection.as_mut().poll(cx);
        if outcome.is_pending() && worker.drain.has_begun() && !told {
            told = true;
            finish(connection.as_mut());
            outcome = connection.as_mut().poll(cx);
        }
        let Some((outlet, idle)) = &mut http2 else { return outcome };
        if outcome.is_pending() && idle.poll_idle(cx).is_ready() {
            if told {
                // It was told long ago.
                return Poll::Ready(Ok(()));
            }
            told = true;
            finish(connection.as_mut());
            outcome = connection.as_mut().poll(cx);
        }
        outlet.drain(cx);
        outcome
    })
    .await
}

/// One request: admitted, handled, and recorded when its answer has left. `permit` is the connection's, where a tunnel may
/// outlive it.
async fn exchange(
    worker: &Rc<Worker>,
    limits: Limits,
    connection: &Rc<Connection>,
    permit: Option<&Rc<ConnectionPermit>>,
    mut request: Request<Incoming>,
) -> Result<http::Response<Recorded>, Infallible> {
    let plan = worker.plan();
    let began = Began {
        method: request.method().clone(),
        user_agent: request.headers().get(header::USER_AGENT).cloned(),
        received: Rc::default(),
        _in_flight: plan.metrics.in_flight(connection.listener_index),
    };
    let version = request.version();
    let upgraded = request.extensions_mut().remove::<hyper::upgrade::OnUpgrade>();
    let (exchange, admitted) = admit(&plan.plan, &limits, connection, request, &began.received);
    // From here on there will be a record, also if the client leaves and this is dropped.
    let mut finish = Box::new(Finish::of(Rc::clone(worker), Rc::clone(&plan), began, exchange));
    let mut response = match admitted {
        Ok(()) => handle(&plan.plan, &mut finish.exchange, &*plan, &mut Unwatched).await,
        Err(fault) => reply::to_fault(&mut finish.exchange, &fault),
    };
    if worker.drain.has_begun() && version == Version::HTTP_11 {
        response.headers_mut().entry(header::CONNECTION).or_insert(header::HeaderValue::from_static("close"));
    }
    finish.answered(response.status());
    let tunnel = finish.exchange.tunnel.take().filter(|_| response.status() == http::StatusCode::SWITCHING_PROTOCOLS);
    let Some(tunnel) = tunnel else { return Ok(response.map(|body| Recorded::new(body, Some(finish)))) };
    // The connection goes on as a tunnel: it still counts, and draining waits for it.
    let permit = permit.map(Rc::clone);
    tokio::task::spawn_local(async move {
        let _permit = permit;
        let Some(upgraded) = upgraded else { return };
        if let Ok(client) = upgraded.await {
            let passed = tunnel.run(TokioIo::new(client), limits.upgrade_idle_timeout).await;
            finish.passed(passed);
        }
    });
    Ok(response.map(|body| Recorded::new(body, None)))
}
