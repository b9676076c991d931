//! Where the lines of the application log leave the process: standard error, directly or through a thread, and beside it a
//! file and a syslog receiver. Each has a bounded queue and a thread of its own, so that one that stalls holds up nobody.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;

use super::line::Style;
use super::syslog::{Receiver, Syslog};
use crate::appended::Appended;
use crate::export::Collector;
use crate::spec::LogsSpec;
use crate::writer::Writer;

static OUTPUTS: RwLock<Outputs> = RwLock::new(Outputs { stderr: None, file: None, syslog: None });
/// Lines lost in place, and by the threads that have ended.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Where lines go just now.
#[derive(Default)]
struct Outputs {
    /// Without it lines are written in place.
    stderr: Option<Arc<Writer>>,
    file: Option<Arc<LogFile>>,
    syslog: Option<Arc<Syslog>>,
}

struct LogFile {
    path: Box<Path>,
    writer: Writer,
}

/// While it lives, a thread writes the lines. Dropping it writes what is queued (waiting at most 5 s for a reader) and
/// goes back to writing in place, to standard error alone.
#[derive(Debug)]
#[must_use = "dropping it at once goes back to writing in place"]
pub struct Background(());

/// Hands writing to a thread, so that logging never waits; to be called before workers start and kept until they ended.
/// Lines that find its queue full are dropped and counted.
pub fn in_background() -> io::Result<Background> {
    let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    // Standard error itself fails: there is nobody to tell.
    let writer = Arc::new(Writer::start("log", stderr, |_| ())?);
    change(|outputs| outputs.stderr = Some(writer)).close();
    Ok(Background(()))
}

/// From now on lines go where `spec` says, besides standard error, until [`Background`] is dropped; `name` is who tells,
/// for syslog. What has not changed goes on undisturbed. A receiver that is away is no mistake: lines wait for it.
///
/// # Errors
/// The file cannot be opened, or a thread cannot be started; what was in use stays.
pub fn send_to(spec: &LogsSpec, name: &str) -> io::Result<()> {
    let outputs = OUTPUTS.read().unwrap_or_else(PoisonError::into_inner);
    let (mut file, mut syslog) = (outputs.file.clone(), outputs.syslog.clone());
    drop(outputs);
    let path = spec.file.as_ref().map(|path| Path::new(path.as_str()));
    if file.as_ref().map(|file| &*file.path) != path {
        file = path.map(LogFile::open).transpose()?.map(Arc::new);
    }
    let receiver = Receiver::of(spec, name);
    if syslog.as_ref().map(|syslog| syslog.receiver()) != receiver.as_ref() {
        syslog = receiver.map(Syslog::start).transpose()?.map(Arc::new);
    }
    let ended = change(|outputs| {
        outputs.file = file;
        outputs.syslog = syslog;
    });
    // A receiver that stalls is not waited for here.
    thread::Builder::new().name("log-end".to_owned()).spawn(move || ended.close())?;
    Ok(())
}

/// Lines of the application log lost so far, wherever they should have gone, for `Metrics::add_dropped_source`.
pub fn dropped() -> u64 {
    let outputs = OUTPUTS.read().unwrap_or_else(PoisonError::into_inner);
    let writers = outputs.writers().map(Writer::dropped);
    DROPPED.load(Ordering::Relaxed) + writers.sum::<u64>()
}

/// How the syslog receiver does, where there is one.
pub fn collector() -> Option<Collector> {
    let outputs = OUTPUTS.read().unwrap_or_else(PoisonError::into_inner);
    outputs.syslog.as_ref().map(|syslog| syslog.collector())
}

/// Sends one line on its way; `form` makes it, as JSON for machines.
pub(super) fn write(style: Style, form: &dyn Fn(Style) -> Vec<u8>) {
    let line = form(style);
    // Written to at start, reload and end only, so readers do not wait.
    let outputs = OUTPUTS.read().unwrap_or_else(PoisonError::into_inner);
    let (file, syslog) = (outputs.file.clone(), outputs.syslog.clone());
    let json = (style == Style::Json && (file.is_some() || syslog.is_some())).then(|| line.clone());
    match &outputs.stderr {
        Some(writer) => writer.send(line, 1),
        None => {
            if io::stderr().lock().write_all(&line).is_err() {
                DROPPED.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    drop(outputs);
    if file.is_none() && syslog.is_none() {
        return;
    }
    // Printing a value may log in turn, so that nothing is held here.
    let json = json.unwrap_or_else(|| form(Style::Json));
    if let Some(syslog) = syslog {
        syslog.send(json.clone());
    }
    if let Some(file) = file {
        file.writer.send(json, 1);
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        change(|outputs| *outputs = Outputs::default()).close();
    }
}

impl LogFile {
    fn open(path: &Path) -> io::Result<Self> {
        let out = Appended::open(path)?;
        let writer = Writer::start("log-file", out, |error| {
            tracing::warn!(event = "log-file-failing", error = %error, "lines of telemetry.logs.file are lost");
        })?;
        Ok(Self { path: path.into(), writer })
    }
}

impl Outputs {
    fn writers(&self) -> impl Iterator<Item = &Writer> {
        let stderr = self.stderr.iter().map(|writer| &**writer);
        stderr.chain(self.file.iter().map(|file| &file.writer)).chain(self.syslog.iter().map(|syslog| syslog.writer()))
    }

    /// Ends the threads, all at once: each may have to wait.
    fn close(&self) {
        if let Some(syslog) = &self.syslog {
            syslog.hurry();
        }
        thread::scope(|scope| self.writers().for_each(|writer| drop(scope.spawn(|| writer.close()))));
        DROPPED.fetch_add(self.writers().map(Writer::dropped).sum(), Ordering::Relaxed);
    }
}

/// Changes where lines go. Returns what is not needed any more.
fn change(change: impl FnOnce(&mut Outputs)) -> Outputs {
    let mut outputs = OUTPUTS.write().unwrap_or_else(PoisonError::into_inner);
    let before = Outputs { stderr: outputs.stderr.clone(), file: outputs.file.clone(), syslog: outputs.syslog.clone() };
    change(&mut outputs);
    Outputs {
        stderr: before.stderr.filter(|one| !outputs.stderr.as_ref().is_some_and(|other| Arc::ptr_eq(one, other))),
        file: before.file.filter(|one| !outputs.file.as_ref().is_some_and(|other| Arc::ptr_eq(one, other))),
        syslog: before.syslog.filter(|one| !outputs.syslog.as_ref().is_some_and(|other| Arc::ptr_eq(one, other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_through_the_threads_while_they_live() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let background = in_background().unwrap();
        let spec = |path: Option<&Path>| LogsSpec {
            file: path.map(|path| path.to_str().unwrap().to_owned().into()),
            ..LogsSpec::default()
        };
        send_to(&spec(Some(&path)), "test").unwrap();
        let form =
            |style| if style == Style::Json { b"{\"for\":\"machines\"}\n".to_vec() } else { b"for people\n".to_vec() };
        write(Style::Plain, &form);
        send_to(&spec(Some(&path)), "test").unwrap();
        assert!(send_to(&spec(Some(Path::new("/nowhere/at/all"))), "test").is_err());
        write(Style::Plain, &form);
        send_to(&spec(None), "test").unwrap();
        write(Style::Plain, &form);
        // Written by then, or soon: the thread that ends is not waited for.
        while std::fs::read_to_string(&path).unwrap() != "{\"for\":\"machines\"}\n".repeat(2) {
            thread::yield_now();
        }
        let running = OUTPUTS.read().unwrap().stderr.clone().unwrap();
        running.close();
        let before = dropped();
        write(Style::Plain, &|_| b"lost, since the thread has ended\n".to_vec());
        assert_eq!(dropped(), before + 1);
        drop(background);
        assert_eq!(dropped(), before + 1);
        assert!(OUTPUTS.read().unwrap().stderr.is_none());
    }
}
