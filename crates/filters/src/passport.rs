//! `passport`: the caller's Passport in the header `Txn-Token`. Nothing is waited for where no auth server is asked, or its
//! answer is known.

use std::sync::Arc;
use std::time::Duration;

use gwanmun_core::{Code, Fault, Principal};
use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Step, Verdict};
use http::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::section::passport::{OnError, PassportOffice, Told, count};

const TXN_TOKEN: HeaderName = HeaderName::from_static("txn-token");

/// When it is worth asking again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Puts the caller's Passport into `Txn-Token`, in place of any other value: one signed statement about user, device and
/// request, made as the section `passport` says. Where nobody has proven who calls there is no Passport and no header.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PassportSpec {}

struct Passport {
    office: Arc<PassportOffice>,
}

impl FilterSpec for PassportSpec {
    const NAME: &'static str = "passport";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
identity:
  issuers:
    corp:
      issuer: https://idp.example
      jwks: https://idp.example/jwks
      audiences: [gateway]
passport:
  trust-domain: example.internal
  issuer: https://gw.example.internal
routes:
  - id: orders
    predicates:
      - path: /orders/**
    filters:
      - authenticate: {any: [{jwt: corp}], anonymous: true}
      - passport: {}
    upstream: http://127.0.0.1:9001
tests:
  - name: somebody who is known
    request: {path: /orders/7, principal: {subject: ann, roles: [member]}, headers: {authorization: Bearer a.b.c}}
    expect: {status: 200, upstream-headers: {authorization: null}}
  - name: what a client says about itself does not pass
    request: {path: /orders/7, headers: {txn-token: a.b.c}}
    expect: {status: 200, upstream-headers: {txn-token: null}}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        let office = parts.sections.of::<PassportOffice>().map_err(|absent| absent.needed("passport"))?;
        Ok(Box::new(Passport { office }))
    }
}

impl Filter for Passport {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        exchange.request.headers.remove(&TXN_TOKEN);
        let Some(principal) = exchange.principal.clone() else { return Ok(Step::Next) };
        // Of somebody who is only assumed to call the auth server knows nothing.
        let Some(source) = self.office.source().filter(|_| exchange.assumed.is_none()) else {
            let passport = self.office.passport(exchange, &principal, None)?;
            exchange.request.headers.insert(TXN_TOKEN, passport);
            return Ok(Step::Next);
        };
        let question = match source.question(exchange, &principal, &self.office.device(exchange)) {
            Ok(question) => question,
            Err(why) => return self.conclude(exchange, &principal, Told::Refused(why)).map(|()| Step::Next),
        };
        if let Some(told) = source.look(&question) {
            return self.conclude(exchange, &principal, told).map(|()| Step::Next);
        }
        Ok(Step::Wait(Box::pin(async move {
            let told = source.ask(question, exchange.record.trace.traceparent_text()).await;
            self.conclude(exchange, &principal, told)?;
            Ok(None)
        })))
    }
}

impl Passport {
    /// From what the auth server says to what happens.
    fn conclude(&self, exchange: &mut Exchange, principal: &Arc<Principal>, told: Told) -> Result<(), Fault> {
        let (office, counts) = (&self.office, self.office.counts());
        let passport = match told {
            Told::About(about) => office.passport(exchange, principal, Some(&about))?,
            Told::Token(token) => {
                count(&counts.forwarded);
                token
            }
            Told::Refused(why) => {
                count(&counts.refused);
                return Err(Fault::new(Code::Forbidden, why));
            }
            Told::Unknown(error) => match office.source().map(|source| source.on_error()) {
                Some(OnError::PrincipalOnly) => {
                    count(&counts.principal_only);
                    office.passport(exchange, principal, None)?
                }
                _ => {
                    count(&counts.unavailable);
                    let detail = format!("the auth server cannot be asked about the caller: {error}");
                    return Err(Fault::new(Code::IdentityUnavailable, detail).with_retry_after(RETRY_AFTER));
                }
            },
        };
        exchange.request.headers.insert(TXN_TOKEN, passport);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
