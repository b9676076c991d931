//! `authorize`: whether who calls may do what is asked for. It stands behind `authenticate`; the decision itself is made
//! in `gwanmun-authz`.

mod access_list;

use std::sync::Arc;

use gwanmun_audit::Event;
use gwanmun_authz::{Action, Argument, Cause, Decision, Policy, PolicySpec};
use gwanmun_config::{OneOrMany, Spanned};
use gwanmun_core::{Clock, Code, Fault, Level, Reason};
use gwanmun_proxy::route::Outcome;
use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Step, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::audited::Audited;
use crate::authorize::access_list::{AccessList, AclSpec};

/// What would do for who brings no credential (RFC 6750 section 3).
const CHALLENGE: &str = r#"Bearer realm="gwanmun""#;

/// Lets a request pass if who calls may do this. All that is given must hold; with nothing given, somebody must be
/// authenticated. Who calls is known behind `authenticate`. Path, query and host are those that came in, whatever filters
/// before have made of them. Refusals are 403, with the reason in the log; without anybody it is 401.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AuthorizeSpec {
    /// One of these roles is needed.
    #[serde(default, deserialize_with = "given")]
    roles: Option<OneOrMany<String>>,
    /// All of these scopes are needed.
    #[serde(default, deserialize_with = "given")]
    scopes: Option<OneOrMany<String>>,
    /// How sure it must be who calls: `low`, `high` or `highest`, over a protected channel.
    #[serde(default, deserialize_with = "given")]
    level: Option<LevelSpec>,
    /// An expression (CEL) over `principal` and `request` that must be true; one that cannot be computed refuses.
    #[serde(default, deserialize_with = "given")]
    rule: Option<Spanned<String>>,
    /// An access list, of which one line must be for the caller and the request: `file:PATH`, or the lines.
    #[serde(default, deserialize_with = "given")]
    acl: Option<Spanned<AclSpec>>,
}

/// How sure it must be who calls.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum LevelSpec {
    /// Asserted.
    Low,
    /// Proven by a token, a session or a signature.
    High,
    /// Proven by credentials, a certificate or an app in this request.
    Highest,
}

/// A key without a value is a slip, not a condition left out: it would let everybody pass.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

struct Authorize {
    policy: Policy,
    clock: Arc<dyn Clock>,
    /// What would do for who lacks a scope.
    insufficient: Option<Box<str>>,
    audited: Audited,
}

impl FilterSpec for AuthorizeSpec {
    const NAME: &'static str = "authorize";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
identity:
  issuers:
    corp: {issuer: "https://idp.example", jwks: "https://idp.example/jwks", audiences: [gateway], algorithms: [ES256]}
routes:
  - id: orders
    predicates:
      - path: /orders/**
    filters:
      - authenticate: {any: [{jwt: corp}]}
      - authorize:
          scopes: [orders.read]
          rule: "principal.claims.tenant == request.headers['x-tenant']"
    upstream: http://127.0.0.1:9001
tests:
  - name: the tenant's own orders
    request:
      path: /orders/7
      headers: {x-tenant: acme}
      principal: {subject: ann, scopes: [orders.read], claims: {tenant: acme}}
    expect: {route: orders, status: 200}
  - name: another's orders
    request:
      path: /orders/7
      headers: {x-tenant: other}
      principal: {subject: ann, scopes: [orders.read], claims: {tenant: acme}}
    expect: {status: 403}
  - name: nobody
    request: {path: /orders/7}
    expect: {status: 401}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        let mut mistakes = Vec::new();
        let audited = Audited::of(parts).map_err(|faulty| mistakes.push(faulty));
        let list = self.acl.and_then(|acl| AccessList::read(acl, parts.reader, &mut mistakes));
        let scopes = self.scopes.map(|scopes| scopes.0);
        let insufficient = scopes.as_ref().map(|scopes| {
            format!(r#"{CHALLENGE}, error="insufficient_scope", scope="{}""#, scopes.join(" ")).into_boxed_str()
        });
        let spec = PolicySpec {
            roles: self.roles.map(|roles| roles.0),
            scopes,
            level: self.level.map(LevelSpec::level),
            rule: self.rule.as_ref().map(|rule| rule.value.clone()),
            acl: list.as_ref().map(AccessList::lines),
        };
        let policy =
            Policy::new(&spec).map_err(|found| mistakes.extend(found.into_iter().map(|one| told(one, list.as_ref()))));
        let mut mistakes = mistakes.into_iter();
        match (mistakes.next(), policy, audited) {
            (None, Ok(policy), Ok(audited)) => {
                Ok(Box::new(Authorize { policy, clock: Arc::clone(parts.clock), insufficient, audited }))
            }
            (first, ..) => Err(first.unwrap_or_else(|| Invalid::new("the policy cannot be used")).and(mistakes)),
        }
    }
}

impl Filter for Authorize {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        let decision = self.policy.decide(exchange.principal.as_deref(), exchange.level, &self.action(exchange));
        self.conclude(decision, exchange)?;
        Ok(Step::Next)
    }

    fn weighed(&self, exchange: &Exchange) -> Vec<Outcome> {
        let explained = self.policy.explain(exchange.principal.as_deref(), exchange.level, &self.action(exchange));
        let line = |part: gwanmun_authz::Part| {
            let values = part.values.iter().map(|(name, value)| format!("{name}: {value}"));
            let words = part.why.into_iter().chain(values).collect::<Vec<_>>().join("; ");
            let text = if words.is_empty() { part.rule } else { format!("{}: {words}", part.rule) };
            Outcome { text, held: part.held, children: Vec::new() }
        };
        explained.parts.into_iter().map(line).collect()
    }
}

impl Authorize {
    /// What is asked for, as it came in: filters before this one change neither path nor host of it.
    fn action<'e>(&self, exchange: &'e Exchange) -> Action<'e> {
        Action {
            method: exchange.request.method.as_str(),
            scheme: exchange.scheme().as_str(),
            host: exchange.host_name(),
            path: exchange.original.path(),
            query: exchange.original.query(),
            headers: &exchange.request.headers,
            client: exchange.client,
            route: exchange.route.as_deref().unwrap_or_default(),
            time: self.clock.wall(),
        }
    }

    /// From a decision to what happens, recorded: the one place where a request is let pass or refused.
    fn conclude(&self, decision: Decision<'_>, exchange: &mut Exchange) -> Result<(), Fault> {
        let (rule, outcome) = match decision {
            Decision::Allow { rule } => (Some(rule), Ok(())),
            Decision::NotAuthenticated => {
                let fault = Fault::new(Code::Unauthenticated, "nobody is authenticated");
                (None, Err(fault.because(Reason::NoCredential).with_challenge(CHALLENGE)))
            }
            Decision::Deny { cause, rule, why } => {
                let fault = Fault::new(Code::Forbidden, format!("{rule}: {why}")).because(cause.reason());
                let fault = match &self.insufficient {
                    Some(challenge) if cause == Cause::Scope => fault.with_challenge(challenge.clone()),
                    _ => fault,
                };
                (Some(rule), Err(fault))
            }
        };
        self.audited.conclude(exchange, Event::Authorize, rule.as_deref(), outcome)
    }
}

impl LevelSpec {
    fn level(self) -> Level {
        match self {
            Self::Low => Level::Low,
            Self::High => Level::High,
            Self::Highest => Level::Highest,
        }
    }
}

/// A mistake of a policy at its place.
fn told(mistake: gwanmun_authz::Invalid, list: Option<&AccessList>) -> Invalid {
    let invalid = match (mistake.argument, list) {
        (Argument::Acl { line }, Some(list)) => list.refuse(line, &mistake.message),
        (Argument::Rule { column: Some(column) }, _) => {
            Invalid::at("rule", format!("at character {column} of the rule: {}", mistake.message))
        }
        (argument, _) => Invalid::at(argument.name(), mistake.message),
    };
    match mistake.hint {
        Some(hint) => invalid.with_hint(hint),
        None => invalid,
    }
}

#[cfg(test)]
mod tests;
