//! Routes and requests: the index finds the route that asking each in turn would find.

use gwanmun_proxy::handle::Watch;
use gwanmun_proxy::rehearse::Rehearsal;
use gwanmun_proxy::route::router::Router;
use gwanmun_proxy::{Exchange, Plan};
use http::header::{COOKIE, HOST};
use http::{HeaderValue, Method};

use crate::world::compiled;

/// The input's first line is a target, the second a host, the third a cookie; then a route each: `p`, `h`, `b` (path,
/// host, both with a blank between), `n` (not the path), `e` (one of two paths) or `c` (a cookie's name and expression).
pub(crate) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut lines = text.split('\n');
    let (target, host, cookie) = (lines.next().unwrap_or_default(), lines.next(), lines.next());
    let routes: Vec<String> = lines.take(12).enumerate().filter_map(|(place, line)| route(place, line)).collect();
    let (Some(plan), _) = compiled(&format!("routes:\n{}", routes.concat())) else { return };
    let Ok(mut rehearsal) = Rehearsal::new(Method::GET, target) else { return };
    for (name, value) in [(HOST, host), (COOKIE, cookie)] {
        if let Some(Ok(value)) = value.map(HeaderValue::from_str) {
            rehearsal.headers.insert(name, value);
        }
    }
    let mut watch = Compare { plan: &plan };
    rehearsal.run(&plan, &mut watch).unwrap();
}

fn route(place: usize, line: &str) -> Option<String> {
    let kind = line.chars().next()?;
    let rest = &line[kind.len_utf8()..];
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let two = || rest.split_once(' ').map(|(one, two)| (quoted(one), quoted(two)));
    let predicates = match kind {
        'p' => format!("{{path: {}}}", quoted(rest)),
        'h' => format!("{{host: {}}}", quoted(rest)),
        'n' => format!("{{not: {{path: {}}}}}", quoted(rest)),
        'b' => two().map(|(path, host)| format!("{{path: {path}}}, {{host: {host}}}"))?,
        'e' => two().map(|(one, two)| format!("{{any: [{{path: {one}}}, {{path: {two}}}]}}"))?,
        'c' => two().map(|(name, value)| format!("{{cookie: {{name: {name}, regexp: {value}}}}}"))?,
        _ => return None,
    };
    Some(format!("  - {{id: r{place}, predicates: [{predicates}], filters: [{{respond: {{status: 200}}}}]}}\n"))
}

struct Compare<'a> {
    plan: &'a Plan,
}

impl Watch for Compare<'_> {
    fn routed(&mut self, exchange: &Exchange, route: Option<usize>) {
        let router: &Router = &self.plan.router;
        let naive = router.outcomes(exchange).iter().position(|outcome| outcome.held);
        assert_eq!(route, naive, "the index finds another route for {}", exchange.request.path());
        let shadowed = router.shadowed();
        assert!(
            !shadowed.iter().any(|(unreachable, _)| Some(*unreachable) == route),
            "a route that none can reach is reached"
        );
    }
}
