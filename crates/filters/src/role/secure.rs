//! `role: secure`: partners and their machines, who come with certificates.

use gwanmun_config::Node;
use gwanmun_proxy::role::{Rules, Written};
use gwanmun_proxy::{Role, Sections};

use super::credentials::{self, AUTHENTICATE, Only};
use super::{answers, audited, kept, listeners, traces};

/// The credential of this role.
const CERTIFICATE: Only =
    Only { kind: "client-cert", key: "certificates", example: "{ca: FILE, user-from: [\"email:{user}@example\"]}" };

/// A gateway for who comes with a certificate.
pub struct Secure;

impl Role for Secure {
    const NAME: &'static str = "secure";
    const PURPOSE: &'static str = "partners and their machines: certificates, a rule for every route, an audit log";

    fn sections(written: &Written<'_>) -> Vec<(&'static str, Node)> {
        audited::otherwise(written)
    }

    fn impose(written: &Written<'_>, sections: &Sections, rules: &mut Rules<'_>) {
        listeners::refuse_without_certificates(written, rules);
        listeners::refuse_trust_in_everybody(written, rules);
        kept::refuse_claims(written, rules);
        kept::refuse_overrides(written, rules);
        traces::refuse_none(written, rules);
        answers::refuse_early(&[AUTHENTICATE, "authorize"], written, rules);
        audited::warn(written, rules);
        credentials::refuse_anonymous(Self::NAME, written, rules);
        refuse_other_credentials(written, rules);
        // Browsers show a certificate to whoever another site has them ask.
        rules.at_the_door("csrf", None);
        for route in credentials::routes_without("authorize", written) {
            let message = format!("route '{}' does not say who may: it has no 'authorize'", route.id.value);
            let hint = "add `authorize: {acl: file:acl.yaml}`, or `authorize: {roles: [NAME]}`, to the route or to \
                        `default-filters`";
            rules.refuse(route.id.span, message, hint);
        }
        credentials::take_the_only(&CERTIFICATE, written, sections, rules);
    }
}

/// Refuses lists that take anything but certificates.
fn refuse_other_credentials(written: &Written<'_>, rules: &mut Rules<'_>) {
    for filter in credentials::authenticates(written) {
        for entry in credentials::listed(filter) {
            if entry.kind != CERTIFICATE.kind {
                let message = format!("the role 'secure' takes certificates only, found '{}'", entry.kind);
                rules.refuse(
                    entry.span,
                    message,
                    "`any: [{client-cert: NAME}]`; other credentials are for `role: public`",
                );
            }
        }
    }
}
