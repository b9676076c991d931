//! `role: internal`: colleagues, who log in once and reach tools that know nothing of logins.

use gwanmun_config::Node;
use gwanmun_proxy::role::{Rules, Written};
use gwanmun_proxy::{Role, Sections};

use super::credentials::{self, AUTHENTICATE, Only};
use super::listeners::Here;
use super::{answers, audited, listeners, traces};

/// The credential of this role.
const SESSION: Only =
    Only { kind: "session", key: "oidc", example: "{issuer: URL, client-id: ID, client-secret: \"${file:PATH}\"}" };

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
        traces::refuse_none(written, rules);
        answers::refuse_early(&[AUTHENTICATE, "authorize"], written, rules);
        audited::warn(written, rules);
        credentials::refuse_anonymous(Self::NAME, written, rules);
        refuse_lists_without_session(written, rules);
        rules.at_the_door("csrf", None);
        credentials::take_the_only(&SESSION, written, sections, rules);
        // With nothing given it lets in whoever is known.
        rules.on_every_route("authorize", None);
        rules.on_every_route("user-headers", None);
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
