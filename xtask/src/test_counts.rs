//! Counts tests from the closing lines of `cargo test` and `cargo nextest`, so that one line can end a run of both.

use std::fmt;

/// Tests seen so far.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TestCounts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl TestCounts {
    /// For a second run that makes up for what the first one skipped.
    pub(crate) fn forget_skipped(&mut self) {
        self.skipped = 0;
    }

    /// Adds what a line says when it closes a run of tests; other lines change nothing.
    pub(crate) fn read_line(&mut self, line: &str) {
        let line = without_colour(line);
        let line = line.trim();
        let closing = line.strip_prefix("test result:").or_else(|| {
            let nextest = line.strip_prefix("Summary [")?;
            nextest.split_once(" run:").map(|(_, counts)| counts)
        });
        let Some(closing) = closing else { return };
        let words: Vec<&str> = closing.split([' ', ',', ';', '.', '(', ')']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            let [number, what] = pair else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match *what {
                "passed" => self.passed += number,
                "failed" | "timed" => self.failed += number,
                "ignored" | "skipped" => self.skipped += number,
                _ => {}
            }
        }
    }
}

impl fmt::Display for TestCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tests: {} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// The line without ANSI colour sequences (`ESC [ ... m`).
fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(lines: &[&str]) -> String {
        let mut counts = TestCounts::default();
        lines.iter().for_each(|line| counts.read_line(line));
        counts.to_string()
    }

    #[test]
    fn the_runs_of_cargo_test_add_up() {
        let lines = [
            "running 3 tests",
            "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.21s",
            "test result: FAILED. 4 passed; 5 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.00s",
        ];
        assert_eq!(counted(&lines), "tests: 6 passed, 5 failed, 1 skipped");
    }

    #[test]
    fn nextest_is_understood_in_colour() {
        let line = "     Summary [   0.005s] 13 tests run: \u{1b}[32;1m11\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m (1 slow), 2 failed, 3 skipped";
        assert_eq!(counted(&[line]), "tests: 11 passed, 2 failed, 3 skipped");
    }

    #[test]
    fn talk_about_tests_is_not_counted() {
        assert_eq!(
            counted(&["12 passed, 3 failed", "a test result: 3 passed"]),
            "tests: 0 passed, 0 failed, 0 skipped"
        );
    }
}
