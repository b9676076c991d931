//! A story told in steps: each has a headline, a time and an end; the first failure ends the story.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::failure::{Failure, While};

/// The steps of a task that are done so far.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<(String, Duration)>,
}

impl Steps {
    /// Does one step under a headline and keeps its time.
    pub(crate) fn step<T>(&mut self, title: &str, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        println!("\n==> {title}");
        let begin = Instant::now();
        let result = work().map_err(|failure| Failure::new(format!("step `{title}`: {failure}")))?;
        let took = begin.elapsed();
        println!("    {title}: done in {:.1} s", took.as_secs_f64());
        self.done.push((title.to_owned(), took));
        Ok(result)
    }

    /// Runs a command as a step.
    pub(crate) fn command(&mut self, title: &str, command: Command) -> Result<(), Failure> {
        self.step(title, || run(command))
    }

    /// Prints every step with its time.
    pub(crate) fn summarize(&self) {
        println!("\nSteps");
        for (title, took) in &self.done {
            println!("  {:>7.1} s  {title}", took.as_secs_f64());
        }
        println!("  {:>7.1} s  altogether", self.done.iter().map(|(_, took)| took.as_secs_f64()).sum::<f64>());
    }
}

/// Runs a command with our own output and input; anything but success is a failure that shows the command.
pub(crate) fn run(mut command: Command) -> Result<(), Failure> {
    let line = command_line(&command);
    println!("    $ {line}");
    let status = command.status().while_doing(format_args!("starting `{line}`"))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("`{line}` ended with {status}"))) }
}

/// Runs a command quietly and returns what it printed; when it fails, both of its outputs are in the failure.
pub(crate) fn output(mut command: Command) -> Result<String, Failure> {
    let line = command_line(&command);
    let output = command.output().while_doing(format_args!("starting `{line}`"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Failure::new(format!(
        "`{line}` ended with {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )))
}

/// The command as a person would type it, the program without its folder.
pub(crate) fn command_line(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_is_named_with_its_outputs() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2; exit 3"]);
        let failure = output(command).unwrap_err().to_string();
        assert!(failure.contains("sh -c") && failure.contains("exit status: 3"), "{failure}");
        assert!(failure.contains("out\n") && failure.contains("err\n"), "{failure}");
    }

    #[test]
    fn a_failed_step_is_named_and_not_counted() {
        let mut steps = Steps::default();
        let failure = steps.step("third", || Err::<(), _>(Failure::new("no"))).unwrap_err();
        assert_eq!(failure.to_string(), "step `third`: no");
        assert!(steps.done.is_empty());
    }
}
