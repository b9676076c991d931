//! A mistake in a policy: where, what, and what to do about it.

/// What keeps a policy from being one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// Where it stands.
    pub argument: Argument,
    /// What was found and what was wanted.
    pub message: String,
    /// What the operator could do.
    pub hint: Option<String>,
}

/// A part of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Argument {
    /// `roles`.
    Roles,
    /// `scopes`.
    Scopes,
    /// `rule`.
    Rule {
        /// The character of the expression, from 1, where that is known.
        column: Option<usize>,
    },
    /// A line of `acl`.
    Acl {
        /// Its place in the list, from 1.
        line: usize,
    },
}

impl Argument {
    /// Its key in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Roles => "roles",
            Self::Scopes => "scopes",
            Self::Rule { .. } => "rule",
            Self::Acl { .. } => "acl",
        }
    }
}

/// A mistake before it is known where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Mistake {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn at(self, argument: Argument) -> Invalid {
        Invalid { argument, message: self.message, hint: self.hint }
    }
}

/// The one of `known` that `word` was probably meant to be.
pub(crate) fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    let lower = word.to_ascii_lowercase();
    let near = |known: &&str| strsim::damerau_levenshtein(&lower, &known.to_ascii_lowercase());
    let best = known.into_iter().min_by_key(near)?;
    (near(&best) <= 1 + word.len() / 4).then(|| format!("did you mean '{best}'?"))
}
