//! A service that runs within the test.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use gwanmun_chassis::axum::Router;
use gwanmun_chassis::axum::body::Bytes;
use gwanmun_chassis::{App, Running, Service};
use gwanmun_testkit::{Connection, Message};

/// Serves `routes`, which need no Passport, with these settings.
pub(crate) async fn serve(routes: Router<App>, settings: &str) -> Running {
    started(Service::new("orders").public_routes(routes), settings).await
}

/// Starts `service` with these settings.
pub(crate) async fn started(service: Service, settings: &str) -> Running {
    service.start(settings).await.unwrap()
}

/// A connection to where requests arrive.
pub(crate) async fn connect(running: &Running) -> Connection {
    Connection::tcp(running.address()).await
}

/// A connection to where operators look.
pub(crate) async fn manage(running: &Running) -> Connection {
    Connection::tcp(running.management_address()).await
}

/// A page of the management port.
pub(crate) async fn page(running: &Running, path: &str) -> Message {
    manage(running).await.get(path).await
}

/// A body of these pieces.
pub(crate) struct Pieces<I>(pub(crate) I);

impl<I: Iterator<Item = Result<Bytes, Infallible>> + Send + Unpin> http_body::Body for Pieces<I> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|piece| piece.map(http_body::Frame::data)))
    }
}
