//! The documentation of predicates and filters, read from their specifications, so that a new one documents itself.

mod combination;
mod words;

use gwanmun_filters::Registry;
use gwanmun_proxy::catalog::Item;
use schemars::SchemaGenerator;
use serde_json::{Map, Value};

/// Sentences of more bytes than these are long.
const LONG: usize = 100;

/// What a page is about. Complete: a configuration names nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Predicate,
    Filter,
}

/// All there is to know about one predicate or filter.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) kind: Kind,
    pub(crate) name: &'static str,
    /// Paragraphs.
    pub(crate) description: Vec<String>,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) short: Short,
    /// A complete configuration with tests.
    pub(crate) example: &'static str,
}

/// How it may be written in short.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Short {
    /// As its bare name: no argument is required.
    Name,
    /// With this argument alone.
    Argument(String),
    /// Not at all.
    No,
}

/// One argument.
#[derive(Debug)]
pub(crate) struct Argument {
    pub(crate) name: String,
    /// What may stand there, in words.
    pub(crate) value: String,
    pub(crate) is_required: bool,
    /// What it is if nothing is written.
    pub(crate) default: Option<String>,
    /// Paragraphs.
    pub(crate) description: Vec<String>,
}

/// A page for everything in `registry`: predicates, then filters, each by name.
pub(crate) fn pages(registry: &Registry) -> Vec<Page> {
    let mut generator = SchemaGenerator::default();
    let catalog = registry.catalog();
    let mut pages: Vec<Page> = catalog.predicates().map(|item| page(Kind::Predicate, item, &mut generator)).collect();
    pages.extend(combination::pages());
    pages.extend(catalog.filters().map(|item| page(Kind::Filter, item, &mut generator)));
    pages
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Predicate => "predicate",
            Self::Filter => "filter",
        }
    }
}

impl Page {
    /// The first sentence of the description; of a long one, what stands before the colon.
    pub(crate) fn summary(&self) -> String {
        let text = self.description.first().map_or("", String::as_str);
        let sentence = text.find(". ").and_then(|end| text.get(..=end)).unwrap_or(text);
        match sentence.split_once(": ") {
            Some((beginning, _)) if sentence.len() > LONG => format!("{beginning}."),
            _ => sentence.to_owned(),
        }
    }
}

fn page<T>(kind: Kind, item: &Item<T>, generator: &mut SchemaGenerator) -> Page {
    let schema = item.schema(generator).to_value();
    let definitions = generator.definitions();
    let schema = words::resolved(&schema, definitions);
    let arguments = arguments(schema, definitions);
    let short = match item.sole_argument() {
        Some(argument) => Short::Argument(argument.to_owned()),
        None if arguments.iter().any(|argument| argument.is_required) => Short::No,
        None => Short::Name,
    };
    Page {
        kind,
        name: item.name,
        description: paragraphs(schema),
        arguments,
        short,
        example: item.example.trim_start_matches('\n'),
    }
}

/// Required ones first, then as the schema has them.
fn arguments(schema: &Value, definitions: &Map<String, Value>) -> Vec<Argument> {
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let argument = |(name, schema): (&String, &Value)| Argument {
        name: name.clone(),
        value: words::of(schema, definitions),
        is_required: required.contains(&name.as_str()),
        default: schema.get("default").filter(|default| !is_nothing(default)).map(shown),
        description: paragraphs(schema),
    };
    let mut arguments: Vec<Argument> = properties.map(argument).collect();
    arguments.sort_by_key(|argument| required.iter().position(|name| *name == argument.name).unwrap_or(required.len()));
    arguments
}

/// The lines of a paragraph joined; a blank line ends one.
fn paragraphs(schema: &Value) -> Vec<String> {
    let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    text.split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|text| !text.is_empty())
        .collect()
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_of(name: &str) -> Page {
        pages(&Registry::standard()).into_iter().find(|page| page.name == name).unwrap()
    }

    #[test]
    fn a_page_knows_arguments_with_types_and_defaults() {
        let page = page_of("add-response-header");
        let told: Vec<_> = page
            .arguments
            .iter()
            .map(|it| (it.name.as_str(), it.value.as_str(), it.is_required, it.default.as_deref()))
            .collect();
        assert_eq!(
            told,
            [
                ("name", "text", true, None),
                ("value", "text", true, None),
                ("override", "true or false", false, Some("true"))
            ]
        );
        assert_eq!(page.short, Short::No);
        assert_eq!(page.summary(), "Adds a header to the response.");
    }

    #[test]
    fn what_may_be_written_in_short_is_known() {
        assert_eq!(page_of("strip-prefix").short, Short::Argument("parts".to_owned()));
        assert_eq!(page_of("preserve-host-header").short, Short::Name);
        assert_eq!(page_of("path").short, Short::Argument("patterns".to_owned()));
    }

    #[test]
    fn every_page_says_something_about_everything() {
        for page in pages(&Registry::standard()) {
            assert!(!page.summary().is_empty() && !page.example.is_empty(), "{}", page.name);
            for argument in &page.arguments {
                assert!(
                    !argument.value.is_empty() && !argument.description.is_empty(),
                    "{} of {}",
                    argument.name,
                    page.name
                );
            }
        }
    }
}
