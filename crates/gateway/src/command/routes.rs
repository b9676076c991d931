//! `gwanmun routes`: the routes as a table, in the order they are asked.

use std::path::PathBuf;

use gwanmun_filters::Registry;
use gwanmun_proxy::Plan;

use crate::cli::Outcome;
use crate::load::from_files;
use crate::paint::Paint;
use crate::terminal::{say, stdout_style};

const HEAD: [&str; 5] = ["ID", "ORDER", "PREDICATES", "FILTERS", "UPSTREAM"];

/// Shows the routes.
pub(crate) fn run(registry: &Registry, files: &[PathBuf]) -> Outcome {
    let configuration = from_files(registry, files);
    configuration.complain();
    let Some(plan) = &configuration.plan else { return Outcome::AtFault };
    let rows = rows(plan);
    let paint = Paint::new(stdout_style());
    let widths = widths(&rows);
    say(paint.bold(line(&HEAD.map(str::to_owned), &widths)));
    rows.iter().for_each(|row| say(line(row, &widths)));
    Outcome::Good
}

fn rows(plan: &Plan) -> Vec<[String; 5]> {
    let row = |(place, route): (usize, &gwanmun_proxy::plan::Route)| {
        let filters: Vec<_> = route.filters.iter().map(|planned| planned.name).collect();
        let upstream = route.upstream.and_then(|upstream| plan.upstreams.get(upstream));
        [
            route.id.to_string(),
            route.order.to_string(),
            or_dash(plan.router.predicates(place).join(", ")),
            or_dash(filters.join(", ")),
            or_dash(upstream.map(|upstream| upstream.name.to_string()).unwrap_or_default()),
        ]
    };
    plan.routes.iter().enumerate().map(row).collect()
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

fn widths(rows: &[[String; 5]]) -> [usize; 5] {
    let mut widths = HEAD.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    widths
}

fn line(cells: &[String; 5], widths: &[usize; 5]) -> String {
    let cells: Vec<_> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    cells.join("  ").trim_end().to_owned()
}
