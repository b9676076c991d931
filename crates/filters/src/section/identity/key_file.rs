//! An issuer's key set in a file: read once, and every key that cannot be used is told.

use std::path::PathBuf;

use gwanmun_config::Spanned;
use gwanmun_jose::{Algorithm, JwkSet};
use gwanmun_proxy::Ground;

/// The key set in the file at `path`: what cannot be used is told, and that nothing can be used is a mistake.
pub(super) fn keys_in(path: &Spanned<PathBuf>, algorithms: &[Algorithm], ground: &mut Ground<'_>) -> Option<JwkSet> {
    let shown = path.display();
    let bytes = match ground.reader.read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            ground.refuse(path.span, format!("cannot read '{shown}': {error}"));
            return None;
        }
    };
    let set = match JwkSet::parse(&bytes, algorithms) {
        Ok(set) => set,
        Err(error) => {
            ground.refuse(path.span, format!("'{shown}' is no key set: {error}"));
            return None;
        }
    };
    for key in set.unusable() {
        let name = key.kid.as_ref().map_or_else(|| format!("at place {}", key.place), |kid| format!("{kid:?}"));
        ground.warn(path.span, format!("the key {name} in '{shown}' cannot be used: {}", key.reason));
    }
    if set.keys().is_empty() {
        ground.refuse(path.span, format!("no key in '{shown}' can be used: no token could be verified"));
        return None;
    }
    Some(set)
}
