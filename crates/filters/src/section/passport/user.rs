//! `source.user`: the auth server is asked about the principal.

use std::sync::Arc;

use bytes::Bytes;
use gwanmun_client::CallError;
use gwanmun_config::Spanned;
use gwanmun_core::Principal;
use gwanmun_jose::sha256;
use gwanmun_proxy::Ground;
use http::header::ACCEPT;
use http::{Request, Response, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::map::{Map, MapSpec};
use super::place::place;
use super::source::{Answer, Question};
use crate::principal_url::PrincipalUrl;

/// The auth server is asked about the principal.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct UserSpec {
    /// Where to ask: `{principal.subject}` and `{principal.claims.NAME}` are filled in, percent-encoded. 404 says that there
    /// is no such user: the request is refused with 403.
    url: Spanned<String>,
    /// Where in the answer (JSON) the parts of a Passport stand.
    #[serde(default)]
    map: MapSpec,
}

/// The same, ready to be used.
pub(super) struct Users {
    url: PrincipalUrl,
    map: Map,
}

impl UserSpec {
    /// Checks URL and pointers.
    pub(super) fn build(self, ground: &mut Ground<'_>) -> Option<Users> {
        let map = self.map.build(None, None, ground);
        let url = match PrincipalUrl::parse("url", &self.url) {
            Ok(url) => url,
            Err(invalid) => {
                match invalid.hint() {
                    Some(hint) => ground.refuse_with_hint(self.url.span, invalid.message(), hint),
                    None => ground.refuse(self.url.span, invalid.message()),
                }
                return None;
            }
        };
        place(url.origin(), self.url.span, ground)?;
        Some(Users { url, map: map? })
    }
}

impl Users {
    /// What is asked about `principal`.
    pub(super) fn question(&self, principal: &Principal) -> Result<Question, &'static str> {
        let url = self.url.about(principal).ok_or("the auth server cannot be asked about such a principal")?;
        let key = sha256(url.as_bytes());
        let request = Request::get(url).header(ACCEPT, "application/json").body(Bytes::new());
        Ok(Question { key, request: request.map_err(|_| "the principal makes no URL")? })
    }

    /// What the auth server says.
    pub(super) fn read(&self, response: &Response<Bytes>) -> Result<Answer, CallError> {
        let malformed = |why: String| CallError::Malformed(why.into());
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Ok(Answer::Refused("the auth server knows no such user"));
            }
            status => return Err(malformed(format!("found status {status}, wanted 200 or 404"))),
        }
        let answer: Value = serde_json::from_slice(response.body())
            .map_err(|error| malformed(format!("the answer is no JSON: {error}")))?;
        let about = self.map.read(&answer).ok_or_else(|| malformed("the answer names no user".to_owned()))?;
        Ok(Answer::About(Arc::new(about)))
    }
}
