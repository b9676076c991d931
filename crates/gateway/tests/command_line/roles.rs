//! Roles, as `check`, `explain`, `routes` and `schema` show them.

use std::fs;

use crate::{Folder, gwanmun};

/// What contradicts `public`: a listener that others can listen at, a door that answers, nobody who could tell who calls.
const PUBLIC: &str = "role: public
listeners:
  - address: 0.0.0.0:8080
filters:
  - respond: {body: closed}
  - secure-headers: {disable: Content-Security-Policy}
routes:
  - id: orders
    upstream: http://127.0.0.1:9001
";

/// What contradicts `secure`: no certificate can come, other credentials, strangers, no rule, no certificates at all.
const SECURE: &str = "role: secure
listeners:
  - address: 127.0.0.1:8080
identity:
  issuers:
    corp: {issuer: 'https://idp.example', jwks: 'https://idp.example/jwks', audiences: [gateway]}
routes:
  - id: orders
    filters:
      - authenticate: {any: [{jwt: corp}], anonymous: true}
    upstream: http://127.0.0.1:9001
";

/// What contradicts `internal`: a cookie in clear, everybody a proxy, an answer before it is known who asks, no session.
const INTERNAL: &str = "role: internal
listeners:
  - address: 0.0.0.0:8080
identity:
  issuers:
    corp: {issuer: 'https://idp.example', jwks: 'https://idp.example/jwks', audiences: [gateway]}
audit: {file: audit.jsonl, on-sink-error: allow}
routes:
  - id: hello
    predicates: [{path: /hello}]
    filters:
      - respond: {body: hello}
      - authenticate: {any: [{jwt: corp}]}
  - id: all
    filters:
      - authenticate: {any: [{jwt: corp}]}
    upstream: http://127.0.0.1:9001
";

/// Nobody may say that it is anybody, and traces go on.
const OPEN: &str = "role: public
trusted-proxies: [10.0.0.0/8, 0.0.0.0/0]
telemetry: {traces: {propagate: []}}
identity:
  oauth:
    one: &one {issuer: 'https://idp.example', client-id: gateway, client-secret: an-example}
    two: *one
filters:
  - secure-headers:
      disable: [X-Xss-Protection, Strict-Transport-Security, X-Frame-Options, X-Content-Type-Options, Referrer-Policy,
        Content-Security-Policy, X-Download-Options, X-Permitted-Cross-Domain-Policies]
routes:
  - id: orders
    upstream: http://127.0.0.1:9001
";

fn refused(text: &str) -> String {
    let ended = Folder::with(&[("gw.yaml", text)]).gwanmun(&["check", "gw.yaml"]);
    assert_eq!((ended.code, ended.out.as_str()), (1, ""));
    ended.err
}

#[test]
fn what_contradicts_public_is_told_with_the_reason() {
    insta::assert_snapshot!(refused(PUBLIC));
}

#[test]
fn what_would_switch_off_protections_is_told_with_the_reason() {
    insta::assert_snapshot!(refused(OPEN));
}

#[test]
fn what_contradicts_secure_is_told_with_the_reason() {
    insta::assert_snapshot!(refused(SECURE));
}

#[test]
fn what_contradicts_internal_is_told_with_the_reason() {
    insta::assert_snapshot!(refused(INTERNAL));
}

#[test]
fn a_slip_in_identity_is_not_told_twice() {
    let provider = "{issuer: 'https://idp.example', client-id: a, client-secret: an-example}";
    for (role, slip) in [("internal", "odic"), ("public", "odic")] {
        let text = format!(
            "role: {role}\naudit: {{file: a.jsonl}}\nidentity: {{{slip}: {{staff: {provider}}}}}\n\
             routes: [{{id: a, upstream: 'http://127.0.0.1:1'}}]\n"
        );
        let said = refused(&text);
        assert!(said.contains("did you mean 'oidc'?") && said.matches("error: ").count() == 1, "{said}");
    }
}

#[test]
fn a_role_that_turns_out_to_be_empty_is_a_mistake() {
    for role in ["role:", "role: ''", "role: ${NO_SUCH_ROLE:-}", "role: null"] {
        let said = refused(&format!("{role}\nroutes: [{{id: a, upstream: 'http://127.0.0.1:1'}}]\n"));
        assert_eq!(said.matches("error: ").count(), 1, "{said}");
    }
}

/// An example with the files that it names.
fn example(name: &str) -> Folder {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/");
    let folder = Folder::with(&[]);
    for file in fs::read_dir(examples).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
    }
    assert!(folder.path().join(name).exists(), "{name}");
    folder
}

#[test]
fn check_names_the_role() {
    for role in ["public", "secure", "internal"] {
        let name = format!("{role}.yaml");
        let ended = example(&name).gwanmun(&["check", &name]);
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{role}");
        assert!(ended.out.starts_with(&format!("{name}: role {role}, ")), "{}", ended.out);
    }
}

#[test]
fn explain_shows_what_the_role_has_added() {
    let folder = example("internal.yaml");
    let ann = "{subject: ann, roles: [staff], claims: {email: ann@corp.example}}\n";
    fs::write(folder.path().join("ann.yaml"), ann).unwrap();
    let url = "https://grafana.corp.example/d/1";
    let told = folder.gwanmun(&["explain", "internal.yaml", "GET", url, "--principal", "ann.yaml"]);
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    insta::assert_snapshot!(told.out);
}

#[test]
fn routes_lists_what_the_role_has_added() {
    let listed = example("public.yaml").gwanmun(&["routes", "public.yaml"]);
    assert_eq!((listed.code, listed.err.as_str()), (0, ""));
    insta::assert_snapshot!(listed.out);
}

#[test]
fn the_schema_knows_the_roles() {
    let schema: serde_json::Value = serde_json::from_str(&gwanmun(&["schema"]).out).unwrap();
    let known = schema["properties"]["role"]["anyOf"].as_array().unwrap();
    let names: Vec<_> = known.iter().filter_map(|role| role["const"].as_str()).collect();
    assert_eq!(names, ["internal", "public", "secure"]);
    assert!(known.iter().filter(|role| role["const"].is_string()).all(|role| role["description"].is_string()));
}
