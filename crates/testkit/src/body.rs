//! Bodies that tests send, whole or piece by piece, and bodies they receive.

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::mpsc;

type Failure = Box<dyn Error + Send + Sync>;

/// A body to be sent.
pub enum Reply {
    /// All of it; its length is told beforehand.
    Whole(Option<Bytes>),
    /// Pieces as a [`Feed`] gives them; no length is told.
    Fed(mpsc::Receiver<Result<Frame<Bytes>, Failure>>),
    /// What is being received, sent on as it comes.
    Incoming(Incoming),
}

/// Gives the pieces of a [`Reply`]; dropped, it ends the body. Waits where the other side does not take more.
#[derive(Debug, Clone)]
pub struct Feed(mpsc::Sender<Result<Frame<Bytes>, Failure>>);

impl Reply {
    /// No body.
    pub fn empty() -> Self {
        Self::Whole(None)
    }

    /// A body to be fed.
    pub fn fed() -> (Feed, Self) {
        let (feed, pieces) = mpsc::channel(1);
        (Feed(feed), Self::Fed(pieces))
    }
}

impl<T: Into<Bytes>> From<T> for Reply {
    fn from(body: T) -> Self {
        Self::Whole(Some(body.into()))
    }
}

impl Feed {
    /// Sends a piece. False when nobody takes it any more.
    pub async fn data(&self, data: impl Into<Bytes>) -> bool {
        self.0.send(Ok(Frame::data(data.into()))).await.is_ok()
    }

    /// Sends the fields after the body.
    pub async fn trailers(self, fields: &[(&'static str, &'static str)]) {
        let fields = fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let _ = self.0.send(Ok(Frame::trailers(fields.collect()))).await;
    }

    /// Breaks the body off: never a complete message.
    pub async fn fail(self) {
        let _ = self.0.send(Err("broken off on purpose".into())).await;
    }

    /// Waits until nobody takes pieces any more.
    pub async fn refused(&self) {
        self.0.closed().await;
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Fed(pieces) => pieces.poll_recv(cx),
            Self::Incoming(incoming) => Pin::new(incoming).poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Fed(_) => false,
            Self::Incoming(incoming) => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Fed(_) => SizeHint::default(),
            Self::Incoming(incoming) => incoming.size_hint(),
        }
    }
}

/// The next piece of a body's data; `None` at the end or at the trailers.
pub(crate) async fn piece(body: &mut Incoming) -> hyper::Result<Option<Frame<Bytes>>> {
    poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await.transpose()
}

/// A whole body with its trailers.
pub(crate) async fn collect(mut body: Incoming) -> hyper::Result<(Vec<u8>, HeaderMap)> {
    let (mut data, mut trailers) = (Vec::new(), HeaderMap::new());
    while let Some(frame) = piece(&mut body).await? {
        match frame.into_data() {
            Ok(piece) => data.extend_from_slice(&piece),
            Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
        }
    }
    Ok((data, trailers))
}
