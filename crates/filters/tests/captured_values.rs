//! What a client hides in a path arrives, through the real router, as data: never as another directory, another host or
//! another header.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use gwanmun_config::{Environment, MergeRules, Style, decode, load_texts};
use gwanmun_filters::Registry;
use gwanmun_proxy::handle::Unwatched;
use gwanmun_proxy::plan::Plan;
use gwanmun_proxy::rehearse::{Rehearsal, Rehearsed};
use gwanmun_proxy::spec::GatewaySpec;
use gwanmun_proxy::{Context, Lasting, Network, compile};
use http::Method;
use http::header::{HOST, LOCATION};

const CONFIGURATION: &str = r#"
paths: {control-characters: keep}
listeners: [{address: "127.0.0.1:8080"}]
upstreams: {service: {endpoints: "http://127.0.0.1:9001"}}
routes:
  - {id: segment, predicates: [{path: "/segment/{name}"}], filters: [{set-path: "/data/{name}/end"}], upstream: service}
  - {id: tail, predicates: [{path: "/tail/{*rest}"}], filters: [{set-path: "/data{rest}"}], upstream: service}
  - id: away
    predicates: [{path: "/away/{*rest}"}]
    filters: [{redirect-to: {status: 302, url: "https://a.example/{rest}"}}]
  - id: here
    predicates: [{path: "/here/{*rest}"}]
    filters: [{redirect-to: {status: 302, url: "{rest}"}}]
  - {id: host, predicates: [{path: "/host/{x}/**"}], filters: [{set-request-uri: "http://{x}.internal"}], upstream: service}
  - {id: header, predicates: [{path: "/header/{x}"}], filters: [{set-request-header: {name: X, value: "{x}"}}], upstream: service}
  - {id: strip, predicates: [{path: "/strip/**"}], filters: [{strip-prefix: 1}], upstream: service}
  - id: rewrite
    predicates: [{path: "/rewrite/**"}]
    filters: [{rewrite-path: {regexp: '/rewrite/?(?<rest>.*)', replacement: '/$\{rest}'}}]
    upstream: service
"#;

fn plan() -> Plan {
    let texts = [("gateway.yaml".to_owned(), CONFIGURATION.to_owned())];
    let mut loaded = load_texts(&texts, &Environment::default(), &MergeRules::default());
    let registry = Registry::standard();
    let lasting = Lasting::new(Network::Offline);
    let context = Context::new(registry.catalog(), &loaded.sources, &lasting);
    let spec: Option<GatewaySpec> = decode(&loaded.document, &mut loaded.diagnostics);
    let plan = spec.and_then(|spec| compile(&spec, &context, &mut loaded.diagnostics));
    plan.unwrap_or_else(|| panic!("{}", loaded.diagnostics.render(&loaded.sources, Style::Plain)))
}

fn carried(plan: &Plan, path: &str) -> Rehearsed {
    let rehearsed = Rehearsal::new(Method::GET, path).unwrap().run(plan, &mut Unwatched).unwrap();
    let route = path.trim_start_matches('/').split('/').next();
    assert_eq!(rehearsed.route.as_deref(), route, "{path}");
    rehearsed
}

fn assert_refused(plan: &Plan, path: &str) {
    let rehearsed = carried(plan, path);
    assert_eq!(rehearsed.response.status(), 400, "{path}");
    assert!(rehearsed.sent.is_none(), "{path}");
}

#[test]
fn a_path_leads_to_the_directory_that_the_template_names() {
    let plan = plan();
    for (path, target) in [
        ("/segment/a", "/data/a/end"),
        ("/segment/%2Fetc%2Fpasswd", "/data/%2Fetc%2Fpasswd/end"),
        ("/segment/a%3Fb%23c%3Bd%25", "/data/a%3Fb%23c%3Bd%25/end"),
        ("/tail/a/b", "/data/a/b"),
        ("/tail/a%2Fb/c%20d", "/data/a%2Fb/c%20d"),
        ("/tail//a", "/data/a"),
        ("/strip/%2F%2Fevil.example/a", "/%2F%2Fevil.example/a"),
        ("/rewrite//evil.example", "/evil.example"),
    ] {
        assert_eq!(carried(&plan, path).sent.unwrap().target, target, "{path}");
    }
    // Refused at the door: no route and no filter sees it.
    for path in ["/segment/..%2Fx", "/segment/%2e%2e%2fx", "/segment/..%5Cx", "/tail/..%2F..", "/rewrite/%2F..%2Fx"] {
        let rehearsed = Rehearsal::new(Method::GET, path).unwrap().run(&plan, &mut Unwatched).unwrap();
        assert_eq!((rehearsed.route, rehearsed.response.status().as_u16()), (None, 400), "{path}");
    }
}

#[test]
fn a_redirect_leads_to_the_host_that_the_template_names() {
    let plan = plan();
    for (path, location) in [
        ("/away//evil.example/x", "https://a.example/evil.example/x"),
        ("/away/%2F%2Fevil.example", "https://a.example/%2F%2Fevil.example"),
        ("/away/@evil.example", "https://a.example/@evil.example"),
        ("/here//evil.example", "/evil.example"),
        ("/here/%2Fevil.example", "/%2Fevil.example"),
        ("/here/%5C%5Cevil.example", "/%5C%5Cevil.example"),
        ("/here/javascript:alert(1)", "/javascript:alert(1)"),
        ("/here/%0D%0Aset-cookie:a=b", "/%0D%0Aset-cookie:a=b"),
    ] {
        assert_eq!(carried(&plan, path).response.headers()[LOCATION], location, "{path}");
    }
}

#[test]
fn a_request_goes_to_the_domain_that_the_template_names() {
    let plan = plan();
    assert_eq!(carried(&plan, "/host/books/x").sent.unwrap().headers[HOST], "books.internal");
    for path in
        ["/host/evil.example%2F/x", "/host/evil.example%23/x", "/host/u@evil.example/x", "/host/evil.example:80/x"]
    {
        assert_refused(&plan, path);
    }
}

#[test]
fn a_header_stays_one_header() {
    let plan = plan();
    assert_eq!(carried(&plan, "/header/a%20b").sent.unwrap().headers["x"], "a b");
    assert_refused(&plan, "/header/a%0D%0AX-Admin:1");
}
