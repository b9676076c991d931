//! What one segment of a path, or one label of a host, may be: the part that path patterns and host patterns share.

mod expression;
mod glob;
mod token;

use std::sync::Arc;

use crate::parts::Invalid;
use crate::route::Variables;
use crate::route::segment::expression::Expression;
use crate::route::segment::glob::Glob;
use crate::route::segment::token::{Token, tokenize};

pub(crate) use crate::route::segment::token::{split_outside_braces, variable_name};

/// How the literal parts of a pattern are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// A segment of a path: case matters, `%2A` is a literal star.
    Path,
    /// A label of a host: lower-case.
    Host,
}

/// A pattern for one segment. Nothing but an empty literal and [`Segment::AnyOrEmpty`] matches an empty segment.
#[derive(Debug, Clone)]
pub(crate) enum Segment {
    /// This text, decoded.
    Literal(Box<str>),
    /// `*`: anything.
    Any,
    /// `*` as the last segment of a path: anything, also nothing.
    AnyOrEmpty,
    /// `{name}`: anything, captured.
    Capture(Arc<str>),
    /// Literal text, `?`, `*` and `{name}` mixed.
    Glob(Box<Glob>),
    /// Something with a `{name:regexp}` in it.
    Expression(Box<Expression>),
}

impl Segment {
    /// Parses the text between two separators.
    pub(crate) fn parse(text: &str, spelling: Spelling) -> Result<Self, Invalid> {
        let mut tokens = tokenize(text, spelling)?;
        if tokens.iter().any(|token| matches!(token, Token::Capture(_, Some(_)))) {
            return Ok(Self::Expression(Box::new(Expression::new(text, &tokens, spelling)?)));
        }
        match tokens.as_mut_slice() {
            [] => return Ok(Self::Literal("".into())),
            [Token::Literal(literal)] => return Ok(Self::Literal(std::mem::take(literal).into())),
            [Token::Capture(name, None)] => return Ok(Self::Capture(Arc::clone(name))),
            tokens if tokens.iter().all(|token| matches!(token, Token::Star)) => return Ok(Self::Any),
            _ => {}
        }
        Ok(Self::Glob(Box::new(Glob::new(text, tokens))))
    }

    /// The names it captures.
    pub(crate) fn variables(&self) -> Vec<&str> {
        match self {
            Self::Literal(_) | Self::Any | Self::AnyOrEmpty => Vec::new(),
            Self::Capture(name) => vec![name],
            Self::Glob(glob) => glob.variables().collect(),
            Self::Expression(expression) => expression.variables().collect(),
        }
    }

    /// Whether it matches the decoded `text`; captures of a failed attempt may be left behind.
    pub(crate) fn matches(&self, text: &str, captures: &mut Variables) -> bool {
        match self {
            Self::Literal(literal) => **literal == *text,
            Self::AnyOrEmpty => true,
            _ if text.is_empty() => false,
            Self::Any => true,
            Self::Capture(name) => {
                captures.push(name, text);
                true
            }
            Self::Glob(glob) => glob.matches(text, captures),
            Self::Expression(expression) => expression.matches(text, captures),
        }
    }

    /// Whether it certainly matches whatever `other` matches.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(mine), Self::Literal(theirs)) => mine == theirs,
            (Self::Literal(_), _) => false,
            (_, Self::Literal(theirs)) => self.matches(theirs, &mut Variables::default()),
            (Self::AnyOrEmpty, _) => true,
            (_, Self::AnyOrEmpty) => false,
            (Self::Any | Self::Capture(_), _) => true,
            (Self::Glob(mine), Self::Glob(theirs)) => mine.text() == theirs.text(),
            (Self::Expression(mine), Self::Expression(theirs)) => mine.text() == theirs.text(),
            _ => false,
        }
    }
}
