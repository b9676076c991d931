//! Where the store is, as people write it:
//!
//! - `memory`
//! - `redis://[[USER]:PASSWORD@]HOST[:6379][/DATABASE]`
//! - `redis-sentinel://[[USER]:PASSWORD@]HOST[:26379],HOST…/SERVICE[/DATABASE]`: the hosts are the sentinels, the service is
//!   the name they watch the master under, user and password are the master's
//! - `redis-cluster://[[USER]:PASSWORD@]HOST[:6379],HOST…`: some nodes, which know the others
//!
//! `rediss`, `rediss-sentinel` and `rediss-cluster` are the same over TLS. What is special in USER and PASSWORD is
//! percent-encoded. A password is never printed, and no error shows what stands where one may stand.

use std::fmt;

use gwanmun_core::Secret;

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
const FORMS: &str = "`memory`, `redis://HOST`, `redis-sentinel://HOST,HOST/SERVICE` or `redis-cluster://HOST,HOST`, with `rediss` for TLS";

/// Where the store is. Printed, it is what was written without user and password.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// In this process.
    Memory,
    /// One Redis server.
    Redis {
        /// The server.
        server: Server,
        /// What it knows us by.
        credentials: Credentials,
        /// The number of the database.
        database: u16,
        /// Whether it is spoken to over TLS.
        tls: bool,
    },
    /// The master that sentinels name.
    Sentinel {
        /// The sentinels, at least one.
        sentinels: Vec<Server>,
        /// The name they know the master by.
        service: String,
        /// What the master knows us by.
        credentials: Credentials,
        /// The number of the database.
        database: u16,
        /// Whether master and sentinels are spoken to over TLS.
        tls: bool,
    },
    /// A Redis Cluster.
    Cluster {
        /// Some of its nodes, at least one.
        nodes: Vec<Server>,
        /// What they know us by.
        credentials: Credentials,
        /// Whether they are spoken to over TLS.
        tls: bool,
    },
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Server {
    host: String,
    port: u16,
}

/// What a server knows us by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Credentials {
    /// The user of Redis' ACL; absent: `default`.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Secret<String>>,
}

/// What is wrong with an address.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// It does not begin like any of the forms.
    Form,
    /// The word before `://` is none of ours.
    Scheme(String),
    /// `%` without two hexadecimal digits, or what is no UTF-8, in user or password.
    Credentials,
    /// Something that is no host name and no address.
    Host(String),
    /// Something that is no port.
    Port(String),
    /// Several hosts where one is wanted.
    SeveralHosts(usize),
    /// Something that is no number of a database.
    Database(String),
    /// Sentinels without the name of a service.
    NoService,
    /// A path that the form does not have.
    Path(String),
    /// A query or fragment, which no form has.
    Query,
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// When it is none of the forms; the error names what was found and what was wanted, without user and password.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text == "memory" {
            return Ok(Self::Memory);
        }
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::Form)?;
        let (form, tls) = match scheme {
            "redis" => (Form::Redis, false),
            "rediss" => (Form::Redis, true),
            "redis-sentinel" => (Form::Sentinel, false),
            "rediss-sentinel" => (Form::Sentinel, true),
            "redis-cluster" => (Form::Cluster, false),
            "rediss-cluster" => (Form::Cluster, true),
            // A password may have slipped in front of the `://`.
            other if other.contains(['@', ':']) => return Err(AddressError::Form),
            other => return Err(AddressError::Scheme(other.to_owned())),
        };
        // The last `@` ends the credentials whatever they contain, so that no piece of a password passes for a host.
        let (credentials, place) = match rest.rsplit_once('@') {
            Some((credentials, place)) => (Credentials::parse(credentials)?, place),
            None => (Credentials::default(), rest),
        };
        if place.contains(['?', '#']) {
            return Err(AddressError::Query);
        }
        let (hosts, path) = place.split_once('/').unwrap_or((place, ""));
        match form {
            Form::Redis => {
                let [server] = <[Server; 1]>::try_from(servers(hosts, REDIS_PORT)?)
                    .map_err(|servers| AddressError::SeveralHosts(servers.len()))?;
                Ok(Self::Redis { server, credentials, database: database(path)?, tls })
            }
            Form::Sentinel => {
                let (service, number) = path.split_once('/').unwrap_or((path, ""));
                if service.is_empty() {
                    return Err(AddressError::NoService);
                }
                let (sentinels, service) = (servers(hosts, SENTINEL_PORT)?, service.to_owned());
                Ok(Self::Sentinel { sentinels, service, credentials, database: database(number)?, tls })
            }
            // A cluster has one database only.
            Form::Cluster if path.is_empty() || path == "0" => {
                Ok(Self::Cluster { nodes: servers(hosts, REDIS_PORT)?, credentials, tls })
            }
            Form::Cluster => Err(AddressError::Path(path.to_owned())),
        }
    }
}

impl Server {
    /// A server; `port` holds where `text` has none. IPv6 addresses stand in brackets.
    fn parse(text: &str, port: u16) -> Result<Self, AddressError> {
        let (host, rest) = match text.strip_prefix('[') {
            Some(inner) => inner.split_once(']').ok_or_else(|| AddressError::Host(text.to_owned()))?,
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let ipv6 = text.starts_with('[');
        let allowed = |byte: u8| match ipv6 {
            true => byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'),
            false => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'),
        };
        if host.is_empty() || !host.bytes().all(allowed) {
            return Err(AddressError::Host(text.to_owned()));
        }
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => port,
            None => return Err(AddressError::Host(text.to_owned())),
            Some(digits) => match digits.parse() {
                Ok(port) if port > 0 && digits.bytes().all(|byte| byte.is_ascii_digit()) => port,
                _ => return Err(AddressError::Port(digits.to_owned())),
            },
        };
        Ok(Self { host: host.to_owned(), port })
    }

    /// A server as Redis speaks of it: the address bare, also of IPv6.
    pub(crate) fn at(host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), port }
    }

    /// The name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Credentials {
    fn parse(text: &str) -> Result<Self, AddressError> {
        let (user, password) = match text.split_once(':') {
            Some((user, password)) => (decoded(user)?, Some(decoded(password)?)),
            None => (decoded(text)?, None),
        };
        let user = (!user.is_empty()).then_some(user);
        Ok(Self { user, password: password.filter(|word| !word.is_empty()).map(Secret::new) })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = |tls: &bool| if *tls { "s" } else { "" };
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Redis { server, database, tls, .. } => write!(f, "redis{}://{server}/{database}", s(tls)),
            Self::Sentinel { sentinels, service, database, tls, .. } => {
                write!(f, "redis{}-sentinel://{}/{service}/{database}", s(tls), listed(sentinels))
            }
            Self::Cluster { nodes, tls, .. } => write!(f, "redis{}-cluster://{}", s(tls), listed(nodes)),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => write!(f, "no address of a store; wanted {FORMS}"),
            Self::Scheme(found) => write!(f, "found the scheme `{}`, wanted {FORMS}", found.escape_debug()),
            Self::Credentials => {
                f.write_str("user or password has a `%` that begins no encoded UTF-8; wanted `%25` for the sign itself")
            }
            Self::Host(found) => {
                write!(f, "found `{}`, wanted a host: a name, an IPv4 address or `[IPv6]`", found.escape_debug())
            }
            Self::Port(found) => {
                write!(f, "found the port `{}`, wanted a number from 1 to 65535", found.escape_debug())
            }
            Self::SeveralHosts(found) => {
                write!(f, "found {found} hosts, wanted one; several are for redis-sentinel:// and redis-cluster://")
            }
            Self::Database(found) => {
                write!(f, "found the database `{}`, wanted a number like `/0`", found.escape_debug())
            }
            Self::NoService => {
                f.write_str("found no service, wanted the name that the sentinels know the master by, like `/mymaster`")
            }
            Self::Path(found) => {
                write!(f, "found `/{}`, wanted nothing: a cluster has one database", found.escape_debug())
            }
            Self::Query => f.write_str("found `?` or `#` behind the hosts, wanted nothing"),
        }
    }
}

impl std::error::Error for AddressError {}

#[derive(Clone, Copy)]
enum Form {
    Redis,
    Sentinel,
    Cluster,
}

fn servers(hosts: &str, port: u16) -> Result<Vec<Server>, AddressError> {
    hosts.split(',').map(|host| Server::parse(host, port)).collect()
}

fn database(path: &str) -> Result<u16, AddressError> {
    match path {
        "" => Ok(0),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().map_err(|_| AddressError::Database(digits.to_owned()))
        }
        other => Err(AddressError::Database(other.to_owned())),
    }
}

fn listed(servers: &[Server]) -> String {
    servers.iter().map(Server::to_string).collect::<Vec<_>>().join(",")
}

fn decoded(text: &str) -> Result<String, AddressError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
                let value = digit().zip(digit()).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
                value.ok_or(AddressError::Credentials)?
            }
            other => other,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).map_err(|_| AddressError::Credentials)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn server(host: &str, port: u16) -> Server {
        Server::at(host, port)
    }

    #[test]
    fn every_form_is_read() {
        assert_eq!(Address::parse("memory"), Ok(Address::Memory));
        let address = Address::parse("rediss://ann:p%40ss%3a@cache.example:7000/3").unwrap();
        let credentials = Credentials { user: Some("ann".to_owned()), password: Some(Secret::new("p@ss:".to_owned())) };
        let wanted = Address::Redis { server: server("cache.example", 7000), credentials, database: 3, tls: true };
        assert_eq!(address, wanted);
        let sentinels = vec![server("a", 26379), server("::1", 7)];
        let (service, credentials) = ("mymaster".to_owned(), Credentials::default());
        let wanted = Address::Sentinel { sentinels, service, credentials, database: 0, tls: false };
        assert_eq!(Address::parse("redis-sentinel://a,[::1]:7/mymaster"), Ok(wanted));
        let credentials = Credentials { user: None, password: Some(Secret::new("p".to_owned())) };
        let nodes = vec![server("10.0.0.1", 6379), server("b", 7001)];
        let wanted = Address::Cluster { nodes, credentials, tls: false };
        assert_eq!(Address::parse("redis-cluster://:p@10.0.0.1,b:7001"), Ok(wanted));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, wanted) in [
            ("", AddressError::Form),
            ("redis", AddressError::Form),
            ("memory://", AddressError::Scheme("memory".to_owned())),
            ("redis://", AddressError::Host(String::new())),
            ("redis://a b", AddressError::Host("a b".to_owned())),
            ("redis://[::1", AddressError::Host("[::1".to_owned())),
            ("redis://a:0", AddressError::Port("0".to_owned())),
            ("redis://a:+1", AddressError::Port("+1".to_owned())),
            ("redis://a:70000", AddressError::Port("70000".to_owned())),
            ("redis://a,b", AddressError::SeveralHosts(2)),
            ("redis://a/x", AddressError::Database("x".to_owned())),
            ("redis://a/70000", AddressError::Database("70000".to_owned())),
            ("redis://a/0?tls=1", AddressError::Query),
            ("redis-sentinel://a", AddressError::NoService),
            ("redis-sentinel://a//0", AddressError::NoService),
            ("redis-cluster://a/1", AddressError::Path("1".to_owned())),
            ("redis://u:%zz@a", AddressError::Credentials),
            ("redis://u:%f@a", AddressError::Credentials),
        ] {
            assert_eq!(Address::parse(text), Err(wanted), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_password_is_never_printed(
            scheme in "rediss?(-sentinel|-cluster)?|memory|http",
            password in "[a-z:/?#@%]{0,6}hunter2[a-z:/?#%,]{0,6}",
            place in "[a-z]{0,5}(:[0-9a-z]{0,5})?(/[a-z0-9]{0,3})?",
        ) {
            let said = match Address::parse(&format!("{scheme}://user:{password}@{place}")) {
                Ok(address) => format!("{address} {address:?}"),
                Err(error) => format!("{error} {error:?}"),
            };
            prop_assert!(!said.contains("hunter2"), "{}", said);
        }

        #[test]
        fn what_is_printed_is_read_again(
            scheme in "rediss?", host in "[a-z][a-z0-9.-]{0,8}|\\[::[0-9a-f]{1,4}\\]", port in 1u16.., database in 0u16..,
        ) {
            let address = Address::parse(&format!("{scheme}://{host}:{port}/{database}")).unwrap();
            prop_assert_eq!(Address::parse(&address.to_string()), Ok(address));
        }
    }
}
