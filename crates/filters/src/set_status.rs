//! `set-status`: another status than the upstream's.

use gwanmun_proxy::{Body, Exchange, Filter, FilterSpec, Invalid, Parts, Response, Step, Verdict};
use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::status::{self, StatusSpec};

/// Sets the status of the response. The body stays, unless a response of the new status has none (204, 205, 304). Answers
/// that the gateway makes when something goes wrong keep theirs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SetStatusSpec {
    /// The status: `401` or `UNAUTHORIZED`.
    status: StatusSpec,
}

struct SetStatus {
    status: StatusCode,
}

impl FilterSpec for SetStatusSpec {
    const NAME: &'static str = "set-status";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: hidden
    predicates:
      - path: /hidden/**
    filters:
      - set-status: NOT_FOUND
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /hidden/7}
    upstream-response: {status: 403, headers: {}, body: "no"}
    expect: {route: hidden, status: 404}
"#;

    fn build(self, _: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        Ok(Box::new(SetStatus { status: self.status.code() }))
    }
}

impl Filter for SetStatus {
    fn response<'a>(&'a self, exchange: &'a mut Exchange, response: &'a mut Response) -> Verdict<'a> {
        // A problem document repeats its status (RFC 9457 section 3.1.3); the two must agree.
        if exchange.record.fault.is_none() {
            *response.status_mut() = self.status;
            if !status::has_body(self.status) {
                *response.body_mut() = Body::Empty;
            }
        }
        Ok(Step::Next)
    }
}

#[cfg(test)]
mod tests {
    use gwanmun_core::Code;

    use super::*;
    use crate::fixture::{exchange, filter, pass_back, refusal, response};

    #[test]
    fn the_status_changes_and_the_body_stays() {
        for argument in ["401", "'401'", "UNAUTHORIZED", "{status: unauthorized}"] {
            let mut response = response(&[]);
            pass_back(&*filter::<SetStatusSpec>(argument), &mut exchange("/"), &mut response).unwrap();
            assert_eq!(response.status(), 401);
            assert!(response.body().exact_length().is_some_and(|length| length > 0));
        }
    }

    #[test]
    fn a_status_without_a_body_drops_it() {
        let mut response = response(&[]);
        pass_back(&*filter::<SetStatusSpec>("204"), &mut exchange("/"), &mut response).unwrap();
        assert!(matches!(response.body(), Body::Empty));
    }

    #[test]
    fn an_answer_to_a_fault_keeps_its_status() {
        let mut exchange = exchange("/");
        exchange.record.fault = Some(Code::UpstreamTimeout);
        let mut response = response(&[]);
        *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
        pass_back(&*filter::<SetStatusSpec>("200"), &mut exchange, &mut response).unwrap();
        assert_eq!(response.status(), 504);
    }

    #[test]
    fn bad_arguments_are_refused() {
        assert!(refusal::<SetStatusSpec>("101").contains("200 to 599"));
        assert!(refusal::<SetStatusSpec>("FORBIDEN").contains("FORBIDDEN"));
        assert!(refusal::<SetStatusSpec>("").contains("status"));
        assert!(!refusal::<SetStatusSpec>("4.5").is_empty());
    }
}
