//! Our own configuration: the duties as filters of every route, the way people write them.

use std::process::Command;

use super::identity::Guard;
use super::product::{ADDED_HEADER, Calls, Product, REMOVED_HEADER, SET_HEADER, Setup};
use super::row::{Door, Routes};
use crate::failure::Failure;

/// Writes `gwanmun.yaml`.
pub(crate) fn configure(setup: &Setup) -> Result<Calls, Failure> {
    let file = setup.write("gwanmun.yaml", &configuration(setup))?;
    let program = Product::Gwanmun.program();
    let mut run = Command::new(&program);
    run.arg("run").arg(&file);
    let mut check = Command::new(&program);
    check.arg("check").arg(&file);
    Ok(Calls { run, check, logs_to_stdout: false })
}

fn configuration(setup: &Setup) -> String {
    let tls = match setup.door {
        Door::Tls => format!(
            "\n    tls: {{certificates: [{{certificate: \"{}\", key: \"{}\"}}]}}",
            setup.certificate.chain.display(),
            setup.certificate.key.display()
        ),
        Door::H1 | Door::H2c => String::new(),
    };
    let guard = Guard::of(setup);
    let mut text = format!(
        "\
listeners:
  - address: {address}{tls}
management: {{address: {management}}}
workers: 1
telemetry:
  access-log: \"{log}\"
{spans}upstreams:
  origin:
    endpoints: [\"http://{backend}\"]
{sections}routes:
",
        address = setup.address,
        management = setup.management,
        log = setup.access_log().display(),
        spans = if setup.spans {
            format!("  traces: {{sample: 0.01, otlp: \"http://{}\"}}\n", setup.backend)
        } else {
            String::new()
        },
        backend = setup.backend,
        sections = guard.sections,
    );
    for service in 0..setup.routes.count() {
        let predicate = match setup.routes {
            Routes::One => "path: \"/**\"".to_owned(),
            Routes::Paths(_) => format!("path: \"{}**\"", Routes::prefix(service)),
            Routes::Hosts(_) => format!("host: \"{}\"", Routes::host(service)),
        };
        text.push_str(&route(service, &predicate, &guard.filters));
    }
    text
}

fn route(service: usize, predicate: &str, guard: &str) -> String {
    let (set, set_value) = SET_HEADER;
    let (added, added_value) = ADDED_HEADER;
    format!(
        "  - id: service-{service}
    predicates:
      - {predicate}
    filters:
{guard}      - set-request-header: {{name: {set}, value: \"{set_value}\"}}
      - remove-request-header: {REMOVED_HEADER}
      - add-response-header: {{name: {added}, value: \"{added_value}\"}}
    upstream: origin
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::identity::{Rung, tests::setup};

    #[test]
    fn a_guard_stands_before_the_duties_and_its_sections_before_the_routes() {
        let text = configuration(&setup(Rung::PassportEach));
        let places =
            ["upstreams:", "identity:", "passport:", "routes:", "- authenticate:", "- passport:", "- set-request"];
        let found: Vec<usize> = places.iter().map(|place| text.find(place).unwrap()).collect();
        assert!(found.is_sorted(), "{found:?}\n{text}");
    }

    #[test]
    fn without_a_guard_nothing_else_changes() {
        let plain = configuration(&setup(Rung::Plain));
        let guard = Guard::of(&setup(Rung::Authorized));
        let guarded = configuration(&setup(Rung::Authorized));
        assert_eq!(guarded.replace(&guard.sections, "").replace(&guard.filters, ""), plain);
    }
}
