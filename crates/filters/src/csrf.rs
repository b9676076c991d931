//! `csrf`: no other site makes a user's browser act here. What browsers say about where a request comes from is enough for
//! that; no tokens have to be put into forms.

use gwanmun_audit::Event;
use gwanmun_config::{OneOrMany, Spanned};
use gwanmun_core::{Code, Fault, Reason};
use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Step, Verdict};
use http::{HeaderName, Method};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::audited::Audited;
use crate::origin::{Field, Origin, mistake};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The rule that the audit log names.
const RULE: &str = "cross-site";

/// Refuses requests (403) that another site made a user's browser send: those that may change something, and handshakes of
/// WebSockets. `GET`, `HEAD` and `OPTIONS` pass, so that links to here work; they must not change anything.
///
/// `Sec-Fetch-Site` decides, which browsers send and pages cannot forge: `same-origin` and `none` (the user's own doing)
/// pass. With another value, or without it, `Origin` has to be one of `trusted-origins` or the origin that was asked for
/// (behind a trusted proxy, as `X-Forwarded-Proto` and `X-Forwarded-Host` say). `null` is nobody's origin, two are none.
///
/// A request with neither field passes: no browser of the last years sends one that changes something without `Origin`, and
/// who is no browser has no cookies of a user's to misuse.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct CsrfSpec {
    /// Other origins that may make browsers send requests: `https://app.example`.
    trusted_origins: OneOrMany<Spanned<String>>,
}

struct Csrf {
    trusted: Vec<String>,
    audited: Audited,
}

impl FilterSpec for CsrfSpec {
    const NAME: &'static str = "csrf";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: tool
    predicates:
      - path: /**
    filters:
      - csrf: {trusted-origins: [https://partner.example]}
    upstream: http://127.0.0.1:9001
tests:
  - name: a form of the tool's own
    request: {method: POST, path: "http://tool.example/users", headers: {sec-fetch-site: same-origin}}
    expect: {route: tool, status: 200}
  - name: a form on another site
    request: {method: POST, path: "http://tool.example/users", headers: {sec-fetch-site: cross-site, origin: "https://evil.example"}}
    expect: {status: 403}
  - name: a form on a site that is trusted
    request: {method: POST, path: "http://tool.example/users", headers: {sec-fetch-site: cross-site, origin: "https://partner.example"}}
    expect: {status: 200}
  - name: a script on another site that opens a WebSocket
    request: {path: "http://tool.example/feed", headers: {connection: upgrade, upgrade: websocket, origin: "https://evil.example"}}
    expect: {status: 403}
  - name: a link on another site
    request: {path: "http://tool.example/users", headers: {sec-fetch-site: cross-site}}
    expect: {status: 200}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        let mut mistakes = self.trusted_origins.iter().filter(|text| Origin::parse(text).is_none()).map(|text| {
            let (message, hint) = mistake(text);
            let invalid = Invalid::within(text.span, message);
            match hint {
                Some(hint) => invalid.with_hint(hint),
                None => invalid,
            }
        });
        if let Some(first) = mistakes.next() {
            return Err(first.and(mistakes));
        }
        let trusted = self.trusted_origins.iter().map(|origin| origin.value.clone()).collect();
        Ok(Box::new(Csrf { trusted, audited: Audited::of(parts)? }))
    }
}

impl Filter for Csrf {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        let Err(why) = self.judge(exchange) else { return Ok(Step::Next) };
        let fault = Fault::new(Code::Forbidden, why).because(Reason::CrossSite);
        self.audited.conclude(exchange, Event::Authorize, Some(RULE), Err(fault))?;
        Ok(Step::Next)
    }
}

impl Csrf {
    /// Whether the request may pass, or why not.
    fn judge(&self, exchange: &Exchange) -> Result<(), &'static str> {
        let is_safe = matches!(exchange.request.method, Method::GET | Method::HEAD | Method::OPTIONS);
        // A handshake is a GET, and no browser asks whether another site may see what follows.
        if is_safe && !exchange.asks_to_upgrade() {
            return Ok(());
        }
        let origin = Field::origin(exchange);
        match Field::of(&exchange.request.headers, &SEC_FETCH_SITE) {
            _ if origin == Field::Several => Err("there are two Origin fields"),
            Field::Several => Err("there are two Sec-Fetch-Site fields"),
            Field::Once(site) if matches!(site.as_bytes(), b"same-origin" | b"none") => Ok(()),
            Field::Once(_) if self.is_trusted(origin, exchange) => Ok(()),
            Field::Once(_) => Err("by Sec-Fetch-Site another site made the browser send it"),
            Field::Absent if origin == Field::Absent || self.is_trusted(origin, exchange) => Ok(()),
            Field::Absent => Err("its Origin is neither what was asked for nor trusted"),
        }
    }

    fn is_trusted(&self, origin: Field<'_>, exchange: &Exchange) -> bool {
        let Field::Once(value) = origin else { return false };
        Origin::of(value).is_some_and(|origin| {
            origin.is_asked_by(exchange) || self.trusted.iter().any(|trusted| Origin::parse(trusted) == Some(origin))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{exchange_with, filter, pass, refusal};

    fn sent(method: Method, fields: &[(&str, &str)]) -> bool {
        let filter = filter::<CsrfSpec>("{trusted-origins: [https://app.example]}");
        match pass(&*filter, &mut exchange_with(method, "/", fields)) {
            Ok(()) => true,
            Err(fault) => {
                assert_eq!((fault.code(), fault.reason()), (Code::Forbidden, Some(Reason::CrossSite)));
                false
            }
        }
    }

    fn posted(fields: &[(&str, &str)]) -> bool {
        sent(Method::POST, fields)
    }

    #[test]
    fn what_the_own_pages_and_the_user_send_passes() {
        assert!(posted(&[("sec-fetch-site", "same-origin")]));
        assert!(posted(&[("sec-fetch-site", "none")]));
        // A page with `Referrer-Policy: no-referrer` hides its origin even from its own server.
        assert!(posted(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        assert!(posted(&[("origin", "http://shop.example")]));
    }

    #[test]
    fn what_other_sites_make_the_browser_send_is_refused() {
        for site in ["cross-site", "same-site", "", "Same-Origin", "anything"] {
            assert!(!posted(&[("sec-fetch-site", site)]), "{site}");
            assert!(!posted(&[("sec-fetch-site", site), ("origin", "https://evil.example")]), "{site}");
            assert!(posted(&[("sec-fetch-site", site), ("origin", "https://app.example")]), "{site}");
        }
        for origin in [
            "https://evil.example",
            "https://shop.example",
            "http://shop.example:8080",
            "null",
            "",
            "http://shop.example/",
        ] {
            assert!(!posted(&[("origin", origin)]), "{origin}");
        }
        assert!(!posted(&[("origin", "https://app.example.evil.example")]));
    }

    #[test]
    fn whoever_is_no_browser_passes() {
        assert!(posted(&[]));
        assert!(posted(&[("referer", "https://evil.example/")]));
    }

    #[test]
    fn fields_that_come_twice_are_refused() {
        assert!(!posted(&[("origin", "http://shop.example"), ("origin", "http://shop.example")]));
        assert!(!posted(&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")]));
        let both =
            [("sec-fetch-site", "same-origin"), ("origin", "http://shop.example"), ("origin", "https://evil.example")];
        assert!(!posted(&both));
    }

    #[test]
    fn links_work_and_every_method_that_may_change_something_is_looked_at() {
        let foreign = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];
        for safe in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert!(sent(safe.clone(), &foreign), "{safe}");
        }
        for method in ["POST", "PUT", "PATCH", "DELETE", "PROPFIND", "get"] {
            assert!(!sent(Method::from_bytes(method.as_bytes()).unwrap(), &foreign), "{method}");
        }
    }

    #[test]
    fn bad_arguments_are_refused() {
        for (written, wanted) in [
            ("app.example", "https://app.example"),
            ("https://app.example/x", "without a path: https://app.example"),
            ("'null'", "sandboxed"),
            ("https://*.example", "wanted an origin"),
        ] {
            let said = refusal::<CsrfSpec>(&format!("{{trusted-origins: [{written}]}}"));
            assert!(said.contains(wanted), "{said}");
        }
        let both = refusal::<CsrfSpec>("{trusted-origins: [a, b]}");
        assert_eq!(both.lines().count(), 2, "{both}");
    }
}
