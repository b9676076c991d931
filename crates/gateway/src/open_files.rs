//! How many files the process may have open: every connection is one. The soft limit, which shells and service managers leave
//! low for the sake of old programs, is raised to the hard one at the start; what does not fit then is told.

use gwanmun_proxy::Plan;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Listeners, logs, event queues, configuration files and what the libraries hold.
const OURS: u64 = 100;

/// Raises the soft limit to the hard one. Returns what holds now; `None` if there is no limit.
pub(crate) fn raise() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::warn!(event = "open-files-not-raised", %error, limit = current, "the limit of open files stays as it is");
            current
        }
    }
}

/// Warns if the clients that `plan` lets in need more than `limit`, each with a connection to an upstream.
pub(crate) fn warn_if_short(limit: Option<u64>, plan: &Plan) {
    let connections = plan.listeners.iter().map(|listener| listener.limits.connections);
    let wanted = wanted(connections);
    if let Some(limit) = limit.filter(|limit| *limit < wanted) {
        tracing::warn!(
            event = "open-files-short",
            limit,
            wanted,
            "as many connections as `limits.connections` allows need more open files than there may be"
        );
    }
}

fn wanted(connections: impl Iterator<Item = usize>) -> u64 {
    let clients = connections.fold(0, usize::saturating_add);
    u64::try_from(clients).unwrap_or(u64::MAX).saturating_mul(2).saturating_add(OURS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_may_need_a_connection_behind() {
        assert_eq!(wanted([8000, 100].into_iter()), 16300);
        assert_eq!(wanted([usize::MAX, usize::MAX].into_iter()), u64::MAX);
    }
}
