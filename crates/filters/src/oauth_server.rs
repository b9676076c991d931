//! The OAuth server that an argument names.

use std::sync::Arc;

use gwanmun_config::{Spanned, did_you_mean};
use gwanmun_identity::{Identity, OAuth};
use gwanmun_proxy::{Invalid, Parts};

/// The server called `name` under `identity.oauth`.
///
/// # Errors
/// There is none.
pub(crate) fn oauth_server(name: &Spanned<String>, parts: &Parts<'_>) -> Result<Arc<OAuth>, Invalid> {
    let identity = parts.sections.of::<Identity>().map_err(|absent| absent.needed("identity").or_within(name.span))?;
    if let Some(oauth) = identity.oauth.get(&name.value) {
        return Ok(Arc::clone(oauth));
    }
    let invalid = Invalid::within(name.span, format!("there is no OAuth server '{}' under identity.oauth", name.value));
    Err(match did_you_mean(name, identity.oauth.keys().map(String::as_str)) {
        Some(close) => invalid.with_hint(format!("did you mean '{close}'?")),
        None => invalid,
    })
}
