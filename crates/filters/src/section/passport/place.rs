//! URLs of the auth server: what is asked and told there must not be read or changed on the way.

use gwanmun_config::Span;
use gwanmun_identity::{Endpoint, NoEndpoint};
use gwanmun_proxy::Ground;

/// The URL `text`, which stands at `span`.
pub(super) fn place(text: &str, span: Span, ground: &mut Ground<'_>) -> Option<Endpoint> {
    match text.parse() {
        Ok(endpoint) => Some(endpoint),
        Err(why) => {
            let wanted = match why {
                NoEndpoint::UserInfo => "a URL without a user name or password",
                NoEndpoint::Cleartext => {
                    "https: over http whoever is on the way could answer in its place (on this machine http will do)"
                }
                _ => "a URL like https://auth.internal/token",
            };
            ground.refuse(span, format!("found '{}', wanted {wanted}", text.escape_debug()));
            None
        }
    }
}
