//! The files a configuration was read from, and what was in them just before they were read: a change at any later moment,
//! even while reading went on, shows as a difference.

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// What is compared of a file; whatever a configuration names is smaller.
const MAX_COMPARED: u64 = 64 << 20;

/// One key for the process: nobody outside can make two files that look the same.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// What is in a file: equal where the bytes are. What is no regular file, or cannot be read, is equal to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Content(Option<u64>);

/// Files by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    seen: BTreeMap<PathBuf, Content>,
}

impl Content {
    /// Of the file at `path`, now.
    pub fn of(path: &Path) -> Self {
        // Reading a pipe would take away what the configuration is read from.
        let is_file = std::fs::metadata(path).is_ok_and(|found| found.is_file());
        let read = || {
            let mut bytes = Vec::new();
            File::open(path).ok()?.take(MAX_COMPARED).read_to_end(&mut bytes).ok()?;
            Some(HASHER.hash_one(bytes))
        };
        Self(is_file.then(read).flatten())
    }
}

impl Files {
    /// To be called before the file at `path` is read. The first time counts.
    pub fn note(&mut self, path: &Path) -> Content {
        if let Some(content) = self.seen.get(path) {
            return *content;
        }
        let content = Content::of(path);
        self.seen.insert(path.to_path_buf(), content);
        content
    }

    /// Adds what is in `other`; what was noted here stays.
    pub fn extend(&mut self, other: Self) {
        for (path, content) in other.seen {
            self.seen.entry(path).or_insert(content);
        }
    }

    /// Whether one of them is another now, has come or has gone.
    pub fn have_changed(&self) -> bool {
        self.seen.iter().any(|(path, content)| Content::of(path) != *content)
    }

    /// Their paths.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.seen.keys().map(PathBuf::as_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_other_bytes_has_changed_and_what_was_only_touched_has_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut files = Files::default();
        files.note(&path);
        assert!(!files.have_changed(), "it is not there, as before");
        std::fs::write(&path, "one").unwrap();
        assert!(files.have_changed());
        let mut files = Files::default();
        files.note(&path);
        std::fs::write(&path, "one").unwrap();
        assert!(!files.have_changed());
        std::fs::write(&path, "two").unwrap();
        assert_ne!(files.note(&path), Content::of(&path), "the first time counts");
        assert!(files.have_changed());
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Files::default();
        files.note(folder.path());
        files.note(Path::new("/dev/zero"));
        assert!(!files.have_changed());
    }
}
