//! What the numbers were taken on: without it they mean nothing.

use std::fs;
use std::process::Command;

use super::product::Product;

/// Facts as name and value.
pub(crate) fn facts(products: &[Product]) -> Vec<(String, String)> {
    let cores = std::thread::available_parallelism().map_or_else(|_| "unknown".to_owned(), |count| count.to_string());
    let mut facts = vec![
        ("processor".to_owned(), field("/proc/cpuinfo", "model name")),
        ("cores".to_owned(), cores),
        ("memory".to_owned(), field("/proc/meminfo", "MemTotal")),
        ("kernel".to_owned(), first_line("/proc/sys/kernel/osrelease")),
        ("system".to_owned(), field("/etc/os-release", "PRETTY_NAME").replace('"', "")),
        ("load average before".to_owned(), first_line("/proc/loadavg")),
        ("date".to_owned(), said_by(Command::new("date").args(["-u", "+%Y-%m-%d"]))),
    ];
    facts.extend(products.iter().map(|product| (product.name().to_owned(), product.version())));
    facts.push(("wrk".to_owned(), said_by(Command::new("wrk").arg("-v"))));
    facts.push(("h2load".to_owned(), said_by(Command::new("h2load").arg("--version"))));
    facts.push(("python3".to_owned(), said_by(Command::new("python3").arg("--version"))));
    facts
}

fn first_line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

/// The value of the first line `name: value` or `name=value`.
fn field(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_once([':', '=']).map_or("unknown", |(_, value)| value.trim()).to_owned()
}

fn said_by(command: &mut Command) -> String {
    let text = command.output().map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().next().unwrap_or("unknown").trim().to_owned()
}
