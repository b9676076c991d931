//! What we want to reach, held against what was measured.

use std::fmt::Write;

use super::identity::Rung;
use super::product::Product;
use super::report::{Report, megabytes};
use super::row::{Routes, Row};
use super::sample::Summary;

/// One thing to reach: at most so much.
struct Goal {
    what: String,
    at_most: f64,
    measured: Option<f64>,
}

/// Adds a table of the goals that can be judged.
pub(crate) fn write(report: &Report, text: &mut String) {
    let goals: Vec<Goal> = goals(report).into_iter().filter(|goal| goal.measured.is_some()).collect();
    if goals.is_empty() {
        return;
    }
    text.push_str("\n## Goals\n\n| what | at most | measured | |\n|---|---|---|---|\n");
    for goal in goals {
        let measured = goal.measured.unwrap_or(f64::NAN);
        let verdict = if measured <= goal.at_most { "reached" } else { "**missed**" };
        let _ = writeln!(text, "| {} | {} | {measured:.2} | {verdict} |", goal.what, goal.at_most);
    }
}

fn goals(report: &Report) -> Vec<Goal> {
    let cpu = |row, product| report.summary(row, Routes::One, product);
    let ours = |row| cpu(row, Product::Gwanmun);
    let mut goals = Vec::new();
    let mut goal = |what: String, at_most, measured| goals.push(Goal { what, at_most, measured });
    for row in [Row::H1, Row::H1Tls] {
        let better = report.better(row, Routes::One);
        goal(format!("{}: ours / better of nginx, haproxy", row.title()), 0.85, over(ours(row), better));
        let better = report.better_in_user_mode(row, Routes::One);
        let user = ours(row).zip(better).and_then(|(ours, better)| ours.user_over(better));
        goal(format!("{}, user time: ours / better of nginx, haproxy", row.title()), 0.6, user);
    }
    for row in [Row::Down64k, Row::Down1m, Row::Up64k, Row::Up1m] {
        let better = report.better(row, Routes::One);
        goal(format!("{}, per byte: ours / better of nginx, haproxy", row.title()), 1.0, over(ours(row), better));
    }
    goal("h2c -> h1: ours / haproxy".to_owned(), 1.0, over(ours(Row::H2c), cpu(Row::H2c, Product::Haproxy)));
    goal("handshake: ours / nginx".to_owned(), 0.6, over(ours(Row::Handshake), cpu(Row::Handshake, Product::Nginx)));
    for (row, at_most) in [(Row::H1, 0.4), (Row::H1Tls, 0.4), (Row::H2c, 0.4), (Row::Handshake, 0.7)] {
        goal(format!("{}: ours / envoy", row.title()), at_most, over(ours(row), cpu(row, Product::Envoy)));
    }
    let rung = |rung| report.ladder.summary(rung);
    let more = |ours, theirs| rung(ours)?.minus(rung(theirs)?);
    goal(
        "identity: known token and authorize / plain".to_owned(),
        1.25,
        over(rung(Rung::Authorized), rung(Rung::Plain)),
    );
    let pair = |of: fn(&Summary, &Summary) -> Option<f64>, two: &Option<(Summary, Summary)>| {
        two.as_ref().and_then(|(without, with)| of(with, without))
    };
    goal("spans: with one request in a hundred / without".to_owned(), 1.03, pair(Summary::over, &report.spans));
    goal("chassis: µs more than axum alone".to_owned(), 10.0, pair(Summary::minus, &report.chassis));
    goal("identity: session and authorize / plain".to_owned(), 1.3, over(rung(Rung::Session), rung(Rung::Plain)));
    for (what, ours, at_most) in [("per request", Rung::PassportEach, 25.0), ("reused", Rung::PassportReused, 2.0)] {
        goal(
            format!("identity: Passport {what}, µs more than known token and authorize"),
            at_most,
            more(ours, Rung::Authorized),
        );
    }
    for (what, ours, envoy, at_most) in [
        ("known token: ours / envoy, cache on", Rung::Known, Rung::EnvoyKnownCached, 0.35),
        ("known token: ours / envoy, cache off", Rung::Known, Rung::EnvoyKnown, 0.35),
        ("unknown token: ours / envoy, cache off", Rung::Unknown, Rung::EnvoyUnknown, 0.6),
    ] {
        goal(format!("identity: {what}"), at_most, over(rung(ours), rung(envoy)));
    }
    for (what, row, few, many) in [
        ("path", Row::RoutesPath, Routes::Paths(10), Routes::Paths(10_000)),
        ("host", Row::RoutesHost, Routes::Hosts(10), Routes::Hosts(10_000)),
    ] {
        let cpu = |routes| report.summary(row, routes, Product::Gwanmun);
        goal(format!("cost with 10,000 routes by {what} / with 10"), 1.1, over(cpu(many), cpu(few)));
        let seconds = report.checks.iter().find(|(routes, by, _)| (*routes, *by) == (many, Product::Gwanmun));
        goal(format!("seconds to check 10,000 routes by {what}"), 1.0, seconds.map(|(_, _, seconds)| *seconds));
        goal(format!("MB with 10,000 routes by {what}"), 60.0, memory(report, many));
    }
    goal("MB idle".to_owned(), 20.0, memory(report, Routes::One));
    goals
}

fn over(ours: Option<&Summary>, theirs: Option<&Summary>) -> Option<f64> {
    ours?.over(theirs?)
}

fn memory(report: &Report, routes: Routes) -> Option<f64> {
    let found = report.memory.iter().find(|(of, by, _)| (*of, *by) == (routes, Product::Gwanmun));
    found.map(|(_, _, memory)| megabytes(memory.resident_kib))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::identity::{Ladder, Outcome};
    use crate::bench::report::Traffic;
    use crate::bench::sample::Sample;

    fn traffic(product: Product, user: f64, system: f64) -> Traffic {
        let sample = Sample { user, system, rate: 1.0, p50: 1.0, p99: 1.0, errors: 0.0, logged: 1.0 };
        Traffic { row: Row::H1, routes: Routes::One, product, summary: Summary::of(&[sample]).unwrap() }
    }

    #[test]
    fn the_ladder_is_judged_round_by_round_and_only_where_it_was_climbed() {
        let mut ladder = Ladder::default();
        let mut add = |rung, rounds: [f64; 3]| {
            let sample = |user| Sample { user, system: 10.0, rate: 1.0, p50: 1.0, p99: 1.0, errors: 0.0, logged: 1.0 };
            ladder.add(rung, Outcome::Measured(Summary::of(&rounds.map(sample)).unwrap()));
        };
        add(Rung::Plain, [10.0, 30.0, 10.0]);
        add(Rung::Known, [11.0, 31.0, 11.0]);
        add(Rung::Unknown, [90.0, 90.0, 90.0]);
        add(Rung::Authorized, [14.0, 34.0, 15.0]);
        // The differences are 20, 24 and 60; that of the medians would be 43.
        add(Rung::PassportEach, [34.0, 58.0, 75.0]);
        add(Rung::PassportReused, [18.0, 38.0, 19.0]);
        add(Rung::EnvoyKnownCached, [60.0, 60.0, 60.0]);
        add(Rung::EnvoyUnknown, [190.0, 190.0, 190.0]);
        ladder.add(Rung::EnvoyKnown, Outcome::NotMeasured("away".to_owned()));
        let mut text = String::new();
        write(&Report { ladder, ..Report::default() }, &mut text);
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("| identity")).collect();
        assert_eq!(
            lines,
            [
                "| identity: known token and authorize / plain | 1.25 | 1.20 | reached |",
                "| identity: Passport per request, µs more than known token and authorize | 25 | 24.00 | reached |",
                "| identity: Passport reused, µs more than known token and authorize | 2 | 4.00 | **missed** |",
                "| identity: known token: ours / envoy, cache on | 0.35 | 0.30 | reached |",
                "| identity: unknown token: ours / envoy, cache off | 0.6 | 0.50 | reached |",
            ]
        );
    }

    #[test]
    fn goals_are_judged_against_the_better_peer_and_only_where_measured() {
        let peers = [
            (Product::Gwanmun, 15.0, 15.0),
            (Product::Nginx, 22.0, 3.0),
            (Product::Haproxy, 20.0, 20.0),
            (Product::Envoy, 80.0, 20.0),
        ];
        let traffic = peers.into_iter().map(|(product, user, system)| traffic(product, user, system)).collect();
        let mut text = String::new();
        write(&Report { traffic, ..Report::default() }, &mut text);
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("| h1")).collect();
        assert_eq!(
            lines,
            [
                "| h1: ours / better of nginx, haproxy | 0.85 | 1.20 | **missed** |",
                "| h1, user time: ours / better of nginx, haproxy | 0.6 | 0.75 | **missed** |",
                "| h1: ours / envoy | 0.4 | 0.30 | reached |"
            ]
        );
        assert_eq!(text.lines().count(), 8, "{text}");
    }
}
