use std::fs;
use std::path::Path;
use std::sync::Arc;

use gwanmun_config::{Environment, MergeRules, Severity, decode, load_texts};
use gwanmun_jose::{Algorithm, SigningKey};
use gwanmun_proxy::{Catalog, Context, GatewaySpec, Lasting, Network, compile};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

/// A folder with `good.json` (ES256), `secret.json` (HS256), `mixed.json` (one that is good) and `bad.json`.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write =
        |name: &str, keys: Value| fs::write(folder.path().join(name), json!({ "keys": keys }).to_string()).unwrap();
    let good = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("k1").verifying_key().public_jwk().unwrap();
    let weak = json!({"kty": "RSA", "kid": "weak", "n": "AQAB", "e": "AQAB", "alg": "RS256"});
    write("good.json", json!([good]));
    write("mixed.json", json!([weak, good]));
    write("bad.json", json!([weak]));
    write("secret.json", json!([{"kty": "oct", "alg": "HS256", "k": "A".repeat(43)}]));
    fs::write(folder.path().join("text.json"), "keys").unwrap();
    folder
}

/// What is said about `identity.issuers.corp` with these `members`, and whether it could be used.
fn said(members: &str, folder: &Path, lasting: &Lasting) -> (Option<Arc<Identity>>, Vec<(Severity, String)>) {
    let members = members.replace("file:", &format!("file:{}/", folder.display()));
    let text = format!("identity: {{issuers: {{corp: {members}}}}}\n");
    let rules = MergeRules { append: &[] };
    let loaded = load_texts(&[("gw.yaml".to_owned(), text)], &Environment::from_pairs([("", ""); 0]), &rules);
    let (mut document, mut diagnostics) = (loaded.document, loaded.diagnostics);
    let mut catalog = Catalog::default();
    catalog.add_section::<IdentitySpec>();
    let mut context = Context::new(&catalog, &loaded.sources, lasting);
    context.sections = catalog.set_aside(&mut document);
    let spec: GatewaySpec = decode(&document, &mut diagnostics).unwrap();
    let plan = compile(&spec, &context, &mut diagnostics);
    let hint = |hint: &Option<String>| hint.clone().map_or_else(String::new, |hint| format!(" ({hint})"));
    let said = diagnostics.iter().map(|found| (found.severity, format!("{}{}", found.message, hint(&found.hint))));
    (plan.map(|plan| plan.sections.of::<Identity>().unwrap()), said.collect())
}

fn offline() -> Lasting {
    Lasting::new(Network::Offline)
}

#[test]
fn an_issuer_is_known_by_its_name() {
    let folder = folder();
    for members in [
        "{issuer: 'https://a', audiences: gateway, jwks: 'file:good.json'}",
        "{issuer: a, audiences: [a, b], jwks: 'file:good.json', algorithms: [ES256], leeway: 0, type: at+jwt}",
        "{issuer: a, audiences: a, jwks: 'file:secret.json', algorithms: [HS256]}",
        "{issuer: a, audiences: a, jwks: 'https://a/jwks', cache: 1m, stale: 0, cool-down: 1s, timeout: 100ms}",
        "{issuer: a, audiences: a, jwks: 'http://127.0.0.1:1/jwks'}",
        "{issuer: 'https://a/realms/b', audiences: a, discovery: true}",
        "{issuer: a, audiences: a, jwks: 'file:good.json', principal: {subject: /id, roles: /a/b, scope: /scp, claims: {tenant: /org~1x}}}",
    ] {
        let (identity, said) = said(members, folder.path(), &offline());
        assert_eq!(said, [], "{members}");
        assert_eq!(identity.unwrap().issuers["corp"].credential(), "jwt:corp", "{members}");
    }
}

#[test]
fn mistakes_are_told() {
    let folder = folder();
    let rest = "issuer: a, audiences: a";
    for (members, wanted) in [
        ("{issuer: a, audiences: a}", "it is not said where the issuer's keys are"),
        ("{issuer: a, jwks: 'file:good.json'}", "found no audiences"),
        ("{issuer: a, audiences: [], jwks: 'file:good.json'}", "found no audiences"),
        ("{issuer: a, audiences: ['', b], jwks: 'file:good.json'}", "an empty audience"),
        ("{issuer: '', audiences: a, jwks: 'file:good.json'}", "an empty issuer"),
        ("{audiences: a, jwks: 'file:good.json'}", "issuer"),
        (
            &format!("{{{rest}, jwks: 'http://idp.example/jwks'}}"),
            "whoever is on the way could answer with keys of their own",
        ),
        (&format!("{{{rest}, jwks: 'https://u:p@idp.example/jwks'}}"), "user name"),
        (&format!("{{{rest}, jwks: good.json}}"), "file:PATH"),
        (&format!("{{{rest}, jwks: 'https://a/', discovery: true}}"), "wanted one of them"),
        (&format!("{{{rest}, discovery: true}}"), "nothing can be discovered at 'a'"),
        ("{issuer: 'http://a', audiences: a, discovery: true}", "wanted https"),
        (&format!("{{{rest}, jwks: 'file:none.json'}}"), "cannot read"),
        (&format!("{{{rest}, jwks: 'file:text.json'}}"), "is no key set"),
        (&format!("{{{rest}, jwks: 'file:bad.json'}}"), "no key in"),
        (&format!("{{{rest}, jwks: 'file:good.json', algorithms: [EdDSA]}}"), "no key in"),
        (&format!("{{{rest}, jwks: 'file:good.json', algorithms: []}}"), "found no algorithms"),
        (&format!("{{{rest}, jwks: 'file:good.json', algorithms: [none]}}"), "found 'none'"),
        (&format!("{{{rest}, jwks: 'file:good.json', algorithms: [es256]}}"), "did you mean 'ES256'?"),
        (&format!("{{{rest}, jwks: 'https://a/', algorithms: [ES256, HS256]}}"), "HS256 is not for keys from a URL"),
        (&format!("{{{rest}, jwks: 'file:secret.json'}}"), "no key in"),
        (
            &format!("{{{rest}, jwks: 'file:good.json', principal: {{roles: realm_access.roles}}}}"),
            "did you mean '/realm_access/roles'?",
        ),
        (&format!("{{{rest}, jwks: 'file:good.json', principal: {{claims: {{a: b}}}}}}"), "did you mean '/b'?"),
        (&format!("{{{rest}, jwks: 'https://a/', cool-down: 0}}"), "cool-down"),
        (&format!("{{{rest}, jwks: 'https://a/', cache: 0}}"), "cache"),
        (&format!("{{{rest}, jwks: 'https://a/', timeout: 0}}"), "timeout"),
        (&format!("{{{rest}, jwks: 'https://a/', ca: 'file:good.json'}}"), "certificate"),
        (&format!("{{{rest}, jwks: 'https://a/', ca: 'file:none.pem'}}"), "cannot read"),
        (&format!("{{{rest}, jwks: 'https://a/', ca: ca.pem}}"), "cannot read"),
        (&format!("{{{rest}, jwks: 'https://a/', audience: b}}"), "did you mean 'audiences'?"),
    ] {
        let (identity, said) = said(members, folder.path(), &offline());
        assert!(identity.is_none(), "{members}");
        assert!(
            said.iter().any(|(severity, text)| *severity == Severity::Error && text.contains(wanted)),
            "{members}: {said:?}"
        );
    }
}

#[test]
fn what_is_good_but_hardly_meant_is_warned_of() {
    let folder = folder();
    for (members, wanted) in [
        ("{issuer: a, audiences: a, jwks: 'file:mixed.json'}", "the key \"weak\" in"),
        ("{issuer: a, audiences: a, jwks: 'file:good.json', leeway: 1h}", "every token is good for 1h longer"),
        ("{issuer: a, audiences: a, jwks: 'file:good.json', ca: 'file:none.pem'}", "trusted for nothing"),
    ] {
        let (identity, said) = said(members, folder.path(), &offline());
        assert!(identity.is_some(), "{members}: {said:?}");
        assert!(matches!(&*said, [(Severity::Warning, text)] if text.contains(wanted)), "{members}: {said:?}");
    }
}

#[test]
fn an_issuer_goes_on_over_a_reload_if_it_is_written_the_same() {
    let (folder, lasting) = (folder(), Lasting::new(Network::Online));
    let issuer = |members: &str| Arc::clone(&said(members, folder.path(), &lasting).0.unwrap().issuers["corp"]);
    let one = issuer("{issuer: a, audiences: a, jwks: 'https://a/jwks'}");
    assert!(Arc::ptr_eq(&one, &issuer("{jwks: 'https://a/jwks', issuer: a, audiences: [a]}")));
    for other in [
        "{issuer: b, audiences: a, jwks: 'https://a/jwks'}",
        "{issuer: a, audiences: b, jwks: 'https://a/jwks'}",
        "{issuer: a, audiences: a, jwks: 'https://a/keys'}",
        "{issuer: a, audiences: a, jwks: 'https://a/jwks', leeway: 1s}",
        "{issuer: a, audiences: a, jwks: 'https://a/jwks', algorithms: [ES256]}",
        "{issuer: a, audiences: a, jwks: 'https://a/jwks', principal: {roles: /r}}",
    ] {
        assert!(!Arc::ptr_eq(&one, &issuer(other)), "{other}");
    }
}
