//! What another service answered: the whole of it, bounded by `body-bytes`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Method, Response, StatusCode};
use serde::de::DeserializeOwned;

use super::failure::{CallFailed, Why};

/// The longest `Retry-After` that is believed.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// What another service answered, whatever its status. Redirects are answers, too.
#[derive(Debug, Clone)]
pub struct Answer {
    pub(super) client: Arc<str>,
    pub(super) method: Method,
    pub(super) path: Arc<str>,
    pub(super) attempts: u32,
    pub(super) response: Response<Bytes>,
}

impl Answer {
    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Its fields.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Its body.
    pub fn body(&self) -> &Bytes {
        self.response.body()
    }

    /// How often it was asked for.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The answer, if its status says that it went well (2xx).
    ///
    /// # Errors
    /// Another status.
    pub fn ok(self) -> Result<Self, CallFailed> {
        match self.status().is_success() {
            true => Ok(self),
            false => Err(self.failed(Why::Status(self.status(), retry_after(self.headers())))),
        }
    }

    /// What its body says in JSON, if its status says that it went well (2xx).
    ///
    /// # Errors
    /// Another status, or another body.
    pub fn json<T: DeserializeOwned>(self) -> Result<T, CallFailed> {
        let answer = self.ok()?;
        // Not what was found: it may be somebody's data, and would stand in the log.
        serde_json::from_slice(answer.body()).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            answer.failed(Why::Unreadable(format!("no such JSON at line {line} column {column}").into()))
        })
    }

    fn failed(&self, why: Why) -> CallFailed {
        let (client, path) = (Arc::clone(&self.client), Arc::clone(&self.path));
        CallFailed { client, method: self.method.clone(), path, attempts: self.attempts, why }
    }
}

/// When it is worth asking again, where that is said in seconds (RFC 9110 section 10.2.3).
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}
