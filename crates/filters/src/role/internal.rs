//! `role: internal`: colleagues, who log in once and reach tools that know nothing of logins.

use gwanmun_config::Node;
use gwanmun_proxy::role::{Rules, Written, WrittenFilter};
use gwanmun_proxy::{Role, Sections};

use super::credentials::{self, AUTHENTICATE, Only};
use super::listeners::Here;
use super::{answers, audited, kept, listeners, traces};

/// The credential of this role.
const SESSION: Only =
    Only { kind: "session", key: "oidc", example: "{issuer: URL, client-id: ID, client-secret: \"${file:PATH}\"}" };

/// Tells tools who calls.
const USER_HEADERS: &str = "user-headers";

/// A gateway for colleagues.
pub struct Internal;

impl Role for Internal {
    const NAME: &'static str = "internal";
    const PURPOSE: &'static str =
        "colleagues and their tools: one login, a session, the user told to the tool, an audit log";

    fn sections(written: &Written<'_>) -> Vec<(&'static str, Node)> {
        audited::otherwise(written)
    }

    fn impose(written: &Written<'_>, sections: &Sections, rules: &mut Rules<'_>) {
        listeners::refuse_cleartext("the cookie of a session would go without `Secure`", Here::Good, written, rules);
        listeners::refuse_trust_in_everybody(written, rules);
        kept::refuse_claims(written, rules);
        kept::refuse_overrides(written, rules);
        traces::refuse_none(written, rules);
        answers::refuse_early(&[AUTHENTICATE, "authorize"], written, rules);
        audited::warn(written, rules);
        credentials::refuse_anonymous(Self::NAME, written, rules);
        refuse_lists_without_session(written, rules);
        refuse_headers_of_nobody(written, rules);
        rules.at_the_door("csrf", None);
        credentials::take_the_only(&SESSION, written, sections, rules);
        // With nothing given it lets in whoever is known.
        rules.on_every_route("authorize", None);
        rules.on_every_route(USER_HEADERS, None);
    }
}

/// Refuses lists that know no session: a route behind one could not be reached by who has logged in.
fn refuse_lists_without_session(written: &Written<'_>, rules: &mut Rules<'_>) {
    for filter in credentials::authenticates(written) {
        let listed = credentials::listed(filter);
        if !listed.is_empty() && listed.iter().all(|entry| entry.kind != SESSION.kind) {
            let message = "this takes no session, which is how colleagues are known here";
            rules.refuse(filter.span, message, "add `{session: NAME}` to `any`");
        }
    }
}

/// Refuses `user-headers` where it is not known yet who calls: the tool would never hear of anybody.
fn refuse_headers_of_nobody(written: &Written<'_>, rules: &mut Rules<'_>) {
    let is_known = |before: &[WrittenFilter<'_>]| before.iter().any(|filter| filter.name == AUTHENTICATE);
    let message = "nobody is known here yet, and so the tool is told nobody: no 'authenticate' stands before this";
    for (place, filter) in written.door.iter().enumerate().filter(|(_, filter)| filter.name == USER_HEADERS) {
        if !is_known(written.door.get(..place).unwrap_or_default()) {
            rules.refuse(
                filter.span,
                message,
                "put it into `default-filters`, or `authenticate` before it at the door",
            );
        }
    }
    if is_known(&written.door) {
        return;
    }
    for route in written.routes.iter().filter(|route| route.is_whole) {
        let own: Vec<&WrittenFilter<'_>> = written.defaults.iter().chain(&route.filters).collect();
        // Where none is written, the role's own stands before all others.
        let Some(known) = own.iter().position(|filter| filter.name == AUTHENTICATE) else { continue };
        for filter in own.iter().take(known).filter(|filter| filter.name == USER_HEADERS) {
            rules.refuse(filter.span, message, "put it behind 'authenticate'");
        }
    }
}
