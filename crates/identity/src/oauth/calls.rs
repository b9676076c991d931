//! Calls to an OAuth server: a form to one of its endpoints.

use std::time::Duration;

use bytes::Bytes;
use gwanmun_client::{CallError, Outbound, Tls};
use gwanmun_core::Secret;
use http::Response;
use http::header::HeaderValue;

use super::endpoints::{Endpoints, Finder, Which};
use crate::down::Down;
use crate::form::Form;
use crate::lanes::{Lane, Lanes};
use crate::token_answer::LONGEST;

/// Who is called, and how.
#[derive(Debug)]
pub(super) struct Calls {
    finder: Finder,
    lanes: Lanes,
}

impl Calls {
    pub(super) fn new(
        name: &str,
        issuer: &str,
        endpoints: Endpoints,
        timeout: Duration,
        tls: Tls,
        outbound: &Outbound,
    ) -> Self {
        let lanes = Lanes::new(&format!("oauth:{name}"), timeout, LONGEST, tls, outbound);
        let finder = Finder::new(endpoints, issuer, lanes.client(Lane::Proven).clone(), outbound, timeout);
        Self { finder, lanes }
    }

    /// Sends `form` as the client that `authorization` names.
    pub(super) async fn post(
        &self,
        lane: Lane,
        which: Which,
        form: Form,
        authorization: &Secret<HeaderValue>,
    ) -> Result<Response<Bytes>, Down> {
        let endpoint = self.finder.find(which).await?;
        let endpoint = endpoint.ok_or_else(|| Down::malformed(format!("nobody says where its {} is", which.name())))?;
        let answer = self.lanes.client(lane).call(form.post(endpoint.uri(), authorization), None).await;
        answer.map_err(|error: CallError| error.into())
    }

    /// Whether it says about tokens what they are.
    pub(super) async fn introspects(&self) -> Result<bool, Down> {
        Ok(self.finder.find(Which::Introspection).await?.is_some())
    }
}
