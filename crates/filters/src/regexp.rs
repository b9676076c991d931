//! Regular expressions in arguments: linear-time ones, so that no request can make a match slow. Java's look-around and
//! back-references need backtracking and are refused with that explanation.

use gwanmun_proxy::Invalid;
use regex::Regex;

/// An expression that may match any part of a text.
pub(crate) fn anywhere(argument: &'static str, text: &str) -> Result<Regex, Invalid> {
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
    match error {
        regex::Error::CompiledTooBig(_) => {
            invalid.with_hint("counted repetitions such as {1000} make an expression large")
        }
        _ => invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
