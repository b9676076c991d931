//! Who the gateway is for an OAuth server or an OpenID provider.

use gwanmun_config::Spanned;
use gwanmun_proxy::Ground;

use crate::secret_text::SecretText;

/// Whether `id` and `secret` can be sent; mistakes go to `ground`.
pub(super) fn is_client_good(id: &Spanned<String>, secret: &Spanned<SecretText>, ground: &mut Ground<'_>) -> bool {
    let mut is_good = true;
    if id.is_empty() || id.contains(char::is_control) {
        ground.refuse(id.span, "wanted the gateway's client id, without control characters");
        is_good = false;
    }
    let text = secret.value.0.expose();
    if text.is_empty() || text.contains(char::is_control) {
        let hint = "\"${file:PATH}\" drops one newline at the end of a file, not more";
        ground.refuse_with_hint(secret.span, "this is empty or has control characters", hint);
        is_good = false;
    }
    is_good
}
