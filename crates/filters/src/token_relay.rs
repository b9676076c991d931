//! `token-relay`: gives the service behind a token: the caller's own, or one that an OAuth server issued. It is the only
//! way in which a credential that `authenticate` took leaves the gateway.

use std::sync::Arc;

use gwanmun_config::Spanned;
use gwanmun_core::{Code, Fault, Reason};
use gwanmun_identity::{Authorization, OAuth, Refusal};
use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Step, Verdict};
use http::HeaderValue;
use http::header::AUTHORIZATION;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::oauth_server::oauth_server;

/// Puts a token into `Authorization: Bearer` for the service behind. Bare, it is the caller's own: the bearer
/// token that `authenticate` has taken out of the request, or the access token of the caller's session. With the name of an OAuth server it is a token of that server: where it
/// knows the caller as an `api-client`, the one that was issued to the caller; else the gateway's own.
///
/// An `Authorization` that is still in the request is removed in any case. In tests and in `explain` a token of an OAuth
/// server is `Bearer (a token of NAME)`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TokenRelaySpec {
    /// The name of an OAuth server under `identity.oauth`; by default the caller's own token is relayed.
    oauth: Option<Spanned<String>>,
}

struct TokenRelay(Option<Server>);

struct Server {
    oauth: Arc<OAuth>,
    /// What stands for a token where nobody is asked.
    stand_in: Option<HeaderValue>,
}

impl FilterSpec for TokenRelaySpec {
    const NAME: &'static str = "token-relay";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
identity:
  oauth:
    partner:
      issuer: https://idp.example
      client-id: gateway
      client-secret: "${GATEWAY_SECRET:-only an example}"
routes:
  - id: orders
    predicates:
      - path: /orders/**
    filters:
      - authenticate: {any: [{api-client: partner}], scope: [orders.read]}
      - token-relay: {oauth: partner}
    upstream: http://127.0.0.1:9001
tests:
  - name: the service behind gets a token, whatever the client sent
    request:
      path: /orders/7
      principal: {subject: acme, scopes: [orders.read]}
      headers: {authorization: Basic YWNtZTpzZWNyZXQ=}
    expect: {status: 200, upstream-headers: {authorization: Bearer (a token of partner)}}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        let Some(name) = self.oauth else { return Ok(Box::new(TokenRelay(None))) };
        let oauth = oauth_server(&name, parts)?;
        let stand_in = stand_in(&oauth, parts);
        Ok(Box::new(TokenRelay(Some(Server { oauth, stand_in }))))
    }
}

impl Filter for TokenRelay {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        let Self(Some(server)) = self else {
            exchange.request.headers.remove(AUTHORIZATION);
            if let Some(own) = own_token(exchange) {
                exchange.request.headers.insert(AUTHORIZATION, own);
            }
            return Ok(Step::Next);
        };
        exchange.request.headers.remove(AUTHORIZATION);
        let oauth = &server.oauth;
        let of_caller = exchange.principal.as_ref().and_then(|principal| oauth.token_of(principal));
        let at_hand = of_caller.or_else(|| server.stand_in.clone());
        if let Some(value) = at_hand.or_else(|| oauth.recall_own_token().map(|own| HeaderValue::clone(&own))) {
            exchange.request.headers.insert(AUTHORIZATION, value);
            return Ok(Step::Next);
        }
        Ok(Step::Wait(Box::pin(async move {
            let own = oauth.ask_own_token().await.map_err(fault)?;
            exchange.request.headers.insert(AUTHORIZATION, HeaderValue::clone(&own));
            Ok(None)
        })))
    }
}

/// The caller's own bearer token: of somebody with a session the access token that the provider gave for it, of others what
/// was taken from the request, as it came.
pub(crate) fn own_token(exchange: &Exchange) -> Option<HeaderValue> {
    if let Some(principal) = &exchange.principal
        && principal.credential_kind() == "session"
    {
        let token = principal.token.as_ref()?;
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose())).ok()?;
        value.set_sensitive(true);
        return Some(value);
    }
    let mut taken = exchange.consumed.iter().filter(|(name, _)| *name == AUTHORIZATION).map(|(_, value)| value);
    taken.find(|value| matches!(Authorization::parse(value.as_bytes()), Ok(Authorization::Bearer(_)))).cloned()
}

/// What stands for a token of `oauth` where a configuration is only looked at.
pub(crate) fn stand_in(oauth: &OAuth, parts: &Parts<'_>) -> Option<HeaderValue> {
    let is_offline = parts.lasting.network() == gwanmun_proxy::Network::Offline;
    is_offline.then(|| HeaderValue::try_from(format!("Bearer (a token of {})", oauth.name())).ok())?
}

/// There is no token for the service behind.
pub(crate) fn fault(refusal: Refusal) -> Fault {
    let reason = refusal.reason();
    let detail = refusal.detail().to_owned();
    match refusal {
        Refusal::Unavailable { retry_after, .. } => {
            let code = if reason == Reason::StoreLost { Code::StoreUnavailable } else { Code::IdentityUnavailable };
            Fault::new(code, detail).because(reason).with_retry_after(retry_after)
        }
        Refusal::Insufficient { .. } => Fault::new(Code::Forbidden, detail).because(reason),
        _ => {
            let fault = Fault::new(Code::Unauthenticated, detail).because(reason);
            fault.with_challenge(r#"Bearer realm="gwanmun", error="invalid_token""#)
        }
    }
}

#[cfg(test)]
mod tests {
    use gwanmun_core::{Level, Principal, Secret};
    use http::Method;

    use super::*;
    use crate::fixture::{exchange_with, filter, pass, values};

    fn relayed(principal: Option<Principal>) -> Vec<String> {
        let mut exchange = exchange_with(Method::GET, "/", &[("authorization", "Bearer from-outside")]);
        exchange.consumed.push((AUTHORIZATION, HeaderValue::from_static("Bearer of-the-request")));
        exchange.principal = principal.map(Arc::new);
        pass(&*filter::<TokenRelaySpec>(""), &mut exchange).unwrap();
        values(&exchange.request.headers, "authorization").into_iter().map(str::to_owned).collect()
    }

    fn of(credential: &str, token: Option<&str>) -> Option<Principal> {
        let token = token.map(|token| Secret::new(token.to_owned()));
        Some(Principal { token, ..Principal::new("ann", credential, Level::High) })
    }

    #[test]
    fn of_a_session_it_is_the_access_token_and_nothing_that_was_sent() {
        assert_eq!(relayed(of("session:staff", Some("access"))), ["Bearer access"]);
        assert_eq!(relayed(of("session:staff", None)), [""; 0]);
        assert_eq!(relayed(of("session:staff", Some("a\r\nX: 1"))), [""; 0]);
    }

    #[test]
    fn of_others_it_is_the_bearer_token_that_proved_them() {
        assert_eq!(relayed(of("jwt:corp", None)), ["Bearer of-the-request"]);
        assert_eq!(relayed(of("jwt:corp", Some("another"))), ["Bearer of-the-request"]);
    }
}
