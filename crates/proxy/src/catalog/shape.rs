//! What may be written behind a name, as far as hints show it: the arguments in the order of the specification. Part of
//! the catalog, so that a hint cannot name an argument that is not there.

use gwanmun_config::{Entry, did_you_mean};
use schemars::{JsonSchema, Schema};
use serde::de::{DeserializeOwned, Deserializer, Error, Visitor, value};
use serde::forward_to_deserialize_any;

/// What stands for a value that only the author knows.
const OPEN: &str = "…";

/// The arguments of a predicate or filter.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    arguments: Vec<Argument>,
}

#[derive(Debug)]
struct Argument {
    name: String,
    is_required: bool,
    is_list: bool,
    is_flag: bool,
    /// Whether it may be a map of any keys.
    may_be_map: bool,
}

impl Shape {
    /// The shape of `S`: its required arguments first.
    pub(super) fn of<S: DeserializeOwned + JsonSchema>() -> Self {
        let schema = schemars::schema_for!(S);
        let required: Vec<&str> = schema
            .get("required")
            .and_then(|names| names.as_array())
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str())
            .collect();
        let argument = |name: &&'static str| {
            let property = schema.get("properties")?.get(*name)?;
            let is = |schema: &serde_json::Value, kind: &str| schema.get("type").is_some_and(|found| found == kind);
            let alternatives = property.get("anyOf").and_then(|found| found.as_array()).into_iter().flatten();
            let is_list = alternatives.chain([property]).any(|schema| is(schema, "array"));
            let is_flag = is(property, "boolean");
            let may_be_map = <&Schema>::try_from(property).is_ok_and(|property| takes_map(property, &schema));
            Some(Argument {
                name: (*name).to_owned(),
                is_required: required.contains(name),
                is_list,
                is_flag,
                may_be_map,
            })
        };
        let mut arguments: Vec<Argument> = fields_of::<S>().iter().filter_map(argument).collect();
        arguments.sort_by_key(|argument| !argument.is_required);
        Self { arguments }
    }

    /// The argument that may stand alone: the only one that is required, or the only one.
    pub(super) fn sole(&self) -> Option<&str> {
        let mut required = self.required();
        match (self.arguments.as_slice(), required.next(), required.next()) {
            ([only], ..) => Some(&only.name),
            (_, Some(first), None) => Some(first),
            _ => None,
        }
    }

    /// The arguments that cannot be left out.
    pub(super) fn required(&self) -> impl Iterator<Item = &str> {
        self.arguments.iter().filter(|argument| argument.is_required).map(|argument| argument.name.as_str())
    }

    /// Whether `entries` are the argument that may stand alone: no key is an argument, or like one.
    pub(super) fn is_sole_map(&self, entries: &[Entry]) -> bool {
        let names = || self.arguments.iter().map(|argument| argument.name.as_str());
        let may_be_map =
            self.arguments.iter().any(|argument| argument.may_be_map && self.sole() == Some(&argument.name));
        may_be_map && !entries.is_empty() && entries.iter().all(|entry| did_you_mean(&entry.key, names()).is_none())
    }

    /// `name` with `values` in the order of the arguments, as it is written here.
    pub(super) fn with_values(&self, name: &str, values: &[&str]) -> String {
        // A list takes them all, unless what follows it is more than a flag.
        let takes_all = self.arguments.split_first().is_some_and(|(first, rest)| {
            first.is_list && self.sole() == Some(&first.name) && rest.iter().all(|argument| argument.is_flag)
        });
        match values {
            [] => self.with_names(name, &[]),
            [only] if self.sole().is_some() => format!("{name}: {}", quoted(only)),
            several if takes_all => {
                let values: Vec<String> = several.iter().map(|value| quoted(value)).collect();
                format!("{name}: [{}]", values.join(", "))
            }
            several => {
                let names = self.arguments.iter().map(|argument| argument.name.clone());
                let pairs: Vec<(String, &str)> = names.zip(several.iter().copied()).collect();
                self.with_names(name, &pairs)
            }
        }
    }

    /// `name` with the values of arguments by their names; required ones that are not among them stay open.
    pub(super) fn with_names(&self, name: &str, given: &[(String, &str)]) -> String {
        let value = |argument: &Argument| {
            let found = given.iter().find(|(name, _)| *name == argument.name).map(|(_, value)| *value);
            let value = found.filter(|value| !value.is_empty()).map(quoted);
            value.or_else(|| argument.is_required.then(|| OPEN.to_owned()))
        };
        let told: Vec<(&str, String)> =
            self.arguments.iter().filter_map(|argument| Some((argument.name.as_str(), value(argument)?))).collect();
        match told.as_slice() {
            [] => name.to_owned(),
            [(only, value)] if self.sole() == Some(only) => format!("{name}: {value}"),
            several => {
                let entries: Vec<String> = several.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                format!("{name}: {{{}}}", entries.join(", "))
            }
        }
    }
}

/// A value as it may stand anywhere in YAML; an empty one is not known.
pub(crate) fn quoted(value: &str) -> String {
    let special = |letter: char| "!&*?|>@%`\"'#,[]{}-~".contains(letter);
    let is_plain = !value.starts_with(special)
        && !value.contains(['{', '}', '[', ']', ',', '\n'])
        && !value.contains(": ")
        && !value.contains(" #")
        && !value.ends_with(':')
        && value.trim() == value
        && !value.is_empty();
    match is_plain {
        true => value.to_owned(),
        false if value.is_empty() => OPEN.to_owned(),
        false if value.contains(['"', '\\']) => format!("'{}'", value.replace('\'', "''")),
        false => format!("\"{value}\""),
    }
}

/// Whether a map of any keys fits `schema`, a part of `whole`.
fn takes_map(schema: &Schema, whole: &Schema) -> bool {
    let referred = schema.get("$ref").and_then(|place| whole.pointer(place.as_str()?.trim_start_matches('#')));
    let alternatives = ["anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    let is_open = schema.get("type").is_some_and(|kind| kind == "object") && schema.get("properties").is_none();
    is_open
        || referred
            .into_iter()
            .chain(alternatives)
            .filter_map(|part| <&Schema>::try_from(part).ok())
            .any(|part| takes_map(part, whole))
}

/// The fields of a struct, as its derived `Deserialize` names them.
fn fields_of<S: DeserializeOwned>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // It ends in an error by design: only the names are asked for.
    let _ = S::deserialize(Fields(&mut fields));
    fields
}

struct Fields<'f>(&'f mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Fields<'_> {
    type Error = value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, value::Error> {
        Err(value::Error::custom("only names are asked for"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, value::Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    #[expect(dead_code, reason = "only its shape is looked at")]
    struct Rewrite {
        #[serde(default)]
        strip_mode: Option<String>,
        regexp: String,
        replacement: String,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its shape is looked at")]
    struct Paths {
        patterns: gwanmun_config::OneOrMany<String>,
        #[serde(default)]
        slash: bool,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its shape is looked at")]
    struct Dedupe {
        name: gwanmun_config::OneOrMany<String>,
        #[serde(default)]
        strategy: Option<String>,
    }

    #[test]
    fn required_arguments_come_first_and_the_rest_in_their_order() {
        let shape = Shape::of::<Rewrite>();
        assert_eq!(
            shape.with_values("rewrite", &["a", "b", "c"]),
            "rewrite: {regexp: a, replacement: b, strip-mode: c}"
        );
        assert_eq!(shape.with_values("rewrite", &[]), "rewrite: {regexp: …, replacement: …}");
        assert_eq!(shape.with_values("rewrite", &["a"]), "rewrite: {regexp: a, replacement: …}");
        assert_eq!(shape.with_values("rewrite", &["", "b"]), "rewrite: {regexp: …, replacement: b}");
        assert_eq!(shape.sole(), None);
    }

    #[test]
    fn the_only_required_argument_stands_alone_and_takes_a_list() {
        let shape = Shape::of::<Paths>();
        assert_eq!(shape.with_values("path", &["/a/**"]), "path: /a/**");
        assert_eq!(
            Shape::of::<Dedupe>().with_values("dedupe", &["A B", "FIRST"]),
            "dedupe: {name: A B, strategy: FIRST}"
        );
        assert_eq!(shape.with_values("path", &["/a/{b}", "/c"]), "path: [\"/a/{b}\", /c]");
        assert_eq!(
            shape.with_names("path", &[("patterns".to_owned(), "/a"), ("slash".to_owned(), "true")]),
            "path: {patterns: /a, slash: true}"
        );
    }

    #[test]
    fn values_are_quoted_where_yaml_needs_it() {
        for (value, written) in [
            (r"\d+", r"\d+"),
            ("**.a", "\"**.a\""),
            (r"/$\{a}", r"'/$\{a}'"),
            ("a, b", "\"a, b\""),
            ("a: b", "\"a: b\""),
            ("1", "1"),
        ] {
            assert_eq!(quoted(value), written);
        }
    }
}
