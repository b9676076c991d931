//! What is done with every piece of a request's body, whichever HTTP it came by: counted, bounded in sum, and rid of
//! trailers that only the gateway may set.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use gwanmun_core::{Code, Fault};
use http_body::Frame;

use crate::plan::InternalHeaders;
use crate::sanitize;

/// What is done with a client's pieces.
pub(crate) struct Inspection {
    limit: Option<u64>,
    count: Rc<Cell<u64>>,
    internal: Arc<InternalHeaders>,
}

impl Inspection {
    /// Counts into `count`, allows `limit` bytes, and takes `internal` headers out of trailers.
    pub(crate) fn new(limit: Option<u64>, count: &Rc<Cell<u64>>, internal: &Arc<InternalHeaders>) -> Self {
        Self { limit, count: Rc::clone(count), internal: Arc::clone(internal) }
    }

    /// Bytes that have come.
    pub(crate) fn received(&self) -> u64 {
        self.count.get()
    }

    /// The piece, if it may pass.
    pub(crate) fn inspect(&self, mut frame: Frame<Bytes>) -> Result<Frame<Bytes>, Fault> {
        if let Some(trailers) = frame.trailers_mut() {
            sanitize::clean_trailers(trailers, &self.internal);
        }
        if let Some(data) = frame.data_ref() {
            let total = self.count.get().saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
            self.count.set(total);
            if self.limit.is_some_and(|limit| total > limit) {
                return Err(Fault::new(Code::BodyTooLarge, "the body is larger than body-bytes"));
            }
        }
        Ok(frame)
    }
}
