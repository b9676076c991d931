//! wrk: HTTP/1.1 on 64 connections from one thread, fewer where bodies are large or others attack; with many routes it picks
//! one at random for each request, with many callers the next.

use std::fs;
use std::path::Path;

use super::Seen;
use crate::bench::identity::{Callers, Identity};
use crate::bench::pinned::{Core, pinned};
use crate::bench::product::{REMOVED_HEADER, Setup};
use crate::bench::row::{Bodies, Direction, Door, Routes, Row};
use crate::failure::{Failure, While};
use crate::steps;

const CONNECTIONS: &str = "64";
/// With large bodies: what lies in the buffers of the kernel should fit into a processor's cache.
const CONNECTIONS_WITH_BODIES: &str = "16";
/// Beside attackers: few enough that a request waits for them and not for its like.
const CONNECTIONS_UNDER_ATTACK: &str = "8";

/// Runs it once.
pub(crate) fn run(row: Row, setup: &Setup, seconds: u32, scratch: &Path) -> Result<Seen, Failure> {
    let scheme = if setup.door == Door::Tls { "https" } else { "http" };
    let mut command = pinned(Core::Around, "wrk");
    let connections = match row {
        Row::Attack => CONNECTIONS_UNDER_ATTACK,
        _ if row.bodies().is_some() => CONNECTIONS_WITH_BODIES,
        _ => CONNECTIONS,
    };
    command.args(["-t", "1", "-c", connections, "-d", &format!("{seconds}s"), "--latency"]);
    command.args(["-H", &format!("{REMOVED_HEADER}: 1")]);
    let mut path = "/items/7".to_owned();
    let mut script = None;
    match row.bodies() {
        Some(Bodies { bytes, of: Direction::Answers }) => path = format!("/bytes/{bytes}"),
        Some(Bodies { bytes, of: Direction::Requests }) => {
            script = Some(format!("wrk.method = 'POST'\nwrk.body = string.rep('x', {bytes})\n"));
        }
        None if setup.routes != Routes::One => script = Some(lua(setup.routes)),
        None => {}
    }
    match setup.identity.as_ref().map(Identity::next_callers) {
        Some(Callers::Same(credential)) => _ = command.args(["-H", &credential]),
        Some(Callers::Others(tokens)) => script = Some(lua_of_callers(tokens)),
        Some(Callers::Anonymous) | None => {}
    }
    if let Some(header) = &setup.header {
        command.args(["-H", header]);
    }
    if let Some(text) = script {
        let script = scratch.join("wrk.lua");
        fs::write(&script, text).while_doing(script.display())?;
        command.arg("-s").arg(script);
    }
    // A name rather than the address, so that the handshake carries a server name that may stand there (RFC 6066 section 3).
    command.arg(format!("{scheme}://localhost:{}{path}", setup.address.port()));
    let text = steps::output(command)?;
    parse(&text).ok_or_else(|| Failure::new(format!("the output of wrk is not understood:\n{text}")))
}

/// All requests are made before the load begins, so that picking one costs the client the same however many there are.
fn lua(routes: Routes) -> String {
    let (path, host) = match routes {
        Routes::One | Routes::Paths(_) => {
            ("string.format('/team-%d/service-%d/items/7', math.floor(n / 100), n)", "nil")
        }
        Routes::Hosts(_) => ("'/items/7'", "string.format('service-%d.example.test', n)"),
    };
    format!(
        "\
local requests = {{}}
init = function(args)
  for n = 0, {count} - 1 do
    local headers = {{}}
    for name, value in pairs(wrk.headers) do headers[name] = value end
    headers['Host'] = {host} or headers['Host']
    requests[n + 1] = wrk.format('GET', {path}, headers)
  end
end
request = function() return requests[math.random({count})] end
",
        count = routes.count(),
    )
}

/// A request for each line of a file of tokens, made before the load begins; asking for one is a step in a table.
fn lua_of_callers(tokens: &Path) -> String {
    format!(
        "\
local requests = {{}}
local count = 0
local last = 0
init = function(args)
  for token in io.lines([==[{tokens}]==]) do
    local headers = {{}}
    for name, value in pairs(wrk.headers) do headers[name] = value end
    headers['Authorization'] = 'Bearer ' .. token
    count = count + 1
    requests[count] = wrk.format('GET', '/items/7', headers)
  end
end
request = function()
  last = last % count + 1
  return requests[last]
end
",
        tokens = tokens.display(),
    )
}

fn parse(text: &str) -> Option<Seen> {
    let after = |start: &str| text.lines().find_map(|line| line.trim().strip_prefix(start)).map(str::trim);
    let (requests, _) = text.lines().find_map(|line| line.trim().split_once(" requests in "))?;
    let requests: f64 = requests.parse().ok()?;
    let rate: f64 = after("Requests/sec:")?.parse().ok()?;
    let bad = after("Non-2xx or 3xx responses:").map_or(Some(0.0), |count| count.parse().ok())?;
    let sockets = after("Socket errors:")
        .map_or(0.0, |errors| errors.split([' ', ',']).filter_map(|word| word.parse::<f64>().ok()).sum());
    let share = if requests > 0.0 { (requests - bad) / requests } else { 0.0 };
    Some(Seen {
        requests: requests - bad,
        rate: rate * share,
        p50: microseconds(after("50%")?)?,
        p99: microseconds(after("99%")?)?,
        errors: bad + sockets,
    })
}

fn microseconds(text: &str) -> Option<f64> {
    let units = [("us", 1.0), ("ms", 1e3), ("s", 1e6), ("m", 6e7)];
    let (number, factor) = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
Running 2s test @ http://localhost:1/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.91ms  102.40us  17.03ms   89.75%
    Req/Sec    33.45k   251.88    35.64k    95.00%
  Latency Distribution
     50%    1.88ms
     75%    1.93ms
     90%    2.02ms
     99%  412.00us
  66875 requests in 2.01s, 84.1MB read
Requests/sec:  33426.62
Transfer/sec:     41.5MB
";

    #[test]
    fn a_clean_run_is_read() {
        let seen = parse(GOOD).unwrap();
        assert_eq!(seen, Seen { requests: 66875.0, rate: 33426.62, p50: 1880.0, p99: 412.0, errors: 0.0 });
    }

    #[test]
    fn failures_are_counted_and_taken_off() {
        let text = GOOD.replace(
            "Requests/sec:",
            "  Socket errors: connect 1, read 2, write 0, timeout 4\n  Non-2xx or 3xx responses: 875\nRequests/sec:",
        );
        let seen = parse(&text).unwrap();
        assert_eq!((seen.requests, seen.errors), (66000.0, 882.0));
    }

    #[test]
    fn each_caller_has_a_request_that_is_made_before_the_load() {
        let script = lua_of_callers(Path::new("/bench/unknown-0"));
        let (before, during) = script.split_once("request = function()").unwrap();
        assert!(before.contains("io.lines([==[/bench/unknown-0]==])") && before.contains("wrk.format("), "{script}");
        assert!(!during.contains("wrk.") && !during.contains(".."), "{script}");
    }

    #[test]
    fn other_talk_is_refused() {
        assert_eq!(parse("unable to connect to localhost:1 Connection refused"), None);
    }
}
