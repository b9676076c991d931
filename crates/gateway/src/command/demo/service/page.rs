//! "What the service behind sees", as a page.

use gwanmun_proxy::Response;
use http::StatusCode;

use super::seen::{Passport, Seen};
use super::{About, Link};
use crate::command::demo::page::{json, page};
use crate::command::demo::passports::Verdict;
use crate::command::demo::wire::escaped;

pub(super) fn show(about: About, seen: &Seen, links: &[Link]) -> Response {
    let how = match seen.passport {
        Some(_) => "The gateway found out who you are and let you through",
        None => "The gateway let you through",
    };
    let mut body = format!(
        "<h1>What the service behind sees</h1>\n<p class=\"lead\">You asked for <code>{} {}</code>. {how}; this is all that \
         reached <b>{}</b>.</p>\n",
        escaped(&seen.method),
        escaped(&seen.target),
        escaped(about.name)
    );
    body.push_str(&match &seen.passport {
        Some(passport) => format!("{}{}{}", who(passport), navigation(links), decoded(passport)),
        None => "<div class=\"card\"><h2>Nobody in particular</h2><p>No Passport came with the request: nobody has proven who calls.</p></div>\n".to_owned(),
    });
    body.push_str(&headers(seen));
    body.push_str(&absent(seen));
    page(StatusCode::OK, &escaped(about.name), &escaped(about.behind), &body)
}

/// Who calls, as the Passport says.
fn who(passport: &Passport) -> String {
    let subject = passport.text("/sub").unwrap_or("?");
    let initial: String = subject.chars().take(1).flat_map(char::to_uppercase).collect();
    let chip = |class: &str, name: &str, value: &str| {
        format!("<li class=\"{class}\"><small>{name}</small> {}</li>", escaped(value))
    };
    let user = |member: &str| passport.text(&format!("/tctx/user/{member}"));
    let mut chips = String::new();
    if let Some(source) = user("source") {
        chips.push_str(&chip("", "proven by", source));
    }
    if let Some(level) = user("level") {
        chips.push_str(&chip("good", "level", level));
    }
    for role in passport.list("/tctx/user/roles") {
        chips.push_str(&chip("", "role", role));
    }
    for scope in passport.text("/scope").unwrap_or_default().split_whitespace() {
        chips.push_str(&chip("", "scope", scope));
    }
    format!(
        "<div class=\"card who\"><div>{}</div><div><strong>{}</strong><ul class=\"chips\">{chips}</ul></div></div>\n",
        escaped(&initial),
        escaped(subject)
    )
}

fn decoded(passport: &Passport) -> String {
    let (class, words) = match passport.verdict {
        Verdict::Good => ("good", "signature verified"),
        Verdict::Bad => ("bad", "signature not verified"),
    };
    format!(
        "<div class=\"card\"><h2>The Passport, from <code>Txn-Token</code> <span class=\"tag {class}\">{words}</span></h2>\n\
         <div class=\"columns\"><div><h3>Header</h3>{}{MEANING}</div><div><h3>Claims</h3>{}</div></div>\n\
         <details><summary>The token itself</summary><pre>{}</pre></details></div>\n",
        json(&passport.header),
        json(&passport.claims),
        escaped(&passport.token)
    )
}

/// What the claims are for.
const MEANING: &str = "<dl><dt>sub, tctx.user</dt><dd>who calls, with which roles, proven by what and how surely</dd>\
    <dt>rctx</dt><dd>from where, through which gateway, in which trace</dd>\
    <dt>aud, iss</dt><dd>for the services of this house, by this gateway</dd>\
    <dt>txn, iat, exp</dt><dd>for this one request, and for a minute</dd></dl>";

fn headers(seen: &Seen) -> String {
    let row = |(name, value): &(String, String)| {
        let origin = if is_of_the_gateway(name) {
            "<span class=\"tag good\">the gateway</span>"
        } else {
            "<span class=\"tag\">you</span>"
        };
        let value = if name.eq_ignore_ascii_case(gwanmun_passport::HEADER) { "the Passport above" } else { value };
        format!(
            "<tr><td><code>{}</code></td><td><code>{}</code></td><td>{origin}</td></tr>\n",
            escaped(name),
            escaped(value)
        )
    };
    let (ours, yours): (Vec<_>, Vec<_>) = seen.headers.iter().partition(|(name, _)| is_of_the_gateway(name));
    let rows: String = ours.into_iter().chain(yours).map(row).collect();
    format!("<div class=\"card\"><h2>Headers, and who wrote them</h2><table>{rows}</table></div>\n")
}

/// What did not get here, and is worth a word.
fn absent(seen: &Seen) -> String {
    let is_there = |wanted: &str| seen.headers.iter().any(|(name, _)| name == wanted);
    let missing: Vec<&str> = [
        ("cookie", "no cookie: that of your session ends at the gateway"),
        ("authorization", "no token of yours"),
        ("x-api-key", "no API key"),
        ("client-cert", "no certificate"),
    ]
    .into_iter()
    .filter(|(name, _)| !is_there(name))
    .map(|(_, words)| words)
    .collect();
    format!("<div class=\"card\"><h2>What is not here</h2><p>{}.</p></div>\n", missing.join("; "))
}

fn is_of_the_gateway(name: &str) -> bool {
    name.starts_with("x-forwarded-")
        || matches!(name, "forwarded" | "traceparent" | "tracestate" | "txn-token" | "host")
}

fn navigation(links: &[Link]) -> String {
    if links.is_empty() {
        return String::new();
    }
    let link = |link: &Link| format!("<a href=\"{}\">{}</a>", escaped(&link.url), escaped(link.text));
    format!("<nav>{}</nav>\n", links.iter().map(link).collect::<String>())
}
