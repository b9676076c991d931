//! `paths` of a provider: where browsers and the provider come to. Each belongs to one purpose of one provider.

use gwanmun_config::{Span, Spanned};
use gwanmun_identity::OidcPaths;
use gwanmun_proxy::Ground;
use schemars::JsonSchema;
use serde::Deserialize;

/// The longest path of our own, bytes.
const LONGEST: usize = 256;

/// Paths of the gateway's own, on every host.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct PathsSpec {
    /// Where the provider sends browsers back to; without a query, where a login begins.
    callback: Spanned<String>,
    /// Where users end their session.
    logout: Spanned<String>,
    /// Where the provider ends sessions (OpenID Connect Back-Channel Logout 1.0).
    backchannel: Spanned<String>,
}

impl Default for PathsSpec {
    fn default() -> Self {
        let path = |path: &str| path.to_owned().into();
        Self { callback: path("/callback"), logout: path("/logout"), backchannel: path("/backchannel-logout") }
    }
}

impl PathsSpec {
    /// All of them, and where they were written; `otherwise` where they were not.
    pub(super) fn places(&self, otherwise: Span) -> Vec<(String, Span)> {
        let all = [&self.callback, &self.logout, &self.backchannel];
        all.map(|path| (path.value.clone(), super::or(path.span, otherwise))).into()
    }

    pub(super) fn build(&self, ground: &mut Ground<'_>) -> Option<OidcPaths> {
        let mut is_good = true;
        for path in [&self.callback, &self.logout, &self.backchannel] {
            if !is_canonical(path) {
                let message = format!("found '{}', wanted a path like /callback", path.value.escape_debug());
                let hint = "letters, digits, '-', '.', '_' and '~' between single slashes; no '.' or '..' alone";
                ground.refuse_with_hint(path.span, message, hint);
                is_good = false;
            }
        }
        is_good.then(|| OidcPaths {
            callback: self.callback.value.clone(),
            logout: self.logout.value.clone(),
            backchannel: self.backchannel.value.clone(),
        })
    }
}

/// Whether requests for it look exactly like it: nothing to decode, nothing to leave out.
fn is_canonical(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(is_plain);
    path.len() <= LONGEST && path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_segment))
}
