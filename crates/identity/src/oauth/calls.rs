//! Calls to an OAuth server: a form to one of its endpoints, on one of two lanes with connections, limits and a breaker of
//! their own.

use std::time::Duration;

use bytes::Bytes;
use gwanmun_client::{CallError, Client, Outbound, Settings, Tls};
use gwanmun_core::Secret;
use gwanmun_resilience::BreakerSettings;
use http::Response;
use http::header::HeaderValue;

use super::down::Down;
use super::endpoints::{Endpoints, Finder, Which};
use super::form::Form;
use super::introspection::LONGEST;
use super::memory::Lane;

/// Calls that wait for their turn, at most, in each lane.
const WAITING: usize = 512;

/// How long the server is left alone when half of the calls failed.
const REST: Duration = Duration::from_secs(5);

/// Who is called, and how.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    finder: Finder,
    new: Client,
    proven: Client,
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
        let settings = Settings {
            timeout,
            connect_timeout: timeout,
            answer_bytes: LONGEST,
            waiting: WAITING,
            breaker: BreakerSettings { open: REST, minimum_calls: 20, ..BreakerSettings::default() },
            tls,
            ..Settings::default()
        };
        let new = Client::new(outbound, &format!("oauth:{name}"), settings.clone());
        let proven = Client::new(outbound, &format!("oauth:{name}:renewal"), settings);
        let finder = Finder::new(endpoints, issuer, proven.clone(), outbound, timeout);
        Self { finder, new, proven }
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
        let client = match lane {
            Lane::New => &self.new,
            Lane::Proven => &self.proven,
        };
        let answer = client.call(form.post(endpoint.uri(), authorization), None).await;
        answer.map_err(|error: CallError| error.into())
    }

    /// Whether it says about tokens what they are.
    pub(super) async fn introspects(&self) -> Result<bool, Down> {
        Ok(self.finder.find(Which::Introspection).await?.is_some())
    }
}
