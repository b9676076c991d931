//! A database by one setting: SQLite or PostgreSQL behind one pool, its migrations at the start, its check for `/health`,
//! its numbers. A database that is gone costs a request the time to wait for a connection, and then it is a 503.
//!
//! One code for both: placeholders are `$1`, `$2`; values are numbers, texts and bytes. Booleans are for
//! PostgreSQL alone: SQLite has none.

mod check;
mod migration;
mod problem;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use gwanmun_config::{Diagnostic, Diagnostics, Spanned};
use gwanmun_telemetry::health::{CheckSettings, Health};
use gwanmun_telemetry::metrics::{Family, Kind, Source, Value};
pub use sqlx;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions, install_default_drivers};
use sqlx::{AnyPool, Executor};
use tokio::time::Instant;

pub use migration::Migration;
pub(crate) use problem::away;

use crate::settings::DatabaseSpec;
use check::Ping;

/// What `/health` calls it.
const COMPONENT: &str = "database";
/// Between two attempts to reach a database at the start.
const PAUSE: Duration = Duration::from_millis(500);

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// A file, or memory.
    Sqlite,
    /// A server.
    Postgres,
}

/// Where a database is and how it is used. Only a checked one exists.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    engine: Engine,
    options: AnyConnectOptions,
    in_memory: bool,
    max_connections: u32,
    acquire_timeout: Duration,
    idle_timeout: Duration,
    start_timeout: Duration,
    check: CheckSettings,
}

/// A pool of connections. Clones are the same.
#[derive(Clone)]
pub(crate) struct Sql {
    pool: AnyPool,
    database: Arc<Database>,
}

/// The configuration has no `database`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoDatabase;

impl Database {
    /// What `spec` says; without it, nothing.
    pub(crate) fn of(spec: &DatabaseSpec, diagnostics: &mut Diagnostics) -> Option<Self> {
        let url = &spec.url;
        let wrong = |message: String, hint: &str| Diagnostic::error(message, url.span).with_hint(hint);
        let Some(engine) = Engine::of(&url.value) else {
            let built = Engine::built().join(" or ");
            diagnostics.push(wrong("no database of this kind is built in".to_owned(), &format!("wanted {built}")));
            return None;
        };
        let in_memory = engine == Engine::Sqlite && url.value.contains(":memory:");
        let mut options = match AnyConnectOptions::from_str(&with_mode(engine, in_memory, &url.value)) {
            Ok(options) => options,
            Err(_) => {
                diagnostics.push(wrong("the database's URL cannot be read".to_owned(), Engine::example(engine)));
                return None;
            }
        };
        let (user, password) = (spec.username.as_ref(), spec.password.as_ref());
        let target = &mut options.database_url;
        let set = user.is_none_or(|user| target.set_username(&user.value).is_ok())
            && password.is_none_or(|password| target.set_password(Some(&password.value)).is_ok());
        if !set {
            diagnostics
                .push(wrong("this URL has no place for a user and a password".to_owned(), Engine::example(engine)));
        }
        let connections = spec.max_connections.as_ref();
        if let Some(none) = connections.filter(|connections| connections.value == 0) {
            diagnostics.push(Diagnostic::error("found 0 connections, wanted 1 or more", none.span));
        }
        let time = |time: &Option<Spanned<gwanmun_config::Timespan>>, default| {
            time.as_ref().map_or(default, |time| time.value.0)
        };
        let default = CheckSettings::default();
        Some(Self {
            engine,
            options,
            in_memory,
            // Each connection to memory would see another database.
            max_connections: if in_memory { 1 } else { connections.map_or(10, |connections| connections.value) },
            acquire_timeout: time(&spec.acquire_timeout, Duration::from_secs(2)),
            idle_timeout: time(&spec.idle_timeout, Duration::from_secs(600)),
            start_timeout: time(&spec.start_timeout, Duration::from_secs(30)),
            check: CheckSettings {
                every: time(&spec.check_every, default.every),
                timeout: time(&spec.check_timeout, default.timeout),
                ..default
            },
        })
    }

    /// A pool, which connects when it is first asked for a connection. To be called on a runtime.
    pub(crate) fn pool(self) -> Sql {
        install_default_drivers();
        let (engine, in_memory) = (self.engine, self.in_memory);
        let keep = (!in_memory).then_some(self.idle_timeout);
        let pool = AnyPoolOptions::new()
            .max_connections(self.max_connections)
            .acquire_timeout(self.acquire_timeout)
            .idle_timeout(keep)
            .max_lifetime(keep.map(|_| Duration::from_secs(1800)))
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if engine == Engine::Sqlite && !in_memory {
                        // Readers do not wait for who writes.
                        connection.execute("PRAGMA journal_mode = WAL").await?;
                    }
                    Ok(())
                })
            })
            .connect_lazy_with(self.options.clone());
        Sql { pool, database: Arc::new(self) }
    }
}

impl Engine {
    fn of(url: &str) -> Option<Self> {
        let scheme = url.split(':').next().unwrap_or_default();
        match scheme {
            "sqlite" if cfg!(feature = "sqlite") => Some(Self::Sqlite),
            "postgres" | "postgresql" if cfg!(feature = "postgres") => Some(Self::Postgres),
            _ => None,
        }
    }

    fn built() -> Vec<&'static str> {
        let mut built = Vec::new();
        if cfg!(feature = "sqlite") {
            built.push(Self::example(Self::Sqlite));
        }
        if cfg!(feature = "postgres") {
            built.push(Self::example(Self::Postgres));
        }
        built
    }

    fn example(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite://orders.db",
            Self::Postgres => "postgres://user@host/database",
        }
    }
}

/// A file of SQLite that is not there is made, unless the URL says otherwise.
fn with_mode(engine: Engine, in_memory: bool, url: &str) -> String {
    match engine {
        Engine::Sqlite if !in_memory && !url.contains("mode=") => {
            let sign = if url.contains('?') { '&' } else { '?' };
            format!("{url}{sign}mode=rwc")
        }
        _ => url.to_owned(),
    }
}

impl Sql {
    /// Connections, for business code.
    pub(crate) fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// Reaches the database and brings it up to date, trying again for as long as a start may take.
    ///
    /// # Errors
    /// It could not be reached in time, or a migration failed.
    pub(crate) async fn start(&self, migrations: &[Migration]) -> Result<(), StartFailure> {
        let migrator = migration::migrator(migrations, self.database.engine)?;
        let deadline = Instant::now() + self.database.start_timeout;
        loop {
            match self.pool.acquire().await {
                Ok(_) => break,
                Err(error) if Instant::now() + PAUSE >= deadline => return Err(StartFailure::Unreachable(error)),
                Err(error) => {
                    tracing::warn!(event = "database-awaited", %error, "the database cannot be reached yet");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        if !migrations.is_empty() {
            migrator.run(&self.pool).await.map_err(StartFailure::Migration)?;
        }
        Ok(())
    }

    /// Adds its check: a connection of its own, so that a busy pool says nothing about the database.
    pub(crate) fn watch(&self, health: &Health) {
        health.add(COMPONENT, self.database.check, Ping::new(&self.database, self.pool.clone()));
    }

    /// The pool in numbers.
    pub(crate) fn numbers(&self) -> Source {
        let (pool, max) = (self.pool.clone(), self.database.max_connections);
        Arc::new(move || {
            let idle = u64::try_from(pool.num_idle()).unwrap_or(u64::MAX);
            let busy = u64::from(pool.size()).saturating_sub(idle);
            let connections = Family::new("sql_connections", Kind::Gauge, "Connections to the database, by state.")
                .sample(vec![("state", "idle".into())], Value::Count(idle))
                .sample(vec![("state", "busy".into())], Value::Count(busy));
            let most = Value::Count(u64::from(max));
            vec![connections, Family::gauge("sql_connections_max", "The most connections to the database.", most)]
        })
    }

    /// Ends all connections once they are back.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Why a service could not start with its database.
#[derive(Debug)]
pub(crate) enum StartFailure {
    /// It did not answer in time.
    Unreachable(sqlx::Error),
    /// The name of a migration does not begin with a number of its own.
    Name(&'static str),
    /// It did not take a migration.
    Migration(sqlx::migrate::MigrateError),
}

impl fmt::Display for StartFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "the database cannot be reached: {error}"),
            Self::Name(name) => {
                write!(f, "the migration '{name}' has no number of its own, as 0001 has in 0001_orders.sql")
            }
            Self::Migration(error) => write!(f, "the database cannot be brought up to date: {error}"),
        }
    }
}

impl std::error::Error for StartFailure {}

impl fmt::Debug for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sql").field("engine", &self.database.engine).finish_non_exhaustive()
    }
}

impl fmt::Display for NoDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration has no `database`")
    }
}

impl std::error::Error for NoDatabase {}

#[cfg(test)]
#[cfg(all(feature = "sqlite", feature = "postgres"))]
mod tests;
