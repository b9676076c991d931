//! Which lines to blank out after a syntax error, so that the rest of the file can still be checked. First the line
//! at fault with what is indented below it; if reading then stops there again, the list item or the key around it; then
//! the whole section. Each wider hole is taken silently, since the mistake has been told.

use std::ops::Range;

use super::layout::{Layout, Line};

/// What has been blanked so far.
#[derive(Default)]
pub(super) struct Recovery {
    last: Option<(Range<usize>, Reach)>,
}

/// One more hole.
pub(super) struct Step {
    /// The bytes to blank out.
    pub(super) hole: Range<usize>,
    /// Whether this is another mistake, not the last one again.
    pub(super) is_new: bool,
}

#[derive(Clone, Copy)]
enum Reach {
    Line,
    Item,
    Section,
}

impl Recovery {
    /// The next hole for a mistake at byte `at`; `None` when nothing is left to try.
    pub(super) fn next(&mut self, layout: &Layout<'_>, at: usize) -> Option<Step> {
        // Beyond the last line there is nothing new to find.
        let is_again = |hole: &Range<usize>| {
            at < hole.end || (at == hole.end && layout.content_line_at(at) == layout.content_line_at(hole.start))
        };
        let (is_new, reach, at) = match &self.last {
            Some((hole, reach)) if is_again(hole) => {
                let wider = match reach {
                    Reach::Line => Reach::Item,
                    Reach::Item => Reach::Section,
                    Reach::Section => return None,
                };
                (false, wider, hole.start)
            }
            _ => (true, Reach::Line, at),
        };
        let hole = hole(layout, at, reach);
        self.last = Some((hole.clone(), reach));
        Some(Step { hole, is_new })
    }
}

/// Replaces everything but line breaks by spaces; places stay what they are.
pub(super) fn blank(text: &mut String, hole: Range<usize>) {
    let blanked: String = text
        .get(hole.clone())
        .unwrap_or("")
        .bytes()
        .map(|byte| if matches!(byte, b'\n' | b'\r') { char::from(byte) } else { ' ' })
        .collect();
    text.replace_range(hole.start..hole.start + blanked.len(), &blanked);
}

/// Whole lines: from the one that opens the unit to the last one that belongs to it.
fn hole(layout: &Layout<'_>, at: usize, reach: Reach) -> Range<usize> {
    let mut first = layout.content_line_at(at);
    let opens = |line: Line| match reach {
        Reach::Line => true,
        Reach::Item => line.is_item || line.indent == Some(0),
        Reach::Section => line.indent == Some(0) && !line.is_item,
    };
    while first > 0 && !layout.line(first).is_some_and(opens) {
        first -= 1;
    }
    let Some(opening) = layout.line(first) else { return at..at };
    let indent = opening.indent.unwrap_or(0);
    let below = (first + 1..).map_while(|index| layout.line(index));
    let last = below.take_while(|line| line.indent.is_none_or(|own| own > indent)).last();
    opening.start..last.unwrap_or(opening).end
}
