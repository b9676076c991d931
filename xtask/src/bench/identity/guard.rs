//! How our gateway is told what a rung asks for: sections of the configuration, and filters that come first on the route.

use super::rung::{Asked, Rung};
use super::session::COOKIE;
use super::tokens::{AUDIENCE, ISSUER, ROLE, SCOPE};
use crate::bench::product::Setup;

/// What a guard adds to a configuration; nothing where there is no guard.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Guard {
    /// Keys of the top level, in YAML.
    pub(crate) sections: String,
    /// Lines of the route's list of filters.
    pub(crate) filters: String,
}

/// A Passport's reuse in [`Rung::PassportReused`].
const REUSE: &str = "30s";

impl Guard {
    /// The guard of a setup's rung.
    pub(crate) fn of(setup: &Setup) -> Self {
        let Some(identity) = &setup.identity else { return Self::default() };
        let (rung, tokens) = (identity.rung, &identity.tokens);
        let mut guard = Self::default();
        if rung.asks(Asked::Token) {
            let key_set = tokens.key_set.display();
            guard.section(&format!(
                "\
identity:
  issuers:
    corp:
      issuer: {ISSUER}
      jwks: \"file:{key_set}\"
      audiences: [{AUDIENCE}]
      algorithms: [ES256]
      principal: {{subject: /sub, roles: /roles, scope: /scope, claims: {{tenant: /tenant}}}}
"
            ));
            guard.filter("authenticate: {any: [{jwt: corp}]}");
        }
        if rung.asks(Asked::Introspection) {
            guard.section(&format!(
                "\
identity:
  oauth:
    partner:
      issuer: {ISSUER}
      introspection-endpoint: \"http://{backend}/introspect\"
      client-id: gateway
      client-secret: \"${{file:{secret}}}\"
      cache: 30s
      on-error: deny
",
                backend = setup.backend,
                secret = tokens.client_secret.display(),
            ));
            guard.filter("authenticate: {any: [{introspect: partner}]}");
        }
        if let Some(provider) = identity.provider.filter(|_| rung.asks(Asked::Session)) {
            guard.section(&format!(
                "\
identity:
  oidc:
    staff:
      issuer: \"http://{provider}\"
      client-id: gateway
      client-secret: \"${{file:{secret}}}\"
      cookie: {COOKIE}
      principal: {{subject: /sub, roles: /roles, scope: /scope, claims: {{tenant: /tenant}}}}
",
                secret = tokens.client_secret.display(),
            ));
            guard.filter("authenticate: {any: [{session: staff}]}");
        }
        if rung.asks(Asked::Decision) {
            guard.filter(&format!("authorize: {{roles: [{ROLE}], scopes: [{SCOPE}]}}"));
        }
        if rung.asks(Asked::Passport) {
            let reuse = if rung == Rung::PassportReused { REUSE } else { "0s" };
            let key = tokens.passport_key.display();
            guard.section(&format!(
                "\
passport:
  trust-domain: example.internal
  issuer: https://gw.example.internal
  keys: {{active: bench, files: {{bench: \"file:{key}\"}}}}
  lifetime: 60s
  reuse: {reuse}
"
            ));
            guard.filter("passport: {}");
        }
        if rung.asks(Asked::Audit) {
            let (file, key) = (audit_log(setup), tokens.audit_key.display());
            guard.section(&format!(
                "audit: {{file: \"{file}\", sign-every: 1000, key: \"file:{key}\", on-sink-error: deny}}\n"
            ));
        }
        guard
    }

    fn section(&mut self, text: &str) {
        self.sections.push_str(text);
    }

    fn filter(&mut self, text: &str) {
        self.filters.push_str("      - ");
        self.filters.push_str(text);
        self.filters.push('\n');
    }
}

/// Where a setup's audit log is.
pub(super) fn audit_log(setup: &Setup) -> String {
    setup.folder.join("audit.jsonl").display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::identity::tests::setup;

    fn guard(rung: Rung) -> Guard {
        Guard::of(&setup(rung))
    }

    #[test]
    fn a_plain_rung_adds_nothing() {
        assert_eq!(guard(Rung::Plain), Guard::default());
    }

    #[test]
    fn what_stands_higher_has_what_stands_below() {
        let filters = |rung| guard(rung).filters;
        assert_eq!(filters(Rung::Known), "      - authenticate: {any: [{jwt: corp}]}\n");
        assert_eq!(filters(Rung::Unknown), filters(Rung::Known));
        let authorized = "      - authenticate: {any: [{jwt: corp}]}\n\
            \x20     - authorize: {roles: [member], scopes: [orders.read]}\n";
        assert_eq!(filters(Rung::Authorized), authorized);
        assert_eq!(filters(Rung::Audited), authorized);
        assert_eq!(filters(Rung::PassportEach), format!("{authorized}      - passport: {{}}\n"));
    }

    #[test]
    fn passports_differ_in_their_reuse_alone() {
        let (each, reused) = (guard(Rung::PassportEach), guard(Rung::PassportReused));
        assert!(each.sections.contains("reuse: 0s"), "{}", each.sections);
        assert_eq!(each.sections.replace("reuse: 0s", "reuse: 30s"), reused.sections);
        assert_eq!(each.filters, reused.filters);
    }

    #[test]
    fn files_and_addresses_are_those_of_the_setup() {
        assert!(guard(Rung::Known).sections.contains("jwks: \"file:/keys/jwks.json\""));
        assert!(guard(Rung::PassportEach).sections.contains("bench: \"file:/keys/passport.pem\""));
        let audited = guard(Rung::Audited).sections;
        assert!(
            audited.contains("file: \"/bench/audit.jsonl\"") && audited.contains("on-sink-error: deny"),
            "{audited}"
        );
        let introspected = guard(Rung::Introspected).sections;
        assert!(introspected.contains("client-secret: \"${file:/keys/client-secret}\""), "{introspected}");
        assert!(introspected.contains("introspection-endpoint: \"http://127.0.0.1:3/introspect\""), "{introspected}");
    }
}
