//! The access list of `authorize`: lines in place, or in a file of their own. Every mistake of the file is told at once,
//! with its place in it.

use std::borrow::Cow;
use std::fmt;

use gwanmun_authz::LineSpec;
use gwanmun_config::{Diagnostic, OneOrMany, Sources, Span, Spanned, decode, load_list};
use gwanmun_proxy::{Invalid, Reader};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use crate::file_reference::path_of;

/// An access list, as people write it.
#[derive(Debug)]
pub(super) enum AclSpec {
    /// `file:PATH`.
    File(String),
    /// The lines.
    Lines(Vec<Spanned<AclLineSpec>>),
}

/// One line: who may do what.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AclLineSpec {
    /// `user:SUBJECT`, `group:ROLE`, or `*` for everybody who is authenticated.
    who: String,
    /// A host, `*.example` for the names one label below, or `*`; without it every host.
    #[serde(default, deserialize_with = "super::given")]
    host: Option<String>,
    /// A path: segments `*` and `{name}` are any one, `/**` at the end is everything below; without it every path.
    #[serde(default, deserialize_with = "super::given")]
    path: Option<String>,
    /// Methods; without them every method.
    #[serde(default, deserialize_with = "super::given")]
    methods: Option<OneOrMany<String>>,
}

/// An access list that has been read.
pub(super) struct AccessList {
    lines: Vec<Spanned<AclLineSpec>>,
    /// The texts of the file that they stand in, and who names it.
    file: Option<(Sources, Span)>,
}

#[derive(serde::Deserialize)]
struct Whole {
    list: Vec<Spanned<AclLineSpec>>,
}

impl AccessList {
    /// The list of `spec`; every mistake in it goes to `mistakes`, and what is good remains, to be looked at further.
    pub(super) fn read(spec: Spanned<AclSpec>, reader: &Reader<'_>, mistakes: &mut Vec<Invalid>) -> Option<Self> {
        let list = match spec.value {
            AclSpec::Lines(lines) => Self { lines, file: None },
            AclSpec::File(file) => Self::from_file(&Spanned::new(file, spec.span), reader, mistakes)
                .map_err(|mistake| mistakes.push(mistake))
                .ok()?,
        };
        for (place, line) in (1..).zip(&list.lines) {
            // Every method is what a line without methods is for; an empty list is a slip.
            if line.methods.as_ref().is_some_and(|methods| methods.is_empty()) {
                mistakes.push(list.refuse(place, "found no methods, wanted at least one"));
            }
        }
        Some(list)
    }

    fn from_file(file: &Spanned<String>, reader: &Reader<'_>, mistakes: &mut Vec<Invalid>) -> Result<Self, Invalid> {
        let at = |message: String| Invalid::within(file.span, message).or_at("acl");
        let path =
            path_of(file).ok_or_else(|| at(format!("found '{}', wanted file:PATH or a list of lines", file.value)))?;
        let name = reader.resolve(&path).display().to_string();
        let bytes = reader.read(&path).map_err(|error| at(format!("cannot read '{name}': {error}")))?;
        let text = String::from_utf8(bytes).map_err(|_| at(format!("'{name}' is not UTF-8")))?;
        let mut loaded = load_list(&name, &text);
        let whole: Option<Whole> = decode(&loaded.document, &mut loaded.diagnostics);
        loaded.diagnostics.sort();
        let list =
            Self { lines: whole.map(|whole| whole.list).unwrap_or_default(), file: Some((loaded.sources, file.span)) };
        mistakes.extend(loaded.diagnostics.iter().map(|mistake| list.repeat(mistake)));
        Ok(list)
    }

    /// The lines, for the policy.
    pub(super) fn lines(&self) -> Vec<LineSpec> {
        let line = |line: &Spanned<AclLineSpec>| LineSpec {
            who: line.who.clone(),
            host: line.host.clone(),
            path: line.path.clone(),
            methods: line.methods.as_ref().map(|methods| methods.to_vec()).unwrap_or_default(),
        };
        self.lines.iter().map(line).collect()
    }

    /// A mistake in a line, counted from 1.
    pub(super) fn refuse(&self, line: usize, message: &str) -> Invalid {
        let span = line.checked_sub(1).and_then(|place| self.lines.get(place)).map_or(Span::NOWHERE, |line| line.span);
        self.refuse_at(span, message)
    }

    fn refuse_at(&self, span: Span, message: &str) -> Invalid {
        match &self.file {
            None => Invalid::within(span, message).or_at("acl"),
            Some((sources, named_at)) => {
                let (name, line, column) = sources.location(span);
                Invalid::within(*named_at, format!("{name}:{line}:{column}: {message}")).or_at("acl")
            }
        }
    }

    fn repeat(&self, mistake: &Diagnostic) -> Invalid {
        let invalid = self.refuse_at(mistake.span.unwrap_or(Span::NOWHERE), &mistake.message);
        match &mistake.hint {
            Some(hint) => invalid.with_hint(hint),
            None => invalid,
        }
    }
}

impl<'de> Deserialize<'de> for AclSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = AclSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("file:PATH or a list of lines")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<AclSpec, E> {
                Ok(AclSpec::File(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<AclSpec, A::Error> {
                let mut lines = Vec::new();
                while let Some(line) = elements.next_element()? {
                    lines.push(line);
                }
                Ok(AclSpec::Lines(lines))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for AclSpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "AclSpec".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let line = generator.subschema_for::<AclLineSpec>();
        json_schema!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": line }] })
    }
}
