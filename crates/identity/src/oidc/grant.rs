//! What a provider gives for a code or a refresh token, checked.

use std::time::SystemTime;

use gwanmun_core::{Principal, Secret};

/// Tokens of a user.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    /// For services behind (`token-relay`).
    pub(super) access: Secret<String>,
    /// When that ends; `None` where the provider does not say.
    pub(super) access_until: Option<SystemTime>,
    /// For new ones; none: the session lasts without.
    pub(super) refresh: Option<Secret<String>>,
    /// As the provider signed it; none where a refresh brought none.
    pub(super) id_token: Option<Secret<String>>,
}

/// Who an ID token is about.
#[derive(Debug, Clone)]
pub(super) struct Who {
    /// The credential is `session:NAME`, the level high; without end and token.
    pub(super) principal: Principal,
    /// `sub`, which logout tokens name; the principal's subject may be another claim.
    pub(super) subject: String,
    /// The provider's own session, if it tells.
    pub(super) sid: Option<String>,
    /// `iat`.
    pub(super) issued: SystemTime,
}

/// For a code.
#[derive(Debug, Clone)]
pub(super) struct Granted {
    pub(super) tokens: Tokens,
    pub(super) who: Who,
}

/// For a refresh token.
#[derive(Debug, Clone)]
pub(super) struct Refreshed {
    pub(super) tokens: Tokens,
    /// As the new ID token says, if there is one; it is about the same `sub`.
    pub(super) who: Option<Who>,
}
