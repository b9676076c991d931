//! One request through the public gateway and three services, as the OTLP receiver tells of it: one trace, each span with the
//! right parent.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use super::place::Place;
use crate::failure::{Failure, While};
use crate::steps;

/// Spans leave a second after they end.
const PATIENCE: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(200);

/// The span of who calls, whom the gateway trusts.
const CALLER: &str = "00f067aa0ba902b7";

/// From the last span of a way to the caller.
const WAYS: [&str; 2] = [
    "consumers SERVER < orders CLIENT < orders SERVER < gwanmun CLIENT < gwanmun SERVER < 00f067aa0ba902b7",
    "kitchen SERVER < orders CLIENT < orders SERVER < gwanmun CLIENT < gwanmun SERVER < 00f067aa0ba902b7",
];

/// What the receiver tells of a span.
#[derive(Debug, Default, PartialEq, Eq)]
struct Span {
    trace: String,
    parent: String,
    service: String,
    kind: String,
}

/// Orders something, and waits until the ways of that are told.
pub(crate) fn check(place: &Place) -> Result<(), Failure> {
    let mut random = Command::new("openssl");
    random.args(["rand", "-hex", "16"]);
    let trace = steps::output(random)?.trim().to_owned();
    let mut order = Command::new("curl");
    order.args(["-sf", "-H", &format!("traceparent: 00-{trace}-{CALLER}-01")]);
    order.args(["-H", &format!("Authorization: Bearer {}", place.token("ann")?)]);
    order.args(["--json", "{\"dish\": \"mandu\", \"quantity\": 3}", &place.fill("http://{PUBLIC}/orders")]);
    steps::output(order)?;
    let log = place.folder.join("logs/rotel.log");
    let begin = Instant::now();
    loop {
        let spans = read(&fs::read_to_string(&log).while_doing(log.display())?, &trace);
        let ways = ways(&spans);
        if ways == WAYS {
            println!("    {} spans of {trace}:\n    {}", spans.len(), ways.join("\n    "));
            return Ok(());
        }
        if begin.elapsed() > PATIENCE {
            return Err(Failure::new(format!("{trace} went {ways:#?}, wanted {WAYS:#?}; its spans are {spans:#?}")));
        }
        std::thread::sleep(PAUSE);
    }
}

/// The spans of a trace by their ids; the last one may be half written.
fn read(log: &str, trace: &str) -> BTreeMap<String, Span> {
    let mut spans = BTreeMap::new();
    let (mut service, mut id, mut span) = (String::new(), String::new(), Span::default());
    for line in log.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim().to_owned();
        match name.trim() {
            "-> service.name" => service = value.trim_start_matches("Str(").trim_end_matches(')').to_owned(),
            "Trace ID" => span = Span { trace: value, service: service.clone(), ..Span::default() },
            "Parent ID" => span.parent = value,
            "ID" => id = value,
            "Kind" => span.kind = value.trim_start_matches("SPAN_KIND_").to_owned(),
            "End time" => {
                spans.insert(std::mem::take(&mut id), std::mem::take(&mut span));
            }
            _ => {}
        }
    }
    spans.retain(|_, span| span.trace == trace);
    spans
}

/// The ways from those whom nobody else's span has as its parent, sorted.
fn ways(spans: &BTreeMap<String, Span>) -> Vec<String> {
    let is_last = |id: &String| spans.values().all(|span| span.parent != *id);
    let mut ways: Vec<String> = spans.keys().filter(|id| is_last(id)).map(|id| way(spans, id)).collect();
    ways.sort_unstable();
    ways
}

fn way(spans: &BTreeMap<String, Span>, last: &str) -> String {
    let (mut way, mut id) = (String::new(), last);
    // No way is longer than all spans.
    for _ in 0..spans.len() {
        let Some(span) = spans.get(id) else { break };
        way += &format!("{} {} < ", span.service, span.kind);
        id = &span.parent;
    }
    way + id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_goes_from_span_to_parent_and_leaves_other_traces_out() {
        let log = "Resource attributes:\n     -> service.name: Str(orders)\nSpan #0\n    Trace ID       : 0af7\n    \
            Parent ID      : 3132\n    ID             : b7ad\n    Kind           : SPAN_KIND_SERVER\nEnd time: 18\n\
            Span #1\n    Trace ID       : 0af7\n    Parent ID      : b7ad\n    ID             : b7ae\n    \
            Kind           : SPAN_KIND_CLIENT\nEnd time: 18\nSpan #2\n    Trace ID       : 0af8\n    Parent ID      : b7ae\n    \
            ID             : b7af\nEnd time: 18\nSpan #3\n    Trace ID       : 0af7\n    Parent ID      : b7ae\n    \
            ID             : b7b0\n";
        assert_eq!(ways(&read(log, "0af7")), ["orders CLIENT < orders SERVER < 3132"]);
    }
}
