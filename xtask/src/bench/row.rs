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
    /// A new connection and a full TLS 1.3 handshake for each request.
    Handshake,
    /// 10, 1,000 and 10,000 routes told apart by path.
    RoutesPath,
    /// 10, 1,000 and 10,000 routes told apart by host.
    RoutesHost,
    /// Memory, idle and with 10,000 routes.
    Memory,
    /// How long checking a configuration of 10,000 routes takes.
    Check,
}

impl Row {
    /// Every row, in the order of the report.
    pub(crate) const ALL: [Self; 8] = [
        Self::H1,
        Self::H1Tls,
        Self::H2c,
        Self::Handshake,
        Self::RoutesPath,
        Self::RoutesHost,
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
            Self::Handshake => "handshake",
            Self::RoutesPath => "routes-path",
            Self::RoutesHost => "routes-host",
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
            Self::Handshake => "TLS full handshake",
            Self::RoutesPath => "routes by path",
            Self::RoutesHost => "routes by host",
            Self::Memory => "memory",
            Self::Check => "check",
        }
    }

    /// What the proxy's door speaks in this row.
    pub(crate) fn door(self) -> Door {
        match self {
            Self::H1Tls | Self::Handshake => Door::Tls,
            Self::H2c => Door::H2c,
            Self::H1 | Self::RoutesPath | Self::RoutesHost | Self::Memory | Self::Check => Door::H1,
        }
    }
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
