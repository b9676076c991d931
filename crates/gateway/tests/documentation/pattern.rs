//! What a document says is printed, beside what was printed.

/// Stands for anything within a line.
const SOMETHING: char = '…';
/// Alone on a line, stands for any lines.
const LINES: &str = "...";

/// Whether `printed` is what `expected` says.
pub(crate) fn fits(expected: &str, printed: &str) -> bool {
    lines_fit(&lines(expected), &lines(printed))
}

/// Space at the ends does not count.
fn lines(text: &str) -> Vec<&str> {
    text.trim_end().lines().map(str::trim_end).collect()
}

fn lines_fit(expected: &[&str], printed: &[&str]) -> bool {
    match expected.split_first() {
        None => printed.is_empty(),
        Some((line, rest)) if line.trim() == LINES => {
            (0..=printed.len()).any(|skipped| lines_fit(rest, &printed[skipped..]))
        }
        Some((line, rest)) => {
            printed.split_first().is_some_and(|(first, others)| line_fits(line, first) && lines_fit(rest, others))
        }
    }
}

fn line_fits(expected: &str, printed: &str) -> bool {
    let Some((before, after)) = expected.split_once(SOMETHING) else { return expected == printed };
    let Some(rest) = printed.strip_prefix(before) else { return false };
    let starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    starts.into_iter().any(|at| line_fits(after, &rest[at..]))
}

#[test]
fn something_is_anything_within_a_line_and_dots_are_lines() {
    assert!(fits("a … d\n...\nend\n", "a b c d\nx\ny\nend"));
    assert!(fits("a\n...", "a"));
    assert!(fits("one: … two: …", "one: 1 two: 2"));
    assert!(!fits("a … d", "a b c"));
    assert!(!fits("a\nb", "a\nc"));
    assert!(!fits("a", "a\nb"));
}
