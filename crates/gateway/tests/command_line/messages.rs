//! What people who come from elsewhere, or who slipped, are told: the mistake, and what to write instead.

use crate::Folder;

/// What `gwanmun check` says of `text`.
fn told(text: &str) -> String {
    let ended = Folder::with(&[("gw.yaml", text)]).gwanmun(&["check", "gw.yaml"]);
    assert_eq!((ended.code, ended.out.as_str()), (1, ""), "{text}");
    ended.err
}

/// How many mistakes and warnings were told.
fn mistakes(said: &str) -> usize {
    said.lines().filter(|line| line.starts_with("error: ") || line.starts_with("warning: ")).count()
}

/// The only thing that is said of a route with these lines, and its help.
fn help(lines: &str) -> String {
    let said = told(&format!("routes:\n  - id: a\n    upstream: http://127.0.0.1:1\n{lines}"));
    assert_eq!(mistakes(&said), 1, "{lines}\n{said}");
    said.lines().find_map(|line| line.trim().strip_prefix("= help: ")).unwrap_or_default().to_owned()
}

fn predicate(predicate: &str) -> String {
    help(&format!("    predicates:\n      - {predicate}\n"))
}

fn filter(filter: &str) -> String {
    help(&format!("    filters:\n      - {filter}\n"))
}

#[test]
fn springs_short_form_is_shown_with_names() {
    let short = |help: String| {
        let help = help.strip_prefix("Spring's short form is written with names here: `").unwrap().to_owned();
        help.strip_suffix("`; see docs/recipes/from-spring-cloud-gateway.md").unwrap().to_owned()
    };
    for (spring, ours) in [
        ("Path=/red/**", "path: /red/**"),
        ("Path=/red/{a},/blue/**", "path: [\"/red/{a}\", /blue/**]"),
        ("Header=X-Request-Id, \\d+", "header: {header: X-Request-Id, regexp: \\d+}"),
        ("Weight=group1, 2", "weight: {group: group1, weight: 2}"),
        ("RemoteAddr=192.168.1.1/24", "remote-addr: 192.168.1.1/24"),
    ] {
        assert_eq!(short(predicate(spring)), ours);
    }
    for (spring, ours) in [
        ("AddRequestHeader=X, y", "add-request-header: {name: X, value: y}"),
        ("StripPrefix=1", "strip-prefix: 1"),
        ("DedupeResponseHeader=A B, RETAIN_LAST", "dedupe-response-header: {name: A B, strategy: RETAIN_LAST}"),
        ("PreserveHostHeader=", "preserve-host-header"),
        ("RedirectTo=302, https://acme.org", "redirect-to: {status: 302, url: https://acme.org}"),
        (
            "RewritePath=/red/?(?<segment>.*), /$\\{segment}",
            "rewrite-path: {regexp: /red/?(?<segment>.*), replacement: '/$\\{segment}'}",
        ),
    ] {
        assert_eq!(short(filter(spring)), ours);
    }
}

#[test]
fn springs_other_forms_are_shown_too() {
    assert_eq!(filter("StripPrefix: 1"), "write `strip-prefix: 1`");
    let named = "name: AddRequestHeader\n        args:\n          name: X-A\n          value: b";
    assert_eq!(filter(named), "write `add-request-header: {name: X-A, value: b}`");
    let numbered = "name: Path\n        args: {_genkey_0: /a, _genkey_1: /b}";
    assert_eq!(predicate(numbered), "write `path: [/a, /b]`");
    assert_eq!(filter("name: StripPrefix"), "write `strip-prefix`");
    assert!(filter("TokenRelay=").contains("`token-relay"));
    assert!(filter("SaveSession=").contains("`save-session"));
    let said = told("routes:\n  - {id: a, uri: 'http://127.0.0.1:1'}\n");
    assert!(said.contains("did you mean 'upstream'?") && mistakes(&said) == 1, "{said}");
    let said = told("spring:\n  cloud: {gateway: {routes: []}}\n");
    assert!(said.contains("docs/recipes/from-spring-cloud-gateway.md") && mistakes(&said) == 1, "{said}");
}

#[test]
fn what_is_not_there_yet_is_called_that() {
    for (spring, name) in [("Retry=3", "Retry"), ("CircuitBreaker=a", "CircuitBreaker"), ("retry: 3", "retry")] {
        assert!(filter(spring).starts_with(&format!("{name} is not there yet")), "{spring}");
    }
    assert!(filter("RequestSize=5000000").contains("body-bytes"));
}

#[test]
fn arguments_without_names_are_shown_with_them() {
    assert_eq!(predicate("path:/a/**"), "write a space after the colon: path: /a/**");
    assert_eq!(predicate("cookie: sid"), "write `cookie: {name: sid, regexp: …}`");
    assert_eq!(filter("add-request-header: X-A"), "write `add-request-header: {name: X-A, value: …}`");
    assert_eq!(filter("add-request-header: [X-A, a]"), "write `add-request-header: {name: X-A, value: a}`");
    assert_eq!(filter("add-request-header"), "write `add-request-header: {name: …, value: …}`");
    assert_eq!(filter("redirect-to: 302"), "write `redirect-to: {status: 302, url: …}`");
}

#[test]
fn the_shape_of_whole_sections_is_shown() {
    for (text, help) in [
        ("routes: {a: {id: a}}\n", "begin each element with '- '"),
        ("upstreams: [{endpoints: 'http://127.0.0.1:1'}]\n", "write a name and a colon in the place of each '- '"),
        ("drain: 5s\n", "its keys are delay, timeout"),
        ("tests: [{request: /a, expect: {status: 404}}]\n", "its keys are method, path, headers"),
        ("limits: {header-timeout: 10}\n", "write 10s"),
        ("limits: {body-bytes: 1 MB}\n", "write 1MB"),
        ("limits: {header-timeout: 1.5s}\n", "write 1500ms"),
        ("listeners: [{address: '*:8080'}]\n", "0.0.0.0:8080 listens on every interface"),
        ("upstreams: {o: {endpoints: '127.0.0.1:9001'}}\n", "write http://127.0.0.1:9001"),
        ("routes: [{id: a, upstream: 'lb://orders'}]\n", "service discovery is not there yet; dns+http://orders:"),
    ] {
        let said = told(text);
        assert!(said.contains(help) && mistakes(&said) == 1, "{text}{said}");
    }
}

#[test]
fn a_hint_about_a_variable_fits_its_place() {
    let template = "set-request-header: {name: X, value: \"{id}\"}";
    let said = told(&format!("filters: [{template}]\nroutes: []\n"));
    assert!(said.contains("door filters run before a route is found and have no variables"), "{said}");
    let routes = "routes:\n  - {id: a, predicates: [path: '/{id}'], upstream: 'http://127.0.0.1:1'}\n  - {id: b, upstream: 'http://127.0.0.1:1'}\n";
    let said = told(&format!("default-filters: [{template}]\n{routes}"));
    assert!(said.contains("route 'b' captures no variables"), "{said}");
    assert!(
        filter("rewrite-path: {regexp: a, replacement: '/${segment}'}")
            .contains("a group of a regular expression is written $\\{segment}")
    );
}

#[test]
fn one_mistake_is_told_once() {
    for (name, lines) in [
        ("an unclosed brace", "    predicates: [path: '/a/{id']\n    filters: [set-path: '/x/{id}']\n"),
        ("an unknown predicate", "    predicates: [pth: '/a/{id}']\n    filters: [set-path: '/x/{id}']\n"),
        ("an unset variable", "    filters: [set-path: '/x/${id}']\n"),
        ("an unreadable file", "    filters: [set-path: '/x/${file:nope}']\n"),
    ] {
        let said = told(&format!("routes:\n  - id: a\n    upstream: http://127.0.0.1:1\n{lines}"));
        assert_eq!(mistakes(&said), 1, "{name}\n{said}");
    }
    for text in [
        "routes:\n  - {id: a, upstream: 'http://127.0.0.1:1'}\n  - {id: a, upstream: 'http://127.0.0.1:1'}\n",
        "listeners: [{address: '127.0.0.1:1', tls: {certificates: [{certificate: a.pem}]}}]\n",
        "upstreams: {o: {endpoints: 'https://a.example', tls: {ca: nope.pem}}}\n",
        "listeners: [{address: '127.0.0.1:1', tls: {certificates: [], client-ca: a.pem, client-auth: needed}}]\n",
    ] {
        let said = told(text);
        assert_eq!(mistakes(&said), 1, "{text}\n{said}");
    }
}

#[test]
fn what_follows_a_bad_byte_is_not_judged() {
    let folder = Folder::with(&[]);
    std::fs::write(folder.path().join("gw.yaml"), b"routes:\n  - id: caf\xe9\n").unwrap();
    let ended = folder.gwanmun(&["check", "gw.yaml"]);
    assert!(ended.err.contains("not UTF-8") && mistakes(&ended.err) == 1, "{}", ended.err);
}

#[test]
fn an_element_of_a_list_cannot_be_set_from_the_environment() {
    let folder = Folder::with(&[("gw.yaml", "routes: []\n")]);
    let ended = folder.command(&["check", "gw.yaml"]).env("GWANMUN__ROUTES__0__ID", "a").output().unwrap();
    assert!(String::from_utf8(ended.stderr).unwrap().contains("elements of lists cannot be set one by one"));
}
