//! Requests to a service under test, and its answers.

use bytes::Bytes;
use gwanmun_client::Client;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::passports::PassportFor;

/// A request that is about to be sent.
#[derive(Debug)]
#[must_use = "it is sent by `send`"]
pub struct TestRequest {
    client: Client,
    request: Request<Bytes>,
}

/// What the service answered.
#[derive(Debug, Clone)]
pub struct TestAnswer(Response<Bytes>);

impl TestRequest {
    pub(super) fn new(client: Client, method: Method, uri: Uri) -> Self {
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        Self { client, request }
    }

    /// Brings a Passport.
    pub fn passport(self, passport: &PassportFor<'_>) -> Self {
        self.header("txn-token", &passport.token())
    }

    /// Adds a field.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a field's name");
        self.request.headers_mut().append(name, HeaderValue::from_str(value).expect("a field's value"));
        self
    }

    /// Sends `value` as JSON.
    pub fn json(mut self, value: &impl Serialize) -> Self {
        *self.request.body_mut() = serde_json::to_vec(value).expect("JSON").into();
        self.header(CONTENT_TYPE.as_str(), "application/json")
    }

    /// Sends these bytes.
    pub fn body(mut self, content_type: &str, bytes: impl Into<Bytes>) -> Self {
        *self.request.body_mut() = bytes.into();
        self.header(CONTENT_TYPE.as_str(), content_type)
    }

    /// Sends the request and reads the whole answer.
    pub async fn send(self) -> TestAnswer {
        TestAnswer(self.client.send(self.request).await.expect("an answer"))
    }
}

impl TestAnswer {
    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// One of its fields.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers().get(name).map(|value| value.to_str().expect("a text"))
    }

    /// Its body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(self.0.body()).expect("a text")
    }

    /// Its body from JSON.
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(self.0.body()).unwrap_or_else(|error| panic!("no such JSON: {error}: {}", self.text()))
    }
}
