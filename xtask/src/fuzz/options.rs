//! The command line of `cargo xtask fuzz`.

use std::path::PathBuf;
use std::time::Duration;

use crate::failure::Failure;

/// A target's time where none is given.
pub(super) const EACH: Duration = Duration::from_secs(60);

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) task: Task,
    /// All where empty.
    pub(super) only: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// For so long altogether, or for a while each.
    Fuzz(Option<Duration>),
    /// Takes what was found into the repository.
    Minimise,
    /// Runs one input.
    Replay(PathBuf),
}

impl Options {
    pub(super) fn parse(arguments: &[&str]) -> Result<Self, Failure> {
        let mut options = Self { task: Task::Fuzz(None), only: Vec::new() };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match *word {
                "--only" => {
                    let name = words.next().ok_or_else(|| Failure::usage("`--only` takes the name of a target"))?;
                    options.only.push((*name).to_owned());
                }
                "--minimise" => options.task = Task::Minimise,
                "--replay" => {
                    let file = words.next().ok_or_else(|| Failure::usage("`--replay` takes a file"))?;
                    options.task = Task::Replay(PathBuf::from(file));
                }
                time => options.task = Task::Fuzz(Some(duration(time)?)),
            }
        }
        if matches!(options.task, Task::Replay(_)) && options.only.len() != 1 {
            return Err(Failure::usage("`--replay` goes with one `--only`"));
        }
        Ok(options)
    }
}

/// `90s`, `10m`, `2h`.
fn duration(text: &str) -> Result<Duration, Failure> {
    let wrong = || Failure::usage(format!("found `{text}`, wanted a time such as 90s, 10m or 2h"));
    let units = [('s', 1), ('m', 60), ('h', 3600)];
    let (count, unit) =
        units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(*unit)?, seconds))).ok_or_else(wrong)?;
    let count: u64 = count.parse().ok().filter(|count| *count > 0).ok_or_else(wrong)?;
    Ok(Duration::from_secs(count.saturating_mul(*unit)))
}

/// A time for people: `2h05m`, `3m20s`, `45s`.
pub(super) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h{minutes:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_names_are_understood() {
        let options = Options::parse(&["10m", "--only", "path", "--only", "trace"]).unwrap();
        assert_eq!(options.task, Task::Fuzz(Some(Duration::from_secs(600))));
        assert_eq!(options.only, ["path", "trace"]);
        assert_eq!(Options::parse(&[]).unwrap().task, Task::Fuzz(None));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for words in [&["ten"][..], &["0s"], &["10"], &["--only"], &["--replay", "f"], &["--replay"]] {
            assert!(Options::parse(words).is_err_and(|failure| failure.is_usage()), "{words:?}");
        }
    }

    #[test]
    fn times_are_short_to_read() {
        let shown = [45, 200, 7500].map(|seconds| clock(Duration::from_secs(seconds)));
        assert_eq!(shown, ["45s", "3m20s", "2h05m"]);
    }
}
