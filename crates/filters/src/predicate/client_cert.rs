//! `client-cert`: a name in the caller's certificate decides the route.

use gwanmun_config::OneOrMany;
use gwanmun_identity::{SAN_CLAIM, SanKind};
use gwanmun_proxy::{Condition, Exchange, Invalid, Parts, Predicate, PredicateSpec};
use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::regexp;

/// Who proves who calls.
const AUTHENTICATE: &str = "authenticate";

/// What the principals of certificates carry as their kind of credential.
const CREDENTIAL: &str = "client-cert";

/// Matches requests of callers whose certificate has a name (SAN) like this: `uri:`, `dns:` or `email:` and the name. `*`
/// stands for one part of it: what is between two slashes of a URI or two dots of a DNS name, or before or behind the `@` of
/// an address; `**` stands for any number of parts. Several names are alternatives. Case counts in URIs and before the `@`
/// only. The certificate must have been verified before a route is looked for: `authenticate` stands among the door's
/// `filters`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClientCertSpec {
    /// The name: `uri:spiffe://corp/partner/*`.
    san: OneOrMany<String>,
}

impl PredicateSpec for ClientCertSpec {
    const NAME: &'static str = "client-cert";
    const EXAMPLE: &'static str = r#"
identity:
  issuers:
    corp: {issuer: "https://idp.example", jwks: "https://idp.example/jwks", audiences: [gateway], algorithms: [ES256]}
filters:
  - authenticate: {any: [{jwt: corp}]}    # and {client-cert: partners}, as identity.certificates has them
routes:
  - id: partners
    predicates:
      - client-cert: {san: "uri:spiffe://corp/partner/*"}
    upstream: http://127.0.0.1:9001
tests:
  - request: {path: /, principal: {subject: acme, credential: "client-cert:partners", claims: {san: ["uri:spiffe://corp/partner/acme"]}}}
    expect: {route: partners, status: 200}
  - request: {path: /, principal: {subject: ann, claims: {san: ["uri:spiffe://corp/partner/acme"]}}}
    expect: {status: 404}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Condition, Invalid> {
        if self.san.is_empty() {
            return Err(Invalid::at("san", "found no names, wanted at least one"));
        }
        let patterns: Result<Vec<Regex>, Invalid> = self.san.iter().map(|text| pattern(text)).collect();
        let patterns = patterns?;
        if !parts.door.contains(AUTHENTICATE) {
            let message =
                "no certificate is verified when routes are looked for: this needs 'authenticate' at the door";
            return Err(Invalid::new(message).with_hint(
                "put `authenticate` into the list `filters` at the top; a route's own filters run after it is chosen",
            ));
        }
        Ok(Condition::Test(Box::new(ClientCert(patterns))))
    }
}

struct ClientCert(Vec<Regex>);

impl Predicate for ClientCert {
    fn holds(&self, exchange: &Exchange) -> bool {
        let principal = exchange.principal.as_ref().filter(|principal| principal.credential_kind() == CREDENTIAL);
        let names = principal.and_then(|principal| principal.claims.get(SAN_CLAIM)?.as_array());
        let mut names = names.into_iter().flatten().filter_map(|name| name.as_str());
        names.any(|name| self.0.iter().any(|pattern| pattern.is_match(name)))
    }
}

/// An expression for whole names, as the principal's claim has them.
fn pattern(text: &str) -> Result<Regex, Invalid> {
    let (kind, name) = SanKind::split(text).filter(|(_, name)| !name.is_empty()).ok_or_else(|| {
        Invalid::at("san", format!("found '{text}', wanted a kind and a name"))
            .with_hint("uri:spiffe://corp/partner/*, dns:*.partner.example or email:*@partner.example")
    })?;
    let part = format!("[^{}]*", regex::escape(&kind.separator().to_string()));
    let name = regex::escape(&kind.comparable(name)).replace(r"\*\*", ".*").replace(r"\*", &part);
    regexp::whole("san", &format!("{}:{name}", kind.as_str()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gwanmun_core::{Level, Principal};
    use serde_json::json;

    use super::*;
    use crate::fixture::{Fixture, exchange};
    use crate::predicate::tests::holds;

    fn fixture() -> Fixture {
        Fixture::new().with_door(&["authenticate"])
    }

    fn caller(credential: &str, names: &[&str]) -> Exchange {
        let mut exchange = exchange("/");
        let mut principal = Principal::new("ann", credential, Level::Highest);
        principal.claims.insert(SAN_CLAIM.to_owned(), json!(names));
        exchange.principal = Some(Arc::new(principal));
        exchange
    }

    #[track_caller]
    fn check(arguments: &str, good: &[&str], bad: &[&str]) {
        let condition = fixture().predicate::<ClientCertSpec>(arguments).unwrap();
        let with = |name: &str| caller("client-cert:people", &["dns:another.test", name]);
        assert_eq!(good.iter().filter(|name| !holds(&condition, &with(name))).count(), 0, "{arguments}");
        assert_eq!(bad.iter().filter(|name| holds(&condition, &with(name))).count(), 0, "{arguments}");
        assert!(!holds(&condition, &exchange("/")), "nobody is authenticated");
    }

    #[test]
    fn a_name_is_compared_as_a_whole() {
        let bad = ["uri:spiffe://corp/ab", "uri:xspiffe://corp/a", "dns:spiffe://corp/a", "uri:spiffe://Corp/a"];
        check("'uri:spiffe://corp/a'", &["uri:spiffe://corp/a"], &bad);
        check("{san: 'dns:A.b'}", &["dns:a.b"], &["dns:axb", "uri:a.b"]);
        check("'email:Ann@Corp'", &["email:Ann@corp"], &["email:ann@corp"]);
    }

    #[test]
    fn a_star_stands_for_one_part_and_two_for_any_number() {
        let bad = ["uri:spiffe://corp/partner/a/b", "uri:spiffe://corp/partner", "uri:spiffe://corp/other/a"];
        check("'uri:spiffe://corp/partner/*'", &["uri:spiffe://corp/partner/a"], &bad);
        check("'uri:spiffe://corp/**'", &["uri:spiffe://corp/a", bad[0]], &["uri:spiffe://corp"]);
        check("'dns:*.corp'", &["dns:a.corp"], &["dns:a.b.corp"]);
        check("'email:*@corp'", &["email:a.b@corp"], &["email:a@b@corp"]);
        check("['dns:a.corp', 'dns:b.corp']", &["dns:a.corp", "dns:b.corp"], &["dns:c.corp"]);
    }

    #[test]
    fn only_names_of_certificates_count() {
        let condition = fixture().predicate::<ClientCertSpec>("'dns:a.corp'").unwrap();
        assert!(holds(&condition, &caller("client-cert:people", &["dns:a.corp"])));
        assert!(!holds(&condition, &caller("jwt:corp", &["dns:a.corp"])));
    }

    #[test]
    fn bad_arguments_are_refused() {
        let refusal = |arguments: &str| fixture().predicate::<ClientCertSpec>(arguments).err().unwrap();
        for arguments in ["'spiffe://corp/a'", "'cn:ann'", "'uri:'", "''"] {
            assert!(refusal(arguments).contains("wanted a kind and a name"), "{arguments}");
        }
        assert!(refusal("[]").contains("at least one"));
        let refused =
            Fixture::new().with_door(&["secure-headers"]).predicate::<ClientCertSpec>("'dns:a'").err().unwrap();
        assert!(refused.contains("'authenticate' at the door"), "{refused}");
    }
}
