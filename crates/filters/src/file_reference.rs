//! Files that values name: `file:PATH`, relative to the file that it stands in.

use std::path::PathBuf;

use gwanmun_config::Spanned;

/// The path of `file:PATH`; `None` for a value that names no file.
pub(crate) fn path_of(value: &Spanned<String>) -> Option<Spanned<PathBuf>> {
    let path = value.value.strip_prefix("file:").filter(|path| !path.is_empty())?;
    Some(Spanned::new(PathBuf::from(path), value.span))
}
