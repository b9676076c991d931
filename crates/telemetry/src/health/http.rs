//! A check whether a service answers as it should.

use std::pin::Pin;
use std::time::Duration;

use gwanmun_client::{Client, Outbound};

use super::check::Check;
use super::outcome::Outcome;
use super::probe::{self, Probe};

/// Makes one request, on a new connection each time.
#[derive(Debug)]
pub struct HttpCheck {
    client: Client,
    probe: Probe,
}

impl HttpCheck {
    /// A check for the component `name`, which gives up after `timeout`.
    pub fn new(outbound: &Outbound, name: &str, timeout: Duration, probe: Probe) -> Self {
        Self { client: probe::client(outbound, name, timeout), probe }
    }
}

impl Check for HttpCheck {
    fn check(&self) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
        Box::pin(async {
            let (status, verdict) = self.probe.ask(&self.client).await;
            let outcome = verdict.map_or_else(|error| Outcome::down(&error), |()| Outcome::up());
            let outcome = outcome.with("url", self.probe.place());
            match status {
                Some(status) => outcome.with("answer", status),
                None => outcome,
            }
        })
    }
}
