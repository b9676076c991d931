use gwanmun_core::Level;
use http::HeaderMap;
use proptest::prelude::*;

use super::*;
use crate::action::fixture::get;

fn line(who: &str, host: &str, path: &str, methods: &[&str]) -> LineSpec {
    LineSpec {
        who: who.into(),
        host: (!host.is_empty()).then(|| host.into()),
        path: (!path.is_empty()).then(|| path.into()),
        methods: methods.iter().map(|&method| method.into()).collect(),
    }
}

fn acl(lines: &[LineSpec]) -> Acl {
    let mut mistakes = Vec::new();
    let acl = Acl::new(lines, &mut mistakes);
    assert_eq!(mistakes, []);
    acl
}

fn principal(subject: &str, roles: &[&str]) -> Principal {
    let roles = roles.iter().map(|&role| role.into()).collect();
    Principal { roles, ..Principal::new(subject, "jwt:corp", Level::High) }
}

fn ann() -> Principal {
    principal("ann", &["ops", "dev"])
}

/// The line of `acl` that allows, for ann.
fn granted(acl: &Acl, method: &str, host: &str, path: &str) -> Option<usize> {
    let headers = HeaderMap::new();
    let action = Action { method, host, path, ..get(&headers) };
    acl.granted(&ann(), &action).map(|granted| granted.line)
}

fn mistake(spec: LineSpec) -> String {
    let mut mistakes = Vec::new();
    Acl::new(&[line("*", "", "", &[]), spec], &mut mistakes);
    let [mistake] = mistakes.as_slice() else { panic!("{mistakes:?}") };
    assert_eq!(mistake.argument, Argument::Acl { line: 2 });
    let hint = mistake.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("{}{hint}", mistake.message)
}

#[test]
fn a_line_is_for_whom_it_names() {
    let headers = HeaderMap::new();
    let action = get(&headers);
    let rule = |who: &str, principal: &Principal| {
        acl(&[line(who, "", "", &[])]).granted(principal, &action).map(|granted| granted.rule.to_owned())
    };
    assert_eq!(rule("user:ann", &ann()).as_deref(), Some("acl user:ann"));
    assert_eq!(rule("group:ops", &ann()).as_deref(), Some("acl group:ops"));
    assert_eq!(rule("*", &ann()).as_deref(), Some("acl *"));
    assert_eq!(rule("user:ops", &ann()), None, "a role is no user");
    assert_eq!(rule("group:ann", &ann()), None, "a user is no role");
    assert_eq!(rule("user:Ann", &ann()), None, "case matters");
    assert_eq!(rule("user:ann", &principal("ann\0", &[])), None);
    assert_eq!(rule("user:ann", &principal("user:ann", &[])), None);
    assert_eq!(rule("user:a:b", &principal("a:b", &[])).as_deref(), Some("acl user:a:b"));
    assert_eq!(rule("user:*", &ann()), None, "no pattern");
}

#[test]
fn the_users_own_line_is_named_before_those_of_roles_and_of_everybody() {
    let all = [
        line("*", "", "", &[]),
        line("group:dev", "", "", &[]),
        line("group:ops", "", "", &[]),
        line("user:ann", "", "", &[]),
    ];
    for (lines, rule) in [(&all[..], "acl user:ann"), (&all[..3], "acl group:ops"), (&all[..2], "acl group:dev")] {
        let headers = HeaderMap::new();
        assert_eq!(acl(lines).granted(&ann(), &get(&headers)).unwrap().rule, rule);
    }
}

#[test]
fn an_empty_list_is_for_nobody() {
    assert_eq!(granted(&acl(&[]), "GET", "api.example", "/"), None);
}

#[test]
fn a_host_is_compared_without_case_and_final_dot() {
    let matches = |pattern: &str, host: &str| granted(&acl(&[line("*", pattern, "", &[])]), "GET", host, "/").is_some();
    for (pattern, host) in [
        ("api.example", "api.example"),
        ("API.example.", "api.EXAMPLE"),
        ("api.example", "api.example."),
        ("*.example", "api.example"),
        ("*.example", "API.Example."),
        ("*", "anything"),
        ("*", ""),
        ("[::1]", "[::1]"),
        ("127.0.0.1", "127.0.0.1"),
    ] {
        assert!(matches(pattern, host), "{pattern} {host}");
    }
    for (pattern, host) in [
        ("api.example", "api.example:8080"),
        ("api.example", "xapi.example"),
        ("api.example", "api.example.evil"),
        ("api.example", ""),
        ("*.example", "example"),
        ("*.example", ".example"),
        ("*.example", "a.b.example"),
        ("*.example", "a.example.evil"),
        ("*.example", "aexample"),
    ] {
        assert!(!matches(pattern, host), "{pattern} {host}");
    }
}

#[test]
fn a_path_pattern_means_what_the_predicate_means() {
    let matches = |pattern: &str, path: &str| granted(&acl(&[line("*", "", pattern, &[])]), "GET", "x", path).is_some();
    for (pattern, path) in [
        ("*", "/"),
        ("*", "/a/b"),
        ("/", "/"),
        ("/**", "/"),
        ("/**", "/a/b/c/"),
        ("/orders", "/orders"),
        ("/orders/", "/orders/"),
        ("/orders/**", "/orders"),
        ("/orders/**", "/orders/"),
        ("/orders/**", "/orders/7/items"),
        ("/orders/*", "/orders/7"),
        ("/orders/*", "/orders/"),
        ("/orders/{id}", "/orders/7"),
        ("/orders/{id}/items", "/orders/7/items"),
        ("/*/items", "/orders/items"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a%2fb", "/a%2Fb"),
        ("/caf%C3%A9", "/caf%C3%A9"),
        ("/café", "/caf%C3%A9"),
        ("/a%2Ab", "/a*b"),
        ("/{id}", "/a%2Fb"),
    ] {
        assert!(matches(pattern, path), "{pattern} {path}");
    }
    for (pattern, path) in [
        ("/orders", "/orders/"),
        ("/orders/", "/orders"),
        ("/orders", "/Orders"),
        ("/orders", "/ordersx"),
        ("/orders/**", "/ordersx"),
        ("/orders/**", "/order"),
        ("/orders/*", "/orders"),
        ("/orders/*", "/orders/7/items"),
        ("/orders/{id}", "/orders/"),
        ("/*/items", "//items"),
        ("/a/b", "/a%2Fb"),
        ("/a%2Fb", "/a/b"),
        ("/", ""),
        ("/orders", "/orders%00"),
        ("/orders", "/orders%2F"),
    ] {
        assert!(!matches(pattern, path), "{pattern} {path}");
    }
}

#[test]
fn methods_are_compared_as_they_are() {
    let acl = acl(&[line("*", "", "/read", &["GET", "HEAD"]), line("*", "", "/all", &[])]);
    let may = |method: &str, path: &str| granted(&acl, method, "x", path).is_some();
    assert!(may("GET", "/read") && may("HEAD", "/read") && may("BREW", "/all"));
    assert!(!may("get", "/read") && !may("POST", "/read") && !may("GET\0", "/read") && !may("", "/read"));
}

#[test]
fn what_is_no_line_is_told() {
    for (spec, message) in [
        (
            line("ann", "", "", &[]),
            "found who 'ann', wanted 'user:NAME', 'group:ROLE' or '*' (write 'user:ann' or 'group:ann')",
        ),
        (line("", "", "", &[]), "found who '', wanted 'user:NAME', 'group:ROLE' or '*'"),
        (line("user:", "", "", &[]), "found who 'user:', wanted 'user:NAME', 'group:ROLE' or '*'"),
        (line("user:a\n", "", "", &[]), "found who 'user:a\\n', wanted 'user:NAME', 'group:ROLE' or '*'"),
        (
            line("grup:ops", "", "", &[]),
            "found who 'grup:ops', wanted 'user:NAME', 'group:ROLE' or '*' (did you mean 'group'?)",
        ),
        (
            line("role:ops", "", "", &[]),
            "found who 'role:ops', wanted 'user:NAME', 'group:ROLE' or '*' (write 'group:ops')",
        ),
        (
            line("*", "https://a.example", "", &[]),
            "found host 'https://a.example', wanted a name without scheme and path",
        ),
        (line("*", "a.example:80", "", &[]), "found host 'a.example:80', wanted a name without a port"),
        (line("*", "a.*.example", "", &[]), "found host 'a.*.example', wanted a name, '*.NAME' or '*'"),
        (line("*", "**.example", "", &[]), "found host '**.example', wanted a name, '*.NAME' or '*'"),
        (line("*", "a..example", "", &[]), "found host 'a..example', wanted the name of a host"),
        (line("*", "", "orders", &[]), "found path 'orders', wanted one that begins with '/' (write '/orders')"),
        (
            line("*", "", "/a/**/b", &[]),
            "found path '/a/**/b', wanted '**' as the last segment only (use '*' for exactly one segment)",
        ),
        (
            line("*", "", "/a*", &[]),
            "found path '/a*', wanted '*' and '{name}' as whole segments only (the characters themselves are '%2A', '%7B' and '%7D')",
        ),
        (
            line("*", "", "/{a:b}", &[]),
            "found path '/{a:b}', wanted '{name}' for one segment, without an expression (use '*')",
        ),
        (
            line("*", "", "/{*rest}", &[]),
            "found path '/{*rest}', wanted '{name}' for one segment, without an expression (use '*')",
        ),
        (
            line("*", "", "/a?b", &[]),
            "found path '/a?b', wanted neither '?' nor '#' (the query is not looked at; '?' itself is '%3F')",
        ),
        (
            line("*", "", "/a/../b", &[]),
            "found path '/a/../b', wanted no dot segments (paths are compared when they are resolved)",
        ),
        (
            line("*", "", "/%2e", &[]),
            "found path '/%2e', wanted no dot segments (paths are compared when they are resolved)",
        ),
        (line("*", "", "/%0", &[]), "found path '/%0', wanted whole percent escapes"),
        (line("*", "", "/%00", &[]), "found path '/%00', wanted neither blanks nor control characters nor backslashes"),
        (line("*", "", "", &["get"]), "found method 'get', wanted one like 'GET' (write 'GET')"),
        (line("*", "", "", &["*"]), "found method '*', wanted one like 'GET' (leave methods out for all of them)"),
        (line("*", "", "", &["G T"]), "found method 'G T', wanted one like 'GET'"),
    ] {
        assert_eq!(mistake(spec), message);
    }
}

/// What a line means, asked one by one.
fn naive(spec: &LineSpec, principal: &Principal, method: &str, host: &str, path: &str) -> bool {
    let who = match spec.who.split_once(':') {
        Some(("user", name)) => principal.subject == name,
        Some((_, role)) => principal.roles.iter().any(|mine| mine == role),
        None => true,
    };
    let host_fits = match spec.host.as_deref() {
        None | Some("*") => true,
        Some(pattern) => match pattern.strip_prefix('*') {
            Some(end) => host.strip_suffix(end).is_some_and(|label| !label.is_empty() && !label.contains('.')),
            None => host == pattern,
        },
    };
    let path_fits = match spec.path.as_deref() {
        None | Some("*") => true,
        Some(pattern) => {
            let (pattern, open) = pattern.strip_suffix("/**").map_or((pattern, false), |pattern| (pattern, true));
            let (wanted, asked): (Vec<_>, Vec<_>) =
                (pattern.split('/').skip(1).collect(), path.split('/').skip(1).collect());
            let many = if open { wanted.len() <= asked.len() } else { wanted.len() == asked.len() };
            let last = wanted.len().saturating_sub(1);
            many && wanted.iter().zip(&asked).enumerate().all(|(at, (&wanted, &asked))| match wanted {
                "*" if !open && at == last => true,
                "*" | "{x}" => !asked.is_empty(),
                _ => wanted == asked,
            })
        }
    };
    let method_fits = spec.methods.is_empty() || spec.methods.iter().any(|one| one == method);
    who && host_fits && path_fits && method_fits
}

fn lines() -> impl Strategy<Value = Vec<LineSpec>> {
    let who = prop::sample::select(vec!["user:ann", "user:bob", "group:ops", "group:dev", "group:x", "*"]);
    let host = prop::sample::select(vec!["", "*", "a.example", "*.example", "b.a.example", "*.a.example"]);
    let segments = prop::collection::vec(prop::sample::select(vec!["a", "b", "*", "{x}"]), 0..4);
    let end = prop::sample::select(vec!["", "/**", "/", "/*"]);
    let path = (segments, end).prop_map(|(segments, end)| {
        let path: String = segments.iter().map(|segment| format!("/{segment}")).collect::<String>() + end;
        if path.is_empty() { "*".to_owned() } else { path }
    });
    let methods = prop::sample::subsequence(vec!["GET", "PUT"], 0..2);
    prop::collection::vec(
        (who, host, path, methods).prop_map(|(who, host, path, methods)| line(who, host, &path, &methods)),
        0..12,
    )
}

fn asked() -> impl Strategy<Value = (String, String, String)> {
    let method = prop::sample::select(vec!["GET", "PUT", "POST"]);
    let host = prop::sample::select(vec!["a.example", "b.a.example", "example", "c.b.a.example", "x"]);
    let segments = prop::collection::vec(prop::sample::select(vec!["a", "b", "c", ""]), 1..5);
    let path = segments.prop_map(|segments| segments.iter().map(|segment| format!("/{segment}")).collect::<String>());
    (method.prop_map(str::to_owned), host.prop_map(str::to_owned), path)
}

proptest! {
    #[test]
    fn the_list_says_what_its_lines_say_one_by_one(
        (lines, order) in lines().prop_flat_map(|lines| {
            let shuffled = Just(lines.clone()).prop_shuffle();
            (Just(lines), shuffled)
        }),
        (method, host, path) in asked(),
    ) {
        let headers = HeaderMap::new();
        let action = Action { method: &method, host: &host, path: &path, ..get(&headers) };
        let wanted = lines.iter().any(|line| naive(line, &ann(), &method, &host, &path));
        let (acl, shuffled) = (acl(&lines), acl(&order));
        let found = acl.granted(&ann(), &action);
        prop_assert_eq!(found.is_some(), wanted);
        let found_there = shuffled.granted(&ann(), &action);
        prop_assert_eq!(found.map(|granted| granted.rule), found_there.map(|granted| granted.rule), "order matters");
        if let Some(granted) = found {
            prop_assert!(naive(&lines[granted.line - 1], &ann(), &method, &host, &path), "another line is named");
        }
    }

    #[test]
    fn no_text_is_beyond_the_reader(who in ".{0,20}", host in ".{0,20}", path in "[/a%2*{}.~\\PC]{0,20}", method in ".{0,5}", asked in ".{0,20}") {
        let mut mistakes = Vec::new();
        let spec = LineSpec { who, host: Some(host), path: Some(path), methods: vec![method] };
        let acl = Acl::new(&[spec], &mut mistakes);
        granted(&acl, &asked, &asked, &asked);
    }
}
