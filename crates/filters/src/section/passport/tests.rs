use std::fs;
use std::path::Path;
use std::sync::Arc;

use gwanmun_config::Severity;
use gwanmun_core::{Clock, SystemClock};
use gwanmun_proxy::{Lasting, Network};
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::fixture::sections;

const ED25519: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";

/// A folder with `old.pem` (EdDSA), `new.pem` (ES256), `rsa.pem` and `text.pem`.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("old.pem", ED25519);
    write("text.pem", "not a key");
    for (name, arguments) in [
        ("new.pem", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"][..]),
        ("rsa.pem", &["-algorithm", "RSA"]),
    ] {
        let mut openssl = std::process::Command::new("openssl");
        let output = openssl.arg("genpkey").args(arguments).arg("-out").arg(folder.path().join(name)).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    folder
}

fn said(members: &str, folder: &Path, lasting: &Lasting) -> (Option<Arc<PassportOffice>>, Vec<(Severity, String)>) {
    let members = members.replace("file:", &format!("file:{}/", folder.display()));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (sections, said) = sections::<PassportSectionSpec>(&format!("passport: {members}\n"), &clock, lasting);
    (sections.map(|sections| sections.of::<PassportOffice>().unwrap()), said)
}

fn offline() -> Lasting {
    Lasting::new(Network::Offline)
}

fn kids(office: &PassportOffice) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let jwks: Value = serde_json::from_str(&runtime.block_on(office.published_keys()).jwks).unwrap();
    jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

const NAMES: &str = "trust-domain: a, issuer: b";
const KEYS: &str = "trust-domain: a, issuer: b, keys: {active: old, files: {old: 'file:old.pem'}}";

#[test]
fn what_is_good_says_nothing() {
    let folder = folder();
    let user = "user: {url: 'https://auth.internal/users/{principal.subject}'}";
    let exchange = "exchange: {endpoint: 'https://auth.internal/token', client-id: gw, client-secret: s, jwks: 'https://auth.internal/jwks'}";
    for members in [
        format!("{{{KEYS}}}"),
        format!("{{{NAMES}, keys: {{active: n, files: {{n: 'file:new.pem', o: 'file:old.pem'}}}}}}"),
        format!("{{{KEYS}, lifetime: 10m, reuse: 10m, device: {{id: X-Device-Id}}}}"),
        format!("{{{KEYS}, source: {{{user}, cache: 1s, timeout: 100ms, on-error: principal-only}}}}"),
        format!("{{{KEYS}, source: {{{exchange}}}}}"),
        format!("{{{KEYS}, accept: {{jwks: 'https://edge.example/jwks', issuers: [c]}}}}"),
    ] {
        let (office, said) = said(&members, folder.path(), &offline());
        assert_eq!(said, [], "{members}");
        assert!(office.is_some(), "{members}");
    }
}

#[test]
fn mistakes_are_told() {
    let folder = folder();
    let url = "https://auth.internal/u/{principal.subject}";
    let exchange = |rest: &str| format!("{{{KEYS}, source: {{exchange: {{{rest}client-id: gw, client-secret: s}}}}}}");
    let source = |rest: &str| format!("{{{KEYS}, source: {{{rest}}}}}");
    for (members, wanted) in [
        ("{issuer: b}".to_owned(), "trust-domain"),
        ("{trust-domain: '', issuer: b}".to_owned(), "found ''"),
        (format!("{{{NAMES}, keys: {{active: odl, files: {{old: 'file:old.pem'}}}}}}"), "(did you mean 'old'?)"),
        (format!("{{{NAMES}, keys: {{active: a, files: {{}}}}}}"), "there is no key 'a' among 'files'"),
        (format!("{{{NAMES}, keys: {{active: a, files: {{a: 'file:old.pem', a: 'file:new.pem'}}}}}}"), "'a'"),
        (format!("{{{NAMES}, keys: {{active: a, files: {{a: 'file:rsa.pem'}}}}}}"), "wanted a key for EdDSA or ES256"),
        (format!("{{{NAMES}, keys: {{active: a, files: {{a: 'file:rsa.pem'}}}}}}"), "openssl genpkey"),
        (format!("{{{NAMES}, keys: {{active: a, files: {{a: 'file:text.pem'}}}}}}"), "no PEM section"),
        (format!("{{{NAMES}, keys: {{active: a, files: {{a: 'file:gone.pem'}}}}}}"), "cannot read"),
        (format!("{{{NAMES}, keys: {{active: a, files: {{a: old.pem}}}}}}"), "(write file:PATH)"),
        (format!("{{{KEYS}, lifetime: 0}}"), "wanted whole seconds from 1s to 10m"),
        (format!("{{{KEYS}, lifetime: 1500ms}}"), "wanted whole seconds from 1s to 10m"),
        (format!("{{{KEYS}, lifetime: 11m}}"), "wanted whole seconds from 1s to 10m"),
        (format!("{{{KEYS}, reuse: 61s}}"), "wanted at most the lifetime, 1m"),
        (format!("{{{KEYS}, device: {{id: 'a b'}}}}"), "wanted the name of a header"),
        (source("cache: 1s"), "it is not said how the auth server is asked"),
        (source(&format!("user: {{url: '{url}'}}, cache: 0")), "with 'cache' at 0"),
        (source(&format!("user: {{url: '{url}'}}, timeout: 0")), "with 'timeout' at 0"),
        (source(&format!("user: {{url: '{url}'}}, on-error: allow")), "unknown value: 'allow'"),
        (source(&format!("user: {{url: '{url}', map: {{roles: a.b}}}}")), "(did you mean '/a/b'?)"),
        (source("user: {url: 'http://auth.internal/u/{principal.subject}'}"), "wanted https"),
        (source("user: {url: 'https://{principal.subject}/u'}"), "a fixed host"),
        (
            source(&format!(
                "user: {{url: '{url}'}}, exchange: {{endpoint: 'https://a/t', client-id: a, client-secret: b}}"
            )),
            "found 'user' beside 'exchange'",
        ),
        (exchange("endpoint: 'http://auth.internal/t', jwks: 'https://a/j', "), "wanted https"),
        (exchange("endpoint: 'https://a/t', jwks: 'http://a/j', "), "wanted https"),
        (
            exchange("endpoint: 'https://a/t', jwks: 'https://a/j', issuer: 'https://a', "),
            "found 'jwks' beside 'issuer'",
        ),
        (format!("{{{KEYS}, accept: {{jwks: 'https://e/j', issuers: []}}}}"), "whose Passports are believed"),
        (format!("{{{KEYS}, accept: {{jwks: 'https://e/j', issuers: b}}}}"), "the gateway's own issuer"),
        (format!("{{{KEYS}, accept: {{jwks: 'http://e/j', issuers: c}}}}"), "wanted https"),
        (format!("{{{KEYS}, accept: {{jwks: 'file:old.pem', issuers: c}}}}"), "is no key set"),
    ] {
        let (office, said) = said(&members, folder.path(), &offline());
        let is_told = said.iter().any(|(severity, text)| *severity == Severity::Error && text.contains(wanted));
        assert!(is_told, "{members}: wanted {wanted}, found {said:?}");
        assert!(office.is_none(), "{members}");
    }
}

#[test]
fn secrets_are_not_told() {
    let members =
        format!("{{{KEYS}, source: {{exchange: {{endpoint: 'http://a/t', client-id: '', client-secret: hunter2}}}}}}");
    let (_, said) = said(&members, folder().path(), &offline());
    assert!(said.len() > 1 && !format!("{said:?}").contains("hunter2"), "{said:?}");
    let spec: ExchangeSpec =
        serde_json::from_value(serde_json::json!({"endpoint": "a", "client-id": "b", "client-secret": "hunter2"}))
            .unwrap();
    assert!(!spec.specification().contains("hunter2") && !format!("{spec:?}").contains("hunter2"));
}

#[test]
fn every_key_is_published_and_the_active_one_first() {
    let folder = folder();
    let members = format!("{{{NAMES}, keys: {{active: n, files: {{n: 'file:new.pem', a: 'file:old.pem'}}}}}}");
    let (office, said) = said(&members, folder.path(), &offline());
    assert_eq!(said, []);
    assert_eq!(kids(&office.unwrap()), ["n", "a"]);
}

#[test]
fn one_key_under_two_names_is_hardly_meant() {
    let members = format!("{{{NAMES}, keys: {{active: a, files: {{a: 'file:old.pem', b: 'file:old.pem'}}}}}}");
    let (office, said) = said(&members, folder().path(), &offline());
    assert!(office.is_some());
    assert!(matches!(&*said, [(Severity::Warning, text)] if text.contains("same key")), "{said:?}");
}

#[test]
fn without_keys_one_is_made_for_the_life_of_the_process() {
    let (folder, lasting) = (folder(), offline());
    let made = |lasting: &Lasting| {
        let (office, said) = said(&format!("{{{NAMES}}}"), folder.path(), lasting);
        assert!(matches!(&*said, [(Severity::Warning, text)] if text.contains("single replica")), "{said:?}");
        kids(&office.unwrap())
    };
    let first = made(&lasting);
    assert_eq!((made(&lasting), first.len()), (first.clone(), 1));
    assert_ne!(made(&offline()), first);
}

#[test]
fn an_exchange_without_the_auth_servers_keys_is_hardly_meant() {
    let exchange = "source: {exchange: {endpoint: 'https://a/t', client-id: gw, client-secret: s}}";
    let (office, said) = said(&format!("{{{KEYS}, {exchange}}}"), folder().path(), &offline());
    assert!(office.is_some());
    assert!(matches!(&*said, [(Severity::Warning, text)] if text.contains("/jwks.json")), "{said:?}");
}
