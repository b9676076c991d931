//! The pages, in the form of Spring Boot's health endpoint.

use std::collections::BTreeMap;
use std::sync::Arc;

use gwanmun_core::Stamp;
use serde_json::{Map, Value, json};

use super::outcome::{Outcome, Status};
use super::watched::Watched;
use super::{Audience, Health, Process};

/// The component that is the process itself.
const PROCESS: &str = "process";

/// What is asked for by a name behind `/health/`, and comes before components of that name.
const GROUPS: [&str; 3] = ["liveness", "readiness", "startup"];

/// No check can have these names.
pub(super) const RESERVED: [&str; 4] = ["liveness", "process", "readiness", "startup"];

/// A component as it is shown.
struct Shown {
    status: Status,
    /// What it counts as in readiness: before the first answer, nothing is known and nobody welcome.
    for_readiness: Status,
    details: Map<String, Value>,
}

pub(super) fn page(health: &Health, path: &str, audience: Audience) -> Option<(u16, String)> {
    let name = match path.strip_prefix("/health")? {
        "" => None,
        rest => Some(rest.strip_prefix('/')?),
    };
    let components = health.components();
    let process = health.process();
    let started = health.has_started(&components);
    let checks = |is_in: fn(&Watched) -> bool| components.iter().filter(move |(_, watched)| is_in(watched));
    let readiness = checks(|watched| watched.settings().readiness);
    let (status, members): (Status, BTreeMap<&str, Shown>) = match name {
        None => {
            let members = shown(components.iter(), Some(process));
            let is_in_readiness = |name: &str| components.get(name).is_none_or(|found| found.settings().readiness);
            let worst = members.iter().map(|(name, member)| match is_in_readiness(name) {
                true => member.for_readiness,
                false => member.status,
            });
            (worst.fold(start(started), Status::max), members)
        }
        Some("liveness") => {
            let members = shown(checks(|watched| watched.settings().liveness), None);
            (members.values().map(|member| member.status).fold(Status::Up, Status::max), members)
        }
        Some("readiness") => {
            let members = shown(readiness, Some(process));
            (members.values().map(|member| member.for_readiness).fold(start(started), Status::max), members)
        }
        Some("startup") => (start(started), shown(checks(|watched| watched.settings().startup), Some(process))),
        Some(name) if audience == Audience::Operators => {
            let shown = match components.get_key_value(name) {
                Some((_, watched)) => of(watched),
                None if name == PROCESS => of_process(process),
                None => return None,
            };
            return Some((shown.status.code(), shown.json().to_string()));
        }
        Some(_) => return None,
    };
    let mut page = json!({"status": status.name()});
    if name.is_none() {
        put(&mut page, "groups", json!(GROUPS));
    }
    if audience == Audience::Operators {
        let components = members.into_iter().map(|(name, member)| (name.to_owned(), member.json())).collect();
        put(&mut page, "components", Value::Object(components));
    }
    Some((status.code(), page.to_string()))
}

fn start(started: bool) -> Status {
    if started { Status::Up } else { Status::OutOfService }
}

fn shown<'a>(
    checks: impl Iterator<Item = (&'a Arc<str>, &'a Watched)>,
    process: Option<Process>,
) -> BTreeMap<&'a str, Shown> {
    let process = process.map(|process| (PROCESS, of_process(process)));
    process.into_iter().chain(checks.map(|(name, watched)| (&**name, of(watched)))).collect()
}

fn of_process(process: Process) -> Shown {
    let (status, details) = (process.status(), Outcome::up().with("state", process.name()).details);
    Shown { status, for_readiness: status, details }
}

fn of(watched: &Watched) -> Shown {
    match watched.latest() {
        Some((Outcome { status, mut details }, when)) => {
            if watched.looking().is_some() {
                details.insert("checked-at".to_owned(), Stamp::text(when).into());
            }
            Shown { status, for_readiness: status, details }
        }
        None => {
            let Outcome { status, details } = Outcome::unknown("there is no answer yet");
            Shown { status, for_readiness: if watched.is_awaited() { Status::OutOfService } else { status }, details }
        }
    }
}

impl Shown {
    fn json(self) -> Value {
        let mut shown = json!({"status": self.status.name()});
        if !self.details.is_empty() {
            put(&mut shown, "details", Value::Object(self.details));
        }
        shown
    }
}

fn put(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}
