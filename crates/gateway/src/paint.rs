//! Words with colours for a terminal, and without for a pipe.

use std::fmt::Display;

use gwanmun_config::Style;

/// How words are painted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    style: Style,
}

impl Paint {
    pub(crate) fn new(style: Style) -> Self {
        Self { style }
    }

    pub(crate) fn bold(self, words: impl Display) -> String {
        self.wrap("1", words)
    }

    pub(crate) fn dim(self, words: impl Display) -> String {
        self.wrap("2", words)
    }

    pub(crate) fn good(self, words: impl Display) -> String {
        self.wrap("32", words)
    }

    pub(crate) fn bad(self, words: impl Display) -> String {
        self.wrap("31", words)
    }

    pub(crate) fn name(self, words: impl Display) -> String {
        self.wrap("36", words)
    }

    fn wrap(self, code: &str, words: impl Display) -> String {
        match self.style {
            Style::Coloured => format!("\u{1b}[{code}m{words}\u{1b}[0m"),
            _ => words.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_gets_words_only() {
        assert_eq!(Paint::new(Style::Plain).bold("a"), "a");
        assert_eq!(Paint::new(Style::Coloured).bold("a"), "\u{1b}[1ma\u{1b}[0m");
    }
}
