//! A whole gateway with one filter of its own: every command of `gwanmun`, and the filter `maintenance`.

use std::process::ExitCode;

use gwanmun::Registry;
use gwanmun::config::Timespan;
use gwanmun::proxy::{Body, Exchange, Filter, FilterSpec, Invalid, Parts, Step, Verdict};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use schemars::JsonSchema;
use serde::Deserialize;

/// Answers 503 while somebody works on the service behind. Whoever sends the header `pass` gets through.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct MaintenanceSpec {
    /// When clients may come back.
    retry_after: Timespan,
    /// The header of those who may pass.
    pass: String,
}

struct Maintenance {
    retry_after: HeaderValue,
    pass: HeaderName,
}

impl FilterSpec for MaintenanceSpec {
    const NAME: &'static str = "maintenance";
    const EXAMPLE: &'static str = include_str!("../gateway.yaml");

    fn build(self, _: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        let pass = HeaderName::try_from(&self.pass)
            .map_err(|_| Invalid::at("pass", format!("found '{}', wanted a header name", self.pass)))?;
        Ok(Box::new(Maintenance { retry_after: self.retry_after.as_secs().into(), pass }))
    }
}

impl Filter for Maintenance {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        if exchange.request.headers.contains_key(&self.pass) {
            return Ok(Step::Next);
        }
        let mut answer = Response::new(Body::from("back soon\n"));
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        answer.headers_mut().insert(header::RETRY_AFTER, self.retry_after.clone());
        Ok(Step::Reply(Box::new(answer)))
    }
}

fn main() -> ExitCode {
    gwanmun::main(Registry::standard().filter::<MaintenanceSpec>())
}
