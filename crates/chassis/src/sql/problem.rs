//! What a failed query is to whoever asked: a database that is not there is a 503; anything else is a mistake like others.

use std::time::Duration;

use gwanmun_core::{Code, Fault};

/// When whoever asked may come back.
const SOON: Duration = Duration::from_secs(1);

/// Classes of SQLSTATE that say that a server is not to be used now: connection exception, insufficient resources, operator
/// intervention.
const AWAY: [&str; 3] = ["08", "53", "57"];

/// The fault of a database that cannot be used just now; nothing where the query itself is at fault.
pub(crate) fn away(error: &sqlx::Error) -> Option<Fault> {
    is_away(error).then(|| Fault::new(Code::StoreUnavailable, error.to_string()).with_retry_after(SOON))
}

fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| code.len() == 5 && AWAY.iter().any(|class| code.starts_with(class)))
        }
        _ => false,
    }
}
