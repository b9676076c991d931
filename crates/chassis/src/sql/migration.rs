//! Migrations: numbered texts of SQL, built into the program, each run once in every database.

use std::borrow::Cow;
use std::collections::BTreeSet;

use sqlx::SqlStr;
use sqlx::migrate::{Migration as Step, MigrationType, Migrator};

use super::{Engine, StartFailure};

/// One step of a database's structure. Its file is called `0001_what_it_does.sql`; a step that is another for each kind of
/// database has two, `0001_what_it_does.sqlite.sql` and `0001_what_it_does.postgres.sql`. What has run once must not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    path: &'static str,
    sql: &'static str,
}

impl Migration {
    /// The text `sql` of the file at `path`. [`crate::migrations!`] calls it.
    pub const fn new(path: &'static str, sql: &'static str) -> Self {
        Self { path, sql }
    }

    fn name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }

    /// Whether it is meant for this kind of database.
    fn is_for(&self, engine: Engine) -> bool {
        let name = self.name();
        let (sqlite, postgres) = (name.ends_with(".sqlite.sql"), name.ends_with(".postgres.sql"));
        match engine {
            Engine::Sqlite => !postgres,
            Engine::Postgres => !sqlite,
        }
    }

    /// Its number and what it does.
    fn parts(&self) -> Option<(i64, String)> {
        let (number, rest) = self.name().strip_suffix(".sql")?.split_once('_')?;
        let rest = rest.trim_end_matches(".sqlite").trim_end_matches(".postgres");
        let number = number.parse().ok().filter(|number| *number > 0)?;
        Some((number, rest.replace('_', " ")))
    }
}

/// Builds the named files into the program as [`Migration`]s; paths are relative to the file that says it.
///
/// ```ignore
/// const MIGRATIONS: &[Migration] = migrations!["../migrations/0001_orders.sql", "../migrations/0002_index.sql"];
/// ```
#[macro_export]
macro_rules! migrations {
    ($($path:literal),* $(,)?) => {
        &[$($crate::sql::Migration::new($path, include_str!($path))),*]
    };
}

/// Those that are meant for this kind of database, in the order of their numbers.
pub(super) fn migrator(migrations: &[Migration], engine: Engine) -> Result<Migrator, StartFailure> {
    let mut numbers = BTreeSet::new();
    let mut steps = Vec::new();
    for migration in migrations.iter().filter(|migration| migration.is_for(engine)) {
        let (number, what) = migration.parts().ok_or(StartFailure::Name(migration.name()))?;
        if !numbers.insert(number) {
            return Err(StartFailure::Name(migration.name()));
        }
        let text = SqlStr::from_static(migration.sql);
        steps.push(Step::new(number, Cow::Owned(what), MigrationType::Simple, text, false));
    }
    Ok(Migrator::with_migrations(steps))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(paths: &[&'static str], engine: Engine) -> Result<Vec<(i64, String)>, String> {
        let migrations: Vec<_> = paths.iter().map(|path| Migration::new(path, "SELECT 1")).collect();
        let migrator = migrator(&migrations, engine).map_err(|error| error.to_string())?;
        Ok(migrator.iter().map(|step| (step.version, step.description.to_string())).collect())
    }

    #[test]
    fn numbers_order_steps_and_names_say_for_which_database_they_are() {
        let paths = ["../m/0002_add_index.sql", "../m/0001_orders.sqlite.sql", "../m/0001_orders.postgres.sql"];
        for engine in [Engine::Sqlite, Engine::Postgres] {
            let expected = [(1, "orders".to_owned()), (2, "add index".to_owned())];
            assert_eq!(versions(&paths, engine).unwrap(), expected);
        }
    }

    #[test]
    fn names_without_a_number_of_their_own_are_refused() {
        for paths in [&["orders.sql"][..], &["0_a.sql"], &["-1_a.sql"], &["1_a.txt"], &["1_a.sql", "01_b.sql"]] {
            assert!(versions(paths, Engine::Sqlite).unwrap_err().contains("number of its own"), "{paths:?}");
        }
    }
}
