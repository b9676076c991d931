//! Sections: what stands under a key of its own at the top of the configuration and belongs to filters, not to the engine
//! (`identity`, `passport`, `audit`). A section is built before the filters, which find it by its type.

use std::any::{Any, TypeId};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use gwanmun_config::{Diagnostic, Diagnostics, Span};
use gwanmun_core::Clock;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::compile::Reader;
use crate::filter::Filter;
use crate::parts::Invalid;
use crate::plan::PlannedFilter;

/// What people write under a key at the top of the configuration.
pub trait SectionSpec: DeserializeOwned + JsonSchema + 'static {
    /// The key.
    const KEY: &'static str;

    /// What filters find.
    type Section: Send + Sync + 'static;

    /// Checks what is written and makes what filters find. Mistakes go to [`Ground::refuse`]; `None` after them.
    fn build(self, ground: &mut Ground<'_>) -> Option<Self::Section>;

    /// What filters find where the key is not there.
    fn absent(ground: &mut Ground<'_>) -> Option<Self::Section> {
        let _ = ground;
        None
    }
}

/// The sections of a configuration, by type.
#[derive(Default)]
pub struct Sections {
    built: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
    faulty: HashSet<TypeId>,
    /// What sections have put at the door.
    door: Vec<Arc<PlannedFilter>>,
}

/// Why there is no section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSection {
    /// The key is not in the configuration.
    Absent,
    /// There are mistakes in it, which have been told.
    Faulty,
}

impl NoSection {
    /// What a filter says that needs the section `key`.
    pub fn needed(self, key: &str) -> Invalid {
        match self {
            Self::Absent => Invalid::new(format!("this needs '{key}', which is not in the configuration")),
            Self::Faulty => Invalid::follows(format!("this needs '{key}', which has mistakes")),
        }
    }
}

impl Sections {
    /// The section of this type.
    ///
    /// # Errors
    /// Its key is not there, or has mistakes.
    pub fn of<T: Send + Sync + 'static>(&self) -> Result<Arc<T>, NoSection> {
        let id = TypeId::of::<T>();
        if self.faulty.contains(&id) {
            return Err(NoSection::Faulty);
        }
        let found = self.built.get(&id).ok_or(NoSection::Absent)?;
        Arc::clone(found).downcast().map_err(|_| NoSection::Absent)
    }

    /// Puts a section in its place, or says that there are mistakes in it.
    pub fn put<T: Send + Sync + 'static>(&mut self, section: Option<T>) {
        let id = TypeId::of::<T>();
        match section {
            Some(section) => drop(self.built.insert(id, Arc::new(section))),
            None => drop(self.faulty.insert(id)),
        }
    }
}

impl Sections {
    pub(crate) fn extend(&mut self, others: Self) {
        self.built.extend(others.built);
        self.faulty.extend(others.faulty);
        self.door.extend(others.door);
    }

    pub(crate) fn put_at_the_door(&mut self, filters: Vec<Arc<PlannedFilter>>) {
        self.door.extend(filters);
    }

    /// The filters that sections have put at the door.
    pub(crate) fn door(&self) -> &[Arc<PlannedFilter>] {
        &self.door
    }
}

impl fmt::Debug for Sections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sections", self.built.len())
    }
}

/// What a section is built on.
pub struct Ground<'a> {
    /// What time it is.
    pub clock: &'a Arc<dyn Clock>,
    /// The sections before this one, in the order of their registration.
    pub sections: &'a Sections,
    /// What outlives a configuration.
    pub lasting: &'a Lasting,
    /// Reads the files that the configuration names.
    pub reader: &'a Reader<'a>,
    /// What the gateway is for, if it has a role.
    pub role: Option<&'static str>,
    pub(crate) diagnostics: &'a mut Diagnostics,
    pub(crate) door: Vec<Arc<PlannedFilter>>,
    /// What the section puts beside itself.
    pub(crate) beside: Sections,
}

impl Ground<'_> {
    /// Tells a mistake: what was found and what was wanted.
    pub fn refuse(&mut self, span: Span, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(message, span));
    }

    /// Tells a mistake, and what the operator could do.
    pub fn refuse_with_hint(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(message, span).with_hint(hint));
    }

    /// Tells what is good, but hardly meant.
    pub fn warn(&mut self, span: Span, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::warning(message, span));
    }

    /// Puts something beside the section that filters find by its type, too.
    pub fn put<T: Send + Sync + 'static>(&mut self, thing: T) {
        self.beside.put(Some(thing));
    }

    /// Puts a filter at the door, before those that are written there: `name` and `arguments` are what `explain` shows.
    pub fn at_the_door(&mut self, name: &'static str, arguments: impl Into<Box<str>>, filter: impl Filter) {
        let arguments = arguments.into();
        self.door.push(Arc::new(PlannedFilter { name, arguments, role: None, filter: Box::new(filter) }));
    }

    /// Whether there have been mistakes so far.
    pub fn has_mistakes(&self) -> bool {
        self.diagnostics.has_errors()
    }
}

/// What outlives a configuration: connections, caches, files that are written. One value per type, made when it is first
/// asked for; a section finds there what the section before it, of the same configuration file, has left.
pub struct Lasting {
    network: Network,
    things: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
    shared: Mutex<HashMap<(TypeId, String), Weak<dyn Any + Send + Sync>>>,
    endings: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
}

/// Whether others may be spoken to and files written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// They may: the gateway runs.
    Online,
    /// They may not: the configuration is only checked, explained or tested.
    Offline,
}

impl Lasting {
    /// With nothing in it.
    pub fn new(network: Network) -> Self {
        Self { network, things: Mutex::default(), shared: Mutex::default(), endings: Mutex::default() }
    }

    /// Whether others may be spoken to.
    pub fn network(&self) -> Network {
        self.network
    }

    /// The thing of this type; `make` makes the first.
    pub fn of<T: Send + Sync + 'static>(&self, make: impl FnOnce() -> T) -> Arc<T> {
        let id = TypeId::of::<T>();
        let known = self.things.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        if let Some(known) = known.and_then(|known| known.downcast().ok()) {
            return known;
        }
        // Made without the lock: it may ask for others.
        let made = Arc::new(make());
        let mut things = self.things.lock().unwrap_or_else(PoisonError::into_inner);
        things.insert(id, Arc::clone(&made) as Arc<dyn Any + Send + Sync>);
        made
    }

    /// The thing of this type that was made for the same `specification`, as long as a configuration uses it: a cache that
    /// goes on over reloads.
    pub fn shared<T: Send + Sync + 'static>(&self, specification: String, make: impl FnOnce() -> T) -> Arc<T> {
        let key = (TypeId::of::<T>(), specification);
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|_, thing| thing.strong_count() > 0);
        let known = shared.get(&key).and_then(Weak::upgrade);
        if let Some(known) = known.and_then(|known| known.downcast().ok()) {
            return known;
        }
        let made = Arc::new(make());
        let thing = Arc::clone(&made) as Arc<dyn Any + Send + Sync>;
        shared.insert(key, Arc::downgrade(&thing));
        made
    }

    /// Has `ending` run when the gateway stops, after the last request.
    pub fn at_end(&self, ending: impl FnOnce() + Send + 'static) {
        self.endings.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(ending));
    }

    /// Runs what is to run at the end, once.
    pub fn end(&self) {
        let endings = std::mem::take(&mut *self.endings.lock().unwrap_or_else(PoisonError::into_inner));
        endings.into_iter().for_each(|ending| ending());
    }
}

impl fmt::Debug for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lasting({:?})", self.network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_made_once_and_ended_once() {
        let lasting = Lasting::new(Network::Offline);
        let one = lasting.of(|| 1_u8);
        assert!(Arc::ptr_eq(&one, &lasting.of(|| 2_u8)));
        assert_eq!(*lasting.of(|| "text"), "text");
        let ended = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&ended);
        lasting.at_end(move || *counted.lock().unwrap() += 1);
        lasting.end();
        lasting.end();
        assert_eq!(*ended.lock().unwrap(), 1);
    }

    #[test]
    fn what_is_shared_goes_on_where_the_specification_is_the_same_and_somebody_uses_it() {
        let lasting = Lasting::new(Network::Offline);
        let one = lasting.shared("a".to_owned(), || 1_u8);
        assert!(Arc::ptr_eq(&one, &lasting.shared("a".to_owned(), || 2_u8)));
        assert_eq!(*lasting.shared("b".to_owned(), || 2_u8), 2);
        drop(one);
        assert_eq!(*lasting.shared("a".to_owned(), || 3_u8), 3);
    }

    #[test]
    fn a_section_with_mistakes_is_told_from_one_that_is_not_there() {
        let mut sections = Sections::default();
        sections.put(Some(7_u8));
        sections.put::<u16>(None);
        assert_eq!(*sections.of::<u8>().unwrap(), 7);
        assert_eq!(sections.of::<u16>().unwrap_err(), NoSection::Faulty);
        assert_eq!(sections.of::<u32>().unwrap_err(), NoSection::Absent);
        assert!(NoSection::Absent.needed("identity").message().contains("'identity'"));
    }
}
