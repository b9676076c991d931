//! What is known of an OpenID provider, and how long sessions last.

use std::time::Duration;

use gwanmun_core::Secret;
use gwanmun_jose::Algorithm;

use crate::endpoint::Endpoint;
use crate::principal_map::PrincipalMap;

/// What is known of an OpenID provider.
#[derive(Debug, Clone)]
pub struct OidcSettings {
    /// Its name in the configuration.
    pub name: String,
    /// What `iss` must be.
    pub issuer: String,
    /// Where its metadata are, tried in this order.
    pub metadata: Vec<Endpoint>,
    /// Who the gateway is for it.
    pub client_id: String,
    /// The proof of that; also what sessions and logins are sealed with.
    pub client_secret: Secret<String>,
    /// What users are asked to grant; `openid` is one of them.
    pub scopes: Vec<String>,
    /// The algorithms its ID tokens may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// How far the clocks may differ.
    pub leeway: Duration,
    /// Where in the claims the parts of a principal stand.
    pub principal: PrincipalMap,
    /// Whether its UserInfo endpoint is asked for more claims than the ID token has.
    pub userinfo: bool,
    /// Whether its logout tokens may have no `exp`, as drafts of the specification had it: they are good for two minutes.
    pub logout_without_exp: bool,
    /// How long a question may take.
    pub timeout: Duration,
    /// What its sessions are told by from those of another provider with the same client: the name of their cookie.
    pub mark: String,
    /// Where browsers and the provider come to.
    pub paths: OidcPaths,
    /// How long sessions last.
    pub session: SessionSettings,
}

/// Paths of the gateway's own, on every host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcPaths {
    /// Where the provider sends browsers back to; without a query: where a login begins.
    pub callback: String,
    /// Where users end their session.
    pub logout: String,
    /// Where the provider ends sessions.
    pub backchannel: String,
}

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionSettings {
    /// Altogether.
    pub lifetime: Duration,
    /// Without a request.
    pub idle: Duration,
    /// How long before the end of its access token a session is refreshed; where there is a refresh token.
    pub refresh_ahead: Duration,
    /// How long after the end of its access token a session goes on while the provider cannot be asked.
    pub grace: Duration,
    /// How long a worker believes what it has read from the store.
    pub cache: Duration,
}
