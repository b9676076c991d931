//! One request and its answer, over a connection that was kept or a new one. A kept connection may have been closed by the
//! other side a moment ago: then the request is sent once more, on a new one, where that cannot do anything twice (RFC 9110, section 9.2.2).

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;

use crate::call_error::CallError;
use crate::client::destination::Destination;
use crate::client::payload::Payload;
use crate::client::pool::Pool;
use crate::client::sender::Sender;
use crate::client::settings::Settings;
use crate::client::{answer, connect};

/// Why there is no answer, and whether the request has not left or the other side was silent.
struct Unanswered {
    error: CallError,
    is_unsent: bool,
    is_lost: bool,
}

/// Sends `request` and reads the answer.
pub(crate) async fn send(
    to: &Destination,
    request: Request<Bytes>,
    settings: &Settings,
    pool: &Arc<Pool>,
) -> Result<Response<Bytes>, CallError> {
    let mut head = None;
    let mut sender = None;
    if let Some(mut kept) = pool.take(to).await {
        match ask(&mut kept, &request).await {
            Ok(answer) => (head, sender) = (Some(answer), Some(kept)),
            Err(failed) if failed.is_unsent || (failed.is_lost && request.method().is_idempotent()) => {}
            Err(failed) => return Err(failed.error),
        }
    }
    let (answer, sender) = match (head, sender) {
        (Some(answer), Some(sender)) => (answer, sender),
        _ => {
            let mut fresh = connect::connect(to, settings).await?;
            (ask(&mut fresh, &request).await.map_err(|failed| failed.error)?, fresh)
        }
    };
    let answer = answer::whole(answer, settings.answer_bytes).await?;
    pool.give_back(to, sender);
    Ok(answer)
}

async fn ask(sender: &mut Sender, request: &Request<Bytes>) -> Result<Response<Incoming>, Unanswered> {
    let request = request.clone().map(Payload::new);
    sender.send(request).await.map_err(|mut failed| {
        let is_unsent = failed.take_message().is_some();
        let error = failed.into_error();
        let is_lost = is_unsent || !(error.is_parse() || error.is_user());
        Unanswered { error: named(&error), is_unsent, is_lost }
    })
}

fn named(error: &hyper::Error) -> CallError {
    let why = || error.to_string().into();
    if error.is_parse_too_large() {
        CallError::TooLarge(connect::HEAD_BYTES)
    } else if error.is_parse() {
        CallError::Malformed(why())
    } else if error.is_user() {
        CallError::Invalid(why())
    } else {
        CallError::Unreachable(why())
    }
}
