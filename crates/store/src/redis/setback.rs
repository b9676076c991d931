//! Why a command has no answer, in the words of the wire: what the topology can still do about it.

use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::address::Server;
use crate::error::StoreError;

/// Why a command has no answer.
#[derive(Debug, Clone)]
pub(crate) enum Setback {
    /// None in time.
    Timeout,
    /// The connection was lost; the command may have been done.
    Lost { detail: String },
    /// The server is known to be down; nothing was sent.
    Down(StoreError),
    /// The server is no master any more; nothing was done.
    NoMaster { detail: String },
    /// The slot is elsewhere now; nothing was done.
    Moved(Server),
    /// The slot is on its way; nothing was done, that server knows more.
    Ask(Server),
    /// The server cannot do it just now, and nothing was done.
    NotNow { detail: String },
    /// The server says no.
    Error(StoreError),
}

impl Setback {
    /// What `error` means, which came from `server`.
    pub(crate) fn of(error: &RedisError, server: &Server) -> Self {
        let code = error.code().unwrap_or_default();
        let detail = || said(error);
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::Moved) => {
                redirected(error, server).map_or_else(|| Self::failed(error), Self::Moved)
            }
            ErrorKind::Server(ServerErrorKind::Ask) => {
                redirected(error, server).map_or_else(|| Self::failed(error), Self::Ask)
            }
            ErrorKind::Server(ServerErrorKind::ReadOnly) => Self::NoMaster { detail: detail() },
            ErrorKind::Server(
                ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::BusyLoading,
            ) => Self::NotNow { detail: detail() },
            ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => {
                Self::Error(StoreError::Refused { detail: detail() })
            }
            _ if matches!(code, "NOAUTH" | "WRONGPASS") => Self::Error(StoreError::Refused { detail: detail() }),
            // Older servers wrap what a script met.
            _ if code == "WRONGTYPE" || error.detail().is_some_and(|said| said.contains("WRONGTYPE")) => {
                Self::Error(StoreError::WrongType)
            }
            ErrorKind::Io => Self::Lost { detail: detail() },
            _ if error.is_unrecoverable_error() => Self::Lost { detail: detail() },
            _ => Self::failed(error),
        }
    }

    /// The error of the operation that ran for `limit` at most.
    pub(crate) fn into_error(self, limit: Duration) -> StoreError {
        match self {
            Self::Timeout => StoreError::Timeout { after: limit },
            Self::Lost { detail } => StoreError::Unreachable { detail },
            Self::Down(error) | Self::Error(error) => error,
            Self::NoMaster { detail } | Self::NotNow { detail } => StoreError::Failed { detail },
            Self::Moved(server) | Self::Ask(server) => {
                StoreError::Failed { detail: format!("sent on again and again, lastly to {server}") }
            }
        }
    }

    fn failed(error: &RedisError) -> Self {
        Self::Error(StoreError::Failed { detail: said(error) })
    }
}

/// What the server or the system said, in one bounded line.
fn said(error: &RedisError) -> String {
    error.to_string().chars().map(|char| if char.is_control() { ' ' } else { char }).take(200).collect()
}

/// A server that does not know its own name sends on to a port.
fn redirected(error: &RedisError, from: &Server) -> Option<Server> {
    let (place, _slot) = error.redirect_node()?;
    let (host, port) = place.rsplit_once(':')?;
    let host = if host.is_empty() { from.host() } else { host };
    Some(Server::at(host, port.parse().ok()?))
}
