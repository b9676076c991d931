//! The folders that paths lead through, and the names in them that matter, by inotify. A thread waits for it: to have the
//! runtime wait for a file of somebody else takes unsafe code.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

use inotify::{Event, EventMask, Inotify, WatchDescriptor, WatchMask, Watches};
use tokio::sync::mpsc;

use crate::files::Files;

/// As many symbolic links as the kernel follows.
const MAX_LINKS: usize = 40;
/// What may have happened between two looks, in bytes.
const EVENTS: usize = 4096;

/// Folders that are watched until this is dropped.
pub(super) struct Folders {
    watches: Watches,
    watched: Vec<WatchDescriptor>,
    all_watched: bool,
    happened: mpsc::Receiver<()>,
}

/// The names that matter, by folder.
type Names = HashMap<WatchDescriptor, BTreeSet<OsString>>;

impl Folders {
    /// Watches what could make `files` others.
    pub(super) fn of(files: &Files) -> io::Result<Self> {
        let inotify = Inotify::init()?;
        // A file that is being written is looked at when it is closed: nobody wants half of it.
        let mask = WatchMask::CREATE
            | WatchMask::DELETE
            | WatchMask::MOVE
            | WatchMask::CLOSE_WRITE
            | WatchMask::ATTRIB
            | WatchMask::DELETE_SELF
            | WatchMask::MOVE_SELF
            | WatchMask::ONLYDIR;
        let mut names = Names::new();
        let (mut watches, mut all_watched) = (inotify.watches(), true);
        for (folder, inside) in places(files.paths()) {
            match watches.add(&folder, mask) {
                Ok(watched) => names.entry(watched).or_default().extend(inside),
                Err(error) => {
                    tracing::debug!(event = "folder-not-watched", folder = %folder.display(), %error, "contents are compared now and then instead");
                    all_watched = false;
                }
            }
        }
        let watched = names.keys().cloned().collect();
        let (tell, happened) = mpsc::channel(1);
        std::thread::Builder::new().name("watch".to_owned()).spawn(move || listen(inotify, &names, &tell))?;
        Ok(Self { watches, watched, all_watched, happened })
    }

    /// Whether there is a watch on every folder: it takes the right to read it.
    pub(super) fn all_watched(&self) -> bool {
        self.all_watched
    }

    /// Ready when something has happened to a name that matters, or to a folder.
    pub(super) async fn happened(&mut self) {
        if self.happened.recv().await.is_none() {
            // Nobody listens any more.
            tokio::time::sleep(super::LOOK).await;
        }
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        // Each watch that goes wakes the thread, which finds that nobody wants to hear of it.
        self.happened.close();
        for watched in self.watched.drain(..) {
            let _ = self.watches.remove(watched);
        }
    }
}

/// Tells of what happens until nobody wants to hear it.
fn listen(mut inotify: Inotify, names: &Names, tell: &mpsc::Sender<()>) {
    let mut buffer = [0; EVENTS];
    while !tell.is_closed() && !names.is_empty() {
        let Ok(mut events) = inotify.read_events_blocking(&mut buffer) else { return };
        if events.any(|event| matters(&event, names)) {
            // One that waits says it already.
            let _ = tell.try_send(());
        }
    }
}

fn matters(event: &Event<&std::ffi::OsStr>, names: &Names) -> bool {
    if event.mask.contains(EventMask::IGNORED) {
        return false;
    }
    event.name.is_none_or(|name| names.get(&event.wd).is_none_or(|names| names.contains(name)))
}

/// Every folder on the ways to `paths`, links included, with the names on those ways.
fn places<'a>(paths: impl Iterator<Item = &'a Path>) -> BTreeMap<PathBuf, BTreeSet<OsString>> {
    let mut places: BTreeMap<PathBuf, BTreeSet<OsString>> = BTreeMap::new();
    for path in paths {
        let Ok(path) = std::path::absolute(path) else { continue };
        let mut here = PathBuf::from("/");
        let mut ahead: VecDeque<OsString> = steps(&path);
        let mut links = 0;
        while let Some(step) = ahead.pop_front() {
            if step == ".." {
                here.pop();
                continue;
            }
            let next = here.join(&step);
            places.entry(here.clone()).or_default().insert(step);
            match std::fs::read_link(&next) {
                Ok(target) if links < MAX_LINKS => {
                    links += 1;
                    if target.is_absolute() {
                        here = PathBuf::from("/");
                    }
                    for step in steps(&target).into_iter().rev() {
                        ahead.push_front(step);
                    }
                }
                Ok(_) => break,
                // What is no folder ends the way, or waits for one to come.
                Err(_) if next.is_dir() => here = next,
                Err(_) => break,
            }
        }
    }
    places
}

fn steps(path: &Path) -> VecDeque<OsString> {
    let step = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(step).collect()
}
