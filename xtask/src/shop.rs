//! `cargo xtask shop`: the whole example, started: a stand-in login, an OTLP receiver, four services, two gateways. Prints a
//! tour of commands to try; `--check` goes on the tour itself, on free ports, looks at the trace of a request and at all
//! numbers, has the orders' API attacked, and ends.

mod certificates;
mod description;
mod numbers;
mod part;
mod place;
mod tour;
mod trace;

use std::io::BufRead;

use crate::failure::{Failure, While};
use crate::steps::Steps;
use crate::tools::{self, Tool, tool};
use crate::workspace;
use part::Parts;
use place::Place;

const TOOLS: &[Tool] = &[tool("curl", "curl"), tool("python3", "python3"), tool("openssl", "openssl")];

/// What `--check` needs besides.
const CHECK_TOOLS: &[Tool] = &[tool("prometheus", "prometheus"), tool("promtool", "prometheus")];

/// Starts everything, and stops it at Ctrl-C or after the tour.
pub(crate) fn run(arguments: &[&str]) -> Result<(), Failure> {
    let check = match arguments {
        [] => false,
        ["--check"] => true,
        other => return Err(Failure::usage(format!("shop takes `--check` or nothing, found `{}`", other.join(" ")))),
    };
    let mut steps = Steps::default();
    steps.step("tools", || tools::ensure(TOOLS))?;
    if check {
        steps.step("tools of the check", || tools::ensure(CHECK_TOOLS))?;
    }
    steps.command("build", workspace::cargo(["build", "--package", "gwanmun", "--package", "shop", "--bins"]))?;
    let place =
        steps.step("folder", || Place::prepare(if check { place::Ports::Free } else { place::Ports::Documented }))?;
    steps.step("python", || place.python())?;
    let mut parts = steps.step("start", || Parts::start(&place))?;
    let outcome = match check {
        true => checked(&place, &mut steps),
        false => {
            println!("\n{}", tour::Text(&place));
            wait(&mut parts)
        }
    };
    if outcome.is_err() {
        parts.show_last_words();
    }
    outcome
}

/// What `--check` looks at.
fn checked(place: &Place, steps: &mut Steps) -> Result<(), Failure> {
    steps.step("tour", || tour::play(place))?;
    steps.step("one trace", || trace::check(place))?;
    steps.step("numbers", || numbers::check(place))?;
    steps.step("description", || description::check(place))
}

/// Until somebody presses Enter, or Ctrl-C, or a part has ended.
fn wait(parts: &mut Parts) -> Result<(), Failure> {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // The end of the input is nobody's wish: the shop may run without a terminal.
        if matches!(std::io::stdin().lock().read_line(&mut String::new()), Ok(length) if length > 0) {
            let _ = tell.send(());
        } else {
            std::mem::forget(tell);
        }
    });
    loop {
        if told.recv_timeout(std::time::Duration::from_millis(500)).is_ok() {
            return Ok(());
        }
        parts.all_run().while_doing("running the shop")?;
    }
}
