//! Requests for the tests of routing. Tests only.

use std::rc::Rc;

use gwanmun_telemetry::trace::TraceContext;
use http::{HeaderMap, HeaderValue, Method, Version};

use crate::body::Body;
use crate::exchange::{Connection, Exchange, Request, Scheme};
use crate::record::Record;

/// `GET path` for `host`, with the random number `draw`.
pub(crate) fn exchange_drawing(host: &str, path: &str, draw: u64) -> Exchange {
    let connection = Connection::new(None, "main".into(), 0, Scheme::Http, 80);
    let request = Request::new(Method::GET, Version::HTTP_11, path.parse().unwrap(), HeaderMap::new(), Body::Empty);
    let host = Some(host).filter(|host| !host.is_empty()).map(|host| HeaderValue::from_str(host).unwrap());
    Exchange::new(Rc::new(connection), None, host, request, Record::begin(TraceContext::new_root(false)), draw)
}

/// `GET path` for `host`.
pub(crate) fn exchange(host: &str, path: &str) -> Exchange {
    exchange_drawing(host, path, 0)
}
