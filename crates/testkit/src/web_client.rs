//! What a provider is told of the gateway: the client through which people log in.

/// The client `gateway` with the secret `gateway-secret`: the code flow with PKCE, refresh tokens, and both ways of logging
/// out.
#[derive(Debug, Clone)]
pub struct WebClient {
    /// Where codes may be sent.
    pub redirect_uris: Vec<String>,
    /// Where people may be sent after they have logged out.
    pub post_logout_redirect_uris: Vec<String>,
    /// Who is told of the end of a session.
    pub backchannel_logout_uri: Option<String>,
}

impl WebClient {
    /// For a gateway with its usual paths that serves `origins`: `https://tool-a.localhost:8443`.
    pub fn of(origins: &[String]) -> Self {
        let with = |path: &str| origins.iter().map(|origin| format!("{origin}{path}")).collect();
        Self { redirect_uris: with("/callback"), post_logout_redirect_uris: with("/"), backchannel_logout_uri: None }
    }

    /// Whose sessions are ended at `origin`.
    #[must_use]
    pub fn told_at(mut self, origin: &str) -> Self {
        self.backchannel_logout_uri = Some(format!("{origin}/backchannel-logout"));
        self
    }
}
