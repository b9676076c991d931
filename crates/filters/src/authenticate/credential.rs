//! The kinds of credential: what stands in `any`, and what each becomes. A new kind is a file beside this one, a word in
//! [`CredentialSpec`] and a line in its `build`.

use std::sync::Arc;

use gwanmun_core::Principal;
use gwanmun_identity::{Issuer, Refusal};
use gwanmun_proxy::{Invalid, LocalBoxFuture, Parts};
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

use super::api_client::ApiClientSpec;
use super::api_key::ApiKeySpec;
use super::client_cert::ClientCertSpec;
use super::introspect::IntrospectSpec;
use super::jwt::JwtSpec;
use super::passport::PassportSpec;
use super::presented::Presented;
use super::session::SessionSpec;
use crate::header_name;
use crate::session::Entrance;

/// A kind of credential.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialSpec {
    /// A token that an issuer signed, in `Authorization: Bearer`: the issuer's name under `identity.issuers`.
    Jwt(JwtSpec),
    /// A token that an OAuth server is asked about, in `Authorization: Bearer`: the server's name under `identity.oauth`.
    Introspect(IntrospectSpec),
    /// Id and secret of a client, in `Authorization: Basic` or in `X-Client-Id` and `X-Client-Secret`: the name of the OAuth
    /// server that knows it under `identity.oauth`. The server is asked for exactly the list's `scope`.
    ApiClient(ApiClientSpec),
    /// A long random text in a header.
    ApiKey(ApiKeySpec),
    /// A user's certificate, of the client's own TLS connection or in a header of a trusted proxy: the name of those who
    /// have one under `identity.certificates`.
    ClientCert(ClientCertSpec),
    /// The Passport that a gateway in front sent.
    Passport(PassportSpec),
    /// The session of somebody who has logged in, in a cookie: the name of the provider under `identity.oidc`. Who goes to a
    /// page without one is sent to log in.
    Session(SessionSpec),
}

impl CredentialSpec {
    /// Checks the arguments and makes what looks at requests, for a list that wants `scope`.
    pub(super) fn build(self, scope: &[String], parts: &Parts<'_>) -> Result<Box<dyn Credential>, Invalid> {
        match self {
            Self::Jwt(spec) => spec.build(parts),
            Self::Introspect(spec) => spec.build(parts),
            Self::ApiClient(spec) => spec.build(scope, parts),
            Self::ApiKey(spec) => spec.build(parts),
            Self::ClientCert(spec) => spec.build(parts),
            Self::Passport(spec) => spec.build(parts),
            Self::Session(spec) => spec.build(parts),
        }
    }
}

/// One entry of `any`, ready to look at requests.
pub(super) trait Credential: Send + Sync + 'static {
    /// What its principals carry as `credential`: the kind, and who vouches.
    fn name(&self) -> &str;

    /// Where a request carries it; the first is what a challenge names.
    fn carriers(&self) -> &[Carrier];

    /// What is known at once about what the request brings. What it brings for another entry is not ours.
    fn look<'a>(&'a self, presented: &Presented<'_>) -> Look<'a>;

    /// Whether this entry would have made `principal`.
    fn made(&self, principal: &Arc<Principal>) -> bool {
        principal.credential == self.name()
    }

    /// Whose tokens it takes, if only those of one issuer.
    fn issuer(&self) -> Option<&Arc<Issuer>> {
        None
    }

    /// Where people come in who do not have it yet, if they can get it.
    fn entrance(&self) -> Option<&Arc<Entrance>> {
        None
    }
}

/// Where a request carries a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Carrier {
    /// `Authorization: Bearer`.
    Bearer,
    /// `Authorization: Basic`.
    Basic,
    /// A header of its own.
    Header(HeaderName),
    /// The client's TLS connection.
    Certificate,
    /// The Passport, which the door has taken out of the request already.
    Passport,
    /// A cookie, which the door has taken out of the request already: how a challenge names it.
    Cookie(Box<str>),
}

impl Carrier {
    /// The header of its own, if it has one; `Authorization` is known to the door.
    pub(super) fn header(&self) -> Option<&HeaderName> {
        match self {
            Self::Header(name) => Some(name),
            Self::Bearer | Self::Basic | Self::Certificate | Self::Passport | Self::Cookie(_) => None,
        }
    }

    /// Takes what is carried out of the request, and what services could take for it. `Authorization` with another scheme is for somebody else.
    pub(super) fn take_from(&self, headers: &mut HeaderMap) -> Option<(HeaderName, HeaderValue)> {
        let name = match self {
            Self::Bearer if headers.get_all(AUTHORIZATION).iter().any(|value| is_of("bearer", value)) => AUTHORIZATION,
            Self::Basic if headers.get_all(AUTHORIZATION).iter().any(|value| is_of("basic", value)) => AUTHORIZATION,
            Self::Header(name) => name.clone(),
            Self::Bearer | Self::Basic | Self::Certificate | Self::Passport | Self::Cookie(_) => return None,
        };
        let value = header_name::take_with_lookalikes(headers, &name)?;
        Some((name, value))
    }
}

/// Whether the scheme is this one, also to a reader who is not strict, and whatever stands behind it.
fn is_of(scheme: &str, value: &HeaderValue) -> bool {
    let found = value.as_bytes().trim_ascii_start().split(u8::is_ascii_whitespace).next();
    found.is_some_and(|found| found.eq_ignore_ascii_case(scheme.as_bytes()))
}

/// What is known about what a request brings.
pub(super) enum Look<'a> {
    /// Nothing for this entry.
    NotOurs,
    /// Who it is, or why it is nobody. No other entry is asked.
    Decided(Result<Arc<Principal>, Refusal>),
    /// Somebody has to be asked. The future has its own copy of what it needs of the request.
    Ask(LocalBoxFuture<'a, Result<Arc<Principal>, Refusal>>),
}
