//! `role: public`: apps and developers of anybody, in the open network.

use gwanmun_config::{Node, Value};
use gwanmun_proxy::role::{Rules, Written};
use gwanmun_proxy::{Role, Sections};

use super::credentials::{AUTHENTICATE, configured, is_faulty, list, routes_without};
use super::listeners::Here;
use super::{answers, kept, listeners, traces};
use crate::secure_headers;

/// How many requests a second a client may make in the long run, and at once.
const RATE: &str = "100";
const BURST: &str = "200";

/// A gateway in the open network.
pub struct Public;

impl Role for Public {
    const NAME: &'static str = "public";
    const PURPOSE: &'static str = "apps, partners and developers in the open network: tokens, API clients, logins";

    fn impose(written: &Written<'_>, sections: &Sections, rules: &mut Rules<'_>) {
        listeners::refuse_cleartext("credentials could be read on the way", Here::NoBetter, written, rules);
        listeners::refuse_trust_in_everybody(written, rules);
        kept::refuse_claims(written, rules);
        traces::refuse_none(written, rules);
        answers::refuse_early(&[AUTHENTICATE], written, rules);
        refuse_bare_headers(written, rules);
        rules.at_the_door("secure-headers", None);
        let rate = written.map([("replenish-rate", written.text(RATE)), ("burst-capacity", written.text(BURST))]);
        rules.at_the_door("request-rate-limiter", Some(rate));
        if !configured("oidc", written).is_empty() {
            rules.at_the_door("csrf", None);
        }
        match everything(written) {
            Ok(entries) => rules.on_every_route(AUTHENTICATE, Some(list(written, entries))),
            Err(_) if is_faulty(sections) => {}
            Err(Unclear { message, hint }) => {
                for route in routes_without(AUTHENTICATE, written) {
                    rules.refuse(
                        route.id.span,
                        format!("route '{}' does not say who may call: {message}", route.id.value),
                        &hint,
                    );
                }
            }
        }
    }
}

/// Why nobody can tell what a route takes.
struct Unclear {
    message: String,
    hint: String,
}

/// Everything that `identity` has, in the order in which it is asked for.
fn everything<'a>(written: &Written<'a>) -> Result<Vec<(&'static str, &'a str)>, Unclear> {
    let [issuers, oauth, oidc] = ["issuers", "oauth", "oidc"].map(|kind| configured(kind, written));
    for (kind, credential, names) in [("oauth", "api-client", &oauth), ("oidc", "session", &oidc)] {
        if let [first, _, ..] = names.as_slice() {
            return Err(Unclear {
                message: format!("`identity.{kind}` has {}", names.join(", ")),
                hint: format!("name those it takes: `authenticate: {{any: [{{{credential}: {first}}}]}}`"),
            });
        }
    }
    let introspects = oauth.iter().filter(|name| issuers.is_empty() && can_introspect(name, written));
    let entries: Vec<_> = issuers
        .iter()
        .map(|name| ("jwt", *name))
        .chain(introspects.map(|name| ("introspect", *name)))
        .chain(oauth.iter().map(|name| ("api-client", *name)))
        .chain(oidc.iter().map(|name| ("session", *name)))
        .collect();
    if entries.is_empty() {
        return Err(Unclear {
            message: "`identity` names nobody who could tell".to_owned(),
            hint: "add an issuer under `identity.issuers`, or `authenticate` to the route; with `anonymous: true` it lets \
                   pass who brings nothing"
                .to_owned(),
        });
    }
    Ok(entries)
}

/// Whether the server says where tokens are introspected, or its metadata do.
fn can_introspect(name: &str, written: &Written<'_>) -> bool {
    let server = written.section("identity").and_then(|identity| identity.node.entry("oauth")?.node.entry(name));
    server.is_some_and(|server| {
        server.node.entry("introspection-endpoint").is_some() || server.node.entry("token-endpoint").is_none()
    })
}

/// Refuses `secure-headers` at the door that adds nothing.
fn refuse_bare_headers(written: &Written<'_>, rules: &mut Rules<'_>) {
    for filter in written.door.iter().filter(|filter| filter.name == "secure-headers") {
        let Some(disable) = filter.arguments.entry("disable") else { continue };
        let names: Vec<&str> = match &disable.node.value {
            Value::List(items) => items.iter().filter_map(Node::text).collect(),
            _ => disable.node.text().into_iter().collect(),
        };
        if secure_headers::are_all_disabled(&names) {
            let hint = "disable those that the pages behind cannot live with";
            rules.refuse(disable.node.span, "no header is left that would make browsers careful", hint);
        }
    }
}
