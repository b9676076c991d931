//! An audit log in a folder of its own.

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

pub(crate) struct Ledger {
    folder: TempDir,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("audit.jsonl")
    }

    /// The section `audit`.
    pub(crate) fn settings(&self) -> String {
        format!("audit: {{file: {}}}\n", self.file().display())
    }

    /// Every line about `event`.
    pub(crate) fn about(&self, event: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.file()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["event"] == event).collect()
    }

    /// The last line about `event`.
    pub(crate) fn last(&self, event: &str) -> Value {
        self.about(event).pop().unwrap_or_else(|| panic!("nothing is recorded about {event}"))
    }
}
