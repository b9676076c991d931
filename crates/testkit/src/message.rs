//! A whole HTTP message as a test looks at it, however it came.

use std::fmt;

use http::{HeaderMap, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::Value;

use crate::body;

/// A request or an answer with all that belonged to it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// The first line: `GET /a HTTP/1.1` or `HTTP/1.1 200 OK`.
    pub start: String,
    /// Who an HTTP/2 request is for, which HTTP/1 says in `Host`.
    pub authority: Option<String>,
    /// The fields of the head.
    pub headers: HeaderMap,
    /// The body, without its transfer coding.
    pub body: Vec<u8>,
    /// The fields after the body.
    pub trailers: HeaderMap,
}

impl Message {
    /// The status of an answer.
    pub fn status(&self) -> u16 {
        let status = self.start.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("no status in {self:?}"))
    }

    /// The method of a request.
    pub fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    /// The target of a request.
    pub fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// All values of a field, in their order, joined by `, `; `None` where there is no such field.
    pub fn header(&self, name: &str) -> Option<String> {
        joined(&self.headers, name)
    }

    /// The same of a field after the body.
    pub fn trailer(&self, name: &str) -> Option<String> {
        joined(&self.trailers, name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}) in {self:?}"))
    }

    /// A request that a server of ours gets; `None` where it breaks off.
    pub async fn received(request: Request<Incoming>) -> Option<Self> {
        let (head, incoming) = request.into_parts();
        let target = head.uri.path_and_query().map_or(head.uri.to_string(), ToString::to_string);
        let (body, trailers) = body::collect(incoming).await.ok()?;
        Some(Self {
            start: format!("{} {target} {:?}", head.method, head.version),
            authority: head.uri.authority().map(ToString::to_string),
            headers: head.headers,
            body,
            trailers,
        })
    }

    pub(crate) fn answer_start(version: http::Version, status: StatusCode) -> String {
        format!("{version:?} {} {}", status.as_u16(), status.canonical_reason().unwrap_or_default())
    }
}

fn joined(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<_> = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.start)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {}", String::from_utf8_lossy(value.as_bytes()))?;
        }
        match self.body.get(..2000) {
            None => writeln!(f, "\n{}", self.text())?,
            Some(beginning) => writeln!(f, "\n{}... ({} bytes)", String::from_utf8_lossy(beginning), self.body.len())?,
        }
        for (name, value) in &self.trailers {
            writeln!(f, "{name}: {}", String::from_utf8_lossy(value.as_bytes()))?;
        }
        Ok(())
    }
}
