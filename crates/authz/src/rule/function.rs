//! The functions of expressions: the standard library's, and `matches` and `lowerAscii` of our own.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, LazyLock};

use cel::common::types::{CelBool, CelString, STRING_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{Env, ExecutionError};
use regex::{Regex, RegexBuilder};

/// The largest regular expression, compiled, bytes.
const LARGEST: usize = 1 << 20;

static PATTERN: Type = Type::new_unspecified_type("pattern");

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    // The names are ours: nothing declares them before.
    let matches = env.add_member_overload(
        "matches",
        "string_matches_pattern",
        STRING_TYPE,
        vec![Type::new_unspecified_type("pattern")],
        matches,
    );
    let lower = env.add_member_overload("lowerAscii", "string_lower_ascii", STRING_TYPE, Vec::new(), lower_ascii);
    debug_assert!(matches.is_ok() && lower.is_ok(), "a function is there twice");
    Arc::new(env)
});

/// What all expressions stand on.
pub(crate) fn environment() -> Arc<Env> {
    Arc::clone(&ENVIRONMENT)
}

/// A regular expression, compiled with the rule; linear in the text.
#[derive(Clone)]
pub(crate) struct Pattern(Regex);

impl Pattern {
    /// Compiles `text`; the error is one line.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let regex = RegexBuilder::new(text).size_limit(LARGEST).dfa_size_limit(LARGEST).build();
        regex.map(Self).map_err(|error| {
            let message = error.to_string();
            let last = message.lines().last().unwrap_or_default();
            last.trim().trim_start_matches("error: ").to_owned()
        })
    }

    /// As written.
    pub(crate) fn text(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.text())
    }
}

impl Val for Pattern {
    fn get_type(&self) -> &Type {
        &PATTERN
    }

    fn cel_type() -> &'static Type {
        &PATTERN
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Pattern {}

fn matches<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [text, pattern] = arguments.as_slice() else { return Err(ExecutionError::missing_argument_or_target()) };
    match (text.downcast_ref::<CelString<'_>>(), pattern.downcast_ref::<Pattern>()) {
        (Some(text), Some(Pattern(regex))) => Ok(CowVal::owned(CelBool::from(regex.is_match(text.inner())))),
        _ => Err(ExecutionError::function_error("matches", "wanted a text and a pattern")),
    }
}

fn lower_ascii<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    match arguments.first().and_then(|text| text.downcast_ref::<CelString<'_>>()) {
        Some(text) => Ok(CowVal::owned(CelString::from(text.inner().to_ascii_lowercase()))),
        None => Err(ExecutionError::function_error("lowerAscii", "wanted a text")),
    }
}
