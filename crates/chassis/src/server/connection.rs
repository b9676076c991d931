//! One connection from its first byte to its last: TLS, which HTTP, requests, and the timer that ends it when it does
//! nothing for too long.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::activity::{Activity, Due};
use super::io::{Carrier, Watched};
use super::tls::ClientCertificate;
use super::{Limits, Phase};
use crate::observe::Observe;

/// What all connections of a server have.
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) observe: Arc<Observe>,
    pub(super) routes: Router,
}

/// Serves one connection.
pub(super) async fn serve(
    shared: Arc<Shared>,
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    mut phases: watch::Receiver<Phase>,
) {
    let limits = shared.limits;
    let _ = stream.set_nodelay(true);
    let (carrier, certificate) = match tls {
        None => (Carrier::Tcp(stream), None),
        Some(acceptor) => {
            let shaken = tokio::select! {
                shaken = tokio::time::timeout(limits.header_timeout, acceptor.accept(stream)) => shaken,
                _ = phases.wait_for(|phase| *phase != Phase::Open) => return,
            };
            let stream = match shaken {
                Ok(Ok(stream)) => Box::new(stream),
                Ok(Err(error)) => return ended(peer, &error),
                Err(_) => return ended(peer, &"the TLS handshake took too long"),
            };
            let certificate = ClientCertificate::of(stream.get_ref().1);
            (Carrier::Tls(stream), certificate)
        }
    };
    let activity = Activity::begin(Instant::now());
    let io = TokioIo::new(Watched { carrier, activity: activity.clone() });
    let service = service_fn(|mut request: Request<Incoming>| {
        if let Some(certificate) = &certificate {
            request.extensions_mut().insert(certificate.clone());
        }
        let (observe, routes) = (Arc::clone(&shared.observe), shared.routes.clone());
        let in_flight = activity.request(request.version());
        let answer = observe.answer(routes, peer.ip(), in_flight, request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let builder = builder(&limits);
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut draining = pin!(phases.wait_for(|phase| *phase != Phase::Open));
    let mut is_ending = false;
    let mut look = pin!(tokio::time::sleep(limits.header_timeout.min(limits.idle_timeout)));
    loop {
        tokio::select! {
            biased;
            outcome = connection.as_mut() => {
                if let Err(error) = outcome {
                    ended(peer, &error);
                }
                return;
            }
            _ = &mut draining, if !is_ending => {
                is_ending = true;
                connection.as_mut().graceful_shutdown();
            }
            () = &mut look => match activity.due(limits.header_timeout, limits.idle_timeout, Instant::now()) {
                Due::In(left) => look.as_mut().reset(tokio::time::Instant::now() + left),
                Due::HeadTooSlow => return ended(peer, &"the head of a request took too long"),
                Due::Stalled => return ended(peer, &"the client does not take its answer"),
                // Another request may have begun just now, which then is the last.
                Due::Idle if !is_ending => {
                    is_ending = true;
                    connection.as_mut().graceful_shutdown();
                    look.as_mut().reset(tokio::time::Instant::now() + limits.header_timeout);
                }
                Due::Idle => return,
            },
        }
    }
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        // Ours is cheaper: one timer for the whole connection.
        .header_read_timeout(None)
        .max_headers(limits.header_count)
        .max_buf_size(limits.header_bytes)
        .timer(TokioTimer::new());
    builder
        .http2()
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .timer(TokioTimer::new());
    builder
}

fn ended(peer: SocketAddr, why: &dyn std::fmt::Display) {
    tracing::debug!(event = "connection-ended", client = %peer.ip(), error = %why, "a connection ended early");
}
