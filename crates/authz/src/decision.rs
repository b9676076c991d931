//! What a policy says of an action, and how it came to it.

use std::borrow::Cow;

use gwanmun_core::Reason;

/// Whether an action may be done, and what decided it in the words of the audit record: `scope orders.read`,
/// `role admin|ops`, `level high`, `acl group:ops`, `rule …`. There is no fourth answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<'p> {
    /// It may.
    Allow {
        /// All that held.
        rule: Cow<'p, str>,
    },
    /// It may not.
    Deny {
        /// What kind of condition it was.
        cause: Cause,
        /// The first that did not hold.
        rule: Cow<'p, str>,
        /// Why, for logs: words of ours and of the configuration, nothing that the caller sent.
        why: Cow<'p, str>,
    },
    /// Nobody is there who could be asked about.
    NotAuthenticated,
}

impl Decision<'_> {
    /// Whether the action may be done.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow { .. })
    }
}

/// Which kind of condition did not hold. These are all there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// None of the roles is there.
    Role,
    /// A scope is not there.
    Scope,
    /// The level is too low.
    Level,
    /// No line of the list is for it.
    Acl,
    /// The rule is false.
    Rule,
    /// The rule cannot be computed.
    Failure,
}

impl Cause {
    /// The word for log and metric.
    pub fn reason(self) -> Reason {
        match self {
            Self::Role => Reason::MissingRole,
            Self::Scope => Reason::MissingScope,
            Self::Level => Reason::LevelTooLow,
            Self::Acl => Reason::NotInAcl,
            Self::Rule => Reason::RuleRefused,
            Self::Failure => Reason::RuleFailed,
        }
    }
}

/// Every part of a policy against one action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation<'p> {
    /// What it comes to; the same as `decide` says.
    pub decision: Decision<'p>,
    /// The parts in the order in which they are asked.
    pub parts: Vec<Part>,
}

/// One part of a policy against one action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its words in the audit record.
    pub rule: String,
    /// Whether it held.
    pub held: bool,
    /// Why not.
    pub why: Option<String>,
    /// What it looked at: name and value. Values are shortened, and escaped where they could break a line.
    pub values: Vec<(String, String)>,
}

/// `text` for people: at most `most` characters, control characters escaped.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    let mut out: String = text.chars().take(most).flat_map(plain).collect();
    if text.chars().nth(most).is_some() {
        out.push('…');
    }
    out
}

/// The characters that `character` is written as, so that it neither breaks nor turns a line.
fn plain(character: char) -> impl Iterator<Item = char> {
    let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let escaped = (character.is_control() || turns).then(|| character.escape_default());
    let same = escaped.is_none().then_some(character);
    escaped.into_iter().flatten().chain(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_read_is_short_and_stays_on_its_line() {
        assert_eq!(shortened("orders", 6), "orders");
        assert_eq!(shortened("orders", 5), "order…");
        assert_eq!(shortened("a\nb\0\u{202e}", 9), "a\\nb\\u{0}\\u{202e}");
    }
}
