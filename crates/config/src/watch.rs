//! Watched files: what a configuration was read from, watched by the folders it is found through and compared by content.
//! So a ConfigMap whose `..data` is swapped, an editor that renames a new file over the old one, and a certificate behind
//! symbolic links are noticed, and a file that was only touched is not.

mod folders;

use std::io;
use std::time::Duration;

use tokio::time::Instant;

use crate::files::Files;
use folders::Folders;

/// Several writes in a row are one change: it is looked at when nothing has happened for so long.
const SETTLE: Duration = Duration::from_millis(150);
/// But not later than this after the first.
const SETTLE_AT_MOST: Duration = Duration::from_secs(1);
/// How often contents are compared where a folder cannot be watched.
const LOOK: Duration = Duration::from_secs(5);

/// Tells when a configuration should be read again.
pub struct Watch {
    files: Files,
    folders: io::Result<Folders>,
    unsettled: Option<Unsettled>,
}

/// Something has happened in a folder.
#[derive(Clone, Copy)]
struct Unsettled {
    since: Instant,
    until: Instant,
}

impl Watch {
    /// Watches files as they were when they were noted.
    pub fn of(files: Files) -> Self {
        let folders = Folders::of(&files);
        // What changed since they were noted was not seen by anybody.
        let now = Instant::now();
        Self { files, folders, unsettled: Some(Unsettled { since: now, until: now + SETTLE }) }
    }

    /// Ready when the content of a file is not what it was, has come or has gone. Until other files are watched it is
    /// ready again only after the next change.
    pub async fn changed(&mut self) {
        loop {
            match self.unsettled {
                None => {
                    self.happened().await;
                    let now = Instant::now();
                    self.unsettled = Some(Unsettled { since: now, until: now + SETTLE });
                }
                Some(Unsettled { since, until }) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(until) => {
                            self.unsettled = None;
                            // Links may lead elsewhere now. Watched before compared, so that nothing is missed.
                            self.folders = Folders::of(&self.files);
                            if self.files.have_changed() {
                                return;
                            }
                        }
                        () = self.happened() => {
                            let until = (Instant::now() + SETTLE).min(since + SETTLE_AT_MOST);
                            self.unsettled = Some(Unsettled { since, until });
                        }
                    }
                }
            }
        }
    }

    /// Ready when something has happened to one of the names, or it is time to have a look.
    async fn happened(&mut self) {
        match &mut self.folders {
            Ok(folders) if folders.all_watched() => folders.happened().await,
            Ok(folders) => {
                tokio::select! {
                    () = folders.happened() => {}
                    () = tokio::time::sleep(LOOK) => {}
                }
            }
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use tempfile::TempDir;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(15);

    fn noted(path: &Path) -> Files {
        let mut files = Files::default();
        files.note(path);
        files
    }

    async fn changes(watch: &mut Watch) {
        tokio::time::timeout(PATIENCE, watch.changed()).await.expect("the change is noticed");
    }

    /// Whether nothing is noticed in the time in which a change would be.
    async fn is_quiet(watch: &mut Watch) -> bool {
        tokio::time::timeout(2 * SETTLE, watch.changed()).await.is_err()
    }

    /// Replaces `path` as careful editors do.
    fn rename_over(path: &Path, text: &str) {
        let draft = path.with_extension("draft");
        fs::write(&draft, text).unwrap();
        fs::rename(draft, path).unwrap();
    }

    #[tokio::test]
    async fn writing_renaming_removing_and_coming_back_are_changes() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("gateway.yaml");
        fs::write(&file, "one").unwrap();
        let acts: [&dyn Fn(); 4] = [
            &|| fs::write(&file, "two").unwrap(),
            &|| rename_over(&file, "three"),
            &|| fs::remove_file(&file).unwrap(),
            &|| fs::write(&file, "four").unwrap(),
        ];
        for act in acts {
            let mut watch = Watch::of(noted(&file));
            assert!(is_quiet(&mut watch).await);
            act();
            changes(&mut watch).await;
        }
    }

    #[tokio::test]
    async fn what_does_not_change_the_content_is_no_change() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("gateway.yaml");
        fs::write(&file, "one").unwrap();
        let mut watch = Watch::of(noted(&file));
        fs::write(&file, "one").unwrap();
        rename_over(&file, "one");
        fs::File::options().write(true).open(&file).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        fs::write(folder.path().join("access.log"), "another file").unwrap();
        assert!(is_quiet(&mut watch).await);
        fs::write(&file, "two").unwrap();
        changes(&mut watch).await;
    }

    #[tokio::test]
    async fn what_changed_before_it_was_watched_is_noticed() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("gateway.yaml");
        fs::write(&file, "one").unwrap();
        let files = noted(&file);
        fs::write(&file, "two").unwrap();
        changes(&mut Watch::of(files)).await;
    }

    #[tokio::test]
    async fn a_config_map_is_swapped_as_a_whole() {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        // As the kubelet lays it out: file -> ..data/file, ..data -> a folder of its own for each version.
        let version = |name: &str, text: &str| {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("gateway.yaml"), text).unwrap();
            symlink(name, at("..data_tmp")).unwrap();
            fs::rename(at("..data_tmp"), at("..data")).unwrap();
        };
        version("..2026_01", "one");
        symlink("..data/gateway.yaml", at("gateway.yaml")).unwrap();
        let files = || noted(&at("gateway.yaml"));
        let mut watch = Watch::of(files());
        assert!(is_quiet(&mut watch).await);
        version("..2026_02", "one");
        fs::remove_dir_all(at("..2026_01")).unwrap();
        assert!(is_quiet(&mut watch).await, "the content is the same");
        version("..2026_03", "two");
        changes(&mut watch).await;
        let mut watch = Watch::of(files());
        version("..2026_04", "three");
        changes(&mut watch).await;
    }

    #[tokio::test]
    async fn links_are_followed_wherever_they_lead() {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        for release in ["live", "one", "two"] {
            fs::create_dir(at(release)).unwrap();
        }
        fs::write(at("one").join("edge.pem"), "1").unwrap();
        fs::write(at("two").join("edge.pem"), "2").unwrap();
        symlink("one", at("current")).unwrap();
        symlink(at("current").join("edge.pem"), at("live").join("edge.pem")).unwrap();
        let files = || noted(&at("live").join("edge.pem"));
        let mut watch = Watch::of(files());
        fs::write(at("one").join("edge.pem"), "1 again").unwrap();
        changes(&mut watch).await;
        let mut watch = Watch::of(files());
        symlink("two", at("next")).unwrap();
        fs::rename(at("next"), at("current")).unwrap();
        changes(&mut watch).await;
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_yet_is_waited_for() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("a/b/edge.pem");
        let mut watch = Watch::of(noted(&file));
        assert!(is_quiet(&mut watch).await);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        assert!(is_quiet(&mut watch).await);
        fs::write(&file, "1").unwrap();
        changes(&mut watch).await;
    }

    #[tokio::test]
    async fn without_an_end_of_the_writing_it_is_looked_at_all_the_same() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("gateway.yaml");
        let mut watch = Watch::of(noted(&file));
        let writing = async {
            for number in 0_u64.. {
                fs::write(&file, number.to_string()).unwrap();
                tokio::time::sleep(SETTLE / 4).await;
            }
        };
        tokio::select! {
            () = changes(&mut watch) => {}
            () = writing => unreachable!(),
        }
    }
}
