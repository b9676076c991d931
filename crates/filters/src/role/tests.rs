//! What each role turns on, in which order, and what it refuses. What roles name is stood in for by filters that take
//! anything and do nothing: the real ones have tests of their own, and the examples run all of it together.

mod internal;
mod public;
mod secure;
mod stand_ins;

use gwanmun_config::{Environment, MergeRules, Severity, decode, load_texts};
use gwanmun_proxy::plan::PlannedFilter;
use gwanmun_proxy::{Context, GatewaySpec, Lasting, Network, Plan, compile};

/// What became of a configuration.
struct Judged {
    plan: Option<Plan>,
    /// Place, message and hint of each mistake and warning: `4:11 error: … (…)`.
    said: Vec<String>,
}

impl Judged {
    /// The plan of what nothing is said about.
    fn good(&self) -> &Plan {
        assert_eq!(self.said, [""; 0]);
        self.plan.as_ref().unwrap()
    }

    /// The only thing that is said.
    fn only(&self) -> &str {
        assert_eq!(self.said.len(), 1, "{:#?}", self.said);
        &self.said[0]
    }
}

/// The configuration of `text`, with a listener on this machine where it has none, and an audit log.
fn judged(text: &str) -> Judged {
    let listeners = if text.contains("listeners:") { "" } else { "listeners: [{address: '127.0.0.1:8080'}]\n" };
    let audit = if text.contains("audit:") { "" } else { "audit: {file: audit.jsonl}\n" };
    exactly(&format!("{text}\n{listeners}{audit}"))
}

fn exactly(text: &str) -> Judged {
    let registry = stand_ins::registry();
    let texts = [("gw.yaml".to_owned(), text.to_owned())];
    let loaded = load_texts(&texts, &Environment::default(), &MergeRules::default());
    let (mut document, mut diagnostics, sources) = (loaded.document, loaded.diagnostics, loaded.sources);
    let lasting = Lasting::new(Network::Offline);
    let mut context = Context::new(registry.catalog(), &sources, &lasting);
    context.sections = context.catalog.set_aside(&mut document);
    let spec: GatewaySpec = decode(&document, &mut diagnostics).unwrap();
    let plan = compile(&spec, &context, &mut diagnostics);
    diagnostics.sort();
    let said = diagnostics.iter().map(|found| {
        let place = found.span.map_or_else(String::new, |span| {
            let (_, line, column) = sources.location(span);
            format!("{line}:{column} ")
        });
        let severity = if found.severity == Severity::Error { "error" } else { "warning" };
        format!("{place}{severity}: {} ({})", found.message, found.hint.as_deref().unwrap_or_default())
    });
    Judged { said: said.collect(), plan }
}

/// Filters as a table shows them; what a role has added has a star.
fn shown<'f>(filters: impl IntoIterator<Item = &'f std::sync::Arc<PlannedFilter>>) -> Vec<String> {
    let one = |filter: &std::sync::Arc<PlannedFilter>| {
        let star = if filter.role.is_some() { "*" } else { "" };
        let arguments = if filter.arguments.is_empty() { String::new() } else { format!(" {}", filter.arguments) };
        format!("{star}{}{arguments}", filter.name)
    };
    filters.into_iter().map(one).collect()
}

fn door(plan: &Plan) -> Vec<String> {
    shown(plan.door.iter())
}

fn route(plan: &Plan, place: usize) -> Vec<String> {
    shown(plan.routes[place].filters.iter())
}

#[test]
fn a_role_that_nobody_knows_is_told_with_those_there_are() {
    assert_eq!(
        judged("role: privat\nroutes: []").only(),
        "1:7 error: unknown role 'privat' (there are internal, public, secure)"
    );
    assert_eq!(
        judged("role: pubic\nroutes: []").only(),
        "1:7 error: unknown role 'pubic' (did you mean 'public'? there are internal, public, secure)"
    );
}

#[test]
fn without_a_role_nothing_is_added() {
    let judged = judged("routes: [{id: a, upstream: 'http://127.0.0.1:1'}]");
    let plan = judged.good();
    assert_eq!((door(plan), route(plan, 0), plan.role), (vec![], vec![], None));
}

#[test]
fn the_whole_world_is_no_trusted_proxy() {
    for role in ["public", "secure", "internal"] {
        for network in ["0.0.0.0/0", "::/0", "128.0.0.0/1", "2000::/3", "f000::/4"] {
            let said = judged(&format!("trusted-proxies: ['{network}']\nrole: {role}\n{}", stand_ins::IDENTITY));
            let wanted = format!("1:19 error: '{network}' is not a network of proxies");
            assert!(said.only().starts_with(&wanted), "{}", said.only());
        }
    }
    let private = "trusted-proxies: ['10.0.0.0/8', 'fc00::/7', 'fe80::/10', '2001:db8::/32', 192.0.2.1]";
    judged(&format!("role: public\n{private}\n{}", stand_ins::IDENTITY)).good();
}

#[test]
fn what_tells_who_somebody_is_is_not_kept_from_anybody() {
    let kept = |role: &str, name: &str| {
        let proxies = "trusted-proxies: [10.0.0.1]";
        judged(&format!("headers: {{keep: [{name}]}}\nrole: {role}\n{proxies}\n{}", stand_ins::IDENTITY))
    };
    for role in ["public", "secure", "internal"] {
        for name in ["X-Remote-User", "client-cert", "X-Forwarded-Client-Cert", "X-Forwarded-User", "X-Real-Ip"] {
            let wanted = format!("1:18 error: '{name}' is kept as it comes: whoever sends it may say to services");
            assert!(kept(role, name).only().starts_with(&wanted), "{:?}", kept(role, name).said);
        }
        kept(role, "Accept").good();
    }
    // What is authorized is what the service gets.
    for role in ["secure", "internal"] {
        let said = kept(role, "X-Original-Url");
        assert!(said.only().contains("a service could see another request than was authorized"), "{}", said.only());
    }
    kept("public", "X-Http-Method-Override").good();
}

#[test]
fn traces_cannot_be_switched_off() {
    for role in ["public", "secure", "internal"] {
        let traces = "telemetry: {traces: {propagate: []}}";
        let proxies = "trusted-proxies: [10.0.0.1]";
        let said = judged(&format!("role: {role}\n{proxies}\n{traces}\n{}", stand_ins::IDENTITY));
        assert!(said.only().contains("no trace would reach the services"), "{}", said.only());
    }
}

#[test]
fn what_could_not_be_read_is_not_missed() {
    // A list that is not closed: whatever stood in it is unknown.
    let said = judged("role: secure\ntrusted-proxies: [10.0.0.1]\nroutes:\n  - id: a\n    filters: [authorize\n");
    assert!(said.said.iter().all(|line| !line.contains("authorize'")), "{:#?}", said.said);
    // A filter whose name is a slip.
    let head = format!("role: secure\ntrusted-proxies: [10.0.0.1]\n{}", stand_ins::IDENTITY);
    for rest in [
        "routes: [{id: a, filters: [authorise], upstream: 'http://a:1'}]",
        "default-filters: [authorise]\nroutes: [{id: a, upstream: 'http://a:1'}]",
    ] {
        let said = judged(&format!("{head}{rest}"));
        assert!(said.only().contains("unknown filter 'authorise'"), "{}", said.only());
    }
}

#[test]
fn the_audit_log_of_a_role_is_beside_the_file() {
    let text = format!("role: internal\nlisteners: [{{address: '127.0.0.1:0'}}]\n{}", stand_ins::IDENTITY);
    let judged = exactly(&text);
    assert_eq!(
        judged.only(),
        "1:7 warning: what is decided is recorded in audit.jsonl beside this file: there is no `audit` section (audit: \
         {file: PATH, key: \"file:PATH\"})"
    );
    let plan = judged.plan.unwrap();
    assert!(plan.sections.of::<crate::section::audit::Audit>().is_ok());
    let allowed = exactly(&format!("{text}audit: {{file: a.jsonl, on-sink-error: allow}}\n"));
    assert!(allowed.only().contains("requests pass that nobody can trace"), "{}", allowed.only());
}
