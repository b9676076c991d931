//! The seam between the engine and what operators plug into it: a filter works on the request before the upstream and on
//! the response after it. Synchronous first: a filter that has nothing to wait for costs no allocation.

use std::future::Future;
use std::pin::Pin;

use gwanmun_core::Fault;
use http::HeaderName;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::body::Body;
use crate::exchange::Exchange;
use crate::parts::{Invalid, Parts};
use crate::route::Outcome;

/// What travels back to the client.
pub type Response = http::Response<Body>;

/// A future on a worker's own thread.
pub type LocalBoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// What a filter decided, or why the exchange ends here.
pub type Verdict<'a> = Result<Step<'a>, Fault>;

/// How an exchange goes on after a filter.
#[non_exhaustive]
pub enum Step<'a> {
    /// To the next filter.
    Next,
    /// Back to the client with this answer; later filters and the upstream are not asked. From a response hook it
    /// replaces the response.
    Reply(Box<Response>),
    /// The filter has to wait; the future says `Some` for [`Step::Reply`] and `None` for [`Step::Next`].
    Wait(LocalBoxFuture<'a, Result<Option<Response>, Fault>>),
}

/// Works on requests in the order of the file and on responses in reverse. One value is shared by all workers.
pub trait Filter: Send + Sync + 'static {
    /// Before the upstream.
    ///
    /// # Errors
    /// A [`Fault`] ends the exchange; the client gets its problem document.
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        let _ = exchange;
        Ok(Step::Next)
    }

    /// After the upstream. Runs for every filter whose request hook let the request go on, also when a later step
    /// failed or answered.
    ///
    /// # Errors
    /// A [`Fault`] replaces the response by its problem document.
    fn response<'a>(&'a self, exchange: &'a mut Exchange, response: &'a mut Response) -> Verdict<'a> {
        let _ = (exchange, response);
        Ok(Step::Next)
    }

    /// Fields of requests that it takes out or sets by itself. Where a client sends one of these as a trailer, it is removed
    /// too, on every route: whoever merges trailers into the header would take it for the filter's.
    fn own_fields(&self) -> Vec<HeaderName> {
        Vec::new()
    }

    /// What the filter weighed when it saw the request, for `gwanmun explain`. It is asked right after
    /// [`Filter::request`], with the exchange as that left it.
    fn weighed(&self, exchange: &Exchange) -> Vec<Outcome> {
        let _ = exchange;
        Vec::new()
    }
}

/// What people write for a filter; its documentation is its doc comment (through the JSON Schema's description).
pub trait FilterSpec: DeserializeOwned + JsonSchema + 'static {
    /// The key in the configuration: Spring Cloud Gateway's name in kebab-case where it has one.
    const NAME: &'static str;

    /// A complete configuration with `tests` that shows the filter at work: printed by `gwanmun filters NAME`, run by
    /// the test suite.
    const EXAMPLE: &'static str = "";

    /// Whether every place in the configuration needs a filter of its own because it remembers something between
    /// requests. Others with the same arguments are shared: thousands of routes then touch the same memory.
    const REMEMBERS: bool = false;

    /// Whether it answers by itself, whoever asks: what a role wants to be known or checked has to come before it.
    const ANSWERS: bool = false;

    /// Checks the arguments and makes what runs.
    ///
    /// # Errors
    /// [`Invalid`] names the argument at fault; the operator sees it at its line.
    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid>;
}
