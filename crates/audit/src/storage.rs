//! Where lines are kept: a file that others may rename. Behind a trait, so that tests can have disks that are full, slow
//! or broken.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

#[cfg(test)]
pub(crate) mod memory;

/// How many digits the number in the name of a file that was set aside has, so that names sort by age.
const DIGITS: usize = 12;
/// Who may read: the owner, and the group for what ships logs.
const MODE: u32 = 0o640;

/// A place to write lines to. Each method is called by one thread.
pub(crate) trait Storage: Send + 'static {
    /// Writes some bytes at the end.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Takes away what stands after the first `length` bytes.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
    /// Has the system put on the disk what was written.
    fn sync(&mut self) -> io::Result<()>;
    /// What has become of the file since it was opened.
    fn state(&mut self) -> io::Result<State>;
    /// Gives the file a name that tells the number of its last line.
    fn set_aside(&mut self, last: u64) -> io::Result<()>;
    /// Opens a new file in the place of one that has another name by now.
    fn renew(&mut self) -> io::Result<()>;
}

/// What has become of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It is where it was and has this many bytes.
    Here(u64),
    /// It was renamed or removed.
    Gone,
}

/// A file on a disk, locked against other writers.
#[derive(Debug)]
pub(crate) struct Disk {
    path: PathBuf,
    file: File,
}

impl Disk {
    /// Opens the file at `path`, or makes it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: open_locked(path)? })
    }

    /// Reads the last bytes, at most `most`, and tells where they begin.
    pub(crate) fn read_end(&mut self, most: u64) -> io::Result<(u64, Vec<u8>)> {
        read_end(&mut self.file, most)
    }
}

impl Storage for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn state(&mut self) -> io::Result<State> {
        let ours = self.file.metadata()?;
        match fs::metadata(&self.path) {
            Ok(there) if is_same(&ours, &there) => Ok(State::Here(ours.len())),
            Ok(_) => Ok(State::Gone),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::Gone),
            Err(error) => Err(error),
        }
    }

    fn set_aside(&mut self, last: u64) -> io::Result<()> {
        let aside = aside(&self.path, last);
        if aside.try_exists()? {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{} is there already", aside.display())));
        }
        fs::rename(&self.path, aside)
    }

    fn renew(&mut self) -> io::Result<()> {
        let file = open_locked(&self.path)?;
        if file.metadata()?.len() > 0 {
            return Err(io::Error::other(format!("{} was replaced by a file that is not empty", self.path.display())));
        }
        self.file = file;
        // The name is what makes a new file one that is found again.
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// The file that was set aside last of those that belong to `path`.
pub(crate) fn last_aside(path: &Path) -> io::Result<Option<PathBuf>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(name) = path.file_name() else { return Ok(None) };
    let mut last = None;
    for entry in fs::read_dir(folder)? {
        let found = entry?.file_name();
        let number = found
            .as_encoded_bytes()
            .strip_prefix(name.as_encoded_bytes())
            .and_then(|rest| rest.strip_prefix(b"."))
            .filter(|digits| digits.len() >= DIGITS && digits.iter().all(u8::is_ascii_digit))
            .and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u64>().ok());
        if let Some(number) = number {
            last = last.max(Some((number, folder.join(found))));
        }
    }
    Ok(last.map(|(_, path)| path))
}

/// Reads the last bytes of `file`, at most `most`, and tells where they begin.
pub(crate) fn read_end(file: &mut File, most: u64) -> io::Result<(u64, Vec<u8>)> {
    let begin = file.metadata()?.len().saturating_sub(most);
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok((begin, bytes))
}

fn aside(path: &Path, last: u64) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{last:0DIGITS$}"));
    PathBuf::from(name)
}

/// Opens, and locks what it has opened. A file that is renamed in between is tried again.
fn open_locked(path: &Path) -> io::Result<File> {
    loop {
        let file = File::options().read(true).append(true).create(true).mode(MODE).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} is no regular file", path.display())));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let why =
                    format!("{} has a writer already: another process, or this one before a reload", path.display());
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, why));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        match fs::metadata(path) {
            Ok(there) if is_same(&file.metadata()?, &there) => return Ok(file),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
}

fn is_same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_writer_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let first = Disk::open(&path).unwrap();
        assert_eq!(Disk::open(&path).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        drop(first);
        Disk::open(&path).unwrap();
    }

    #[test]
    fn a_file_that_was_moved_is_noticed_and_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let mut disk = Disk::open(&path).unwrap();
        disk.write(b"one\n").unwrap();
        assert_eq!(disk.state().unwrap(), State::Here(4));
        disk.set_aside(7).unwrap();
        assert_eq!(disk.state().unwrap(), State::Gone);
        disk.renew().unwrap();
        assert_eq!(disk.state().unwrap(), State::Here(0));
        let aside = folder.path().join("audit.jsonl.000000000007");
        assert_eq!(fs::read(&aside).unwrap(), b"one\n");
        assert_eq!(last_aside(&path).unwrap(), Some(aside));
    }

    #[test]
    fn what_somebody_else_put_there_is_not_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let mut disk = Disk::open(&path).unwrap();
        fs::rename(&path, folder.path().join("other")).unwrap();
        fs::write(&path, "theirs").unwrap();
        assert_eq!(disk.state().unwrap(), State::Gone);
        disk.renew().unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
    }

    #[test]
    fn what_is_no_file_is_no_log() {
        Disk::open(Path::new("/dev/null")).unwrap_err();
    }

    #[test]
    fn the_end_of_a_file_is_read_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        fs::write(&path, "0123456789").unwrap();
        let mut disk = Disk::open(&path).unwrap();
        assert_eq!(disk.read_end(4).unwrap(), (6, b"6789".to_vec()));
        assert_eq!(disk.read_end(99).unwrap(), (0, b"0123456789".to_vec()));
    }
}
