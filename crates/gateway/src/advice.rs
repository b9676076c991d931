//! What works, but is hardly meant: warnings of `gwanmun check` about a configuration without mistakes. They stand here
//! and not in the engine, which knows no filter by its name.

use gwanmun_config::{Diagnostic, Diagnostics, Node, Piece, Value, did_you_mean};
use gwanmun_proxy::plan::PlannedFilter;
use gwanmun_proxy::spec::ClientAuth;
use gwanmun_proxy::{GatewaySpec, Plan};

/// Methods of RFC 9110 and RFC 5789. Others are good, unless they look like a slip of one of these.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// Adds what there is to say about `spec`, which was decoded from `document` and became `plan`.
pub(crate) fn advise(spec: &GatewaySpec, document: &Node, plan: &Plan, diagnostics: &mut Diagnostics) {
    if spec.listeners.is_empty() {
        diagnostics.push(
            Diagnostic::warning("there are no listeners, and `gwanmun run` needs one", None)
                .with_hint("add `listeners: [{address: \"127.0.0.1:8080\"}]`, or name the file that has them too"),
        );
    }
    about_listeners(spec, diagnostics);
    about_upstreams(spec, document, diagnostics);
    about_authorization(spec, plan, diagnostics);
    about_certificates(spec, document, diagnostics);
    let lists =
        [&spec.filters, &spec.default_filters].into_iter().chain(spec.routes.iter().map(|route| &route.filters));
    lists.flatten().for_each(|Piece(filter)| about_filter(filter, diagnostics));
    let predicates = spec.routes.iter().flat_map(|route| &route.predicates);
    predicates.for_each(|Piece(predicate)| about_predicate(predicate, diagnostics));
}

fn about_listeners(spec: &GatewaySpec, diagnostics: &mut Diagnostics) {
    if !spec.trusted_proxies.is_empty() {
        return;
    }
    for listener in spec.listeners.iter().filter(|listener| listener.proxy_protocol) {
        diagnostics.push(
            Diagnostic::warning("whoever reaches this listener may say that it is any client", listener.span)
                .with_hint("name the balancer in `trusted-proxies`: then nobody else may send a PROXY header"),
        );
    }
}

fn about_upstreams(spec: &GatewaySpec, document: &Node, diagnostics: &mut Diagnostics) {
    for (name, upstream) in &spec.upstreams {
        if spec.routes.iter().any(|route| route.upstream.as_ref().is_some_and(|wanted| wanted.value == *name)) {
            continue;
        }
        let key = document.entry("upstreams").and_then(|upstreams| upstreams.node.entry(name));
        let span = key.map_or(upstream.span, |key| key.key_span);
        diagnostics.push(
            Diagnostic::warning(format!("no route uses the upstream '{name}'"), span)
                .with_hint(format!("a route names it with `upstream: {name}`")),
        );
    }
}

/// Who calls is known behind `authenticate` only.
fn about_authorization(spec: &GatewaySpec, plan: &Plan, diagnostics: &mut Diagnostics) {
    let mut about = |filters: &[Piece], known_before: bool| {
        filters.iter().fold(known_before, |is_known, Piece(filter)| match name(filter) {
            Some("authenticate") => true,
            Some("authorize") if !is_known => {
                diagnostics.push(
                    Diagnostic::warning("nobody can pass: no 'authenticate' stands before this", filter.span)
                        .with_hint(
                            "`authenticate` finds out who calls: put it before, here or among the door's filters",
                        ),
                );
                is_known
            }
            _ => is_known,
        })
    };
    let at_door = about(&spec.filters, false);
    // A role may know who calls where nothing is written.
    let by_role = |id: &str| {
        let route = plan.routes.iter().find(|route| *route.id == *id);
        route.is_some_and(|route| route.filters.iter().any(|filter| added_authenticate(filter)))
    };
    let all_by_role = !spec.routes.is_empty() && spec.routes.iter().all(|route| by_role(&route.id));
    let in_routes = about(&spec.default_filters, at_door || all_by_role);
    spec.routes.iter().for_each(|route| {
        about(&route.filters, in_routes || by_role(&route.id));
    });
}

fn added_authenticate(filter: &PlannedFilter) -> bool {
    filter.name == "authenticate" && filter.role.is_some()
}

/// A certificate comes by TLS with a listener that asks for it, or in a header of a proxy in front.
fn about_certificates(spec: &GatewaySpec, document: &Node, diagnostics: &mut Diagnostics) {
    let lists =
        [&spec.filters, &spec.default_filters].into_iter().chain(spec.routes.iter().map(|route| &route.filters));
    let used: Vec<&Node> = lists.flatten().filter_map(|Piece(filter)| client_cert(filter)).collect();
    let is_asked_for = spec.listeners.iter().filter_map(|listener| listener.tls.as_ref());
    let is_asked_for = is_asked_for.into_iter().any(|tls| tls.client_auth != ClientAuth::None);
    if spec.trusted_proxies.is_empty() && !is_asked_for {
        let hint = "`client-auth: unverified` in a listener's `tls` asks for one; `trusted-proxies` says whose header is believed";
        used.iter().for_each(|name| {
            diagnostics.push(Diagnostic::warning("nobody can show a certificate", name.span).with_hint(hint));
        });
    }
    if spec.trusted_proxies.is_empty() {
        return;
    }
    let entries = document.entry("identity").and_then(|identity| identity.node.entry("certificates"));
    let Some(Value::Map(entries)) = entries.map(|entries| &entries.node.value) else { return };
    for entry in entries.iter().filter(|entry| entry.node.entry("header").is_none()) {
        let message = "it is not said in which header the trusted proxies write certificates: the other, which they may pass \
                       on from outside, is believed too";
        diagnostics.push(
            Diagnostic::warning(message, entry.key_span)
                .with_hint("header: x-forwarded-client-cert (Envoy, Istio, nginx) or header: client-cert (RFC 9440)"),
        );
    }
}

/// The name behind `client-cert` in an `authenticate`.
fn client_cert(filter: &Node) -> Option<&Node> {
    let (_, arguments) = named(filter).filter(|(name, _)| *name == "authenticate")?;
    let Value::List(entries) = &arguments.entry("any")?.node.value else { return None };
    entries.iter().find_map(|entry| Some(&entry.entry("client-cert")?.node))
}

fn about_filter(filter: &Node, diagnostics: &mut Diagnostics) {
    let Some((name @ ("remove-request-header" | "remove-response-header"), arguments)) = named(filter) else { return };
    for (node, text) in texts(arguments) {
        if !text.contains('*') {
            continue;
        }
        let hint = match name {
            "remove-request-header" => {
                "list each header; `internal-headers: [X-*]` removes all that begin so and come from outside"
            }
            _ => "list each header",
        };
        diagnostics.push(
            Diagnostic::warning(format!("'{text}' is the name of one header: the star stands for itself"), node.span)
                .with_hint(hint),
        );
    }
}

fn about_predicate(predicate: &Node, diagnostics: &mut Diagnostics) {
    let Some((name, arguments)) = named(predicate) else { return };
    match (name, &arguments.value) {
        ("any" | "all" | "not", Value::List(parts)) => {
            parts.iter().for_each(|part| about_predicate(part, diagnostics));
        }
        ("not", _) => about_predicate(arguments, diagnostics),
        ("method", _) => texts(arguments).into_iter().for_each(|(node, text)| about_method(node, text, diagnostics)),
        ("path", _) => texts(arguments).into_iter().for_each(|(node, text)| about_path(node, text, diagnostics)),
        _ => {}
    }
}

fn about_method(node: &Node, text: &str, diagnostics: &mut Diagnostics) {
    if METHODS.contains(&text) {
        return;
    }
    if let Some(close) = did_you_mean(text, METHODS.into_iter()) {
        diagnostics.push(
            Diagnostic::warning(format!("'{text}' is no standard method"), node.span)
                .with_hint(format!("did you mean '{close}'?")),
        );
    }
}

fn about_path(node: &Node, pattern: &str, diagnostics: &mut Diagnostics) {
    // An expression in braces has question marks of its own.
    let literal = pattern.split_once('{').map_or(pattern, |(literal, _)| literal);
    if literal.split_once('?').is_some_and(|(_, rest)| rest.contains('=')) {
        diagnostics.push(
            Diagnostic::warning("a path has no query: in a pattern ? is any one character", node.span)
                .with_hint("the predicate `query` looks at the query"),
        );
    }
}

/// The name of a filter or predicate.
fn name(piece: &Node) -> Option<&str> {
    named(piece).map(|(name, _)| name).or_else(|| piece.text())
}

/// `name: arguments`.
fn named(piece: &Node) -> Option<(&str, &Node)> {
    match &piece.value {
        Value::Map(entries) => entries.first().map(|entry| (entry.key.as_str(), &entry.node)),
        _ => None,
    }
}

/// Every text in `node`.
fn texts(node: &Node) -> Vec<(&Node, &str)> {
    match &node.value {
        Value::Scalar(scalar) => vec![(node, scalar.text())],
        Value::List(items) => items.iter().flat_map(texts).collect(),
        Value::Map(entries) => entries.iter().flat_map(|entry| texts(&entry.node)).collect(),
        Value::Null => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use gwanmun_filters::Registry;
    use gwanmun_testkit::Authority;

    use crate::load::from_text;

    /// What is said about a route with these predicates and filters.
    fn said(predicates: &str, filters: &str) -> Vec<String> {
        whole(&format!(
            "listeners: [{{address: '127.0.0.1:0'}}]\nroutes:\n  - id: a\n    predicates: {predicates}\n    \
             filters: {filters}\n    upstream: http://127.0.0.1:1\n"
        ))
    }

    fn whole(text: &str) -> Vec<String> {
        let mut configuration = from_text(&Registry::standard(), "gw.yaml", text);
        configuration.advise();
        configuration.diagnostics.iter().map(|warning| warning.message.clone()).collect()
    }

    #[test]
    fn a_method_that_looks_like_a_slip_is_told_and_another_is_not() {
        assert_eq!(said("[method: [GET, PSOT]]", "[]"), ["'PSOT' is no standard method"]);
        assert_eq!(said("[not: {any: [method: DELTE, path: /a]}]", "[]"), ["'DELTE' is no standard method"]);
        assert!(said("[method: [GET, PURGE, PROPFIND, SEARCH]]", "[]").is_empty());
    }

    #[test]
    fn a_query_in_a_path_is_told_and_a_question_mark_of_a_pattern_is_not() {
        assert_eq!(said("[path: '/a?b=1']", "[]").len(), 1);
        assert!(said("[path: ['/a?', '/a/{b:(?:x=)?}']]", "[]").is_empty());
    }

    #[test]
    fn a_star_in_the_name_of_a_header_to_remove_is_told() {
        assert_eq!(said("[]", "[remove-request-header: X-*, remove-response-header: {name: Y-*}]").len(), 2);
        assert!(said("[]", "[remove-request-header: X-A, set-request-header: {name: X-A, value: '*'}]").is_empty());
    }

    #[test]
    fn where_nobody_is_known_nobody_can_pass() {
        const NOBODY: &str = "nobody can pass: no 'authenticate' stands before this";
        const AUTHENTICATE: &str = "authenticate: {any: [{jwt: corp}]}";
        let said = |door: &str, defaults: &str, own: &str| {
            whole(&format!(
                "listeners: [{{address: '127.0.0.1:0'}}]\nidentity: {{issuers: {{corp: {{issuer: 'https://a.example', jwks: \
                 'https://a.example/jwks', audiences: [gw]}}}}}}\nfilters: [{door}]\ndefault-filters: [{defaults}]\n\
                 routes: [{{id: a, filters: [{own}], upstream: 'http://127.0.0.1:1'}}]\n"
            ))
        };
        assert_eq!(said("", "", "authorize"), [NOBODY]);
        assert_eq!(said("", "", &format!("authorize: {{roles: a}}, {AUTHENTICATE}")), [NOBODY]);
        assert_eq!(said("", "authorize", AUTHENTICATE), [NOBODY]);
        assert_eq!(said("authorize", AUTHENTICATE, ""), [NOBODY]);
        for (door, defaults, own) in [(AUTHENTICATE, "", "authorize"), ("", AUTHENTICATE, "authorize")] {
            assert!(said(door, defaults, own).is_empty(), "{door} {defaults} {own}");
        }
        assert!(said("", "", &format!("{AUTHENTICATE}, authorize")).is_empty());
        assert!(said(&format!("{AUTHENTICATE}, authorize"), "authorize", "authorize: {level: low}").is_empty());
    }

    #[test]
    fn a_header_that_could_be_somebody_elses_is_told_and_so_is_a_certificate_that_nobody_can_show() {
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, Authority::new().pem()).unwrap();
        let said = |top: &str, header: &str| {
            whole(&format!(
                "listeners: [{{address: '127.0.0.1:0'}}]\n{top}\nidentity: {{certificates: {{people: {{ca: '{}', user-from: \
                 'dns:{{user}}.corp'{header}}}, others: {{ca: '{}', user-from: 'dns:{{user}}.corp', header: client-cert}}}}}}\n\
                 routes: [{{id: a, filters: [authenticate: {{any: [{{client-cert: people}}]}}, respond]}}]\n",
                ca.display(),
                ca.display()
            ))
        };
        assert_eq!(said("", ""), ["nobody can show a certificate"]);
        let warnings = said("trusted-proxies: [10.0.0.1]", "");
        assert!(matches!(&*warnings, [only] if only.contains("in which header")), "{warnings:?}");
        assert!(said("trusted-proxies: [10.0.0.1]", ", header: client-cert").is_empty());
    }

    #[test]
    fn an_upstream_that_no_route_uses_is_told() {
        let text = "listeners: [{address: '127.0.0.1:0'}]\nupstreams: {a: {endpoints: 'http://127.0.0.1:1'}, b: {endpoints: \
                    'http://127.0.0.1:1'}}\nroutes: [{id: a, upstream: a}]\n";
        assert_eq!(whole(text), ["no route uses the upstream 'b'"]);
    }

    #[test]
    fn a_balancer_that_could_be_anybody_is_told() {
        let listeners = "listeners: [{address: '127.0.0.1:0', proxy-protocol: true}, {address: '127.0.0.2:0'}]\n";
        assert_eq!(whole(listeners), ["whoever reaches this listener may say that it is any client"]);
        assert!(whole(&format!("trusted-proxies: [10.0.0.1]\n{listeners}")).is_empty());
    }

    #[test]
    fn a_configuration_that_cannot_be_served_is_told() {
        assert_eq!(whole(""), ["there are no listeners, and `gwanmun run` needs one"]);
    }

    #[test]
    fn with_mistakes_nothing_else_is_said() {
        assert_eq!(whole("routs: []\n"), ["unknown key 'routs'"]);
    }
}
