//! The rows `spans` and `chassis`: two of ours beside each other in the same rounds, so that what is between them is what
//! the difference costs: traces in the gateway, the chassis under a service.

use std::process::Command;

use super::contest::{self, Pace};
use super::duties;
use super::place::Place;
use super::product::{Calls, Product, Setup};
use super::report::Report;
use super::row::{Door, Routes, Row};
use super::running::RunningProxy;
use super::sample::Summary;
use crate::failure::Failure;
use crate::{steps, workspace};

/// The gateway without traces, and with one request in a hundred sampled and sent.
pub(crate) fn compare_spans(pace: Pace, place: &Place, report: &mut Report) -> Result<(), Failure> {
    let mut proxies = Vec::new();
    for (name, spans) in [("gwanmun-plain", false), ("gwanmun-spans", true)] {
        let setup = Setup { spans, ..place.named_setup(name, Door::H1, Routes::One)? };
        let proxy = RunningProxy::start(Product::Gwanmun, setup)?;
        duties::check(&proxy)?;
        proxies.push(proxy);
    }
    report.spans = Some(pair(Row::Spans, &proxies, pace, place)?);
    Ok(())
}

/// One handler on axum alone, and on the chassis with everything that a service has: a Passport verified for each request,
/// a line of log, numbers, one request in a hundred sampled and sent.
pub(crate) fn compare_chassis(pace: Pace, place: &Place, report: &mut Report) -> Result<(), Failure> {
    let examples =
        ["build", "--release", "--package", "gwanmun-chassis", "--example", "bench_axum", "--example", "bench_chassis"];
    steps::run(workspace::cargo(examples))?;
    let bare = place.named_setup("axum", Door::H1, Routes::One)?;
    let chassis = place.named_setup("chassis", Door::H1, Routes::One)?;
    let mut mint = Command::new(Product::Chassis.program());
    mint.arg("mint").arg(&chassis.folder);
    let passport = steps::output(mint)?;
    let header = Some(format!("Txn-Token: {}", passport.trim()));
    let services = [
        RunningProxy::start(Product::Axum, Setup { header: header.clone(), ..bare })?,
        RunningProxy::start(Product::Chassis, Setup { header, spans: true, ..chassis })?,
    ];
    report.chassis = Some(pair(Row::Chassis, &services, pace, place)?);
    Ok(())
}

/// How a service is called.
pub(crate) fn configure(product: Product, setup: &Setup) -> Result<Calls, Failure> {
    let mut run = Command::new(product.program());
    let mut check = Command::new("true");
    if product == Product::Axum {
        run.arg(setup.address.to_string());
        // It writes none.
        setup.write("access.log", "")?;
    } else {
        let file = setup.write("application.yaml", &application(setup))?;
        run.arg("--config").arg(&file);
        check = Command::new(product.program());
        check.arg("--check").arg("--config").arg(&file);
    }
    Ok(Calls { run, check, logs_to_stdout: false })
}

fn application(setup: &Setup) -> String {
    format!(
        "\
server: {{address: \"{address}\"}}
management: {{address: \"{management}\"}}
passport: {{issuer: https://gateway.example, jwks: \"file:{jwks}\", trust-domain: example.internal}}
telemetry:
  access-log: \"{log}\"
  traces: {{sample: 0.01, otlp: \"http://{backend}\"}}
",
        address = setup.address,
        management = setup.management,
        jwks = setup.folder.join("jwks.json").display(),
        log = setup.access_log().display(),
        backend = setup.backend,
    )
}

fn pair(row: Row, two: &[RunningProxy], pace: Pace, place: &Place) -> Result<(Summary, Summary), Failure> {
    let mut summaries = contest::run(row, two, pace, place.folder())?.into_iter();
    match (summaries.next(), summaries.next()) {
        (Some(without), Some(with)) => Ok((without, with)),
        _ => Err(Failure::new("there were no rounds")),
    }
}
