//! How much is told of which target: what the configuration says, what was changed at run time, and where neither says
//! anything what holds for the target above. A change holds until the configuration is read again.

use std::collections::BTreeMap;

use tracing::level_filters::LevelFilter;

use super::Level;

/// The name of what holds where nothing else does.
pub(super) const ROOT: &str = "ROOT";

/// Libraries that tell of every frame and poll: below a warning they are heard at `Level::Trace`, or where they are named.
const CHATTY: [&str; 9] =
    ["h2", "hyper", "hyper_util", "mio", "notify", "rustls", "tokio", "tokio_rustls", "tokio_util"];

/// How many targets can be changed at run time.
const MOST_CHANGES: usize = 100;
const LONGEST_NAME: usize = 200;

/// The levels that hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Levels {
    root: Level,
    configured: BTreeMap<Box<str>, Level>,
    changed: BTreeMap<Box<str>, Level>,
}

/// Why a level stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unchanged {
    /// No target is called so.
    Name,
    /// So many are changed already.
    Full,
}

impl Levels {
    /// What a configuration says.
    pub(super) fn new(root: Level, targets: impl IntoIterator<Item = (Box<str>, Level)>) -> Self {
        Self { root, configured: targets.into_iter().collect(), changed: BTreeMap::new() }
    }

    /// The same with another level for `name` and what is below it; with none, what the configuration says.
    pub(super) fn with(&self, name: &str, level: Option<Level>) -> Result<Self, Unchanged> {
        if !is_name(name) {
            return Err(Unchanged::Name);
        }
        let mut levels = self.clone();
        match level {
            None => drop(levels.changed.remove(name)),
            Some(_) if levels.changed.len() >= MOST_CHANGES && !levels.changed.contains_key(name) => {
                return Err(Unchanged::Full);
            }
            Some(level) => drop(levels.changed.insert(name.into(), level)),
        }
        Ok(levels)
    }

    /// What is said of exactly this name.
    pub(super) fn configured(&self, name: &str) -> Option<Level> {
        let of_root = (name == ROOT).then_some(self.root);
        self.changed.get(name).or_else(|| self.configured.get(name)).copied().or(of_root)
    }

    /// What holds for a target.
    pub(super) fn effective(&self, target: &str) -> Level {
        let root = self.configured(ROOT).unwrap_or_default();
        let mut name = target;
        loop {
            if let Some(level) = self.configured(name) {
                return level;
            }
            match name.rsplit_once("::") {
                Some((above, _)) => name = above,
                None if CHATTY.contains(&name) && root < Level::Trace => return root.min(Level::Warn),
                None => return root,
            }
        }
    }

    /// The most that any target tells.
    pub(super) fn most(&self) -> LevelFilter {
        let named = self.configured.values().chain(self.changed.values()).copied().max().unwrap_or_default();
        named.max(self.configured(ROOT).unwrap_or_default()).filter()
    }

    /// The names of which something is said.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(ROOT).chain(self.configured.keys().chain(self.changed.keys()).map(AsRef::as_ref))
    }
}

/// Whether a target may be called so: words joined by `::`, or whatever a library of ours and others calls its own.
pub(super) fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels() -> Levels {
        let configured = [("a", Level::Warn), ("a::b", Level::Debug), ("hyper::proto", Level::Trace)];
        Levels::new(Level::Info, configured.map(|(name, level)| (name.into(), level)))
    }

    #[test]
    fn the_nearest_name_above_decides() {
        let levels = levels();
        for (target, level) in [
            ("x", Level::Info),
            ("a", Level::Warn),
            ("a::x", Level::Warn),
            ("a::b", Level::Debug),
            ("a::b::c::d", Level::Debug),
            ("a::bc", Level::Warn),
            ("ab", Level::Info),
            ("hyper", Level::Warn),
            ("hyper::client", Level::Warn),
            ("hyper::proto::h1", Level::Trace),
            ("", Level::Info),
        ] {
            assert_eq!(levels.effective(target), level, "{target}");
        }
        assert_eq!(levels.most(), LevelFilter::TRACE);
    }

    #[test]
    fn a_change_goes_before_the_configuration_until_it_is_taken_back() {
        let levels = levels();
        let changed = levels.with("a", Some(Level::Error)).unwrap().with(ROOT, Some(Level::Debug)).unwrap();
        let effective = |levels: &Levels| ["a::x", "a::b", "x", "hyper"].map(|target| levels.effective(target));
        assert_eq!(effective(&changed), [Level::Error, Level::Debug, Level::Debug, Level::Warn]);
        assert_eq!(changed.with("a", None).unwrap().with(ROOT, None).unwrap(), levels);
        let all = levels.with(ROOT, Some(Level::Trace)).unwrap();
        assert_eq!(all.effective("hyper"), Level::Trace);
        let nothing = levels.with(ROOT, Some(Level::Off)).unwrap();
        assert_eq!((nothing.effective("x"), nothing.effective("hyper")), (Level::Off, Level::Off));
    }

    #[test]
    fn names_and_their_number_are_bounded() {
        for name in ["", "a b", "a\n", "é", "a/b", &"x".repeat(201)] {
            assert_eq!(levels().with(name, Some(Level::Debug)), Err(Unchanged::Name), "{name}");
        }
        let mut levels = levels();
        for number in 0..100 {
            levels = levels.with(&format!("t{number}"), Some(Level::Debug)).unwrap();
        }
        assert_eq!(levels.with("one_more", Some(Level::Debug)), Err(Unchanged::Full));
        assert!(levels.with("t1", Some(Level::Error)).is_ok());
        assert!(levels.with("t1", None).unwrap().with("one_more", Some(Level::Debug)).is_ok());
    }
}
