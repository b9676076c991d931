//! `secure-headers`: what browsers need to be told to be careful.

use gwanmun_config::{OneOrMany, did_you_mean};
use gwanmun_proxy::{Exchange, Filter, FilterSpec, HeaderTemplate, Invalid, Parts, Response, Step, Verdict};
use http::header::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

/// Adds headers that make browsers careful to responses that do not have them: `X-Xss-Protection`,
/// `Strict-Transport-Security`, `X-Frame-Options`, `X-Content-Type-Options`, `Referrer-Policy`, `Content-Security-Policy`,
/// `X-Download-Options` and `X-Permitted-Cross-Domain-Policies`; `Permissions-Policy` where it is enabled or has a value.
/// What the upstream sets itself stays.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct SecureHeadersSpec {
    /// Names of headers that are not added.
    disable: OneOrMany<String>,
    /// Names of headers that are added although they are not by default: `Permissions-Policy`.
    enable: OneOrMany<String>,
    /// `X-Xss-Protection` (`1 ; mode=block`).
    xss_protection_header: Option<String>,
    /// `Strict-Transport-Security` (`max-age=631138519`).
    strict_transport_security: Option<String>,
    /// `X-Frame-Options` (`DENY`).
    frame_options: Option<String>,
    /// `X-Content-Type-Options` (`nosniff`).
    content_type_options: Option<String>,
    /// `Referrer-Policy` (`no-referrer`).
    referrer_policy: Option<String>,
    /// `Content-Security-Policy` (sources over https, scripts too, no plug-ins).
    content_security_policy: Option<String>,
    /// `X-Download-Options` (`noopen`).
    download_options: Option<String>,
    /// `X-Permitted-Cross-Domain-Policies` (`none`).
    permitted_cross_domain_policies: Option<String>,
    /// `Permissions-Policy` (every feature off).
    permissions_policy: Option<String>,
}

const CONTENT_SECURITY_POLICY: &str = "default-src 'self' https:; font-src 'self' https: data:; img-src 'self' https: data:; \
     object-src 'none'; script-src https:; style-src 'self' https: 'unsafe-inline'";

const PERMISSIONS_POLICY: &str = "accelerometer=(), ambient-light-sensor=(), autoplay=(), battery=(), camera=(), \
     cross-origin-isolated=(), display-capture=(), document-domain=(), encrypted-media=(), \
     execution-while-not-rendered=(), execution-while-out-of-viewport=(), fullscreen=(), geolocation=(), gyroscope=(), \
     keyboard-map=(), magnetometer=(), microphone=(), midi=(), navigation-override=(), payment=(), \
     picture-in-picture=(), publickey-credentials-get=(), screen-wake-lock=(), sync-xhr=(), usb=(), web-share=(), \
     xr-spatial-tracking=()";

struct SecureHeaders {
    headers: Vec<(HeaderName, HeaderTemplate)>,
}

/// A header that the filter knows.
struct Known {
    argument: &'static str,
    name: HeaderName,
    given: Option<String>,
    default: &'static str,
    usual: Usual,
}

/// Whether a header is added if nothing is said about it.
#[derive(PartialEq, Eq)]
enum Usual {
    On,
    Off,
}

impl FilterSpec for SecureHeadersSpec {
    const NAME: &'static str = "secure-headers";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: pages
    predicates:
      - path: /**
    filters:
      - secure-headers: {disable: X-Download-Options, frame-options: SAMEORIGIN}
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /}
    upstream-response: {status: 200, headers: {referrer-policy: origin}}
    expect:
      route: pages
      status: 200
      headers:
        x-frame-options: SAMEORIGIN
        x-content-type-options: nosniff
        referrer-policy: origin
        x-download-options: null
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        let (disable, enable) = (self.disable.0.clone(), self.enable.0.clone());
        let known = self.known();
        let disabled = names("disable", &disable, &known)?;
        let enabled = names("enable", &enable, &known)?;
        let mut headers = Vec::new();
        for Known { argument, name, given, default, usual } in known {
            let on = usual == Usual::On || given.is_some() || enabled.contains(&name);
            let value = HeaderTemplate::parse(given.as_deref().unwrap_or(default), parts);
            let value = value.map_err(|invalid| invalid.or_at(argument))?;
            if on && !disabled.contains(&name) {
                headers.push((name, value));
            }
        }
        Ok(Box::new(SecureHeaders { headers }))
    }
}

/// Whether nothing is left of what is added by default.
pub(crate) fn are_all_disabled(disabled: &[&str]) -> bool {
    let is_disabled = |header: &Known| disabled.iter().any(|name| header.name.as_str().eq_ignore_ascii_case(name));
    SecureHeadersSpec::default().known().iter().filter(|header| header.usual == Usual::On).all(is_disabled)
}

impl SecureHeadersSpec {
    fn known(self) -> [Known; 9] {
        let known = |argument, name, given, default, usual| Known {
            argument,
            name: HeaderName::from_static(name),
            given,
            default,
            usual,
        };
        [
            known("xss-protection-header", "x-xss-protection", self.xss_protection_header, "1 ; mode=block", Usual::On),
            known(
                "strict-transport-security",
                "strict-transport-security",
                self.strict_transport_security,
                "max-age=631138519",
                Usual::On,
            ),
            known("frame-options", "x-frame-options", self.frame_options, "DENY", Usual::On),
            known("content-type-options", "x-content-type-options", self.content_type_options, "nosniff", Usual::On),
            known("referrer-policy", "referrer-policy", self.referrer_policy, "no-referrer", Usual::On),
            known(
                "content-security-policy",
                "content-security-policy",
                self.content_security_policy,
                CONTENT_SECURITY_POLICY,
                Usual::On,
            ),
            known("download-options", "x-download-options", self.download_options, "noopen", Usual::On),
            known(
                "permitted-cross-domain-policies",
                "x-permitted-cross-domain-policies",
                self.permitted_cross_domain_policies,
                "none",
                Usual::On,
            ),
            known("permissions-policy", "permissions-policy", self.permissions_policy, PERMISSIONS_POLICY, Usual::Off),
        ]
    }
}

impl Filter for SecureHeaders {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        for (_, value) in &self.headers {
            value.check(&exchange.variables)?;
        }
        Ok(Step::Next)
    }

    fn response<'a>(&'a self, exchange: &'a mut Exchange, response: &'a mut Response) -> Verdict<'a> {
        for (name, value) in &self.headers {
            if !response.headers().contains_key(name) {
                let value: HeaderValue = value.render(&exchange.variables)?;
                response.headers_mut().insert(name, value);
            }
        }
        Ok(Step::Next)
    }
}

fn names(argument: &'static str, written: &[String], known: &[Known]) -> Result<Vec<HeaderName>, Invalid> {
    let find = |text: &String| {
        let name = known.iter().map(|header| &header.name).find(|name| name.as_str().eq_ignore_ascii_case(text));
        name.cloned().ok_or_else(|| {
            let invalid = Invalid::at(argument, format!("found '{text}', wanted one of the headers of this filter"));
            match did_you_mean(text, known.iter().map(|header| header.name.as_str())) {
                Some(close) => invalid.with_hint(format!("did you mean '{close}'?")),
                None => invalid,
            }
        })
    };
    written.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{exchange, filter, pass_back, refusal, response, values};

    fn secured(arguments: &str, fields: &[(&str, &str)]) -> Response {
        let filter = filter::<SecureHeadersSpec>(arguments);
        let mut response = response(fields);
        pass_back(&*filter, &mut exchange("/"), &mut response).unwrap();
        response
    }

    #[test]
    fn springs_defaults_are_added() {
        let response = secured("", &[]);
        let value = |name: &str| response.headers()[name].to_str().unwrap();
        assert_eq!(response.headers().len(), 8);
        assert_eq!(value("x-xss-protection"), "1 ; mode=block");
        assert_eq!(value("strict-transport-security"), "max-age=631138519");
        assert_eq!(value("x-frame-options"), "DENY");
        assert_eq!(value("x-content-type-options"), "nosniff");
        assert_eq!(value("referrer-policy"), "no-referrer");
        assert!(value("content-security-policy").starts_with("default-src 'self' https:; font-src"));
        assert_eq!(value("x-download-options"), "noopen");
        assert_eq!(value("x-permitted-cross-domain-policies"), "none");
    }

    #[test]
    fn what_the_upstream_set_stays() {
        let response = secured("", &[("x-frame-options", "SAMEORIGIN"), ("referrer-policy", "")]);
        assert_eq!(values(response.headers(), "x-frame-options"), ["SAMEORIGIN"]);
        assert_eq!(values(response.headers(), "referrer-policy"), [""]);
    }

    #[test]
    fn headers_can_be_changed_and_left_out() {
        let response = secured("{disable: [X-Frame-Options, x-xss-protection], referrer-policy: origin}", &[]);
        assert_eq!(response.headers().len(), 6);
        assert_eq!(response.headers()["referrer-policy"], "origin");
        assert!(!response.headers().contains_key("x-frame-options"));
    }

    #[test]
    fn a_permissions_policy_is_added_where_it_is_asked_for() {
        let response = secured("{enable: Permissions-Policy}", &[]);
        assert!(response.headers()["permissions-policy"].to_str().unwrap().ends_with("xr-spatial-tracking=()"));
        assert_eq!(secured("{permissions-policy: camera=()}", &[]).headers()["permissions-policy"], "camera=()");
    }

    #[test]
    fn bad_arguments_are_refused() {
        assert!(refusal::<SecureHeadersSpec>("{disable: X-Frame-Option}").contains("did you mean 'x-frame-options'?"));
        assert!(refusal::<SecureHeadersSpec>("{enable: X-Other}").contains("X-Other"));
        assert!(refusal::<SecureHeadersSpec>("{frame-option: DENY}").contains("frame-options"));
        assert!(refusal::<SecureHeadersSpec>("{frame-options: \"a\\nb\"}").contains("control"));
    }
}
