//! The rows of the bench: what is asked of every proxy, and in which shape the configuration comes.

use std::fmt;

/// One question the bench answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    /// HTTP/1.1 with keep-alive on cleartext.
    H1,
    /// HTTP/1.1 with keep-alive over TLS 1.3.
    H1Tls,
    /// HTTP/2 by prior knowledge on cleartext, HTTP/1.1 to the upstream.
    H2c,
    /// Answers of 64 KiB over HTTP/1.1.
    Down64k,
    /// Answers of 1 MiB over HTTP/1.1.
    Down1m,
    /// Requests with a body of 64 KiB over HTTP/1.1.
    Up64k,
    /// Requests with a body of 1 MiB over HTTP/1.1.
    Up1m,
    /// A new connection and a full TLS 1.3 handshake for each request.
    Handshake,
    /// 10, 1,000 and 10,000 routes told apart by path.
    RoutesPath,
    /// 10, 1,000 and 10,000 routes told apart by host.
    RoutesHost,
    /// What it costs to know who calls: ours rung by rung, and Envoy's `jwt_authn`.
    Identity,
    /// What traces cost: ours without them, and with one request in a hundred sampled and sent to a receiver.
    Spans,
    /// What the chassis costs a service: beside axum alone.
    Chassis,
    /// Genuine requests while slow and flooding clients attack; ours only.
    Attack,
    /// Memory, idle and with 10,000 routes.
    Memory,
    /// How long checking a configuration of 10,000 routes takes.
    Check,
}

impl Row {
    /// Every row, in the order of the report.
    pub(crate) const ALL: [Self; 16] = [
        Self::H1,
        Self::H1Tls,
        Self::H2c,
        Self::Down64k,
        Self::Down1m,
        Self::Up64k,
        Self::Up1m,
        Self::Handshake,
        Self::RoutesPath,
        Self::RoutesHost,
        Self::Identity,
        Self::Spans,
        Self::Chassis,
        Self::Attack,
        Self::Memory,
        Self::Check,
    ];

    /// The row with this name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|row| row.name() == name)
    }

    /// The name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::H1 => "h1",
            Self::H1Tls => "h1-tls",
            Self::H2c => "h2c",
            Self::Down64k => "h1-64k-down",
            Self::Down1m => "h1-1m-down",
            Self::Up64k => "h1-64k-up",
            Self::Up1m => "h1-1m-up",
            Self::Handshake => "handshake",
            Self::RoutesPath => "routes-path",
            Self::RoutesHost => "routes-host",
            Self::Identity => "identity",
            Self::Spans => "spans",
            Self::Chassis => "chassis",
            Self::Attack => "attack",
            Self::Memory => "memory",
            Self::Check => "check",
        }
    }

    /// The name in the report.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::H1 => "h1",
            Self::H1Tls => "h1 over TLS",
            Self::H2c => "h2c -> h1",
            Self::Down64k => "h1, answers of 64 KiB",
            Self::Down1m => "h1, answers of 1 MiB",
            Self::Up64k => "h1, uploads of 64 KiB",
            Self::Up1m => "h1, uploads of 1 MiB",
            Self::Handshake => "TLS full handshake",
            Self::RoutesPath => "routes by path",
            Self::RoutesHost => "routes by host",
            Self::Identity => "identity",
            Self::Spans => "spans",
            Self::Chassis => "chassis",
            Self::Attack => "attack",
            Self::Memory => "memory",
            Self::Check => "check",
        }
    }

    /// What the proxy's door speaks in this row.
    pub(crate) fn door(self) -> Door {
        match self {
            Self::H1Tls | Self::Handshake => Door::Tls,
            Self::H2c => Door::H2c,
            Self::H1
            | Self::Down64k
            | Self::Down1m
            | Self::Up64k
            | Self::Up1m
            | Self::RoutesPath
            | Self::RoutesHost
            | Self::Identity
            | Self::Spans
            | Self::Chassis
            | Self::Attack
            | Self::Memory
            | Self::Check => Door::H1,
        }
    }

    /// The large bodies of this row.
    pub(crate) fn bodies(self) -> Option<Bodies> {
        match self {
            Self::Down64k => Some(Bodies { bytes: 64 * 1024, of: Direction::Answers }),
            Self::Down1m => Some(Bodies { bytes: 1024 * 1024, of: Direction::Answers }),
            Self::Up64k => Some(Bodies { bytes: 64 * 1024, of: Direction::Requests }),
            Self::Up1m => Some(Bodies { bytes: 1024 * 1024, of: Direction::Requests }),
            _ => None,
        }
    }
}

/// Large bodies and which way they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bodies {
    /// The size of each.
    pub(crate) bytes: usize,
    /// Which messages have them.
    pub(crate) of: Direction,
}

/// Which messages have large bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the origin to the client.
    Answers,
    /// From the client to the origin.
    Requests,
}

/// What a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// HTTP/1.1 on cleartext.
    H1,
    /// HTTP/1.1 over TLS 1.3.
    Tls,
    /// HTTP/2 on cleartext by prior knowledge.
    H2c,
}

/// How many routes a configuration has and what tells them apart. Every route leads to the same origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Routes {
    /// One route for everything.
    One,
    /// So many routes, by path prefix.
    Paths(usize),
    /// So many routes, by host.
    Hosts(usize),
}

/// Teams own a hundred services each, so that the paths have the two levels real ones have.
const SERVICES_PER_TEAM: usize = 100;

impl Routes {
    /// How many there are.
    pub(crate) fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Paths(count) | Self::Hosts(count) => count,
        }
    }

    /// The path prefix of a service, with the slash at its end.
    pub(crate) fn prefix(service: usize) -> String {
        format!("/team-{}/service-{service}/", service / SERVICES_PER_TEAM)
    }

    /// The host of a service.
    pub(crate) fn host(service: usize) -> String {
        format!("service-{service}.example.test")
    }

    /// A request path and, where hosts matter, the host of a request that meets the route of this service.
    pub(crate) fn request(self, service: usize, leaf: &str) -> (String, Option<String>) {
        match self {
            Self::One => (format!("/{leaf}"), None),
            Self::Paths(_) => (format!("{}{leaf}", Self::prefix(service)), None),
            Self::Hosts(_) => (format!("/{leaf}"), Some(Self::host(service))),
        }
    }
}

impl fmt::Display for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One => write!(f, "1"),
            Self::Paths(count) | Self::Hosts(count) => write!(f, "{count}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_by_its_name() {
        for row in Row::ALL {
            assert_eq!(Row::parse(row.name()), Some(row));
        }
        assert_eq!(Row::parse("h3"), None);
    }

    #[test]
    fn a_request_meets_its_route() {
        assert_eq!(Routes::Paths(1000).request(123, "a"), ("/team-1/service-123/a".to_owned(), None));
        assert_eq!(Routes::Hosts(10).request(7, "a"), ("/a".to_owned(), Some("service-7.example.test".to_owned())));
    }
}
