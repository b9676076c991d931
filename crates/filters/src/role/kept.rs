//! Headers that the door leaves as they come (`headers.keep`): what anybody may then say to a service behind.

use gwanmun_proxy::role::{Rules, Written};

/// Refuses to keep what tells services who the client or its user is: trusted proxies may say that, and nobody else.
pub(super) fn refuse_claims(written: &Written<'_>, rules: &mut Rules<'_>) {
    for name in written.kept_claims() {
        let message =
            format!("'{}' is kept as it comes: whoever sends it may say to services that it is anybody", name.value);
        rules.refuse(name.span, message, "take it out of `headers.keep`; `trusted-proxies` says who may send it");
    }
}

/// Refuses to keep what has services see another method, path or host than the one that is decided about.
pub(super) fn refuse_overrides(written: &Written<'_>, rules: &mut Rules<'_>) {
    for name in written.kept_overrides() {
        let message =
            format!("'{}' is kept as it comes: a service could see another request than was authorized", name.value);
        rules.refuse(name.span, message, "take it out of `headers.keep`");
    }
}
