//! The engine: built with coverage counters by stable rustc into a target folder of its own, started once per target, and
//! its talk boiled down to a line every few seconds.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::folder;
use super::options::clock;
use crate::failure::{Failure, While};
use crate::signals;
use crate::steps;
use crate::workspace;

/// What makes rustc count edges and comparisons the way libFuzzer wants to see them.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";
/// Seconds after which one input counts as a hang.
const HANG: u32 = 20;
/// Memory of the whole process, MiB.
const MEMORY: u32 = 768;
/// How often progress is shown.
const BEAT: Duration = Duration::from_secs(5);
/// Lines of the engine's last words that are shown with a finding.
const LAST_WORDS: usize = 60;

/// The engine's binary.
pub(super) struct Engine {
    binary: PathBuf,
}

/// What there is to fuzz; the engine knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) share: u32,
    longest: String,
    dictionary: Option<String>,
}

/// How far a run has come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) runs: u64,
    pub(super) edges: u64,
    pub(super) inputs: u64,
    rate: u64,
}

impl Engine {
    /// Builds it.
    pub(super) fn build() -> Result<Self, Failure> {
        let host = host()?;
        let mut build = workspace::cargo(["build", "--quiet", "--package", "gwanmun-fuzz", "--bin", "gwanmun-fuzz"]);
        // With a target named, build scripts and macros are left without counters.
        build.args(["--features", "engine", "--profile", "fuzz", "--target", &host, "--target-dir"]).arg(folder());
        build.env("RUSTFLAGS", COVERAGE);
        steps::run(build)?;
        Ok(Self { binary: folder().join(host).join("fuzz/gwanmun-fuzz") })
    }

    /// The targets called `only`, or all.
    pub(super) fn targets(&self, only: &[String]) -> Result<Vec<Target>, Failure> {
        let mut list = Command::new(&self.binary);
        list.env("GWANMUN_FUZZ_LIST", "1");
        let text = steps::output(list)?;
        let all: Vec<Target> = text.lines().filter_map(Target::parse).collect();
        if let Some(unknown) = only.iter().find(|name| !all.iter().any(|target| target.name == **name)) {
            let names: Vec<&str> = all.iter().map(|target| target.name.as_str()).collect();
            return Err(Failure::new(format!("no target is called `{unknown}`; there are {}", names.join(", "))));
        }
        Ok(all.into_iter().filter(|target| only.is_empty() || only.contains(&target.name)).collect())
    }

    /// Runs one input; its failure is shown as it comes.
    pub(super) fn replay(&self, target: &Target, input: &Path) -> Result<(), Failure> {
        let mut command = self.command(target)?;
        command.arg(input).env("RUST_BACKTRACE", "1");
        steps::run(command)
    }

    /// Fuzzes for `time`; returns how far it came and the input that was too much, if there was one.
    pub(super) fn fuzz(&self, target: &Target, time: Duration) -> Result<(Progress, Option<String>), Failure> {
        let found = folder().join("findings").join(format!("{}-", target.name));
        let corpus = target.working_corpus();
        for folder in [found.parent().unwrap_or(&found), &corpus, &target.corpus()] {
            fs::create_dir_all(folder).while_doing(folder.display())?;
        }
        let mut command = self.command(target)?;
        command.arg(format!("-max_total_time={}", time.as_secs().max(1)));
        command.arg(format!("-artifact_prefix={}", found.display()));
        command.arg(&corpus).arg(target.corpus());
        let log = folder().join(format!("{}.log", target.name));
        self.watch(command, &log, time)
    }

    /// Starts the engine for a target, with what every run of it has in common.
    pub(super) fn command(&self, target: &Target) -> Result<Command, Failure> {
        let scratch = folder().join("tmp");
        fs::create_dir_all(&scratch).while_doing(scratch.display())?;
        let mut command = signals::tied(&self.binary);
        command.current_dir(workspace::root()).env("GWANMUN_FUZZ_TARGET", &target.name).env("TMPDIR", scratch);
        command.arg(format!("-max_len={}", target.longest)).arg(format!("-timeout={HANG}"));
        command.arg(format!("-rss_limit_mb={MEMORY}"));
        if let Some(dictionary) = &target.dictionary {
            command.arg(format!("-dict=fuzz/dictionaries/{dictionary}.dict"));
        }
        Ok(command)
    }

    fn watch(&self, mut command: Command, log: &Path, time: Duration) -> Result<(Progress, Option<String>), Failure> {
        let mut written = File::create(log).while_doing(log.display())?;
        let mut child = command.stderr(Stdio::piped()).spawn().while_doing("starting the engine")?;
        let begin = Instant::now();
        let mut shown = begin;
        let (mut progress, mut found) = (Progress::default(), None);
        let mut last_words = VecDeque::new();
        let lines = child.stderr.take().map(|stderr| BufReader::new(stderr).split(b'\n'));
        for line in lines.into_iter().flatten() {
            let line = line.while_doing("reading what the engine says")?;
            let line = String::from_utf8_lossy(&line).into_owned();
            writeln!(written, "{line}").while_doing(log.display())?;
            progress.read(&line);
            if let Some((_, path)) = line.split_once("Test unit written to ") {
                found = Some(path.to_owned());
            }
            if shown.elapsed() >= BEAT {
                shown = Instant::now();
                println!("    {:>7} left  {progress}", clock(time.saturating_sub(begin.elapsed())));
            }
            // Of a finding's story the progress before it is no part.
            if !line.starts_with('#') {
                if last_words.len() == LAST_WORDS {
                    last_words.pop_front();
                }
                last_words.push_back(line);
            }
        }
        let status = child.wait().while_doing("waiting for the engine")?;
        if !status.success() {
            last_words.iter().for_each(|line| println!("    {line}"));
            if found.is_none() {
                return Err(Failure::new(format!(
                    "the engine ended with {status}; all it said is in {}",
                    log.display()
                )));
            }
        }
        Ok((progress, found))
    }
}

impl Target {
    /// A line of the engine's list.
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let [name, share, longest, dictionary] = words.as_slice() else { return None };
        Some(Self {
            name: (*name).to_owned(),
            share: share.parse().ok()?,
            longest: (*longest).to_owned(),
            dictionary: Some(*dictionary).filter(|name| *name != "-").map(str::to_owned),
        })
    }

    /// What the repository holds.
    pub(super) fn corpus(&self) -> PathBuf {
        workspace::root().join("fuzz/corpus").join(&self.name)
    }

    /// What runs on this machine have found interesting.
    pub(super) fn working_corpus(&self) -> PathBuf {
        folder().join("corpus").join(&self.name)
    }
}

impl Progress {
    /// `#2048  NEW  cov: 12 ft: 15 corp: 4/31b lim: 4 exec/s: 1024 rss: 40Mb`
    fn read(&mut self, line: &str) {
        let Some(rest) = line.strip_prefix('#') else { return };
        let words: Vec<&str> = rest.split_whitespace().collect();
        let number = |text: &str| {
            let digits = text.find(|c: char| !c.is_ascii_digit()).map_or(text, |end| text.get(..end).unwrap_or(text));
            digits.parse::<u64>().ok()
        };
        if let Some(runs) = words.first().and_then(|word| number(word)) {
            self.runs = runs;
        }
        for pair in words.windows(2) {
            let [name, value] = pair else { continue };
            let Some(value) = number(value) else { continue };
            match *name {
                "cov:" => self.edges = value,
                "corp:" => self.inputs = value,
                "exec/s:" => self.rate = value,
                _ => {}
            }
        }
    }
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { runs, edges, inputs, rate } = self;
        write!(f, "{runs:>10} runs  {rate:>7}/s  {edges:>6} edges  {inputs:>5} inputs")
    }
}

/// The machine that rustc builds for by itself.
fn host() -> Result<String, Failure> {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.arg("-vV").current_dir(workspace::root());
    let text = steps::output(rustc)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::new("rustc does not say which host it is for"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_lines_are_read() {
        let mut progress = Progress::default();
        progress.read("#2048\tNEW    cov: 12 ft: 15 corp: 4/31b lim: 4 exec/s: 1024 rss: 40Mb L: 8/8 MS: 1 ChangeBit-");
        assert_eq!(progress, Progress { runs: 2048, edges: 12, inputs: 4, rate: 1024 });
        progress.read("INFO: Running with entropic power schedule");
        progress.read("#4096\tpulse  cov: 13 ft: 15 corp: 5/31b lim: 4 exec/s: 512 rss: 40Mb");
        assert_eq!(progress, Progress { runs: 4096, edges: 13, inputs: 5, rate: 512 });
    }

    #[test]
    fn the_engines_list_is_read() {
        let target = Target::parse("path 2 512 path").unwrap();
        assert_eq!((target.name.as_str(), target.share, target.dictionary.as_deref()), ("path", 2, Some("path")));
        assert_eq!(Target::parse("path 2 512 -").unwrap().dictionary, None);
        assert_eq!(Target::parse("a line of something else"), None);
    }
}
