//! The files that a configuration names: relative to the file they are named in, and noted, so that a change is noticed.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use gwanmun_config::{Content, Files, Sources, Span, Spanned};

/// The largest file that is read whole: an access list of many thousand lines is a few megabytes.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// Reads files that a configuration names.
pub struct Reader<'a> {
    pub(crate) sources: &'a Sources,
    files: RefCell<Files>,
}

impl<'a> Reader<'a> {
    /// For a configuration of these texts.
    pub fn new(sources: &'a Sources) -> Self {
        Self { sources, files: RefCell::default() }
    }

    /// `path` as written, relative to the file it stands in.
    pub fn resolve(&self, path: &Spanned<impl AsRef<Path>>) -> PathBuf {
        let (path, span) = (path.value.as_ref(), path.span);
        if path.is_absolute() || span == Span::NOWHERE {
            return path.to_owned();
        }
        let directory = self.sources.directory(span.source);
        if directory == Path::new("") { path.to_owned() } else { directory.join(path) }
    }

    /// Where the file is that `path` names. It will be read.
    pub fn locate(&self, path: &Spanned<impl AsRef<Path>>) -> PathBuf {
        let path = self.resolve(path);
        self.files.borrow_mut().note(&path);
        path
    }

    /// What was in the file when it was located: equal where the contents are.
    pub fn content(&self, path: &Spanned<impl AsRef<Path>>) -> Content {
        self.files.borrow_mut().note(&self.resolve(path))
    }

    /// What is in the file.
    ///
    /// # Errors
    /// It cannot be read, or has more than 16 MiB.
    pub fn read(&self, path: &Spanned<impl AsRef<Path>>) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.locate(path))?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= MOST_BYTES) {
            return Ok(bytes);
        }
        Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {MOST_BYTES} bytes")))
    }

    /// The files that have been noted.
    pub fn into_files(self) -> Files {
        self.files.into_inner()
    }
}
