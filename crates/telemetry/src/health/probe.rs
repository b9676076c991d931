//! One request and the answer it must get.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use gwanmun_client::{CallError, Client, Outbound, Settings};
use gwanmun_config::Timespan;
use gwanmun_resilience::BreakerSettings;
use http::{HeaderMap, Method, Request, Uri};

/// How many bytes an answer may have.
const ANSWER: usize = 1024 * 1024;

/// One request and the answer it must get.
#[derive(Clone, PartialEq)]
pub struct Probe {
    /// The method.
    pub method: Method,
    /// An absolute URI, `http` or `https`.
    pub uri: Uri,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// The statuses that are right; none stands for 200 to 299.
    pub statuses: Vec<u16>,
    /// What must stand in the answer's body.
    pub contains: Option<String>,
}

impl Probe {
    /// GET, answered by 200 to 299.
    pub fn get(uri: Uri) -> Self {
        Self {
            method: Method::GET,
            uri,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            statuses: Vec::new(),
            contains: None,
        }
    }

    /// Asks by `client`; the status, and why the answer is not the right one.
    pub(super) async fn ask(&self, client: &Client) -> (Option<u16>, Result<(), String>) {
        let answer = match client.call(self.request(), None).await {
            Ok(answer) => answer,
            Err(CallError::Timeout(limit)) => return (None, Err(format!("timed out after {}", Timespan(limit)))),
            Err(error) => return (None, Err(error.to_string())),
        };
        let status = answer.status().as_u16();
        let is_right =
            if self.statuses.is_empty() { answer.status().is_success() } else { self.statuses.contains(&status) };
        let verdict = match &self.contains {
            _ if !is_right => Err(format!("found status {status}, wanted {}", Wanted(&self.statuses))),
            Some(text) if !contains(answer.body(), text.as_bytes()) => {
                Err("the answer does not have the text that is wanted".to_owned())
            }
            _ => Ok(()),
        };
        (Some(status), verdict)
    }

    /// Where it goes, without what may be a secret in it.
    pub(super) fn place(&self) -> String {
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        format!("{}://{authority}{}", self.uri.scheme_str().unwrap_or("http"), self.uri.path())
    }

    fn request(&self) -> Request<Bytes> {
        let mut request = Request::new(self.body.clone());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("method", &self.method).field("place", &self.place()).finish_non_exhaustive()
    }
}

/// A client for the check `name`. Each call is made on a connection of its own, as a newcomer would, and none is refused
/// because those before it failed: to find out is what they are for.
pub(super) fn client(outbound: &Outbound, name: &str, timeout: Duration) -> Client {
    let settings = Settings {
        timeout,
        connect_timeout: timeout,
        answer_bytes: ANSWER,
        concurrent: 1,
        idle: Duration::ZERO,
        breaker: BreakerSettings { open: Duration::ZERO, ..BreakerSettings::default() },
        ..Settings::default()
    };
    Client::new(outbound, &format!("health:{name}"), settings)
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}

struct Wanted<'a>(&'a [u16]);

impl fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_first() {
            None => f.write_str("200 to 299"),
            Some((first, others)) => {
                write!(f, "{first}")?;
                others.iter().try_for_each(|other| write!(f, " or {other}"))
            }
        }
    }
}
