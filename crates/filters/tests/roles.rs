//! A role of an embedder's own, through the real catalog: it sees what is written, adds filters and refuses.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use gwanmun_config::{Diagnostics, Environment, MergeRules, Style, decode, load_texts};
use gwanmun_filters::Registry;
use gwanmun_proxy::role::{Rules, Written};
use gwanmun_proxy::{Context, GatewaySpec, Lasting, Network, Plan, Role, Sections, compile};

/// Routes of a kiosk have ids that begin with `kiosk-`.
struct Kiosk;

impl Role for Kiosk {
    const NAME: &'static str = "kiosk";
    const PURPOSE: &'static str = "screens in the hall";

    fn impose(written: &Written<'_>, _: &Sections, rules: &mut Rules<'_>) {
        rules.at_the_door("remove-request-header", Some(written.text("X-Hall")));
        let added = written.map([("name", written.text("X-Kiosk")), ("value", written.text("hall, left"))]);
        rules.on_every_route("set-request-header", Some(added));
        for route in written.routes.iter().filter(|route| !route.id.starts_with("kiosk-")) {
            rules.refuse(route.id.span, "found another route, wanted one of a kiosk", "kiosk-NAME");
        }
    }
}

/// A role whose filter cannot be.
struct Broken;

impl Role for Broken {
    const NAME: &'static str = "broken";
    const PURPOSE: &'static str = "nothing";

    fn impose(written: &Written<'_>, _: &Sections, rules: &mut Rules<'_>) {
        rules.at_the_door("strip-prefix", Some(written.text("none")));
        rules.on_every_route("no-such-filter", None);
    }
}

fn compiled(text: &str) -> (Option<Plan>, String) {
    let texts = [("gw.yaml".to_owned(), text.to_owned())];
    let loaded = load_texts(&texts, &Environment::default(), &MergeRules::default());
    let mut diagnostics: Diagnostics = loaded.diagnostics;
    let registry = Registry::standard().role::<Kiosk>().role::<Broken>();
    let lasting = Lasting::new(Network::Offline);
    let context = Context::new(registry.catalog(), &loaded.sources, &lasting);
    let spec: GatewaySpec = decode(&loaded.document, &mut diagnostics).unwrap();
    let plan = compile(&spec, &context, &mut diagnostics);
    diagnostics.sort();
    (plan, diagnostics.render(&loaded.sources, Style::Plain))
}

#[test]
fn what_an_own_role_adds_is_made_like_what_is_written() {
    let (plan, said) = compiled(
        "role: kiosk\nroutes:\n  - {id: kiosk-1, predicates: [path: '/{a}'], upstream: 'http://a:1'}\n  - {id: kiosk-2, upstream: \
         'http://a:1'}\n",
    );
    let plan = plan.unwrap_or_else(|| panic!("{said}"));
    let filter = &plan.door[0];
    assert_eq!((filter.name, &*filter.arguments, filter.role), ("remove-request-header", "X-Hall", Some("kiosk")));
    let filter = &plan.routes[0].filters[0];
    assert_eq!((filter.name, &*filter.arguments), ("set-request-header", "{name: X-Kiosk, value: \"hall, left\"}"));
    // It knows nothing of what routes capture, so one is enough.
    assert!(std::sync::Arc::ptr_eq(filter, &plan.routes[1].filters[0]));
}

#[test]
fn what_an_own_role_refuses_is_told_with_the_place_of_the_role() {
    let (plan, said) = compiled("role: kiosk\nroutes: [{id: other, upstream: 'http://a:1'}]\n");
    assert!(plan.is_none());
    assert_eq!(
        said,
        "error: found another route, wanted one of a kiosk
 --> gw.yaml:2:15
  |
1 | role: kiosk
  |       ----- not in this role
2 | routes: [{id: other, upstream: 'http://a:1'}]
  |               ^^^^^
  |
  = help: kiosk-NAME
"
    );
}

#[test]
fn what_cannot_be_added_is_told_at_the_role_once() {
    let (plan, said) =
        compiled("role: broken\nroutes: [{id: a, upstream: 'http://a:1'}, {id: b, upstream: 'http://a:1'}]\n");
    assert!(plan.is_none());
    assert_eq!(said.matches("gw.yaml:1:7").count(), 2, "{said}");
    assert!(said.contains("unknown filter 'no-such-filter'"), "{said}");
}

#[test]
fn a_route_that_does_nothing_is_refused_though_a_role_adds_filters() {
    let (_, said) = compiled("role: kiosk\nroutes: [{id: kiosk-1}]\n");
    assert!(said.contains("route 'kiosk-1' has neither an upstream nor a filter that answers"), "{said}");
}
