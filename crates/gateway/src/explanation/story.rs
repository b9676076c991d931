//! A journey in words, for people: route, filters, upstream, answer.

use std::fmt::{Display, Write};

use bytes::Bytes;
use gwanmun_proxy::Plan;
use gwanmun_proxy::rehearse::{Rehearsed, Sent};
use gwanmun_proxy::route::Outcome;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::change::Change;
use super::journey::{End, Journey, Routing, Step};
use super::miss;
use crate::paint::Paint;

/// Of a body so much is shown.
const SHOWN_BODY: usize = 2000;

/// Everything about `journey`, which ended as `rehearsed` says.
pub(crate) fn tell(journey: &Journey<'_>, rehearsed: &Rehearsed, plan: &Plan, paint: Paint) -> String {
    let mut story = Story { text: String::new(), paint };
    story.heading(&journey.title);
    if !journey.sanitized.is_empty() {
        story.heading("Cleaned at the door");
        story.line(format_args!("  {}", journey.sanitized.join(", ")));
    }
    let (door, own): (Vec<&Step>, Vec<&Step>) = journey.forth.iter().partition(|step| step.is_at_door);
    if !door.is_empty() {
        story.heading("At the door, before routing");
        door.into_iter().for_each(|step| story.step(step));
    }
    if let Some(routing) = &journey.routing {
        story.routing(routing, &journey.variables, plan);
    }
    if !own.is_empty() {
        story.heading("Filters, in order");
        own.into_iter().for_each(|step| story.step(step));
    }
    if let Some(sent) = &rehearsed.sent {
        story.sent(sent);
    }
    if let Some(fault) = &journey.fault {
        story.heading("The gateway answers by itself");
        story.line(format_args!("  {}: {}", story.paint.bad(fault.code().name()), fault.detail()));
    }
    if journey.came_back {
        story.heading("Filters on the way back");
        if journey.back.is_empty() {
            story.line("  no change");
        }
        journey.back.iter().for_each(|step| story.step(step));
    }
    story.heading("The client gets");
    let status = rehearsed.response.status();
    story.line(format_args!("  HTTP/1.1 {status}"));
    story.message(rehearsed.response.headers(), rehearsed.response.body());
    story.text.trim_end().to_owned()
}

struct Story {
    text: String,
    paint: Paint,
}

impl Story {
    fn line(&mut self, line: impl Display) {
        let _ = writeln!(self.text, "{line}");
    }

    fn heading(&mut self, words: impl Display) {
        if !self.text.is_empty() {
            self.line("");
        }
        self.line(self.paint.bold(words));
    }

    fn routing(&mut self, routing: &Routing, variables: &[(String, String)], plan: &Plan) {
        let id = |place: usize| plan.routes.get(place).map_or("", |route| &route.id);
        match routing.route.and_then(|place| Some((place, routing.outcomes.get(place)?))) {
            None => self.heading("No route takes it"),
            Some((place, outcome)) => {
                self.heading(format_args!("Route {} takes it", id(place)));
                if outcome.children.is_empty() {
                    self.line("  it has no predicates and takes every request");
                }
                self.outcomes(&outcome.children, 1);
                for (name, value) in variables {
                    self.line(format_args!("  {} = {value}", self.paint.name(format_args!("{{{name}}}"))));
                }
            }
        }
        if routing.route.is_none() && plan.routes.is_empty() {
            self.line("  there are no routes");
        }
        let misses = miss::nearest(&routing.outcomes, &routing.path, routing.route);
        if misses.is_empty() {
            return;
        }
        self.heading("Nearest misses");
        for place in misses {
            let Some(outcome) = routing.outcomes.get(place) else { continue };
            let (held, all) = (miss::held(outcome), outcome.children.len());
            self.line(format_args!("  {}: {held} of {all} held", self.paint.name(id(place))));
            self.outcomes(&outcome.children, 2);
            if held == all {
                self.line("    a route that looks at the path does not take OPTIONS *");
            }
        }
    }

    /// Predicates, or what a filter weighed, with how they turned out, and their parts below them.
    fn outcomes(&mut self, outcomes: &[Outcome], depth: usize) {
        for outcome in outcomes {
            let mark = if outcome.held { self.paint.good("✓") } else { self.paint.bad("✗") };
            self.line(format_args!("{}{mark} {}", "  ".repeat(depth), outcome.text));
            self.outcomes(&outcome.children, depth + 1);
        }
    }

    fn step(&mut self, step: &Step) {
        self.line(format_args!("  {}", self.paint.name(&step.filter)));
        for change in &step.changes {
            self.change(change);
        }
        self.outcomes(&step.weighed, 2);
        match &step.end {
            End::GoesOn if step.changes.is_empty() && step.weighed.is_empty() => {
                let why = if step.is_for_response { "works on the response" } else { "no change" };
                self.line(format_args!("    {}", self.paint.dim(why)));
            }
            End::GoesOn => {}
            End::Answered(status, None) => self.line(format_args!("    answers by itself with {status}")),
            End::Answered(status, Some(location)) => {
                self.line(format_args!("    answers by itself with {status} to {location}"))
            }
            End::Failed(fault) => {
                self.line(format_args!("    fails: {}: {}", self.paint.bad(fault.code().name()), fault.detail()))
            }
        }
    }

    fn change(&mut self, change: &Change) {
        let Change { what, before, after } = change;
        let line = match (before, after) {
            (None, Some(after)) => self.paint.good(format_args!("+ {what}: {after}")),
            (Some(before), None) => self.paint.bad(format_args!("- {what}: {before}")),
            (Some(before), Some(after)) => format!("~ {what}: {before} → {after}"),
            (None, None) => return,
        };
        self.line(format_args!("    {line}"));
    }

    fn sent(&mut self, sent: &Sent) {
        let place = if sent.upstream == sent.endpoint { String::new() } else { format!(" ({})", sent.endpoint) };
        self.heading(format_args!("Upstream {}{place} gets", sent.upstream));
        self.line(format_args!("  {} {} HTTP/1.1", sent.method, sent.target));
        self.message(&sent.headers, &sent.body);
    }

    fn message(&mut self, headers: &HeaderMap, body: &Bytes) {
        for (name, value) in headers {
            self.field(name, value);
        }
        if body.is_empty() {
            return;
        }
        self.line("");
        let (text, rest) = body.split_at(body.len().min(SHOWN_BODY));
        for line in String::from_utf8_lossy(text).lines() {
            self.line(format_args!("  {line}"));
        }
        if !rest.is_empty() {
            self.line(format_args!("  … and {} bytes more", rest.len()));
        }
    }

    fn field(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.line(format_args!("  {}: {}", self.paint.name(name), String::from_utf8_lossy(value.as_bytes())));
    }
}
