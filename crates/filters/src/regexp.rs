//! Regular expressions in arguments: linear-time ones, so that no request can make a match slow. Java's look-around and
//! back-references need backtracking and are refused with that explanation.

use gwanmun_proxy::Invalid;
use regex::Regex;

/// An expression that may match any part of a text.
pub(crate) fn anywhere(argument: &'static str, text: &str) -> Result<Regex, Invalid> {
    if let Some(found) = possessive(text) {
        // Taken as a repetition of a repetition it would match something else than in Java, without a word.
        let message = format!("'{text}' is not usable as a regular expression: '{found}' is possessive");
        return Err(Invalid::at(argument, message).with_hint(
            "leave its last '+' out: nothing is tried twice here; a repetition of a repetition needs a group, (?:a+)+",
        ));
    }
    Regex::new(text).map_err(|error| refused(argument, text, &error))
}

/// An expression that matches a text as a whole, as Java's `matches` does.
pub(crate) fn whole(argument: &'static str, text: &str) -> Result<Regex, Invalid> {
    // Alone first: the message is about what was written, and an unbalanced ')' must not close the group around it.
    anywhere(argument, text)?;
    Regex::new(&format!(r"\A(?:{text})\z")).map_err(|error| refused(argument, text, &error))
}

fn refused(argument: &'static str, text: &str, error: &regex::Error) -> Invalid {
    let said = error.to_string();
    let reason = said.lines().last().unwrap_or_default().trim();
    let reason = reason.strip_prefix("error: ").unwrap_or(reason);
    let invalid = Invalid::at(argument, format!("'{text}' is not usable as a regular expression: {reason}"));
    if reason.contains("look-around") || reason.contains("backreference") {
        return invalid.with_hint(
            "look-around and back-references are not supported: matching them can take exponential time, \
             and a client could send the text that does",
        );
    }
    if text.contains(r"\Q") {
        return invalid.with_hint(r"there is no \Q…\E here: write a backslash before each special character");
    }
    match error {
        regex::Error::CompiledTooBig(_) => {
            invalid.with_hint("counted repetitions such as {1000} make an expression large")
        }
        _ => invalid,
    }
}

/// Java's first possessive repetition in `text`: `++`, `*+`, `?+` or `}+`.
fn possessive(text: &str) -> Option<&'static str> {
    let mut letters = text.chars().peekable();
    // Brackets around this place, and the repetition that ends right before it.
    let (mut classes, mut repetition) = (0_usize, None);
    while let Some(letter) = letters.next() {
        let before = repetition.take();
        match letter {
            '\\' => _ = letters.next(),
            '[' => {
                classes += 1;
                // A bracket right at the beginning of a class is a member of it.
                let _ = letters.next_if_eq(&'^');
                let _ = letters.next_if_eq(&']');
            }
            ']' => classes = classes.saturating_sub(1),
            _ if classes > 0 => {}
            '(' => _ = letters.next_if_eq(&'?'),
            '{' => {
                let mut counts = false;
                while letters.next_if(|next| next.is_ascii_digit() || *next == ',').is_some() {
                    counts = true;
                }
                repetition = (letters.next_if_eq(&'}').is_some() && counts).then_some("}+");
            }
            '+' if before.is_some() => return before,
            '?' if before.is_some() => {}
            '*' => repetition = Some("*+"),
            '+' => repetition = Some("++"),
            '?' => repetition = Some("?+"),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn javas_possessive_repetitions_are_refused_and_nothing_else_is() {
        for text in ["a++", "/x*+y", "a?+", "a{2,3}+", "[+]++", "(?:a)*+", r"\+++"] {
            let refused = anywhere("regexp", text).unwrap_err();
            assert!(refused.message().ends_with("is possessive"), "{text}: {refused:?}");
            assert!(refused.hint().is_some_and(|hint| hint.contains("leave its last")), "{refused:?}");
        }
        for text in [r"\++", "[a++]", "[]++]", "[^]*+]+", "(a+)+", "a+?", "a{2}?", r"\}+", "(?:a)", r"\[a+"] {
            assert!(anywhere("regexp", text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_quotation_is_refused_with_what_to_write() {
        assert!(anywhere("regexp", r"\Qa.b\E").unwrap_err().hint().unwrap().contains("a backslash before each"));
    }

    #[test]
    fn a_whole_match_covers_every_alternative() {
        let regexp = whole("regexp", "a|bc").unwrap();
        assert!(regexp.is_match("a") && regexp.is_match("bc"));
        assert!(!regexp.is_match("ab") && !regexp.is_match("bc\n") && !regexp.is_match("xa"));
    }

    #[test]
    fn javas_named_groups_are_understood() {
        assert_eq!(&anywhere("regexp", "/red(?<rest>/.*)").unwrap().captures("/red/x").unwrap()["rest"], "/x");
    }

    #[test]
    fn look_around_and_back_references_are_refused_with_the_reason() {
        for text in ["(?<=a)b", "a(?!b)", r"(a)\1"] {
            let refused = anywhere("regexp", text).unwrap_err();
            assert!(refused.hint().is_some_and(|hint| hint.contains("exponential")), "{refused:?}");
            assert_eq!(refused.argument(), Some("regexp"));
        }
    }

    #[test]
    fn broken_expressions_are_refused() {
        assert!(anywhere("regexp", "(").is_err());
        assert!(whole("regexp", "a)(b").is_err());
        assert!(anywhere("regexp", r"(\w{1000}){1000}").unwrap_err().hint().is_some());
    }
}
