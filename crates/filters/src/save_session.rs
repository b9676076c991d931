//! `save-session`: the use of a session is written before the service behind is asked, not some time later.

use std::sync::Arc;

use gwanmun_core::{Code, Fault};
use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Step, Verdict};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::session::{Entrances, origin};
use crate::token_relay::fault;

/// Writes that the caller's session is in use, and waits until that is done, before the service behind is asked: a session
/// that was ended elsewhere a moment ago is noticed then. It stands behind `authenticate`; where nobody has a session it does
/// nothing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SaveSessionSpec {}

struct SaveSession(Option<Arc<Entrances>>);

impl FilterSpec for SaveSessionSpec {
    const NAME: &'static str = "save-session";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
identity:
  oidc:
    staff:
      issuer: https://idp.example
      client-id: gateway
      client-secret: "${GATEWAY_SECRET:-only an example}"
routes:
  - id: transfers
    predicates:
      - path: /transfers/**
    filters:
      - authenticate: {any: [{session: staff}]}
      - save-session
    upstream: http://127.0.0.1:9001
tests:
  - name: somebody who is logged in
    request: {path: /transfers/7, principal: {subject: ann}}
    expect: {status: 200}
  - name: a program without a session
    request: {path: /transfers/7}
    expect: {status: 401, headers: {www-authenticate: 'Cookie realm="gwanmun", cookie-name="__Host-gwanmun"'}}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        // Without a provider nobody has a session.
        Ok(Box::new(SaveSession(parts.sections.of::<Entrances>().ok())))
    }
}

impl Filter for SaveSession {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        let Some(principal) = exchange.principal.as_ref().filter(|_| exchange.assumed.is_none()) else {
            return Ok(Step::Next);
        };
        let Some(entrance) = self.0.as_ref().and_then(|all| all.of_credential(&principal.credential)) else {
            return Ok(Step::Next);
        };
        let shown = entrance.session(exchange).ok().flatten().map(str::to_owned);
        let (Some(session), Some(origin)) = (shown, origin(exchange)) else {
            return Err(Fault::new(Code::Internal, "a session was believed that the request does not show"));
        };
        let oidc = Arc::clone(&entrance.oidc);
        Ok(Step::Wait(Box::pin(async move { oidc.save(&session, &origin).await.map(|()| None).map_err(fault) })))
    }
}
