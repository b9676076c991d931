//! Sections by key: taken out of the document before the engine's own keys are decoded, and built before the filters.

use gwanmun_config::{Diagnostics, Entry, Node, Value, decode};
use schemars::{Schema, SchemaGenerator};

use super::Catalog;
use crate::compile::Context;
use crate::section::{Ground, SectionSpec, Sections};

/// One section, known by its specification only.
pub struct SectionItem {
    /// The key in the configuration.
    pub key: &'static str,
    schema: fn(&mut SchemaGenerator) -> Schema,
    build: fn(Option<&Node>, &mut Ground<'_>, &mut Sections),
}

impl SectionItem {
    /// The JSON Schema of what stands under the key; the description is its documentation.
    pub fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        (self.schema)(generator)
    }
}

/// A section's entry that was taken out of the document, and the place where it was.
#[derive(Debug)]
pub struct Aside {
    place: usize,
    entry: Entry,
}

impl Aside {
    /// The key and what stands under it.
    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }
}

impl Catalog {
    /// Adds a section; sections are built in the order in which they were added.
    pub fn add_section<S: SectionSpec>(&mut self) {
        let schema = |generator: &mut SchemaGenerator| generator.subschema_for::<S>();
        self.sections.retain(|known| known.key != S::KEY);
        self.sections.push(SectionItem { key: S::KEY, schema, build: build::<S> });
    }

    /// All sections, in the order in which they are built.
    pub fn section_items(&self) -> impl Iterator<Item = &SectionItem> {
        self.sections.iter()
    }

    /// Takes the sections out of `document`.
    pub fn set_aside(&self, document: &mut Node) -> Vec<Aside> {
        let Value::Map(entries) = &mut document.value else { return Vec::new() };
        let is_section = |entry: &Entry| self.sections.iter().any(|section| section.key == entry.key);
        let (mut rest, mut aside) = (Vec::with_capacity(entries.len()), Vec::new());
        for (place, entry) in std::mem::take(entries).into_iter().enumerate() {
            if is_section(&entry) {
                aside.push(Aside { place, entry });
            } else {
                rest.push(entry);
            }
        }
        *entries = rest;
        aside
    }

    /// Puts them back to where they were.
    pub fn put_back(document: &mut Node, aside: Vec<Aside>) {
        let Value::Map(entries) = &mut document.value else { return };
        for Aside { place, entry } in aside {
            entries.insert(place.min(entries.len()), entry);
        }
    }

    /// Builds the sections of a configuration with this role; what is not written is as in `otherwise`.
    pub(crate) fn sections(
        &self,
        context: &Context<'_>,
        role: Option<&'static str>,
        otherwise: &[(&'static str, Node)],
        diagnostics: &mut Diagnostics,
    ) -> Sections {
        let mut sections = Sections::default();
        for item in &self.sections {
            let found = context.sections.iter().find(|aside| aside.entry.key == item.key);
            let otherwise = || otherwise.iter().find(|(key, _)| *key == item.key).map(|(_, node)| node);
            let node = found.map(|aside| &aside.entry.node).or_else(otherwise);
            let before = std::mem::take(&mut sections);
            let mut ground = Ground {
                clock: &context.clock,
                sections: &before,
                lasting: context.lasting,
                reader: &context.reader,
                role,
                diagnostics,
                door: Vec::new(),
                beside: Sections::default(),
            };
            let mut built = Sections::default();
            (item.build)(node, &mut ground, &mut built);
            built.put_at_the_door(ground.door);
            built.extend(ground.beside);
            sections = before;
            sections.extend(built);
        }
        sections
    }
}

fn build<S: SectionSpec>(written: Option<&Node>, ground: &mut Ground<'_>, sections: &mut Sections) {
    let Some(node) = written else {
        if let Some(section) = S::absent(ground) {
            sections.put(Some(section));
        }
        return;
    };
    let before = ground.diagnostics.len();
    let spec: Option<S> = decode(node, ground.diagnostics);
    // Half a specification would be told wrong things about.
    let spec = spec.filter(|_| ground.diagnostics.len() == before);
    sections.put(spec.and_then(|spec| spec.build(ground)));
}
