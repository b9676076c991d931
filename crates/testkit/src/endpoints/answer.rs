//! What an endpoint answers when it is not to answer as usual.

use http::{HeaderName, HeaderValue, Response};
use serde_json::{Value, json};

use crate::body::Reply;

/// An answer of an endpoint, good or bad.
#[derive(Debug, Clone)]
pub struct Answer {
    kind: Kind,
    fields: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Debug, Clone)]
enum Kind {
    Usual,
    Whole { status: u16, body: Vec<u8> },
    Truncated,
    Reset,
}

impl Answer {
    /// What the endpoint would have said anyway.
    pub fn usual() -> Self {
        Self::of(Kind::Usual)
    }

    /// 200 with this.
    pub fn json(body: Value) -> Self {
        Self::whole(200, body.to_string())
    }

    /// A status with a body that says nothing useful.
    pub fn status(status: u16) -> Self {
        Self::whole(status, json!({"message": "not today"}).to_string())
    }

    /// An error as OAuth has it (RFC 6749, section 5.2).
    pub fn error(status: u16, code: &str) -> Self {
        Self::whole(status, json!({"error": code}).to_string())
    }

    /// 200 with what is not JSON, whatever its content type says.
    pub fn garbage() -> Self {
        Self::whole(200, "{\"active\": true, \"keys\": [\u{0}")
    }

    /// 200 with JSON of at least so many bytes.
    pub fn oversized(bytes: usize) -> Self {
        Self::json(json!({"active": true, "keys": [], "padding": "x".repeat(bytes)}))
    }

    /// 302 to somewhere else.
    pub fn redirect(to: &str) -> Self {
        Self::whole(302, "").with_field("location", to)
    }

    /// The usual answer breaks off before its end.
    pub fn truncated() -> Self {
        Self::of(Kind::Truncated)
    }

    /// No answer: the connection is reset.
    pub fn reset() -> Self {
        Self::of(Kind::Reset)
    }

    /// The same with a field in the head, in place of any of that name. The content type is JSON otherwise.
    #[must_use]
    pub fn with_field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.parse().unwrap(), value.parse().unwrap()));
        self
    }

    fn whole(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::of(Kind::Whole { status, body: body.into() })
    }

    fn of(kind: Kind) -> Self {
        Self { kind, fields: Vec::new() }
    }

    /// This as a response; `usual` says what the endpoint says usually. `None` for a reset.
    pub(crate) fn response(self, usual: impl FnOnce() -> Self) -> Option<Response<Reply>> {
        let mut response = match self.kind {
            Kind::Reset => return None,
            Kind::Usual => usual().response(Self::usual)?,
            Kind::Truncated => {
                let mut response = usual().response(Self::usual)?;
                let Reply::Whole(Some(whole)) = response.body_mut() else { return None };
                let half = whole.slice(..whole.len() / 2);
                let length = HeaderValue::from(whole.len());
                let (feed, body) = Reply::fed();
                tokio::spawn(async move {
                    feed.data(half).await;
                    feed.fail().await;
                });
                *response.body_mut() = body;
                response.headers_mut().insert("content-length", length);
                response
            }
            Kind::Whole { status, body } => {
                let response = Response::builder().status(status).header("content-type", "application/json");
                response.header("cache-control", "no-store").body(body.into()).unwrap()
            }
        };
        for (name, value) in self.fields {
            response.headers_mut().insert(name, value);
        }
        Some(response)
    }
}
