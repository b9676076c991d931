//! Two ways to one server, each with connections, limits and a breaker of its own: what strangers make the gateway ask
//! does not stand in the way of what is asked for those who are known.

use std::time::Duration;

use gwanmun_client::{Client, Outbound, Settings, Tls};
use gwanmun_resilience::BreakerSettings;

/// Calls that wait for their turn, at most, in each lane.
const WAITING: usize = 512;

/// How long the server is left alone when half of the calls failed.
const REST: Duration = Duration::from_secs(5);

/// Which way a question goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Nothing is known yet about who makes us ask.
    New,
    /// It is about somebody who was let in before.
    Proven,
}

/// Both ways.
#[derive(Debug, Clone)]
pub(crate) struct Lanes {
    new: Client,
    proven: Client,
}

impl Lanes {
    /// The ways to what is called `target` in metrics. An answer has `answer_bytes` at most.
    pub(crate) fn new(target: &str, timeout: Duration, answer_bytes: usize, tls: Tls, outbound: &Outbound) -> Self {
        let settings = Settings {
            timeout,
            connect_timeout: timeout,
            answer_bytes,
            waiting: WAITING,
            breaker: BreakerSettings { open: REST, minimum_calls: 20, ..BreakerSettings::default() },
            tls,
            ..Settings::default()
        };
        Self {
            new: Client::new(outbound, target, settings.clone()),
            proven: Client::new(outbound, &format!("{target}:renewal"), settings),
        }
    }

    /// Who makes the calls of a lane.
    pub(crate) fn client(&self, lane: Lane) -> &Client {
        match lane {
            Lane::New => &self.new,
            Lane::Proven => &self.proven,
        }
    }
}
