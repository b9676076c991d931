//! Connections of listeners with `proxy-protocol`: the header is read off them, before TLS, from whoever may send one.
//! Without a good one nothing is served: who could leave it out could hide, and who could forge it could be anybody.

use std::io;
use std::net::IpAddr;
use std::time::Instant;

use gwanmun_telemetry::metrics::Refusal;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::listen::accept::Arrived;
use crate::listen::proxy_protocol::{Header, Parsed, parse};
use crate::plan::{AddressSet, Listener};
use crate::worker::{ConnectionPermit, Worker};

/// Reads the header of a new connection, or counts and logs why it is refused. `None` if there is nobody to serve: it was
/// refused, or closed without a word, as health checks do.
pub(crate) async fn introduced(
    worker: &Worker,
    index: usize,
    listener: &Listener,
    arrived: &mut Arrived,
    permit: &ConnectionPermit,
) -> io::Result<Option<Header>> {
    let plan = worker.plan();
    let sender = match arrived {
        Arrived::Tcp { peer, .. } => Some(peer.ip()),
        Arrived::Unix(_) => None,
    };
    let outcome = if may_introduce(sender, &plan.plan.trusted_proxies) {
        match permit.expect(listener.limits.header_timeout, header_on(arrived)).await {
            Ok(outcome) => outcome?,
            Err(_) if permit.should_finish() => Outcome::Silence,
            Err(_) => Outcome::Refused("the header was not complete within header-timeout"),
        }
    } else {
        Outcome::Refused("its sender is not among trusted-proxies")
    };
    Ok(match outcome {
        Outcome::Header(header) => Some(header),
        Outcome::Silence => None,
        Outcome::Refused(why) => {
            plan.metrics.refused(index, Refusal::ProxyProtocol);
            if let Some(times) = worker.strangers.happened(Instant::now()) {
                let sender = sender.map_or_else(|| "unix:".to_owned(), |address| address.to_string());
                tracing::warn!(event = "proxy-protocol-refused", listener = %listener.name, sender, error = why, times, "a connection without a good PROXY header was closed");
            }
            None
        }
    })
}

enum Outcome {
    Header(Header),
    Silence,
    Refused(&'static str),
}

/// Everybody, if nobody is told to be trusted: then the address of the listener is known to the balancer only.
fn may_introduce(sender: Option<IpAddr>, trusted: &AddressSet) -> bool {
    let is_trusted = || sender.map_or_else(|| trusted.contains_unix_sockets(), |sender| trusted.contains(sender));
    trusted.is_empty() || is_trusted()
}

async fn header_on(arrived: &mut Arrived) -> io::Result<Outcome> {
    match arrived {
        Arrived::Tcp { stream, .. } => read_header(stream).await,
        Arrived::Unix(stream) => read_header(stream).await,
    }
}

/// Takes the header off `stream` and not a byte more: what follows may be a TLS handshake, which reads for itself.
async fn read_header(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Outcome> {
    let mut read = Vec::with_capacity(128);
    loop {
        match parse(&read) {
            Parsed::Complete(header, _) => return Ok(Outcome::Header(header)),
            Parsed::Malformed(why) => return Ok(Outcome::Refused(why)),
            Parsed::Incomplete(missing) => {
                let missing = u64::try_from(missing).unwrap_or(u64::MAX);
                if (&mut *stream).take(missing).read_buf(&mut read).await? == 0 {
                    let silent = read.is_empty();
                    return Ok(if silent { Outcome::Silence } else { Outcome::Refused("the header is cut off") });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(pieces: &[&[u8]]) -> (Outcome, Vec<u8>) {
        let mut stream = in_pieces(pieces);
        let outcome = read_header(&mut stream).await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        (outcome, rest)
    }

    /// A stream that hands out one piece at a time.
    fn in_pieces(pieces: &[&[u8]]) -> Box<dyn AsyncRead + Unpin> {
        let mut stream: Box<dyn AsyncRead + Unpin> = Box::new(tokio::io::empty());
        for piece in pieces.iter().rev() {
            stream = Box::new(io::Cursor::new(piece.to_vec()).chain(stream));
        }
        stream
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_follows_a_header_is_left_however_it_came() {
        let bytes = b"PROXY TCP4 192.0.2.1 198.51.100.9 56324 443\r\nGET / HTTP/1.1\r\n\r\n";
        for cut in 0..bytes.len() {
            let (outcome, rest) = read(&[&bytes[..cut], &bytes[cut..]]).await;
            assert!(matches!(outcome, Outcome::Header(Header::Client { .. })), "{cut}");
            assert_eq!(rest, b"GET / HTTP/1.1\r\n\r\n", "{cut}");
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn silence_is_told_from_a_header_that_is_cut_off() {
        assert!(matches!(read(&[]).await.0, Outcome::Silence));
        assert!(matches!(read(&[b"PROX"]).await.0, Outcome::Refused("the header is cut off")));
        assert!(matches!(read(&[b"GET /"]).await.0, Outcome::Refused(_)));
    }

    #[test]
    fn nobody_named_means_everybody_and_somebody_named_means_nobody_else() {
        let (client, balancer) = (Some("9.9.9.9".parse().unwrap()), Some("::ffff:10.0.0.1".parse().unwrap()));
        let balancers = AddressSet::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let local = AddressSet::default().with_unix_sockets();
        let may = |sender| [&AddressSet::default(), &balancers, &local].map(|trusted| may_introduce(sender, trusted));
        assert_eq!(may(client), [true, false, false]);
        assert_eq!(may(balancer), [true, true, false]);
        assert_eq!(may(None), [true, false, true]);
    }
}
