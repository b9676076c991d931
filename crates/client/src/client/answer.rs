//! Reading an answer's body, no more of it than is allowed.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;

use crate::call_error::CallError;

/// What came behind the body of an answer, if anything did: an extension of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trailers(pub HeaderMap);

/// The whole answer; a body of more than `limit` bytes is not read to its end.
pub(crate) async fn whole(answer: Response<Incoming>, limit: usize) -> Result<Response<Bytes>, CallError> {
    let (mut head, mut body) = answer.into_parts();
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(CallError::Malformed("another protocol was chosen".into()));
    }
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(CallError::TooLarge(limit));
    }
    let mut pieces = BytesMut::with_capacity(announced);
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|error| CallError::Malformed(format!("cut off: {error}").into()))?;
        let piece = match frame.into_data() {
            Ok(piece) => piece,
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    head.extensions.insert(Trailers(trailers));
                }
                continue;
            }
        };
        if piece.len() > limit - pieces.len() {
            return Err(CallError::TooLarge(limit));
        }
        pieces.extend_from_slice(&piece);
    }
    Ok(Response::from_parts(head, pieces.freeze()))
}
