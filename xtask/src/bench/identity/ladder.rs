//! What came out on each rung, and its table.

use std::fmt::Write;

use super::rung::Rung;
use crate::bench::sample::Summary;

/// The rungs that were tried.
#[derive(Default)]
pub(crate) struct Ladder {
    /// The size of a token.
    pub(crate) token_bytes: usize,
    rungs: Vec<(Rung, Outcome)>,
}

/// What came out on one rung.
pub(crate) enum Outcome {
    /// The numbers.
    Measured(Summary),
    /// Why there are none.
    NotMeasured(String),
}

impl Ladder {
    /// Keeps what came out.
    pub(crate) fn add(&mut self, rung: Rung, outcome: Outcome) {
        self.rungs.push((rung, outcome));
    }

    /// A rung's result, where it was measured.
    pub(crate) fn summary(&self, rung: Rung) -> Option<&Summary> {
        self.measured().find(|(found, _)| *found == rung).map(|(_, summary)| summary)
    }

    /// Every result, in order.
    pub(crate) fn measured(&self) -> impl Iterator<Item = (Rung, &Summary)> {
        self.rungs.iter().filter_map(|(rung, outcome)| match outcome {
            Outcome::Measured(summary) => Some((*rung, summary)),
            Outcome::NotMeasured(_) => None,
        })
    }

    /// Adds the table to a report.
    pub(crate) fn write(&self, text: &mut String) {
        if self.rungs.is_empty() {
            return;
        }
        let _ = write!(
            text,
            "\n## Identity\n\nProcessor microseconds per request, user + system, ± half the range over the rounds. \
             Tokens of {} bytes, ES256.\n\n",
            self.token_bytes
        );
        text.push_str(
            "| rung | µs | / plain | more than plain, µs | requests per second, p50 / p99 in milliseconds |\n",
        );
        text.push_str("|---|---|---|---|---|\n");
        for rung in Rung::ALL {
            match self.rungs.iter().find(|(found, _)| *found == rung) {
                Some((_, Outcome::Measured(summary))) => self.write_row(rung, summary, text),
                Some((_, Outcome::NotMeasured(reason))) => {
                    // A bar would end the cell.
                    let reason = reason.replace('|', "\\|");
                    let _ = writeln!(text, "| {} | not measured: {reason} | – | – | – |", rung.title());
                }
                None => {}
            }
        }
    }

    fn write_row(&self, rung: Rung, summary: &Summary, text: &mut String) {
        let Summary { median, spread, .. } = summary;
        let plain = self.summary(rung.plain()).filter(|_| rung.is_guarded());
        let shown =
            |number: Option<f64>, digits| number.map_or("–".to_owned(), |number| format!("{number:.digits$}"));
        let _ = writeln!(
            text,
            "| {} | **{:.1}** = {:.1} + {:.1} ±{spread:.1} | {} | {} | {:.0}, {:.2} / {:.2} |",
            rung.title(),
            median.cpu(),
            median.user,
            median.system,
            shown(plain.and_then(|plain| summary.over(plain)), 2),
            shown(plain.and_then(|plain| summary.minus(plain)), 1),
            median.rate,
            median.p50 / 1000.0,
            median.p99 / 1000.0,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::sample::Sample;

    fn summary(rounds: &[f64]) -> Summary {
        let sample = |user: &f64| Sample {
            user: *user,
            system: 20.0,
            rate: 1000.0,
            p50: 1500.0,
            p99: 2500.0,
            errors: 0.0,
            logged: 1.0,
        };
        Summary::of(&rounds.iter().map(sample).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_rung_stands_beside_the_plain_one_of_its_proxy() {
        let mut ladder = Ladder { token_bytes: 650, ..Ladder::default() };
        ladder.add(Rung::Known, Outcome::NotMeasured("error: `a|b` is unknown".to_owned()));
        ladder.add(Rung::Plain, Outcome::Measured(summary(&[5.0, 5.0, 5.0])));
        ladder.add(Rung::EnvoyPlain, Outcome::Measured(summary(&[20.0, 20.0, 80.0])));
        ladder.add(Rung::EnvoyKnown, Outcome::Measured(summary(&[60.0, 60.0, 180.0])));
        let mut text = String::new();
        ladder.write(&mut text);
        let lines: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("|---")).skip(1).collect();
        assert_eq!(
            lines,
            [
                "| gwanmun: plain | **25.0** = 5.0 + 20.0 ±0.0 | – | – | 1000, 1.50 / 2.50 |",
                "| gwanmun: jwt known | not measured: error: `a\\|b` is unknown | – | – | – |",
                "| envoy: plain | **40.0** = 20.0 + 20.0 ±30.0 | – | – | 1000, 1.50 / 2.50 |",
                "| envoy: jwt known, cache off | **80.0** = 60.0 + 20.0 ±60.0 | 2.00 | 40.0 | 1000, 1.50 / 2.50 |",
            ]
        );
        assert!(text.contains("Tokens of 650 bytes"), "{text}");
    }

    #[test]
    fn a_ladder_nobody_climbed_is_not_shown() {
        let mut text = String::new();
        Ladder::default().write(&mut text);
        assert_eq!(text, "");
    }
}
