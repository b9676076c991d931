//! `gwanmun explain`.

use crate::{Ended, Folder, SHOP};

fn explain(arguments: &[&str]) -> Ended {
    let arguments: Vec<&str> = ["explain", "gw.yaml"].iter().chain(arguments).copied().collect();
    Folder::with(&[("gw.yaml", SHOP)]).gwanmun(&arguments)
}

/// What is told, where nothing went wrong.
fn told(arguments: &[&str]) -> String {
    let ended = explain(arguments);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    ended.out
}

#[test]
fn a_request_is_followed_through_filters_to_the_upstream_and_back() {
    let told = told(&["PUT", "/shop/orders/7?full", "-H", "x-forged: 1", "-H", "X-Order: 8", "--data", "{\"n\":1}"]);
    insta::assert_snapshot!(told);
}

#[test]
fn where_no_route_takes_a_request_the_nearest_misses_are_shown() {
    insta::assert_snapshot!(told(&["POST", "/shop/order/7", "--header", "x-read-only: 1"]));
}

#[test]
fn a_filter_that_answers_is_shown_with_its_answer() {
    let told = told(&["GET", "http://shop.example/login"]);
    assert!(told.contains("answers by itself with 302 Found to https://id.example/"), "{told}");
    assert!(!told.contains("Upstream"), "{told}");
    assert!(told.contains("HTTP/1.1 302 Found\n  location: https://id.example/\n  x-served-by: gateway"), "{told}");
}

#[test]
fn address_and_listener_decide_and_a_filter_may_choose_another_destination() {
    let told = told(&["GET", "/", "--from", "198.51.100.7", "--listener", "internal"]);
    assert!(told.starts_with("GET / for 127.0.0.1:8081 from 198.51.100.7 by listener internal\n"), "{told}");
    assert!(told.contains("Route office takes it"), "{told}");
    assert!(told.contains("+ destination: http://office.example:7000"), "{told}");
    assert!(
        told.contains("Upstream http://office.example:7000 gets\n  GET /inside HTTP/1.1\n  host: office.example:7000"),
        "{told}"
    );
    assert!(self::told(&["GET", "http://a:8081/", "--from", "198.51.100.7"]).contains("Route office takes it"));
    assert!(self::told(&["GET", "http://a:8080/", "--from", "198.51.100.7"]).contains("No route takes it"));
}

#[test]
fn a_request_that_is_refused_at_once_is_told_why() {
    let told = told(&["GET", "/../etc"]);
    assert!(told.contains("malformed-request: the path climbs above its root"), "{told}");
    assert!(told.contains("HTTP/1.1 400 Bad Request"), "{told}");
    assert!(!told.contains("Route") && !told.contains("No route"), "{told}");
}

#[test]
fn what_the_door_did_to_a_request_is_told() {
    let fields = ["-H", "referer: nothing", "-H", "x-forwarded-for: 6.6.6.6", "-H", "proxy: http://evil.test"];
    let told = told(&[&["GET", "/shop//orders/7", "--from", "198.51.100.7"][..], &fields].concat());
    assert!(told.contains("\nCleaned at the door\n  path, forwarding, proxy, header:referer\n"), "{told}");
    assert!(!self::told(&["GET", "/shop/orders/7"]).contains("Cleaned"));
}

#[test]
fn wrong_usage_is_told_apart_from_a_wrong_configuration() {
    for (arguments, why) in [
        (&["GET"][..], "a file, a method and a URL are needed"),
        (&["G T", "/"], "wanted a method like GET"),
        (&["GET", "orders"], "wanted a path, which begins with a slash"),
        (&["GET", "/a b"], "a space is written as %20"),
        (&["GET", "/", "-H", "nothing"], "wanted a name, a colon and a value"),
        (&["GET", "/", "--listener", "outer"], "there is no listener called 'outer'"),
        (&["GET", "/", "--from", "home"], "home"),
        (&["GET", "/", "/more"], "wanted a method like GET"),
    ] {
        let ended = explain(arguments);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{arguments:?}");
        assert!(ended.err.contains(why), "{arguments:?}: {}", ended.err);
    }
    let ended = Folder::with(&[("gw.yaml", "routs: []\n")]).gwanmun(&["explain", "gw.yaml", "GET", "/"]);
    assert_eq!((ended.code, ended.out.as_str()), (1, ""));
    assert!(ended.err.contains("did you mean 'routes'?"), "{}", ended.err);
}

const GUARDED: &str = r#"listeners: [{address: "127.0.0.1:8080"}]
identity: {issuers: {corp: {issuer: "https://idp.example", jwks: "https://idp.example/jwks", audiences: [gateway]}}}
routes:
  - id: orders
    filters:
      - authenticate: {any: [{jwt: corp}]}
      - set-path: /elsewhere
      - authorize:
          roles: ops
          scopes: [orders.read, orders.write]
          level: high
          acl: [{who: "group:ops", path: "/orders/**"}]
          rule: "principal.claims.tenant == request.headers['x-tenant']"
    upstream: http://127.0.0.1:9001
"#;

#[test]
fn what_authorize_weighs_is_told_part_by_part() {
    let ann = "{subject: ann, roles: [ops], scopes: [orders.read], claims: {tenant: acme}}\n";
    let folder = Folder::with(&[("gw.yaml", GUARDED), ("ann.yaml", ann)]);
    let told = |arguments: &[&str]| {
        let all = ["explain", "gw.yaml", "GET", "/orders/7", "-H", "X-Tenant: acme"];
        let ended = folder.gwanmun(&[&all[..], arguments].concat());
        assert_eq!((ended.code, ended.err.as_str()), (0, ""));
        ended.out
    };
    insta::assert_snapshot!(told(&["--principal", "ann.yaml"]));
    let nobody = told(&[]);
    assert!(nobody.contains("fails: unauthenticated: nothing in the request proves who calls"), "{nobody}");
}
