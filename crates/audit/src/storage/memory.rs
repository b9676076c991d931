//! A disk for tests: it can be full, slow or broken, and its files can be moved by others.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use super::{State, Storage};

/// Clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<(Mutex<Inner>, Condvar)>);

struct Inner {
    /// The last is the one that is written to, unless it is gone.
    files: Vec<Vec<u8>>,
    is_gone: bool,
    room: usize,
    refuses_truncation: bool,
    refuses_renewal: bool,
    /// Writes wait while it is.
    is_held: bool,
}

impl Default for Inner {
    fn default() -> Self {
        let (refuses_truncation, refuses_renewal, is_held) = (false, false, false);
        Self { files: vec![Vec::new()], is_gone: false, room: usize::MAX, refuses_truncation, refuses_renewal, is_held }
    }
}

impl Memory {
    pub(crate) fn files(&self) -> Vec<Vec<u8>> {
        self.inner().files.clone()
    }

    /// The lines of all files.
    pub(crate) fn lines(&self) -> Vec<String> {
        String::from_utf8(self.files().concat()).unwrap().lines().map(str::to_owned).collect()
    }

    /// How many bytes fit from now on.
    pub(crate) fn leave_room(&self, bytes: usize) {
        self.inner().room = bytes;
    }

    pub(crate) fn refuse_truncation(&self, refuses: bool) {
        self.inner().refuses_truncation = refuses;
    }

    pub(crate) fn refuse_renewal(&self, refuses: bool) {
        self.inner().refuses_renewal = refuses;
    }

    pub(crate) fn rename(&self) {
        self.inner().is_gone = true;
    }

    pub(crate) fn cut(&self, length: usize) {
        self.inner().files.last_mut().unwrap().truncate(length);
    }

    pub(crate) fn hold(&self, holds: bool) {
        self.inner().is_held = holds;
        self.0.1.notify_all();
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.0.lock().unwrap()
    }
}

impl Storage for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut inner = self.0.1.wait_while(self.inner(), |inner| inner.is_held).unwrap();
        if inner.room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = bytes.len().min(inner.room);
        if inner.room < usize::MAX {
            inner.room -= taken;
        }
        inner.files.last_mut().unwrap().extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        if self.inner().refuses_truncation {
            return Err(io::ErrorKind::Other.into());
        }
        self.cut(usize::try_from(length).unwrap());
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn state(&mut self) -> io::Result<State> {
        let inner = self.inner();
        let length = u64::try_from(inner.files.last().unwrap().len()).unwrap();
        Ok(if inner.is_gone { State::Gone } else { State::Here(length) })
    }

    fn set_aside(&mut self, _last: u64) -> io::Result<()> {
        self.rename();
        Ok(())
    }

    fn renew(&mut self) -> io::Result<()> {
        let mut inner = self.inner();
        if inner.refuses_renewal {
            return Err(io::ErrorKind::Other.into());
        }
        inner.files.push(Vec::new());
        inner.is_gone = false;
        Ok(())
    }
}
