//! The limits of a client.

use std::path::PathBuf;
use std::time::Duration;

use gwanmun_resilience::BreakerSettings;

use crate::client::tls::Tls;

/// What is spoken with the target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2, without asking: over `http` with prior knowledge (RFC 9113, section 3.3), over `https` as the only offer.
    /// Calls made at a time have a connection each.
    Http2,
}

/// The limits of a [`Client`](crate::Client).
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a call may take, its wait for a turn and all of the answer included.
    pub timeout: Duration,
    /// How long connecting may take, with names looked up and TLS agreed on.
    pub connect_timeout: Duration,
    /// How many bytes the body of an answer may have.
    pub answer_bytes: usize,
    /// How many calls are made at a time.
    pub concurrent: usize,
    /// How many more may wait for their turn.
    pub waiting: usize,
    /// How long a connection is kept for the next call.
    pub idle: Duration,
    /// When calls are refused since too many failed. An answer 5xx counts as a failure.
    pub breaker: BreakerSettings,
    /// What is spoken.
    pub protocol: Protocol,
    /// Whom to trust over `https`.
    pub tls: Tls,
    /// A unix socket to which all connections go, whatever the URI's host.
    pub socket: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(1),
            answer_bytes: 1024 * 1024,
            concurrent: 64,
            waiting: 1_024,
            idle: Duration::from_secs(30),
            breaker: BreakerSettings::default(),
            protocol: Protocol::default(),
            tls: Tls::default(),
            socket: None,
        }
    }
}
