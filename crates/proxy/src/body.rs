//! Bodies: what passes through as it comes, without being held. Poll code on the data path lives here and where
//! connections are: in `listen`, `serve` and `upstream`.

mod followed;
mod inspection;
mod pace;
mod paced;
mod recorded;
mod taken;

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use gwanmun_core::{Code, Fault, Reason};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

pub(crate) use followed::{Progress, followed};
pub(crate) use inspection::Inspection;
pub(crate) use pace::Pace;
pub(crate) use paced::{Answering, Bounds, UnderWay, bounded};
pub(crate) use recorded::Recorded;
pub(crate) use taken::{Latest, Patient, Telling};

/// A request's or a response's body.
#[derive(Default)]
#[non_exhaustive]
pub enum Body {
    /// None.
    #[default]
    Empty,
    /// All of it, here.
    Full(Bytes),
    /// From a client, as hyper hands it over.
    Incoming(Incoming),
    /// Anything that streams.
    Stream(Pin<Box<dyn http_body::Body<Data = Bytes, Error = Fault>>>),
}

impl Body {
    /// A body that streams.
    pub fn stream(body: impl http_body::Body<Data = Bytes, Error = Fault> + 'static) -> Self {
        Self::Stream(Box::pin(body))
    }

    /// What the client sends.
    pub fn from_client(incoming: Incoming) -> Self {
        if http_body::Body::is_end_stream(&incoming) { Self::Empty } else { Self::Incoming(incoming) }
    }

    /// All of it, if it has at most `limit` bytes; `None` where it has more, of which the rest is not read.
    ///
    /// # Errors
    /// It breaks off, or comes too slowly.
    pub async fn within(mut self, limit: usize) -> Result<Option<Bytes>, Fault> {
        if self.exact_length().is_some_and(|length| usize::try_from(length).map_or(true, |length| length > limit)) {
            return Ok(None);
        }
        let mut read = BytesMut::new();
        while let Some(frame) = poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut self), cx)).await {
            let Ok(data) = frame?.into_data() else { continue };
            if data.len() > limit.saturating_sub(read.len()) {
                return Ok(None);
            }
            read.extend_from_slice(&data);
        }
        Ok(Some(read.freeze()))
    }

    /// The length, if it is known beforehand.
    pub fn exact_length(&self) -> Option<u64> {
        http_body::Body::size_hint(self).exact()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Full(bytes) }
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Incoming(_) => f.write_str("Incoming"),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Incoming(incoming) => Pin::new(incoming).poll_frame(cx).map_err(|error| broken(&error)),
            Self::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Incoming(incoming) => incoming.is_end_stream(),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Self::Incoming(incoming) => incoming.size_hint(),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

fn broken(error: &hyper::Error) -> Fault {
    Fault::new(Code::MalformedRequest, format!("the body broke off: {error}")).because(Reason::RequestTruncated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_read_whole_or_not_at_all() {
        for (limit, wanted) in [(4, Some("full")), (5, Some("full")), (3, None), (0, None)] {
            let read = Body::from("full").within(limit).await.unwrap();
            assert_eq!(read, wanted.map(Bytes::from), "{limit}");
        }
        assert_eq!(Body::Empty.within(0).await.unwrap(), Some(Bytes::new()));
    }
}
