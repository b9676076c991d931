//! A gateway for tests whose filter does what no filter should.

#![allow(clippy::panic, reason = "that is what it is for")]

use std::process::ExitCode;

use gwanmun::Registry;
use gwanmun::core::{Code, Fault};
use gwanmun::proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Response, Step, Verdict};
use schemars::JsonSchema;
use serde::Deserialize;

/// Panics where the header `X-Panic` says: `request`, `other`, `wait`, `response`; or fails with `internal`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct PanicSpec {}

struct Panic;

impl FilterSpec for PanicSpec {
    const NAME: &'static str = "panic";

    fn build(self, _: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        Ok(Box::new(Panic))
    }
}

impl Filter for Panic {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        match asked(exchange) {
            "request" => place_order(number(exchange)),
            "other" => panic!("no eggs left"),
            "internal" => Err(Fault::new(Code::Internal, "the shelf 17 is not there")),
            "wait" => Ok(Step::Wait(Box::pin(async {
                std::future::ready(()).await;
                panic!("waited for nothing")
            }))),
            _ => Ok(Step::Next),
        }
    }

    fn response<'a>(&'a self, exchange: &'a mut Exchange, _: &'a mut Response) -> Verdict<'a> {
        if asked(exchange) == "response" {
            panic!("the answer is wrong");
        }
        Ok(Step::Next)
    }
}

#[inline(never)]
fn place_order<'a>(number: usize) -> Verdict<'a> {
    assert!(number > 1_000_000, "no order {number}, password=hunter2");
    Ok(Step::Next)
}

fn asked(exchange: &Exchange) -> &str {
    exchange.request.headers.get("x-panic").and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The number at the end of the path: what differs from one request to the next.
fn number(exchange: &Exchange) -> usize {
    exchange.request.path().rsplit('/').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn main() -> ExitCode {
    gwanmun::main(Registry::standard().filter::<PanicSpec>())
}
