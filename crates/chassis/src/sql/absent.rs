//! Stands in where no database is built in: there never is one, and a configuration that names one is told so.

use std::convert::Infallible;

use gwanmun_config::{Diagnostic, Diagnostics};
use gwanmun_telemetry::health::Health;
use gwanmun_telemetry::metrics::Source;

use crate::settings::DatabaseSpec;

/// There is none.
#[derive(Debug)]
pub(crate) enum Database {}

/// There is none.
#[derive(Debug, Clone)]
pub(crate) enum Sql {}

/// There is none.
#[derive(Debug)]
pub(crate) enum Migration {}

impl Database {
    pub(crate) fn of(spec: &DatabaseSpec, diagnostics: &mut Diagnostics) -> Option<Self> {
        let hint = "build it with the feature 'sqlite' or 'postgres' of gwanmun-chassis";
        let mistake = Diagnostic::error("this service is built without a database", spec.url.span);
        diagnostics.push(mistake.with_hint(hint));
        None
    }

    pub(crate) fn pool(self) -> Sql {
        match self {}
    }
}

impl Sql {
    pub(crate) async fn start(&self, _: &[Migration]) -> Result<(), Infallible> {
        match *self {}
    }

    pub(crate) fn watch(&self, _: &Health) {
        match *self {}
    }

    pub(crate) fn numbers(&self) -> Source {
        match *self {}
    }

    pub(crate) async fn close(&self) {
        match *self {}
    }
}
