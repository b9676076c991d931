//! What the demo's services and its provider stand on: HTTP/1 on a free port of this machine, requests as a whole, forms.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use gwanmun_proxy::{Body, Response};
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

/// The longest body that is read, bytes.
const LONGEST_BODY: usize = 64 * 1024;

/// A free port of this machine, with nobody behind it yet.
pub(super) struct Port {
    listener: TcpListener,
    address: SocketAddr,
}

impl Port {
    pub(super) async fn free() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        Ok(Self { address: listener.local_addr()?, listener })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has `answer` answer whoever comes, for ever.
    pub(super) fn serve<A>(self, answer: impl Fn(Request<Bytes>) -> A + 'static)
    where
        A: Future<Output = Response> + 'static,
    {
        let answer = Rc::new(answer);
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = self.listener.accept().await {
                let answer = Rc::clone(&answer);
                let service = service_fn(move |request: Request<Incoming>| {
                    let answer = Rc::clone(&answer);
                    async move {
                        let (parts, body) = request.into_parts();
                        let response = match Body::from_client(body).within(LONGEST_BODY).await {
                            Ok(Some(body)) => answer(Request::from_parts(parts, body)).await,
                            Ok(None) | Err(_) => status(StatusCode::PAYLOAD_TOO_LARGE),
                        };
                        Ok::<_, Infallible>(response)
                    }
                });
                tokio::task::spawn_local(async move {
                    let connection =
                        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
                    if let Err(error) = connection.await {
                        tracing::debug!(event = "demo-connection-ended", %error, "a connection of the demo ended early");
                    }
                });
            }
        });
    }
}

/// An answer with a body.
pub(super) fn answer(media_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// An answer without one.
pub(super) fn status(status: StatusCode) -> Response {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response
}

/// On to `url`, by GET.
pub(super) fn redirect(url: &str) -> Response {
    let mut response = status(StatusCode::SEE_OTHER);
    match HeaderValue::try_from(url) {
        Ok(location) => drop(response.headers_mut().insert(LOCATION, location)),
        Err(_) => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    response
}

/// The pairs of a query or a form (`application/x-www-form-urlencoded`).
#[derive(Debug, Default)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (decoded(name), decoded(value)))
                .collect(),
        )
    }

    /// The first value of this name; empty if there is none.
    pub(super) fn value(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// All pairs.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Percent-encodes a value of a form.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let escaped = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match (first, escaped) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = after;
            }
            (other, _) => {
                bytes.push(other);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Text in HTML.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_it_was_written() {
        let form = Form::parse("a=1&b=x+y%2B%C3%A9&c&a=2&=z&d=%zz%4");
        assert_eq!(["a", "b", "c", "d", "e"].map(|name| form.value(name)), ["1", "x y+é", "", "%zz%4", ""]);
        let text = "a b&c=d%é/?";
        assert_eq!(Form::parse(&format!("x={}", encoded(text))).value("x"), text);
    }

    #[test]
    fn text_stays_text() {
        assert_eq!(escaped("<a href='x'>\"&</a>"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;&lt;/a&gt;");
    }
}
