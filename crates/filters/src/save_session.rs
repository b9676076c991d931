//! `save-session`: the use of a session is written before the service behind is asked, not some time later.

use std::sync::Arc;

use gwanmun_audit::Event;
use gwanmun_core::{Code, Fault};
use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Step, Verdict};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::audited::Audited;
use crate::session::{Entrances, is_navigation, origin};

/// Writes that the caller's session is in use, and waits until that is done, before the service behind is asked: a session
/// that was ended elsewhere a moment ago is noticed then. It stands behind `authenticate`; where nobody has a session it does
/// nothing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SaveSessionSpec {}

struct SaveSession {
    entrances: Option<Arc<Entrances>>,
    audited: Audited,
}

impl FilterSpec for SaveSessionSpec {
    const NAME: &'static str = "save-session";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
store: redis://127.0.0.1:6379/0
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
        let entrances = parts.sections.of::<Entrances>().ok();
        Ok(Box::new(SaveSession { entrances, audited: Audited::of(parts)? }))
    }
}

impl Filter for SaveSession {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        let Some(principal) = exchange.principal.as_ref().filter(|_| exchange.assumed.is_none()) else {
            return Ok(Step::Next);
        };
        let entrance = self.entrances.as_ref().and_then(|all| all.of_credential(&principal.credential));
        let Some(entrance) = entrance.map(|entrance| &**entrance) else {
            return Ok(Step::Next);
        };
        let shown = entrance.session(exchange).ok().flatten().map(str::to_owned);
        let (Some(session), Some(origin)) = (shown, origin(exchange)) else {
            return Err(Fault::new(Code::Internal, "a session was believed that the request does not show"));
        };
        Ok(Step::Wait(Box::pin(async move {
            let Err(refusal) = entrance.oidc.save(&session, &origin).await else { return Ok(None) };
            // `authenticate` has recorded that the session is good.
            let fault = entrance.fault(&refusal, Code::Unauthenticated);
            let Err(fault) = self.audited.conclude(exchange, Event::Authenticate, None, Err(fault)) else {
                return Ok(None);
            };
            if !is_navigation(&exchange.request) {
                return Err(fault);
            }
            entrance.receive(exchange, fault).await.map(Some)
        })))
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use gwanmun_core::{Clock, Level, ManualClock, Principal, Reason};
    use gwanmun_proxy::{Lasting, Network, OwnCookie};
    use http::Method;

    use super::*;
    use crate::Registry;
    use crate::fixture::{Fixture, compiled, exchange_with, filter, outcome, over_tls, pass};

    const PROVIDER: &str = "identity: {oidc: {staff: {issuer: 'https://a', client-id: gw, client-secret: s}}}\n";

    fn somebody(credential: &str) -> Exchange {
        let mut exchange = over_tls(exchange_with(Method::GET, "/", &[]));
        exchange.principal = Some(Arc::new(Principal::new("ann", credential, Level::High)));
        exchange
    }

    #[test]
    fn whoever_has_no_session_has_nothing_to_save() {
        let filter = filter::<SaveSessionSpec>("");
        pass(&*filter, &mut exchange_with(Method::GET, "/", &[])).unwrap();
        for credential in ["jwt:corp", "session:staff"] {
            pass(&*filter, &mut somebody(credential)).unwrap();
        }
        let mut assumed = somebody("session:staff");
        assumed.assumed = assumed.principal.clone();
        pass(&*filter, &mut assumed).unwrap();
    }

    #[tokio::test]
    async fn a_session_that_is_gone_opens_nothing_any_more() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(UNIX_EPOCH));
        let (plan, _) = compiled(PROVIDER, Registry::standard().catalog(), &clock, &Lasting::new(Network::Offline));
        let fixture = Fixture::new().with_sections(plan.unwrap().sections);
        let filter = fixture.filter::<SaveSessionSpec>("").unwrap();
        let mut exchange = somebody("session:staff");
        assert_eq!(outcome(&*filter, &mut exchange).await.err().unwrap().code(), Code::Internal, "it shows none");
        // None that we would make: nobody has to be asked.
        let cookie = OwnCookie { name: "__Host-gwanmun".into(), value: "B".repeat(43).into() };
        exchange.own_cookies.sent.push(cookie);
        let fault = outcome(&*filter, &mut exchange).await.err().unwrap();
        assert_eq!((fault.code(), fault.reason()), (Code::Unauthenticated, Some(Reason::SessionUnknown)));
        assert!(fault.challenge().unwrap().starts_with("Cookie "));
    }
}
