//! How a text is laid out in lines and columns, as a person sees it. Syntax errors are explained and recovered from by
//! indentation, which the parser's tokens no longer show.

/// Lines looked at above a mistake.
const LOOK_BACK: usize = 200;

/// The lines of a text.
pub(super) struct Layout<'t> {
    text: &'t str,
    lines: Vec<Line>,
}

/// One line; offsets in bytes.
#[derive(Clone, Copy)]
pub(super) struct Line {
    pub(super) start: usize,
    /// After the line break.
    pub(super) end: usize,
    /// Blanks before the content; `None` for an empty line or a comment.
    pub(super) indent: Option<usize>,
    /// Whether it begins with a dash.
    pub(super) is_item: bool,
}

/// A column where a key or a dash stands above a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) column: usize,
    /// Counted from 1.
    pub(super) line: usize,
}

impl<'t> Layout<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let mut end = 0;
        let lines = text.split_inclusive('\n').map(|line| {
            let content = line.trim_start_matches([' ', '\t']);
            let is_bare = content.trim_end().is_empty() || content.starts_with('#');
            let start = end;
            end += line.len();
            let indent = (!is_bare).then(|| line.len() - content.len());
            Line { start, end, indent, is_item: content.starts_with("- ") || content.trim_end() == "-" }
        });
        Self { text, lines: lines.collect() }
    }

    pub(super) fn line(&self, index: usize) -> Option<Line> {
        self.lines.get(index).copied()
    }

    /// The line with byte `at`; for the end of the text or an empty line the last one with content above.
    pub(super) fn content_line_at(&self, at: usize) -> usize {
        let mut index = self.lines.partition_point(|line| line.start <= at).saturating_sub(1);
        while index > 0 && self.line(index).is_some_and(|line| line.indent.is_none()) {
            index -= 1;
        }
        index
    }

    /// What stands in a line, without indentation, comment and line break.
    pub(super) fn content(&self, index: usize) -> &'t str {
        let Some(line) = self.line(index) else { return "" };
        let content = self.text.get(line.start + line.indent.unwrap_or(0)..line.end).unwrap_or("");
        content.split(" #").next().unwrap_or(content).trim_end()
    }

    /// The first byte of a line's content.
    pub(super) fn content_start(&self, index: usize) -> usize {
        self.line(index).map_or(0, |line| line.start + line.indent.unwrap_or(0))
    }

    /// The first tab in the indentation of this line or the next.
    pub(super) fn indenting_tab(&self, index: usize) -> Option<usize> {
        [index, index + 1].into_iter().find_map(|index| {
            let line = self.line(index)?;
            let indentation = self.text.get(line.start..line.start + line.indent?)?;
            indentation.find('\t').map(|at| line.start + at)
        })
    }

    /// The columns above a line in which it could stand: of dashes for an item, of keys for anything else; innermost
    /// first.
    pub(super) fn columns_above(&self, index: usize) -> Vec<Column> {
        let wants_item = self.line(index).is_some_and(|line| line.is_item);
        let mut columns = Vec::new();
        let mut limit = usize::MAX;
        for above in (0..index).rev().take(LOOK_BACK) {
            let Some(Line { indent: Some(indent), is_item, .. }) = self.line(above) else { continue };
            let content = self.content(above);
            let inside = content.trim_start_matches('-').trim_start();
            let inner = indent + content.len() - inside.len();
            let is_key = inside.ends_with(':') || inside.contains(": ");
            for (column, fits) in [(inner, is_key && !wants_item), (indent, is_item && wants_item)] {
                if column < limit && fits {
                    columns.push(Column { column, line: above + 1 });
                }
            }
            limit = limit.min(indent);
            if limit == 0 {
                break;
            }
        }
        columns
    }

    /// The bracket or quote that is still open at the end of this line or of a line above, where each line was closed on
    /// its own otherwise.
    pub(super) fn unclosed(&self, index: usize) -> Option<(usize, char)> {
        let mut closers = 0_usize;
        for above in (0..=index).rev().take(LOOK_BACK) {
            let (open, surplus) = self.balance(above);
            if let Some(&(at, bracket)) = open.get(closers) {
                return Some((at, bracket));
            }
            closers = closers - open.len() + surplus;
        }
        None
    }

    /// What a line opens and does not close, innermost first, and how many closing brackets are left over.
    fn balance(&self, index: usize) -> (Vec<(usize, char)>, usize) {
        let Some(line) = self.line(index) else { return (Vec::new(), 0) };
        let mut open: Vec<(usize, char)> = Vec::new();
        let mut surplus = 0;
        let mut before = ' ';
        let mut letters = self.text.get(line.start..line.end).unwrap_or("").char_indices().peekable();
        while let Some((at, letter)) = letters.next() {
            let quote = open.last().map(|(_, letter)| *letter).filter(|letter| matches!(letter, '"' | '\''));
            match (quote, letter) {
                (Some('"'), '\\') => _ = letters.next(),
                (Some(quote), letter) if letter == quote => _ = open.pop(),
                (Some(_), _) => {}
                (None, '#') if before == ' ' => break,
                (None, '"' | '\'') if matches!(before, ' ' | '[' | '{' | ',' | ':') => {
                    open.push((line.start + at, letter))
                }
                (None, '[' | '{') => open.push((line.start + at, letter)),
                (None, ']' | '}') if open.pop().is_none() => surplus += 1,
                _ => {}
            }
            before = letter;
        }
        open.reverse();
        (open, surplus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unclosed_bracket_is_found_some_lines_above() {
        let layout = Layout::new("a: [x, {b: 1}\nc: d\ne: {f}\n");
        assert_eq!(layout.unclosed(2), Some((3, '[')));
        assert_eq!(Layout::new("a: [x,\n  y]\nb: 1\n").unclosed(2), None);
        assert_eq!(Layout::new("a: 'it' # ['\nb: \"\\\"[\"\n").unclosed(1), None);
        assert_eq!(Layout::new("a: \"x\nb: 1\n").unclosed(1), Some((3, '"')));
    }

    #[test]
    fn columns_above_are_those_of_keys_or_of_dashes() {
        let text = "routes:\n  - id: a\n    predicates:\n      - path: /a\n     filters:\n";
        let columns = |index, text| {
            Layout::new(text).columns_above(index).iter().map(|found| (found.column, found.line)).collect::<Vec<_>>()
        };
        assert_eq!(columns(4, text), [(8, 4), (4, 3), (0, 1)]);
        assert_eq!(columns(4, &text.replace("     filters:", "   - id: b")), [(6, 4), (2, 2)]);
    }
}
