//! An OAuth server that is asked: whose a bearer token is, whether an API client's secret is right, for tokens that
//! services behind the gateway get. Each question is asked once for all workers; what is known costs a hash and a look
//! into a map.

mod api_client;
mod calls;
mod client_credentials;
mod endpoints;
mod grant;
mod introspect;
mod introspection;
mod issued;
pub(crate) mod known;
mod memory;
pub(crate) mod stored;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gwanmun_client::{Outbound, Tls};
use gwanmun_core::{Clock, Principal, Secret};
use gwanmun_store::Space;
use http::HeaderValue;

use crate::form::basic;
use crate::principal_map::PrincipalMap;
use crate::seal::Seal;
use calls::Calls;
use introspection::Expected;
use memory::Memory;
use stored::Shared;

pub use client_credentials::ClientCredentials;
pub use endpoints::Endpoints;
pub use issued::Target;

/// What is known of an OAuth server.
#[derive(Debug, Clone)]
pub struct OAuthSettings {
    /// Its name in the configuration.
    pub name: String,
    /// What `iss` must be, where it is said; empty: anything.
    pub issuer: String,
    /// Where it is asked.
    pub endpoints: Endpoints,
    /// Who the gateway is for it.
    pub client_id: String,
    /// The proof of that.
    pub client_secret: Secret<String>,
    /// `aud` of an introspected token must hold one of these; none: it is not looked at.
    pub audiences: Vec<String>,
    /// Where in its answers the parts of a principal stand.
    pub principal: PrincipalMap,
    /// How long an answer is used; also a token whose end is not said.
    pub cache: Duration,
    /// How long after that a token is taken which the server cannot be asked about.
    pub stale: Duration,
    /// How long a question may take.
    pub timeout: Duration,
    /// What it means that an answer with a token does not say its scope.
    pub omitted_scope: OmittedScope,
}

/// What it means that an answer with a token does not say its scope.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OmittedScope {
    /// Nothing: the token is looked into, or asked about.
    #[default]
    Checked,
    /// That it is what was asked for (RFC 6749 section 5.1), where nothing else says what it is.
    Granted,
}

/// The provider of cryptography refuses to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoCryptography;

/// An OAuth server.
pub struct OAuth {
    inner: Arc<Inner>,
}

struct Inner {
    settings: OAuthSettings,
    introspect_credential: String,
    client_credential: String,
    calls: Calls,
    authorization: Secret<HeaderValue>,
    expected: Expected,
    introspected: Memory<Principal>,
    clients: Memory<Principal>,
    issued: Memory<HeaderValue>,
    seal: Seal,
    stored: Shared,
    clock: Arc<dyn Clock>,
}

impl OAuth {
    /// A server that is asked over `outbound` and trusted as `tls` says. Tokens that it issues are kept in `space` for
    /// other replicas, if there is one.
    ///
    /// # Errors
    /// No key can be made of the client secret.
    pub fn new(
        settings: OAuthSettings,
        tls: Tls,
        space: Option<Space>,
        outbound: &Outbound,
    ) -> Result<Self, NoCryptography> {
        let OAuthSettings { name, issuer, endpoints, client_id, client_secret, timeout, .. } = &settings;
        let place = format!("{issuer} {endpoints:?}");
        let wanted = Some(issuer.clone()).filter(|issuer| !issuer.is_empty());
        let memory = |kind| format!("{kind}:{name}");
        let inner = Inner {
            introspect_credential: memory("introspect"),
            client_credential: memory("api-client"),
            calls: Calls::new(name, issuer, endpoints.clone(), *timeout, tls, outbound),
            authorization: basic(client_id, client_secret.expose()),
            expected: Expected::new(wanted, settings.audiences.clone(), settings.principal.clone()),
            introspected: Memory::new(outbound, &memory("introspect"), *timeout),
            clients: Memory::new(outbound, &memory("api-client"), *timeout),
            issued: Memory::new(outbound, &memory("issued"), *timeout),
            seal: Seal::new("gwanmun oauth", &place, client_id, client_secret.expose()).ok_or(NoCryptography)?,
            stored: Shared(space),
            clock: outbound.clock(),
            settings,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.inner.settings.name
    }

    /// The credential of principals whose tokens were introspected: `introspect:NAME`.
    pub fn introspect_credential(&self) -> &str {
        &self.inner.introspect_credential
    }

    /// The credential of API clients: `api-client:NAME`.
    pub fn client_credential(&self) -> &str {
        &self.inner.client_credential
    }
}

impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

impl fmt::Display for NoCryptography {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no key can be made of the client secret")
    }
}

impl std::error::Error for NoCryptography {}
