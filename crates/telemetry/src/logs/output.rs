//! Where the lines of the application log leave the process: standard error, directly or through a thread.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::writer::Writer;

static WRITER: RwLock<Option<Arc<Writer>>> = RwLock::new(None);
/// Lines lost in place, and by the threads that have ended.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// While it lives, a thread writes the lines. Dropping it writes what is queued (waiting at most 5 s for a reader) and
/// goes back to writing in place.
#[derive(Debug)]
#[must_use = "dropping it at once goes back to writing in place"]
pub struct Background(());

/// Hands writing to a thread, so that logging never waits; to be called before workers start and kept until they ended.
/// Lines that find its queue full are dropped and counted.
pub fn in_background() -> io::Result<Background> {
    let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    // Standard error itself fails: there is nobody to tell.
    let writer = Writer::start("log", stderr, |_| ())?;
    put(Some(Arc::new(writer)));
    Ok(Background(()))
}

/// Lines of the application log lost so far, for `Metrics::add_dropped_source`.
pub fn dropped() -> u64 {
    let writer = WRITER.read().unwrap_or_else(PoisonError::into_inner);
    DROPPED.load(Ordering::Relaxed) + writer.as_ref().map_or(0, |writer| writer.dropped())
}

/// Sends one line on its way.
pub(super) fn write(mut line: Vec<u8>) {
    // Written to at start and end only, so readers do not wait.
    let writer = WRITER.read().unwrap_or_else(PoisonError::into_inner);
    match &*writer {
        Some(writer) => writer.offer(&mut line, 1),
        None => {
            if io::stderr().lock().write_all(&line).is_err() {
                DROPPED.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(writer) = put(None) {
            writer.close();
            DROPPED.fetch_add(writer.dropped(), Ordering::Relaxed);
        }
    }
}

fn put(writer: Option<Arc<Writer>>) -> Option<Arc<Writer>> {
    std::mem::replace(&mut *WRITER.write().unwrap_or_else(PoisonError::into_inner), writer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_through_the_thread_while_it_lives() {
        let background = in_background().unwrap();
        let running = put(None).unwrap();
        put(Some(Arc::clone(&running)));
        running.close();
        let before = dropped();
        write(b"lost, since the thread has ended\n".to_vec());
        assert_eq!(dropped(), before + 1);
        drop(background);
        assert_eq!(dropped(), before + 1);
        assert!(put(None).is_none());
    }
}
