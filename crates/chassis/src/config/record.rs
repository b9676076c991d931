//! What is remembered of a configuration while it is in force: who said what, for operators and for the next reload.

use gwanmun_config::{Files, Layer, Node, Sources};

use super::pages;

/// A configuration that is in force, as it was written.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// The active profiles, in order.
    pub(crate) profiles: Vec<String>,
    /// What it was read from.
    pub(crate) files: Files,
    pub(super) document: Node,
    pub(super) layers: Vec<Layer>,
    pub(super) sources: Sources,
}

impl Record {
    /// `/env`: where each value comes from, in JSON, secrets masked.
    pub(crate) fn environment(&self) -> String {
        pages::environment(self)
    }

    /// `/configprops`: the values that are in force, section by section, in JSON, secrets masked.
    pub(crate) fn properties(&self, service: &str) -> String {
        pages::properties(self, service)
    }
}
