//! A file that lines are appended to, and that may be taken away and put aside under another name at any time.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The file at a path, whichever it is at the time of a write: once it was renamed or removed, the next line begins
/// another one. No signal is needed for that, and none is missed.
pub(crate) struct Appended {
    path: PathBuf,
    file: File,
    is: Option<(u64, u64)>,
}

impl Appended {
    /// Opens the file, which is made where it is missing.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let is = file.metadata().ok().as_ref().map(identity);
        Ok(Self { path: path.to_owned(), file, is })
    }
}

impl Write for Appended {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if fs::metadata(&self.path).ok().as_ref().map(identity) != self.is
            && let Ok(another) = Self::open(&self.path)
        {
            *self = another;
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn identity(of: &Metadata) -> (u64, u64) {
    (of.dev(), of.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_rotated_away_is_followed_by_another() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("a.log"), folder.path().join("a.log.1"));
        fs::write(&path, "before\n").unwrap();
        let mut file = Appended::open(&path).unwrap();
        file.write_all(b"1\n").unwrap();
        fs::rename(&path, &old).unwrap();
        file.write_all(b"2\n").unwrap();
        fs::rename(&path, folder.path().join("a.log.2")).unwrap();
        fs::write(&path, "made by who rotates\n").unwrap();
        file.write_all(b"3\n").unwrap();
        fs::remove_file(&path).unwrap();
        file.write_all(b"4\n").unwrap();
        let text = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(text("a.log.1"), "before\n1\n");
        assert_eq!(text("a.log.2"), "2\n");
        assert_eq!(text("a.log"), "4\n");
    }

    #[test]
    fn while_no_other_can_be_made_the_old_one_is_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let (inner, aside) = (folder.path().join("logs"), folder.path().join("aside"));
        fs::create_dir(&inner).unwrap();
        let mut file = Appended::open(&inner.join("a.log")).unwrap();
        fs::rename(&inner, &aside).unwrap();
        file.write_all(b"1\n").unwrap();
        fs::create_dir(&inner).unwrap();
        file.write_all(b"2\n").unwrap();
        assert_eq!(fs::read_to_string(aside.join("a.log")).unwrap(), "1\n");
        assert_eq!(fs::read_to_string(inner.join("a.log")).unwrap(), "2\n");
    }
}
