//! `cargo xtask profile ROW`: where a proxy's time goes under the load of a row: the top symbols by `perf`, then the
//! system calls per request by `strace`.

use std::process::{Command, Stdio};

use crate::bench::{self, Build, Place, Product, Routes, Row, RunningProxy};
use crate::failure::{Failure, While};
use crate::signals;
use crate::steps::{self, Steps};
use crate::tools::{self, tool};

/// What the command line asks for.
struct Options {
    row: Row,
    product: Product,
    seconds: u32,
    build: Build,
}

/// Symbols of the kernel that are shown: they are the same for every proxy.
const KERNEL_SYMBOLS: usize = 12;
/// Symbols of the proxy itself that are shown.
const USER_SYMBOLS: usize = 40;

/// Profiles one proxy under one load.
pub(crate) fn run(arguments: &[&str]) -> Result<(), Failure> {
    let options = Options::parse(arguments)?;
    let mut steps = Steps::default();
    steps.step("profiler", || tools::ensure(&[tool("perf", "linux-perf")]))?;
    bench::prepare(&mut steps, options.build)?;
    let place = Place::prepare()?;
    let routes = match options.row {
        Row::RoutesPath => Routes::Paths(10_000),
        Row::RoutesHost => Routes::Hosts(10_000),
        _ => Routes::One,
    };
    let setup = place.setup(options.product, options.row.door(), routes)?;
    let proxy = RunningProxy::start(options.product, setup)?;
    bench::load(options.row, &proxy.setup, 1, place.folder())?;
    steps.step("symbols", || symbols(&options, &proxy, &place))?;
    if tools::is_installed("strace") {
        steps.step("system calls", || system_calls(&options, &proxy, &place))?;
    } else {
        println!("\n    strace is not installed: system calls are not counted");
    }
    Ok(())
}

fn symbols(options: &Options, proxy: &RunningProxy, place: &Place) -> Result<(), Failure> {
    let data = place.folder().join("perf.data");
    let mut record = signals::tied("perf");
    record.args(["record", "--quiet", "-e", "cpu-clock", "-F", "999", "-g", "-o"]).arg(&data);
    record.args(["-p", &processes(proxy)]).stdin(Stdio::null());
    let mut recording = record.spawn().while_doing("starting perf")?;
    let seen = bench::load(options.row, &proxy.setup, options.seconds, place.folder());
    signals::interrupt(&mut recording);
    println!("    {:.0} requests per second while recording", seen?.rate);
    let mut report = Command::new("perf");
    report.args(["report", "--stdio", "--no-children", "-g", "none", "--percent-limit", "0.2", "-i"]).arg(&data);
    let text = steps::output(report)?;
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let (kernel, user): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.contains(" [k] "));
    println!("    user mode:");
    user.iter().take(USER_SYMBOLS).for_each(|line| println!("{line}"));
    println!("    kernel:");
    kernel.iter().take(KERNEL_SYMBOLS).for_each(|line| println!("{line}"));
    println!("    more: perf report -i {}", data.display());
    Ok(())
}

fn system_calls(options: &Options, proxy: &RunningProxy, place: &Place) -> Result<(), Failure> {
    let counts = place.folder().join("strace.txt");
    let mut trace = signals::tied("strace");
    trace.args(["-c", "-f", "-o"]).arg(&counts).args(["-p", &processes(proxy)]);
    let mut tracing = trace.stdin(Stdio::null()).stderr(Stdio::null()).spawn().while_doing("starting strace")?;
    let seen = bench::load(options.row, &proxy.setup, options.seconds, place.folder());
    signals::interrupt(&mut tracing);
    let requests = seen?.requests;
    let text = std::fs::read_to_string(&counts).while_doing(counts.display())?;
    println!("    {requests:.0} requests while tracing (which slows everything down)");
    for line in text.lines() {
        // Columns: % time, seconds, usecs/call, calls, errors where there are any, name.
        let calls = line.split_whitespace().nth(3).and_then(|calls| calls.parse::<f64>().ok());
        match calls.filter(|_| requests > 0.0) {
            Some(calls) => println!("{line}   {:.3} per request", calls / requests),
            None => println!("{line}"),
        }
    }
    Ok(())
}

/// The proxy's processes, the way perf and strace take them.
fn processes(proxy: &RunningProxy) -> String {
    let processes = bench::process_tree(proxy.process()).unwrap_or_else(|_| vec![proxy.process()]);
    processes.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

impl Options {
    fn parse(arguments: &[&str]) -> Result<Self, Failure> {
        let mut options = Self { row: Row::H1, product: Product::Gwanmun, seconds: 6, build: Build::Release };
        let mut row = None;
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match *word {
                "--no-build" => options.build = Build::AsItIs,
                "--of" => {
                    let product = words.next().and_then(|name| Product::parse(name));
                    options.product = product.ok_or_else(|| Failure::usage("`--of` takes the name of a proxy"))?;
                }
                "--seconds" => {
                    let seconds = words.next().and_then(|count| count.parse().ok()).filter(|count| *count > 0);
                    options.seconds = seconds.ok_or_else(|| Failure::usage("`--seconds` takes a number above 0"))?;
                }
                name => row = Some(Row::parse(name).ok_or_else(|| Failure::usage(format!("unknown row `{name}`")))?),
            }
        }
        options.row = match row {
            Some(Row::Identity | Row::Memory | Row::Check) | None => {
                return Err(Failure::usage("a row with traffic is wanted"));
            }
            Some(row) => row,
        };
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_with_traffic_is_wanted() {
        for words in [&[][..], &["memory"], &["identity"], &["h9"], &["h1", "--of", "apache"]] {
            assert!(Options::parse(words).is_err_and(|failure| failure.is_usage()), "{words:?}");
        }
        let options = Options::parse(&["h2c", "--of", "nginx", "--seconds", "3"]).unwrap();
        assert_eq!((options.row, options.product, options.seconds), (Row::H2c, Product::Nginx, 3));
    }
}
