//! The results and their Markdown.

use std::fmt::Write;

use super::accounting::Memory;
use super::attack::Attacked;
use super::goals;
use super::identity::Ladder;
use super::product::Product;
use super::row::{Routes, Row};
use super::sample::{Sample, Summary};

/// Everything that was measured.
#[derive(Default)]
pub(crate) struct Report {
    /// What it was measured on.
    pub(crate) facts: Vec<(String, String)>,
    /// Loads.
    pub(crate) traffic: Vec<Traffic>,
    /// Memory with so many routes.
    pub(crate) memory: Vec<(Routes, Product, Memory)>,
    /// Who calls, rung by rung.
    pub(crate) ladder: Ladder,
    /// Ours without traces and with them.
    pub(crate) spans: Option<(Summary, Summary)>,
    /// A service on axum alone and on the chassis.
    pub(crate) chassis: Option<(Summary, Summary)>,
    /// Genuine requests under attack.
    pub(crate) attacks: Vec<Attacked>,
    /// Seconds to check a configuration with so many routes.
    pub(crate) checks: Vec<(Routes, Product, f64)>,
}

/// One proxy under one load.
pub(crate) struct Traffic {
    /// Which load.
    pub(crate) row: Row,
    /// How many routes it had.
    pub(crate) routes: Routes,
    /// Which proxy.
    pub(crate) product: Product,
    /// What came out.
    pub(crate) summary: Summary,
}

impl Report {
    /// A load's result, where it was measured.
    pub(crate) fn summary(&self, row: Row, routes: Routes, product: Product) -> Option<&Summary> {
        let found = self.traffic.iter().find(|it| (it.row, it.routes, it.product) == (row, routes, product));
        found.map(|traffic| &traffic.summary)
    }

    /// The cheaper of nginx and HAProxy.
    pub(crate) fn better(&self, row: Row, routes: Routes) -> Option<&Summary> {
        self.least(row, routes, Sample::cpu)
    }

    /// Of nginx and HAProxy the one that spends less time in user mode.
    pub(crate) fn better_in_user_mode(&self, row: Row, routes: Routes) -> Option<&Summary> {
        self.least(row, routes, |sample| sample.user)
    }

    fn least(&self, row: Row, routes: Routes, of: fn(&Sample) -> f64) -> Option<&Summary> {
        let peers = [Product::Nginx, Product::Haproxy];
        let measured = peers.into_iter().filter_map(|product| self.summary(row, routes, product));
        measured.min_by(|one, other| of(&one.median).total_cmp(&of(&other.median)))
    }

    /// The report as Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = "# Bench\n\n".to_owned();
        for (name, value) in &self.facts {
            let _ = writeln!(text, "- {name}: {value}");
        }
        self.write_cpu(&mut text);
        self.write_bodies(&mut text);
        self.write_traffic(&mut text);
        self.ladder.write(&mut text);
        self.write_pairs(&mut text);
        self.write_attacks(&mut text);
        self.write_memory(&mut text);
        self.write_checks(&mut text);
        goals::write(self, &mut text);
        self.write_notes(&mut text);
        text
    }

    /// The rows that were run, with their numbers of routes, in order.
    fn loads(&self) -> Vec<(Row, Routes)> {
        let mut loads = Vec::new();
        for Traffic { row, routes, .. } in &self.traffic {
            if !loads.contains(&(*row, *routes)) {
                loads.push((*row, *routes));
            }
        }
        loads
    }

    fn write_cpu(&self, text: &mut String) {
        if self.traffic.is_empty() {
            return;
        }
        text.push_str(
            "\n## Processor microseconds per request\n\nUser + system, ± half the range over the rounds.\n\n",
        );
        text.push_str(
            "| load | gwanmun | nginx | haproxy | envoy | ours / better of nginx, haproxy | ours / envoy |\n",
        );
        text.push_str("|---|---|---|---|---|---|---|\n");
        for (row, routes) in self.loads() {
            let _ = write!(text, "| {} |", load_title(row, routes));
            for product in Product::ALL {
                match self.summary(row, routes, product) {
                    Some(Summary { median, spread, .. }) => {
                        let _ = write!(
                            text,
                            " **{:.1}** = {:.1} + {:.1} ±{spread:.1} |",
                            median.cpu(),
                            median.user,
                            median.system
                        );
                    }
                    None => text.push_str(" – |"),
                }
            }
            let ours = self.summary(row, routes, Product::Gwanmun);
            let _ = writeln!(
                text,
                " {} | {} |",
                ratio(ours, self.better(row, routes)),
                ratio(ours, self.summary(row, routes, Product::Envoy))
            );
        }
    }

    fn write_bodies(&self, text: &mut String) {
        let loads: Vec<_> =
            self.loads().into_iter().filter_map(|(row, routes)| Some((row, routes, row.bodies()?))).collect();
        if loads.is_empty() {
            return;
        }
        text.push_str("\n## Processor microseconds per MiB of body\n\n");
        text.push_str("| load | gwanmun | nginx | haproxy | envoy | ours / better of nginx, haproxy |\n");
        text.push_str("|---|---|---|---|---|---|\n");
        for (row, routes, bodies) in loads {
            let _ = write!(text, "| {} |", load_title(row, routes));
            let per_mebibyte = (1024.0 * 1024.0) / bodies.bytes as f64;
            for product in Product::ALL {
                let _ = match self.summary(row, routes, product) {
                    Some(Summary { median, .. }) => write!(text, " {:.0} |", median.cpu() * per_mebibyte),
                    None => write!(text, " – |"),
                };
            }
            let ours = self.summary(row, routes, Product::Gwanmun);
            let _ = writeln!(text, " {} |", ratio(ours, self.better(row, routes)));
        }
    }

    /// Two of ours beside each other.
    fn write_pairs(&self, text: &mut String) {
        let pairs = [
            ("What one sampled request in a hundred costs the gateway", ["without traces", "with traces"], &self.spans),
            ("What the chassis costs a service", ["axum alone", "chassis"], &self.chassis),
        ];
        for (title, names, pair) in pairs {
            let Some((without, with)) = pair else { continue };
            let _ = write!(text, "\n## {title}\n\n| | µs per request | requests per second |\n|---|---|---|\n");
            for (name, Summary { median, spread, .. }) in names.iter().zip([without, with]) {
                let (cpu, user, system) = (median.cpu(), median.user, median.system);
                let _ = writeln!(
                    text,
                    "| {name} | **{cpu:.1}** = {user:.1} + {system:.1} ±{spread:.1} | {:.0} |",
                    median.rate
                );
            }
            let (ratio, more) = (with.over(without).unwrap_or(f64::NAN), with.minus(without).unwrap_or(f64::NAN));
            let _ = writeln!(text, "| round by round | {more:+.1}, ratio {ratio:.3} | |");
        }
    }

    fn write_attacks(&self, text: &mut String) {
        if self.attacks.is_empty() {
            return;
        }
        text.push_str("\n## Genuine requests while others attack\n\n");
        text.push_str(
            "| attack | requests per second | p50, ms | p99, ms | failed | memory, MB |\n|---|---|---|---|---|---|\n",
        );
        for Attacked { attack, seen, resident_kib } in &self.attacks {
            let memory = megabytes(*resident_kib);
            let _ = match seen.requests {
                0.0 => writeln!(text, "| {attack} | none answered | – | – | {:.0} | {memory:.1} |", seen.errors),
                _ => writeln!(
                    text,
                    "| {attack} | {:.0} | {:.2} | {:.2} | {:.0} | {memory:.1} |",
                    seen.rate,
                    seen.p50 / 1000.0,
                    seen.p99 / 1000.0,
                    seen.errors,
                ),
            };
        }
    }

    fn write_traffic(&self, text: &mut String) {
        if self.traffic.is_empty() {
            return;
        }
        text.push_str("\n## Requests per second, p50 / p99 in milliseconds\n\n");
        text.push_str("| load | gwanmun | nginx | haproxy | envoy |\n|---|---|---|---|---|\n");
        for (row, routes) in self.loads() {
            let _ = write!(text, "| {} |", load_title(row, routes));
            for product in Product::ALL {
                match self.summary(row, routes, product) {
                    Some(Summary { median, .. }) => {
                        let (p50, p99) = (median.p50 / 1000.0, median.p99 / 1000.0);
                        let _ = write!(text, " {:.0}, {p50:.2} / {p99:.2} |", median.rate);
                    }
                    None => text.push_str(" – |"),
                }
            }
            text.push('\n');
        }
    }

    fn write_memory(&self, text: &mut String) {
        if self.memory.is_empty() {
            return;
        }
        text.push_str("\n## Memory in MB, resident (proportional: pages shared by processes counted once)\n\n");
        text.push_str("| routes | gwanmun | nginx | haproxy | envoy |\n|---|---|---|---|---|\n");
        for routes in [Routes::One, Routes::Paths(10_000), Routes::Hosts(10_000)] {
            let found = |product| {
                self.memory.iter().find(|(of, by, _)| (*of, *by) == (routes, product)).map(|(_, _, memory)| memory)
            };
            let _ = write!(text, "| {} |", routes_title(routes));
            for product in Product::ALL {
                match found(product) {
                    Some(memory) => {
                        let (resident, proportional) =
                            (megabytes(memory.resident_kib), megabytes(memory.proportional_kib));
                        let _ = write!(text, " {resident:.1} ({proportional:.1}) |");
                    }
                    None => text.push_str(" – |"),
                }
            }
            text.push('\n');
        }
    }

    fn write_checks(&self, text: &mut String) {
        if self.checks.is_empty() {
            return;
        }
        text.push_str("\n## Checking a configuration, seconds\n\n");
        text.push_str("| routes | gwanmun | nginx | haproxy | envoy |\n|---|---|---|---|---|\n");
        for routes in [Routes::Paths(10_000), Routes::Hosts(10_000)] {
            let _ = write!(text, "| {} |", routes_title(routes));
            for product in Product::ALL {
                let found = self.checks.iter().find(|(of, by, _)| (*of, *by) == (routes, product));
                let _ = match found {
                    Some((_, _, seconds)) => write!(text, " {seconds:.2} |"),
                    None => write!(text, " – |"),
                };
            }
            text.push('\n');
        }
    }

    /// What a reader has to know before believing a number.
    fn write_notes(&self, text: &mut String) {
        let mut notes = Vec::new();
        let traffic = self.traffic.iter().map(|Traffic { row, routes, product, summary }| {
            (format!("{}, {}", product.name(), load_title(*row, *routes)), summary)
        });
        let rungs = self.ladder.measured().map(|(rung, summary)| (rung.title().to_owned(), summary));
        for (place, summary) in traffic.chain(rungs) {
            if summary.median.errors > 0.0001 {
                notes.push(format!("{place}: {:.2} % of the requests failed", summary.median.errors * 100.0));
            }
            // Envoy writes its log every ten seconds and whenever its buffer is full, so a round sees a little more or less.
            if !(0.9..=1.1).contains(&summary.median.logged) {
                notes.push(format!("{place}: {:.2} lines in the access log per request", summary.median.logged));
            }
        }
        if !notes.is_empty() {
            let _ = write!(text, "\n## To be kept in mind\n\n- {}\n", notes.join("\n- "));
        }
    }
}

/// The name of a load.
pub(crate) fn load_title(row: Row, routes: Routes) -> String {
    match routes {
        Routes::One => row.title().to_owned(),
        Routes::Paths(_) | Routes::Hosts(_) => format!("h1, {}", routes_title(routes)),
    }
}

fn routes_title(routes: Routes) -> String {
    match routes {
        Routes::One => "1 route".to_owned(),
        Routes::Paths(count) => format!("{count} routes by path"),
        Routes::Hosts(count) => format!("{count} routes by host"),
    }
}

fn ratio(ours: Option<&Summary>, theirs: Option<&Summary>) -> String {
    let ratio = ours.zip(theirs).and_then(|(ours, theirs)| ours.over(theirs));
    ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"))
}

/// Megabytes of 1,000,000 bytes.
pub(crate) fn megabytes(kib: u64) -> f64 {
    kib as f64 * 1024.0 / 1e6
}
