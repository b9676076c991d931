//! The demo's folder: its configurations, certificates and audit logs, to be looked at while it runs. It goes away at the
//! end.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// A folder that nobody else may look into.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// A new one among the temporary files. One that is there already, whoever made it, is not used.
    pub(super) fn new() -> io::Result<Self> {
        // In a container the process may have the same number every time, and what was killed leaves its folder.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!("gwanmun-demo-{}-{:x}", std::process::id(), now.subsec_nanos());
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path).map_err(|error| {
            io::Error::new(error.kind(), format!("the folder '{}' cannot be made: {error}", path.display()))
        })?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file.
    pub(super) fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(text.as_bytes())?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
