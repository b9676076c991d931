//! Literal text with `?`, `*` and `{name}` in it, matched by hand: no allocation, no backtracking.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::route::Variables;
use crate::route::segment::Token;

/// `first`, then stars with what follows each: `a*b{c}d` is `a`, (`*`, `b`), (`{c}`, `d`).
#[derive(Debug, Clone)]
pub(crate) struct Glob {
    text: Box<str>,
    first: Chunk,
    stars: Box<[Star]>,
}

#[derive(Debug, Clone)]
struct Star {
    name: Option<Arc<str>>,
    then: Chunk,
}

/// Characters, `None` standing for any one.
#[derive(Debug, Clone, Default)]
struct Chunk(Vec<Option<char>>);

impl Glob {
    pub(super) fn new(text: &str, tokens: Vec<Token>) -> Self {
        let mut first = Chunk::default();
        let mut stars: Vec<Star> = Vec::new();
        for token in tokens {
            let chunk = stars.last_mut().map_or(&mut first, |star| &mut star.then);
            match token {
                Token::Literal(literal) => chunk.0.extend(literal.chars().map(Some)),
                Token::One => chunk.0.push(None),
                Token::Star => stars.push(Star { name: None, then: Chunk::default() }),
                Token::Capture(name, _) => stars.push(Star { name: Some(name), then: Chunk::default() }),
            }
        }
        Self { text: text.into(), first, stars: stars.into() }
    }

    /// The text as written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The names it captures.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        self.stars.iter().filter_map(|star| star.name.as_deref())
    }

    /// Whether it matches `text`.
    ///
    /// Earlier stars take as much as they can, as a greedy expression would: going from the right, every literal part
    /// sits as far right as it fits. No backtracking.
    pub(super) fn matches(&self, text: &str, captures: &mut Variables) -> bool {
        let Some(mut window) = self.first.strip_front(text) else { return false };
        let Some((last, others)) = self.stars.split_last() else { return window.is_empty() };
        let Some(before) = last.then.strip_back(window) else { return false };
        window = before;
        let mut taken: SmallVec<[(&Arc<str>, &str); 4]> = SmallVec::new();
        let mut open = last;
        for star in others.iter().rev() {
            let Some((before, after)) = star.then.split_at_last(window) else { return false };
            taken.extend(open.name.as_ref().map(|name| (name, after)));
            window = before;
            open = star;
        }
        taken.extend(open.name.as_ref().map(|name| (name, window)));
        for (name, value) in taken.into_iter().rev() {
            captures.push(name, value);
        }
        true
    }
}

impl Chunk {
    fn strip_front<'t>(&self, text: &'t str) -> Option<&'t str> {
        let mut characters = text.chars();
        for wanted in &self.0 {
            let found = characters.next()?;
            if wanted.is_some_and(|wanted| wanted != found) {
                return None;
            }
        }
        Some(characters.as_str())
    }

    fn strip_back<'t>(&self, text: &'t str) -> Option<&'t str> {
        let mut characters = text.chars();
        for wanted in self.0.iter().rev() {
            let found = characters.next_back()?;
            if wanted.is_some_and(|wanted| wanted != found) {
                return None;
            }
        }
        Some(characters.as_str())
    }

    /// What stands before and after the last occurrence in `text`.
    fn split_at_last<'t>(&self, text: &'t str) -> Option<(&'t str, &'t str)> {
        let mut end = text;
        loop {
            if let Some(before) = self.strip_back(end) {
                return Some((before, text.get(end.len()..)?));
            }
            let mut characters = end.chars();
            characters.next_back()?;
            end = characters.as_str();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;
    use crate::route::segment::{Segment, Spelling};

    proptest! {
        #[test]
        fn it_matches_and_captures_what_a_greedy_expression_does(
            tokens in prop::collection::vec(prop::sample::select(vec!["a", "b", "é", "?", "*", "{}"]), 1..7),
            text in "[abé]{1,8}",
        ) {
            let (mut pattern, mut expression) = (String::new(), "\\A".to_owned());
            for (place, token) in tokens.into_iter().enumerate() {
                match token {
                    "{}" => {
                        pattern.push_str(&format!("{{v{place}}}"));
                        expression.push_str("(.*)");
                    }
                    "?" => expression.push('.'),
                    "*" => expression.push_str(".*"),
                    literal => expression.push_str(literal),
                }
                pattern.push_str(if token == "{}" { "" } else { token });
            }
            let groups = Regex::new(&(expression + "\\z")).unwrap();
            let wanted = groups.captures(&text).map(|found| {
                found.iter().skip(1).flatten().map(|group| group.as_str().to_owned()).collect::<Vec<_>>()
            });
            let mut captures = Variables::default();
            let held = Segment::parse(&pattern, Spelling::Path).unwrap().matches(&text, &mut captures);
            let found = held.then(|| captures.iter().map(|(_, value)| value.to_owned()).collect::<Vec<_>>());
            prop_assert_eq!(found, wanted, "{} {}", pattern, text);
        }
    }
}
