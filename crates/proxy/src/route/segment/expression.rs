//! Segments with a `{name:regexp}` in them: one linear-time regular expression over the whole segment.

use std::fmt;
use std::sync::Arc;

use regex::Regex;

use crate::parts::Invalid;
use crate::route::Variables;
use crate::route::segment::{Spelling, Token};

/// A regular expression over the whole segment and the names of its groups.
#[derive(Clone)]
pub(crate) struct Expression {
    text: Box<str>,
    regexp: Regex,
    names: Box<[Arc<str>]>,
}

impl Expression {
    /// Of the `tokens` of `text`.
    pub(super) fn new(text: &str, tokens: &[Token], spelling: Spelling) -> Result<Self, Invalid> {
        let mut source = String::from(if spelling == Spelling::Host { "(?si)\\A" } else { "(?s)\\A" });
        let mut names = Vec::new();
        for token in tokens {
            match token {
                Token::Literal(literal) => source.push_str(&regex::escape(literal)),
                Token::One => source.push('.'),
                Token::Star => source.push_str(".*"),
                Token::Capture(name, constraint) => {
                    let constraint = constraint.as_deref().unwrap_or(".*");
                    check_constraint(name, constraint)?;
                    source.push('(');
                    source.push_str(constraint);
                    source.push(')');
                    names.push(Arc::clone(name));
                }
            }
        }
        source.push_str("\\z");
        let regexp = Regex::new(&source).map_err(|error| unusable(text, &error))?;
        Ok(Self { text: text.into(), regexp, names: names.into() })
    }

    /// The text as written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The names it captures.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// Whether it matches `text`.
    pub(super) fn matches(&self, text: &str, captures: &mut Variables) -> bool {
        let Some(found) = self.regexp.captures(text) else { return false };
        for (name, group) in self.names.iter().zip(found.iter().skip(1)) {
            captures.push(name, group.map_or("", |group| group.as_str()));
        }
        true
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.text).finish()
    }
}

fn check_constraint(name: &str, constraint: &str) -> Result<(), Invalid> {
    let alone = Regex::new(constraint).map_err(|error| unusable(constraint, &error))?;
    if alone.captures_len() > 1 {
        return Err(Invalid::new(format!("the expression of '{{{name}}}' has a group of its own, wanted none"))
            .with_hint("write (?:…) for a group that captures nothing"));
    }
    Ok(())
}

fn unusable(text: &str, error: &regex::Error) -> Invalid {
    let reason = error.to_string();
    let reason = reason.lines().last().unwrap_or_default().trim();
    Invalid::new(format!(
        "'{text}' is no usable regular expression: {}",
        reason.strip_prefix("error: ").unwrap_or(reason)
    ))
}
