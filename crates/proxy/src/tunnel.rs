//! After `101 Switching Protocols` the gateway is a pipe in both directions (RFC 9110 section 7.8): WebSocket and the like.

pub(crate) mod handshake;

use std::io;
use std::time::Duration;

use bytes::Bytes;
use gwanmun_core::{Code, Fault, Reason};
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use http::{HeaderValue, StatusCode, Version};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use crate::body::Body;
use crate::exchange::Exchange;
use crate::filter::Response;
use crate::forward;
use crate::upstream::h1::{Call, ResponseHead};
use crate::upstream::io::Io;

/// Read at once in either direction.
const BUFFER: usize = 16 * 1024;

/// A pipe that begins when the client has got its `101`.
pub(crate) struct Tunnel {
    upstream: Io,
    /// What the upstream has said after its `101`.
    early: Bytes,
}

/// Bytes that went through, for the record.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Passed {
    pub(crate) from_client: u64,
    pub(crate) to_client: u64,
}

/// The upstream agreed: prepares the pipe and the client's `101`.
pub(crate) fn begin(exchange: &mut Exchange, head: ResponseHead, call: Call) -> Result<Response, Fault> {
    let Some(upgrade) = exchange.upgrade.take() else {
        let fault = Fault::new(Code::UpstreamMalformed, "the upstream switched protocols without being asked");
        return Err(fault.because(Reason::UnaskedUpgrade));
    };
    let mut response = http::Response::new(Body::Empty);
    *response.headers_mut() = head.headers;
    if let Some(key) = &upgrade.key {
        // An HTTP/2 client knows no handshake: it hears that it may go on (RFC 8441 section 5).
        let is_websocket =
            response.headers().get(UPGRADE).is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(b"websocket"));
        if !is_websocket || !handshake::is_answer(response.headers().get(SEC_WEBSOCKET_ACCEPT), key) {
            return Err(Fault::new(Code::UpstreamMalformed, "the upstream's WebSocket handshake is no answer to ours"));
        }
        forward::clean_response(&mut response);
        response.headers_mut().remove(SEC_WEBSOCKET_ACCEPT);
        let (upstream, early) = call.into_upgraded();
        exchange.tunnel = Some(Box::new(Tunnel { upstream, early }));
        return Ok(response);
    }
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let protocol = response.headers().get(UPGRADE).cloned().unwrap_or(upgrade.protocol);
    forward::clean_response(&mut response);
    response.headers_mut().insert(UPGRADE, protocol);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    let (upstream, early) = call.into_upgraded();
    exchange.tunnel = Some(Box::new(Tunnel { upstream, early }));
    Ok(response)
}

/// The tunnel that the client and the upstream have agreed on, if any. An HTTP/2 client would read any success as such an
/// agreement (RFC 8441 section 5): where there is none it is told of a fault.
pub(crate) fn agreed(exchange: &mut Exchange, response: &mut Response) -> Option<Tunnel> {
    let http2 = exchange.request.version == Version::HTTP_2;
    match exchange.tunnel.take() {
        Some(tunnel)
            if response.status() == StatusCode::SWITCHING_PROTOCOLS || http2 && response.status().is_success() =>
        {
            Some(*tunnel)
        }
        tunnel => {
            let asked = tunnel.is_some() || exchange.upgrade.as_ref().is_some_and(|upgrade| upgrade.key.is_some());
            if http2 && asked && response.status().is_success() {
                let fault = Fault::new(Code::UpstreamMalformed, "the upstream answered without switching to WebSocket");
                *response = crate::reply::to_fault(exchange, &fault);
            }
            None
        }
    }
}

impl Tunnel {
    /// Pipes between `client` and the upstream until both sides have ended, one broke, or nothing moved for `idle`.
    pub(crate) async fn run(self, client: impl AsyncRead + AsyncWrite, idle: Duration) -> Passed {
        let moved = std::cell::Cell::new(Instant::now());
        let (mut client_read, mut client_write) = tokio::io::split(client);
        let (mut upstream_read, mut upstream_write) = tokio::io::split(self.upstream);
        let early = u64::try_from(self.early.len()).unwrap_or(0);
        let counts = (std::cell::Cell::new(0), std::cell::Cell::new(early));
        let up = pipe(&mut client_read, &mut upstream_write, &counts.0, &moved);
        let down = async {
            client_write.write_all(&self.early).await?;
            client_write.flush().await?;
            pipe(&mut upstream_read, &mut client_write, &counts.1, &moved).await
        };
        // An end on one side leaves the other open; an error ends both.
        let both = async { tokio::try_join!(up, down) };
        let silence = async {
            while moved.get().elapsed() < idle {
                tokio::time::sleep_until(moved.get() + idle).await;
            }
        };
        tokio::select! {
            _ = both => {}
            () = silence => {}
        }
        Passed { from_client: counts.0.get(), to_client: counts.1.get() }
    }
}

/// Copies until the end, then ends the other side too.
async fn pipe(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    count: &std::cell::Cell<u64>,
    moved: &std::cell::Cell<Instant>,
) -> io::Result<()> {
    let mut buffer = bytes::BytesMut::with_capacity(BUFFER);
    while from.read_buf(&mut buffer).await? > 0 {
        moved.set(Instant::now());
        to.write_all(&buffer).await?;
        to.flush().await?;
        count.set(count.get() + u64::try_from(buffer.len()).unwrap_or(0));
        buffer.clear();
    }
    to.shutdown().await
}
