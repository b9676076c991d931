//! A check whether there is room left where something is written.

use std::path::PathBuf;
use std::pin::Pin;

use super::aside::Aside;
use super::check::Check;
use super::outcome::Outcome;

/// How much must be left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Free {
    /// So many bytes.
    Bytes(u64),
    /// So much of all, 0 to 100.
    Percent(u8),
}

/// Asks the file system in which a path lies.
#[derive(Debug)]
pub struct DiskCheck {
    path: PathBuf,
    wanted: Free,
    file_system: Aside<Result<Room, String>>,
}

/// What a file system has for those who are not root.
#[derive(Debug, Clone, Copy)]
struct Room {
    free: u64,
    total: u64,
}

impl DiskCheck {
    /// A check of the file system of `path`, which must be there.
    pub fn new(path: impl Into<PathBuf>, wanted: Free) -> Self {
        Self { path: path.into(), wanted, file_system: Aside::default() }
    }

    async fn room(&self) -> Result<Room, String> {
        let path = self.path.clone();
        let asked = self.file_system.run(move || {
            let found = rustix::fs::statvfs(&path).map_err(|error| std::io::Error::from(error).to_string())?;
            let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
            Ok(Room { free: bytes(found.f_bavail), total: bytes(found.f_blocks) })
        });
        asked.await?
    }
}

impl Check for DiskCheck {
    fn check(&self) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
        Box::pin(async {
            let outcome = match self.room().await {
                Err(error) => Outcome::down(&error),
                Ok(room) => {
                    let wanted = self.wanted.of(room.total);
                    let outcome = match room.free >= wanted {
                        true => Outcome::up(),
                        false => Outcome::down("there is too little room left"),
                    };
                    outcome.with("free", room.free).with("total", room.total).with("threshold", wanted)
                }
            };
            outcome.with("path", self.path.to_string_lossy())
        })
    }
}

impl Free {
    /// In bytes, of a file system that has `total`.
    fn of(self, total: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            // Divided first: `total` may be as large as a u64.
            Self::Percent(percent) => (total / 100).saturating_mul(percent.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use super::*;
    use crate::health::Status;

    fn found(path: &str, wanted: Free) -> Outcome {
        Builder::new_current_thread().build().unwrap().block_on(DiskCheck::new(path, wanted).check())
    }

    #[test]
    fn too_little_room_is_down() {
        let fine = found("/", Free::Percent(0));
        assert_eq!(fine.status, Status::Up);
        assert!(fine.details["free"].as_u64() <= fine.details["total"].as_u64(), "{fine:?}");
        assert_eq!(found("/", Free::Bytes(u64::MAX)).status, Status::Down);
        let none = found("/there/is/no/such/folder", Free::Bytes(0));
        assert!(none.status == Status::Down && none.error().contains("No such file"), "{none:?}");
    }

    #[test]
    fn a_percentage_is_one_of_all_there_is() {
        assert_eq!((Free::Percent(10).of(1000), Free::Percent(100).of(u64::MAX) > u64::MAX - 100), (100, true));
        assert_eq!(Free::Bytes(7).of(1000), 7);
    }
}
