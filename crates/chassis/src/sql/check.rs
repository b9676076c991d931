//! Whether the database answers.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use gwanmun_telemetry::health::{Check, Outcome};
use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, AnyPool, ConnectOptions, Connection};

use super::{Database, Engine};

/// Asks over a connection of its own, which is kept while it works.
pub(super) struct Ping {
    engine: Engine,
    options: AnyConnectOptions,
    kept: Mutex<Option<AnyConnection>>,
    /// For what is only there while a pool holds it.
    pool: Option<AnyPool>,
}

impl Ping {
    pub(super) fn new(database: &Database, pool: AnyPool) -> Self {
        let mut options = database.options.clone();
        if let Some(query) = options.database_url.query() {
            // A file that has gone is not to be made anew by who looks for it.
            let query = query.replace("mode=rwc", "mode=rw");
            options.database_url.set_query(Some(&query));
        }
        Self { engine: database.engine, options, kept: Mutex::default(), pool: database.in_memory.then_some(pool) }
    }

    async fn look(&self) -> Result<(), sqlx::Error> {
        if let Some(pool) = &self.pool {
            return pool.acquire().await?.ping().await;
        }
        // Who is stopped while it waits leaves nothing behind: the connection goes with it.
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        match self.engine {
            Engine::Sqlite => {
                // An open file answers after it has gone, so each look opens it.
                sqlx::query("SELECT count(*) FROM sqlite_master").fetch_one(&mut connection).await?;
                connection.close().await
            }
            Engine::Postgres => {
                connection.ping().await?;
                *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
                Ok(())
            }
        }
    }
}

impl Check for Ping {
    fn check(&self) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
        Box::pin(async {
            let name = match self.engine {
                Engine::Sqlite => "SQLite",
                Engine::Postgres => "PostgreSQL",
            };
            let outcome = match self.look().await {
                Ok(()) => Outcome::up(),
                Err(error) => Outcome::down(&error.to_string()),
            };
            outcome.with("database", name)
        })
    }
}
