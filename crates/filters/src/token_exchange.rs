//! `token-exchange`: the caller's token stays here; the service behind gets one that was given for it (RFC 8693), made for
//! that service alone.

use std::sync::Arc;

use gwanmun_config::{OneOrMany, Spanned};
use gwanmun_core::{Code, Fault, Reason};
use gwanmun_identity::{Authorization, OAuth, Target, Token};
use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Step, Verdict};
use http::HeaderValue;
use http::header::AUTHORIZATION;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::oauth_server::oauth_server;
use crate::token_relay::{fault, own_token, stand_in};

/// Has an OAuth server exchange the caller's bearer token for another (RFC 8693), which the service behind gets in
/// `Authorization: Bearer`. Exchanged tokens are kept until shortly before their end, by caller's token, audience and scope.
/// Who has proven itself without a bearer token is refused.
///
/// In tests and in `explain` the token is `Bearer (a token of NAME)`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TokenExchangeSpec {
    /// The name of an OAuth server under `identity.oauth`.
    oauth: Spanned<String>,
    /// For whom the token is to be (`audience`); by default the server decides.
    #[serde(default)]
    audience: String,
    /// What it is to be for (`scope`); by default the server decides.
    #[serde(default)]
    scope: OneOrMany<Spanned<String>>,
}

struct TokenExchange {
    oauth: Arc<OAuth>,
    target: Target,
    stand_in: Option<HeaderValue>,
}

impl FilterSpec for TokenExchangeSpec {
    const NAME: &'static str = "token-exchange";
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
      - authenticate: {any: [{introspect: partner}]}
      - token-exchange: {oauth: partner, audience: orders}
    upstream: http://127.0.0.1:9001
tests:
  - name: the service behind never sees the caller's token
    request: {path: /orders/7, principal: {subject: ann}, headers: {authorization: Bearer mine}}
    expect: {status: 200, upstream-headers: {authorization: Bearer (a token of partner)}}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        let oauth = oauth_server(&self.oauth, parts)?;
        if let Some(bad) = self.scope.iter().find(|scope| scope.is_empty() || scope.contains(char::is_whitespace)) {
            return Err(Invalid::within(bad.span, format!("found '{}', wanted one scope without spaces", bad.value)));
        }
        let scopes: Vec<&str> = self.scope.iter().map(|scope| scope.value.as_str()).collect();
        let target = Target { audience: self.audience, scope: scopes.join(" ") };
        let stand_in = stand_in(&oauth, parts);
        Ok(Box::new(TokenExchange { oauth, target, stand_in }))
    }
}

impl Filter for TokenExchange {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        exchange.request.headers.remove(AUTHORIZATION);
        if let Some(stand_in) = &self.stand_in {
            exchange.request.headers.insert(AUTHORIZATION, stand_in.clone());
            return Ok(Step::Next);
        }
        let own = own_token(exchange);
        let bearer = own.as_ref().and_then(|value| match Authorization::parse(value.as_bytes()) {
            Ok(Authorization::Bearer(token)) => Some(token),
            _ => None,
        });
        let Some(token) = bearer.map(Token::new) else {
            let fault = Fault::new(Code::Unauthenticated, "the caller brought no bearer token that could be exchanged");
            return Err(fault.because(Reason::NoCredential).with_challenge(r#"Bearer realm="gwanmun""#));
        };
        if let Some(value) = self.oauth.recall_exchange(&token, &self.target) {
            exchange.request.headers.insert(AUTHORIZATION, HeaderValue::clone(&value));
            return Ok(Step::Next);
        }
        let text = token.text().to_owned();
        Ok(Step::Wait(Box::pin(async move {
            let value = self.oauth.ask_exchange(&Token::new(&text), &self.target).await.map_err(fault)?;
            exchange.request.headers.insert(AUTHORIZATION, HeaderValue::clone(&value));
            Ok(None)
        })))
    }
}
