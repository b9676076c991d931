//! The numbers of every gateway and every service of the shop: `promtool` has no complaint about them, and a Prometheus
//! scrapes them all.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::place::Place;
use crate::failure::{Failure, While};
use crate::free_port::free_address;
use crate::signals;
use crate::steps;

const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(200);

/// Whose numbers.
const TARGETS: [&str; 5] =
    ["PUBLIC_MANAGEMENT", "INTERNAL_MANAGEMENT", "ORDERS_MANAGEMENT", "CONSUMERS_MANAGEMENT", "KITCHEN_MANAGEMENT"];

/// Stops when dropped.
struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        signals::stop(&mut self.0);
    }
}

/// Looks at every page, and waits until Prometheus says that all targets are up.
pub(crate) fn check(place: &Place) -> Result<(), Failure> {
    for target in TARGETS {
        let mut check = Command::new("bash");
        let page = format!("http://{}/metrics", place.address(target));
        check.args(["-c", &format!("set -o pipefail; curl -sf {page} | promtool check metrics")]);
        let said = steps::output(check)?;
        if !said.is_empty() {
            return Err(Failure::new(format!("promtool says of {target}: {said}")));
        }
    }
    let folder = place.folder.join("prometheus");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).while_doing(folder.display())?;
    let targets = TARGETS.map(|target| format!("'{}'", place.address(target))).join(", ");
    let configuration = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
         scrape_configs: [{{job_name: shop, static_configs: [{{targets: [{targets}]}}]}}]\n"
    );
    fs::write(folder.join("prometheus.yml"), configuration).while_doing("writing prometheus.yml")?;
    let address = free_address()?;
    let mut command = signals::tied("prometheus");
    command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"]);
    command.arg(format!("--web.listen-address={address}")).current_dir(&folder);
    let log = fs::File::create(place.folder.join("logs/prometheus.log")).while_doing("making prometheus.log")?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let _prometheus = Prometheus(command.spawn().while_doing("starting prometheus")?);
    let begin = Instant::now();
    loop {
        let mut ask = Command::new("curl");
        ask.args(["-sf", &format!("http://{address}/api/v1/query?query=up")]);
        let said = steps::output(ask).unwrap_or_default();
        if up(&said) == TARGETS.len() {
            println!("    Prometheus scrapes {} targets, promtool has no complaint", TARGETS.len());
            return Ok(());
        }
        if begin.elapsed() > PATIENCE {
            return Err(Failure::new(format!("not all of {targets} are up for Prometheus: {said}")));
        }
        std::thread::sleep(PAUSE);
    }
}

/// How many targets are up.
fn up(said: &str) -> usize {
    let said: Value = serde_json::from_str(said).unwrap_or_default();
    let series = said.pointer("/data/result").and_then(Value::as_array);
    let is_up = |series: &&Value| series.pointer("/value/1").and_then(Value::as_str) == Some("1");
    series.map_or(0, |series| series.iter().filter(is_up).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_that_are_down_are_not_counted() {
        let said = r#"{"data":{"result":[{"value":[1,"1"]},{"value":[1,"0"]},{"value":[1,"1"]}]}}"#;
        assert_eq!(up(said), 2);
        assert_eq!(up(""), 0);
    }
}
