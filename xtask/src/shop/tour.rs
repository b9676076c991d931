//! The tour: commands to try, in the order of what they show. The README shows the same ones; `--check` goes on the tour and
//! looks at what comes.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

#[cfg(test)]
use super::place;
use super::place::Place;
use crate::failure::{Failure, While};
use crate::signals;

/// How long an answer may take to come: lines and spans arrive a moment after the answer.
const PATIENCE: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(200);

/// What the shell says after each command.
const END: &str = "-- that was all --";

/// One command.
struct Stop {
    /// The word of the mission that it shows.
    word: &'static str,
    /// What it shows of that.
    says: &'static str,
    /// What to type, with `{NAME}` for addresses.
    command: &'static str,
    /// What has to be in its output; nothing where the command only sets variables.
    shows: &'static [&'static str],
    /// Whether that may take a moment, so that it is tried again.
    later: bool,
}

const STOPS: &[Stop] = &[
    Stop {
        word: "authentication",
        says: "nobody passes without a credential",
        command: "curl -si http://{PUBLIC}/orders",
        shows: &["401", "urn:gwanmun:fault:unauthenticated"],
        later: false,
    },
    Stop {
        word: "authentication",
        says: "Ann and Carl log in; what an app would do is done by curl",
        command: "ANN=$(curl -s 'http://{LOGIN}/token-for?name=ann'); CARL=$(curl -s 'http://{LOGIN}/token-for?name=carl')",
        shows: &[],
        later: false,
    },
    Stop {
        word: "authentication",
        says: "Ann orders; her token ends at the gateway, the services get a Passport",
        command: "curl -s -H \"Authorization: Bearer $ANN\" --json '{\"dish\": \"bibimbap\", \"quantity\": 2}' http://{PUBLIC}/orders",
        shows: &["\"dish\":\"bibimbap\"", "\"by\":\"ann\""],
        later: false,
    },
    Stop {
        word: "authentication",
        says: "a service in another language verifies the same Passport",
        command: "curl -s -H \"Authorization: Bearer $ANN\" http://{PUBLIC}/receipts/1",
        shows: &["2 x bibimbap", "\"for\": \"ann\""],
        later: false,
    },
    Stop {
        word: "authentication",
        says: "past the gateway, a service by itself lets nobody in either",
        command: "curl -si http://{ORDERS}/orders",
        shows: &["401", "urn:gwanmun:fault:unauthenticated"],
        later: false,
    },
    Stop {
        word: "authorisation",
        says: "Carl is a cook: he may not order",
        command: "curl -si -H \"Authorization: Bearer $CARL\" --json '{\"dish\": \"bibimbap\", \"quantity\": 2}' http://{PUBLIC}/orders",
        shows: &["403", "urn:gwanmun:fault:forbidden"],
        later: false,
    },
    Stop {
        word: "authentication",
        says: "colleagues log in with a browser; here is what it does",
        command: "LOGIN=$(curl -s -c cookies -b cookies -o /dev/null -w '%{redirect_url}' -H 'Sec-Fetch-Mode: navigate' http://{INTERNAL}/tickets); curl -sL -c cookies -b cookies \"$LOGIN&name=carl\"",
        shows: &["bibimbap"],
        later: false,
    },
    Stop {
        word: "audit",
        says: "who was let do what, and who was not, in a chain that shows whether somebody changed it",
        command: "grep -h -e order.placed -e '\"decision\":\"deny\"' orders/audit.jsonl; {GWANMUN} audit verify orders/audit.jsonl",
        shows: &["order.placed", "\"actor\":\"ann\"", "\"deny\"", "\"carl\""],
        later: true,
    },
    Stop {
        word: "secure IPC",
        says: "the kitchen talks to nobody without a certificate of the shop",
        command: "curl -sS --cacert certificates/ca.pem https://{KITCHEN}/tickets 2>&1; curl -si --cacert certificates/ca.pem --cert certificates/orders.pem --key certificates/orders.key https://{KITCHEN}/tickets",
        shows: &["curl: (", "401"],
        later: false,
    },
    Stop {
        word: "push configuration",
        says: "a dozen is too much; the file says so, and is read again when it changes",
        command: "curl -s -H \"Authorization: Bearer $ANN\" --json '{\"dish\": \"tteok\", \"quantity\": 12}' http://{PUBLIC}/orders; sed -i 's/max-quantity: 10/max-quantity: 20/' orders/application.yaml",
        shows: &["at most 10"],
        later: false,
    },
    Stop {
        word: "push configuration",
        says: "now it is not",
        command: "curl -s -H \"Authorization: Bearer $ANN\" --json '{\"dish\": \"tteok\", \"quantity\": 12}' http://{PUBLIC}/orders",
        shows: &["\"quantity\":12"],
        later: true,
    },
    Stop {
        word: "push configuration",
        says: "what is in force, and where it comes from, without the secrets",
        command: "curl -s http://{ORDERS_MANAGEMENT}/env",
        shows: &["max-quantity", "application.yaml"],
        later: false,
    },
    Stop {
        word: "health check",
        says: "what the service needs, and how that does",
        command: "curl -s http://{ORDERS_MANAGEMENT}/health; curl -si http://{ORDERS_MANAGEMENT}/health/readiness",
        shows: &["\"database\"", "200 OK"],
        later: false,
    },
    Stop {
        word: "tracing",
        says: "one request through the gateway and three services, under a trace that you choose",
        command: "TRACE=$(openssl rand -hex 16); curl -s -H \"traceparent: 00-$TRACE-00f067aa0ba902b7-01\" -H \"Authorization: Bearer $ANN\" --json '{\"dish\": \"japchae\", \"quantity\": 1}' http://{PUBLIC}/orders",
        shows: &["japchae"],
        later: false,
    },
    Stop {
        word: "log collection",
        says: "its id is in every log",
        command: "grep -l \"$TRACE\" logs/*.log",
        shows: &["logs/public.log", "logs/orders.log", "logs/consumers.log", "logs/kitchen.log"],
        later: true,
    },
    Stop {
        word: "tracing",
        says: "and its spans are with the OTLP receiver",
        command: "grep -A 12 -i \"$TRACE\" logs/rotel.log",
        shows: &["POST /orders", "POST /tickets"],
        later: true,
    },
    Stop {
        word: "exception tracking",
        says: "a handler with a mistake in it: one exception, however often, and the service goes on",
        command: "for i in 1 2 3; do curl -s -H \"Authorization: Bearer $ANN\" 'http://{PUBLIC}/orders/average?dish=pizza'; done; curl -s http://{ORDERS_MANAGEMENT}/exceptions",
        shows: &["\"status\":500", "divide by zero", "\"count\":3"],
        later: false,
    },
    Stop {
        word: "metrics",
        says: "for Prometheus: requests by what they were, and the business' own numbers",
        command: "curl -s http://{ORDERS_MANAGEMENT}/metrics | grep -e http_server_requests_seconds_count -e orders_placed_total",
        shows: &[
            "http_server_requests_seconds_count{method=\"POST\",uri=\"/orders\",status=\"201\",outcome=\"SUCCESS\"}",
            "orders_placed_total",
        ],
        later: false,
    },
];

impl Stop {
    fn command(&self, place: &Place) -> String {
        place.fill(self.command)
    }

    /// What does not show in `seen`.
    fn missing(&self, seen: &str) -> Vec<&'static str> {
        self.shows.iter().copied().filter(|wanted| !seen.contains(wanted)).collect()
    }
}

/// The tour as a person reads it.
pub(crate) struct Text<'a>(pub(crate) &'a Place);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.0.folder.display();
        writeln!(f, "The shop is open. In another terminal, in this folder:\n\n  cd {folder}")?;
        let mut word = "";
        for stop in STOPS {
            if stop.word != word {
                word = stop.word;
                writeln!(f, "\n{word}")?;
            }
            writeln!(f, "  # {}\n  {}", stop.says, stop.command(self.0))?;
        }
        writeln!(f, "\nLogs are in {folder}/logs. Enter or Ctrl-C closes the shop.")
    }
}

/// Goes on the tour: every command in one shell, as a person would.
pub(crate) fn play(place: &Place) -> Result<(), Failure> {
    let mut shell = Shell::start(place)?;
    for stop in STOPS {
        println!("    {}: {}", stop.word, stop.says);
        let begin = Instant::now();
        loop {
            let seen = shell.run(&stop.command(place))?;
            let missing = stop.missing(&seen);
            if missing.is_empty() {
                break;
            }
            if !stop.later || begin.elapsed() > PATIENCE {
                let (command, missing) = (stop.command(place), missing.join("`, `"));
                return Err(Failure::new(format!("`{command}` does not show `{missing}`, but:\n{seen}")));
            }
            std::thread::sleep(PAUSE);
        }
    }
    Ok(())
}

/// A shell in the shop's folder.
struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Shell {
    fn start(place: &Place) -> Result<Self, Failure> {
        let mut command = signals::tied("bash");
        command.current_dir(&place.folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().while_doing("starting a shell")?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::new("the shell has no pipes"));
        };
        Ok(Self { child, input, output: BufReader::new(output) })
    }

    /// What a command prints.
    fn run(&mut self, command: &str) -> Result<String, Failure> {
        writeln!(self.input, "{command}\nprintf '\\n{END}\\n'").while_doing("speaking to the shell")?;
        let mut seen = String::new();
        loop {
            let before = seen.len();
            if self.output.read_line(&mut seen).while_doing("listening to the shell")? == 0 {
                return Err(Failure::new(format!("the shell ended after `{command}`:\n{seen}")));
            }
            if seen.get(before..).is_some_and(|line| line.trim_end() == END) {
                seen.truncate(before);
                return Ok(seen);
            }
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        signals::stop(&mut self.child);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    #[test]
    fn the_readme_shows_every_command() {
        let readme = std::fs::read_to_string(workspace::root().join("examples/shop/README.md")).unwrap();
        for stop in STOPS {
            let command = place::documented(stop.command);
            assert!(readme.contains(&command), "examples/shop/README.md does not show: {command}");
        }
    }

    #[test]
    fn every_word_of_the_mission_is_on_the_tour() {
        for word in [
            "authentication",
            "authorisation",
            "audit",
            "secure IPC",
            "push configuration",
            "health check",
            "log collection",
            "tracing",
            "exception tracking",
            "metrics",
        ] {
            assert!(STOPS.iter().any(|stop| stop.word == word), "{word}");
        }
    }
}
