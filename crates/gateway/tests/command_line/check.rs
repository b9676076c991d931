//! `gwanmun check`.

use crate::{Folder, SHOP, gwanmun};

#[test]
fn a_good_configuration_gets_one_line() {
    let ended = Folder::with(&[("gw.yaml", SHOP)]).gwanmun(&["check", "gw.yaml"]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert_eq!(ended.out, "gw.yaml: 4 routes, 1 upstream, 2 listeners: good\n");
}

/// A wrong key, a wrong type, an unquoted `{id}`, an unknown filter, and a wrong indent in another file.
#[test]
fn every_mistake_of_every_file_is_told_in_one_run() {
    let first = r"listeners:
  - adress: 127.0.0.1:8080
limits:
  header-count: many
routes:
  - id: orders
    predicates:
      - path: /orders/{id}
    filters:
      - strip-prefix: one
      - add-request-header: {name: X-Order, value: {id}}
      - add-requst-header: {name: X-Shop, value: a}
    upstream: http://127.0.0.1:9001
";
    let second = r"routes:
  - id: pages
    predicates:
      - path: /pages/**
     upstream: http://127.0.0.1:9002
";
    let ended = Folder::with(&[("gw.yaml", first), ("more.yaml", second)]).gwanmun(&["check", "gw.yaml", "more.yaml"]);
    assert_eq!((ended.code, ended.out.as_str()), (1, ""));
    insta::assert_snapshot!(ended.err);
}

#[test]
fn mistakes_in_tests_are_mistakes() {
    let tests = r#"
routes:
  - {id: orders, upstream: "http://127.0.0.1:9001"}
tests:
  - request: {path: orders, headers: {"x y": a}}
    expect: {route: ordrs}
  - request: {path: /, from: here, listener: edge}
    expect: {stauts: 200}
  - request: {method: "G T", path: /}
    expect: {status: 99}
  - request: {path: /}
    expect: {}
  - request: {path: /}
"#;
    let ended = Folder::with(&[("gw.yaml", tests)]).gwanmun(&["check", "gw.yaml"]);
    assert_eq!((ended.code, ended.out.as_str()), (1, ""));
    insta::assert_snapshot!(ended.err);
}

#[test]
fn a_warning_is_no_error() {
    let shadowed = "listeners: [{address: '127.0.0.1:1'}]\nroutes:\n  - {id: all, upstream: 'http://127.0.0.1:1'}\n  - {id: never, upstream: 'http://127.0.0.1:1'}\n";
    let ended = Folder::with(&[("gw.yaml", shadowed)]).gwanmun(&["check", "gw.yaml"]);
    assert_eq!((ended.code, ended.out.as_str()), (0, "gw.yaml: 2 routes, 0 upstreams, 1 listener: good\n"));
    assert!(ended.err.starts_with("warning: route 'never' is never reached"), "{}", ended.err);
}

#[test]
fn a_file_that_cannot_be_read_is_at_fault() {
    let ended = gwanmun(&["check", "nowhere.yaml"]);
    assert_eq!((ended.code, ended.out.as_str()), (1, ""));
    assert!(ended.err.contains("cannot read 'nowhere.yaml'"), "{}", ended.err);
}

#[test]
fn without_a_file_the_usage_is_wrong() {
    for arguments in [&["check"][..], &["chek", "gw.yaml"], &[], &["routes"], &["test"], &["schema", "gw.yaml"]] {
        assert_eq!(gwanmun(arguments).code, 2, "{arguments:?}");
    }
}

/// The mistakes in `text`, each on a line.
fn mistakes(text: &str) -> Vec<String> {
    let ended = Folder::with(&[("gw.yaml", text)]).gwanmun(&["check", "gw.yaml"]);
    let lines = ended.err.lines().filter_map(|line| line.strip_prefix("error: ")).map(str::to_owned).collect();
    assert_eq!(ended.code == 1, ended.out.is_empty(), "{}", ended.err);
    lines
}

#[test]
fn an_id_is_a_name_that_can_be_shown_anywhere() {
    let with_id = |id: &str| mistakes(&format!("routes: [{{id: {id}, upstream: 'http://127.0.0.1:1'}}]\n"));
    for good in ["a", "Orders-v2_a.b:c/d", "\"two words\"", "주문", &"x".repeat(128)] {
        assert!(with_id(good).is_empty(), "{good}");
    }
    for (bad, why) in [
        ("\"\"", "found an empty id"),
        ("' a'", "found an id with space at its beginning or end"),
        (r#""a b\n\"c""#, r"found an id with the character '\n'"),
        (r#""a\"b""#, r#"found an id with the character '"'"#),
        (&"x".repeat(129), "found an id of 129 characters"),
    ] {
        let found = with_id(bad);
        assert!(matches!(found.as_slice(), [only] if only.starts_with(why)), "{bad}: {found:?}");
    }
}

#[test]
fn an_access_log_is_a_known_word_or_clearly_a_file() {
    let to = |sink: &str| mistakes(&format!("telemetry: {{access-log: {sink}}}\n"));
    for good in ["stdout", "off", "access.log", "./on", "/dev/null"] {
        assert!(to(good).is_empty(), "{good}");
    }
    for bad in ["on", "stderr", "true", "OFF", "\"\""] {
        assert_eq!(to(bad).len(), 1, "{bad}");
    }
}

#[test]
fn bounds_under_which_nothing_is_served_are_refused_wherever_they_stand() {
    for bad in [
        "workers: 0",
        "workers: 1025",
        "limits: {connections: 0}",
        "limits: {header-count: 0}",
        "limits: {streams: 0}",
        "limits: {cookies: 0}",
        "limits: {http2: {settings: 1}}",
        "limits: {http2: {ping: 1}}",
        "listeners: [{address: '127.0.0.1:8080', limits: {connections: 0}}]",
        "{limits: {connections: 0}, listeners: [{address: '127.0.0.1:8080', limits: {connections: 1}}]}",
    ] {
        assert_eq!(mistakes(bad).len(), 1, "{bad}");
    }
    assert!(
        mistakes("{workers: 1, limits: {connections: 1, header-count: 1, streams: 1, http2: {settings: 2, pings: 0}}}")
            .is_empty()
    );
}

#[test]
fn a_map_may_stand_alone_where_the_only_required_argument_is_one() {
    let with = |arguments: &str| {
        format!(
            "listeners: [{{address: '127.0.0.1:8080'}}]\nroutes:\n  - id: a\n    filters: [add-request-headers-if-not-present: {arguments}]\n    \
             upstream: http://127.0.0.1:1\ntests:\n  - request: {{path: /}}\n    expect: {{upstream-headers: {{x-channel: web, \
             x-region: eu}}}}\n"
        )
    };
    for arguments in ["{X-Channel: web, X-Region: eu}", "{key-values: {X-Channel: web, X-Region: eu}}"] {
        let ended = Folder::with(&[("gw.yaml", &with(arguments))]).gwanmun(&["test", "gw.yaml"]);
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{arguments}: {}", ended.out);
    }
    let slip = mistakes(&with("{key-vlaues: {X-Channel: web}}"));
    assert!(slip.iter().any(|line| line.contains("unknown key 'key-vlaues'")), "{slip:?}");
}

#[test]
fn what_the_door_cannot_do_is_refused() {
    let told = |configuration: &str| {
        let ended = Folder::with(&[("gw.yaml", configuration)]).gwanmun(&["check", "gw.yaml"]);
        assert_eq!(ended.code, 1, "{configuration}");
        ended.err
    };
    for (configuration, message) in [
        ("headers: {keep: [X-Forwarded-For]}", "'X-Forwarded-For' cannot be kept as it comes"),
        ("headers: {keep: [Connection]}", "'Connection' cannot be kept as it comes"),
        ("headers: {keep: [X-Orginal-URL]}", "did you mean 'x-original-url'?"),
        ("headers: {keep: [X-Shop]}", "headers that the door does not know pass as they come"),
        ("headers: {keep: ['a b']}", "found 'a b'"),
        ("paths: {encoded-slash: decoded}", "decode"),
        ("paths: {slashes: keep}", "slashes"),
        ("telemetry: {traces: {propagate: [w3c, jaeger]}}", "jaeger"),
        ("telemetry: {traces: {propagate: [b3, b3]}}", "a format stands here twice"),
    ] {
        let error = told(configuration);
        assert!(error.contains(message), "{configuration}: {error}");
    }
    let good = "headers: {keep: [X-Original-URL]}\npaths: {backslash: slash}\n\
                telemetry: {traces: {propagate: [w3c, b3, b3-multi]}}\n";
    assert_eq!(Folder::with(&[("gw.yaml", good)]).gwanmun(&["check", "gw.yaml"]).code, 0);
}

#[test]
fn a_route_by_claim_needs_to_know_who_calls() {
    let route = "routes: [{id: a, predicates: [claim: /tenant], filters: [authenticate: {any: [{jwt: corp}]}], \
                 upstream: 'http://127.0.0.1:1'}]\nlisteners: [{address: '127.0.0.1:8080'}]\n";
    let issuer =
        "identity: {issuers: {corp: {issuer: 'https://a.example', jwks: 'https://a.example/jwks', audiences: [gw]}}}\n";
    let check =
        |door: &str| Folder::with(&[("gw.yaml", &format!("{issuer}{route}{door}"))]).gwanmun(&["check", "gw.yaml"]);
    let ended = check("");
    assert_eq!(ended.code, 1);
    assert!(
        ended.err.contains("this needs 'authenticate' at the door") && ended.err.contains("gw.yaml:2:38"),
        "{}",
        ended.err
    );
    assert_eq!(check("filters: [authenticate: {any: [{jwt: corp}]}]\n").code, 0);
}

#[test]
fn an_access_list_is_read_from_beside_the_file_that_names_it() {
    let folder = Folder::with(&[("gw.yaml", "listeners: [{address: '127.0.0.1:8080'}]\n")]);
    let filters = "[authenticate: {any: [{jwt: corp}]}, authorize: {acl: 'file:acl.yaml'}]";
    for (name, acl) in [("a", "- {who: ann}\n- {pth: /}\n"), ("b", "- {who: 'user:ann'}\n")] {
        let below = folder.path().join(name);
        std::fs::create_dir(&below).unwrap();
        std::fs::write(below.join("acl.yaml"), acl).unwrap();
        let text = format!(
            "routes: [{{id: {name}, predicates: [path: /{name}], filters: {filters}, upstream: 'http://127.0.0.1:1'}}]\n"
        );
        std::fs::write(below.join("gw.yaml"), text).unwrap();
    }
    let issuer =
        "identity: {issuers: {corp: {issuer: 'https://a.example', jwks: 'https://a.example/jwks', audiences: [gw]}}}\n";
    std::fs::write(folder.path().join("identity.yaml"), issuer).unwrap();
    let ended = folder.gwanmun(&["check", "gw.yaml", "identity.yaml", "b/gw.yaml", "a/gw.yaml"]);
    assert_eq!(ended.code, 1);
    for mistake in ["a/acl.yaml:1:3: found who 'ann'", "a/acl.yaml:2:4: unknown key 'pth'", "a/gw.yaml:1:"] {
        assert!(ended.err.contains(mistake), "{mistake}\n{}", ended.err);
    }
    assert!(!ended.err.contains("b/"), "{}", ended.err);
    assert_eq!(folder.gwanmun(&["check", "gw.yaml", "identity.yaml", "b/gw.yaml"]).code, 0);
}
