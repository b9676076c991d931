//! `cargo xtask fuzz`: libFuzzer over the targets of `fuzz/`, one after the other, on the stable toolchain. What it finds
//! worth keeping waits in `target/fuzz/corpus`; `--minimise` takes the best of it into the repository.

mod corpus;
mod engine;
mod options;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::failure::{Failure, While};
use crate::steps::Steps;
use crate::workspace;

use engine::{Engine, Target};
use options::{Options, Task, clock};

/// Fuzzes, replays one input, or takes what was found into the repository.
pub(crate) fn run(arguments: &[&str]) -> Result<(), Failure> {
    let options = Options::parse(arguments)?;
    let mut steps = Steps::default();
    let engine = steps.step("build", Engine::build)?;
    let targets = engine.targets(&options.only)?;
    match &options.task {
        Task::Replay(file) => targets.iter().try_for_each(|target| engine.replay(target, file)),
        Task::Minimise => targets.iter().try_for_each(|target| corpus::minimise(&engine, target)),
        Task::Fuzz(time) => fuzz(&engine, &targets, *time),
    }
}

/// Gives each target its share of `time`; ends at the first finding.
fn fuzz(engine: &Engine, targets: &[Target], time: Option<Duration>) -> Result<(), Failure> {
    let shares: u32 = targets.iter().map(|target| target.share).sum();
    let mut lines = Vec::new();
    let mut finding = None;
    for target in targets {
        let time = time.map_or(options::EACH, |time| time * target.share / shares.max(1));
        println!("\n==> {}: {}", target.name, clock(time));
        let begin = Instant::now();
        let outcome = engine.fuzz(target, time);
        let altogether = remember(&target.name, begin.elapsed())?;
        let (seen, found) = outcome?;
        lines.push(format!(
            "  {:<18} {:>8}  {:>11} runs  {:>6} edges  {:>5} inputs  altogether {}",
            target.name,
            clock(begin.elapsed()),
            seen.runs,
            seen.edges,
            seen.inputs,
            clock(altogether)
        ));
        if let Some(input) = found {
            finding = Some((target, input));
            break;
        }
    }
    println!("\nTargets");
    lines.iter().for_each(|line| println!("{line}"));
    match finding {
        None => Ok(()),
        Some((target, input)) => Err(Failure::new(format!(
            "{} found something\n  input:  {input}\n  replay: cargo xtask fuzz --only {} --replay {input}\n  \
             when it is mended: copy the input to fuzz/corpus/{}/found-WHAT",
            target.name, target.name, target.name
        ))),
    }
}

/// Adds to the ledger of all runs on this machine; returns the target's sum.
fn remember(target: &str, time: Duration) -> Result<Duration, Failure> {
    let ledger: PathBuf = folder().join("ledger");
    let mut file = fs::OpenOptions::new().create(true).append(true).open(&ledger).while_doing(ledger.display())?;
    writeln!(file, "{target} {}", time.as_secs()).while_doing(ledger.display())?;
    let text = fs::read_to_string(&ledger).while_doing(ledger.display())?;
    let seconds = text.lines().filter_map(|line| {
        let (name, seconds) = line.split_once(' ')?;
        if name == target { seconds.parse::<u64>().ok() } else { None }
    });
    Ok(Duration::from_secs(seconds.sum()))
}

/// Where everything is that fuzzing makes.
fn folder() -> PathBuf {
    workspace::target().join("fuzz")
}
