//! `rewrite-location-response-header`: a redirect of the upstream leads back to the gateway.

use gwanmun_core::{Code, Fault};
use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Response, Step, Verdict};
use http::header::{HeaderName, HeaderValue};
use http::uri::Authority;
use regex::Regex;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::{header_name, regexp};

/// Puts the host that the client asked for in place of the upstream's host in `Location`, and may take a version off the
/// path: for a request to `api.example.com/some/object`, `https://backend:8443/v2/some/object/id` becomes
/// `https://api.example.com/some/object/id`. A relative `Location` stays.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RewriteLocationResponseHeaderSpec {
    /// Whether a first segment such as `/v2` goes: `NEVER_STRIP`, `ALWAYS_STRIP`, or only where the path of the request
    /// has none (`AS_IN_REQUEST`).
    #[serde(default)]
    #[schemars(schema_with = "modes")]
    strip_version_mode: StripVersionMode,
    /// The header to rewrite.
    #[serde(default = "location")]
    location_header_name: String,
    /// The host, or host and port, to put there instead of the one that the client asked for.
    #[serde(default)]
    host_value: Option<String>,
    /// A regular expression for the scheme; a URL of another scheme stays.
    #[serde(default = "protocols")]
    protocols_regex: String,
}

/// Whether a version goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StripVersionMode {
    #[serde(alias = "NEVER_STRIP")]
    NeverStrip,
    #[default]
    #[serde(alias = "AS_IN_REQUEST")]
    AsInRequest,
    #[serde(alias = "ALWAYS_STRIP")]
    AlwaysStrip,
}

fn modes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "enum": ["never-strip", "as-in-request", "always-strip", "NEVER_STRIP", "AS_IN_REQUEST", "ALWAYS_STRIP"],
        "default": "as-in-request"
    })
}

fn location() -> String {
    "Location".to_owned()
}

fn protocols() -> String {
    "https?|ftps?".to_owned()
}

struct RewriteLocationResponseHeader {
    mode: StripVersionMode,
    name: HeaderName,
    host: Option<String>,
    protocols: Regex,
}

impl FilterSpec for RewriteLocationResponseHeaderSpec {
    const NAME: &'static str = "rewrite-location-response-header";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: objects
    predicates:
      - path: /some/**
    filters:
      - rewrite-location-response-header
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: POST, path: /some/object, headers: {host: api.example.com}}
    upstream-response: {status: 201, headers: {location: "https://backend:8443/v2/some/object/id"}}
    expect: {route: objects, status: 201, headers: {location: "https://api.example.com/some/object/id"}}
"#;

    fn build(self, _: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        let host = self.host_value;
        if let Some(host) = &host
            && (host.contains('@') || host.parse::<Authority>().is_err())
        {
            return Err(Invalid::at("host-value", format!("found '{host}', wanted a host or host:port")));
        }
        Ok(Box::new(RewriteLocationResponseHeader {
            mode: self.strip_version_mode,
            name: header_name::settable_in_response("location-header-name", &self.location_header_name)?,
            host,
            protocols: regexp::whole("protocols-regex", &self.protocols_regex)?,
        }))
    }
}

impl Filter for RewriteLocationResponseHeader {
    fn response<'a>(&'a self, exchange: &'a mut Exchange, response: &'a mut Response) -> Verdict<'a> {
        let asked = exchange.host.as_ref().and_then(|host| host.to_str().ok());
        let Some(host) = self.host.as_deref().or(asked) else { return Ok(Step::Next) };
        let http::header::Entry::Occupied(mut values) = response.headers_mut().entry(&self.name) else {
            return Ok(Step::Next);
        };
        for value in values.iter_mut() {
            let rewritten = value.to_str().ok().and_then(|url| self.rewritten(url, host, exchange.original.path()));
            if let Some(url) = rewritten {
                *value = HeaderValue::try_from(url)
                    .map_err(|_| Fault::new(Code::Internal, "a rewritten location is no header value"))?;
            }
        }
        Ok(Step::Next)
    }
}

impl RewriteLocationResponseHeader {
    fn rewritten(&self, url: &str, host: &str, requested: &str) -> Option<String> {
        let (scheme, rest) = url.split_once("://").filter(|(scheme, _)| self.protocols.is_match(scheme))?;
        let path = rest.get(rest.find(['/', '?', '#']).unwrap_or(rest.len())..)?;
        let strips = match self.mode {
            StripVersionMode::NeverStrip => false,
            StripVersionMode::AsInRequest => without_version(requested).is_none(),
            StripVersionMode::AlwaysStrip => true,
        };
        let path = if strips { without_version(path).unwrap_or(path) } else { path };
        Some(format!("{scheme}://{host}{path}"))
    }
}

/// What follows `/v1`, `/v2`… at the beginning of a path, with its slash; `None` if there is no such segment.
fn without_version(path: &str) -> Option<&str> {
    let digits = path.strip_prefix("/v")?;
    let rest = digits.trim_start_matches(|digit: char| digit.is_ascii_digit());
    (rest.len() < digits.len() && rest.starts_with('/')).then_some(rest)
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::fixture::{exchange_with, filter, pass_back, refusal, response};

    fn rewritten(arguments: &str, requested: &str, location: &str) -> String {
        let filter = filter::<RewriteLocationResponseHeaderSpec>(arguments);
        let mut exchange = exchange_with(Method::POST, requested, &[("host", "api.example.com")]);
        let mut response = response(&[("location", location), ("link", location)]);
        pass_back(&*filter, &mut exchange, &mut response).unwrap();
        let name = if arguments.contains("Link") { "link" } else { "location" };
        response.headers()[name].to_str().unwrap().to_owned()
    }

    #[test]
    fn springs_examples_do_what_they_do_there() {
        let v1 = "https://object-service.prod.example.net/v1/some/object/id";
        assert_eq!(rewritten("", "/some/object/name", v1), "https://api.example.com/some/object/id");
        assert_eq!(
            rewritten(
                "{strip-version-mode: ALWAYS_STRIP, location-header-name: Link, host-value: 'a.b:8'}",
                "/v1/some",
                v1
            ),
            "https://a.b:8/some/object/id"
        );
        let never = "{strip-version-mode: NEVER_STRIP, protocols-regex: 'https|ftps'}";
        assert_eq!(rewritten(never, "/some", v1), "https://api.example.com/v1/some/object/id");
        let plain = v1.replace("https", "http");
        assert_eq!(rewritten(never, "/some", &plain), plain);
    }

    #[test]
    fn a_version_stays_where_the_request_has_one() {
        assert_eq!(rewritten("", "/v1/some", "http://b:1/v2/x"), "http://api.example.com/v2/x");
        assert_eq!(
            rewritten("{strip-version-mode: as-in-request}", "/vx/some", "http://b/v2/x"),
            "http://api.example.com/x"
        );
        assert_eq!(rewritten("", "/some", "http://b/v2"), "http://api.example.com/v2");
        assert_eq!(rewritten("", "/some", "http://b/video/x"), "http://api.example.com/video/x");
    }

    #[test]
    fn the_whole_authority_goes_whatever_follows_it() {
        assert_eq!(rewritten("", "/", "http://user:pass@[::1]:80?x=/"), "http://api.example.com?x=/");
        assert_eq!(rewritten("", "/", "http://backend"), "http://api.example.com");
    }

    #[test]
    fn relative_locations_stay() {
        assert_eq!(rewritten("", "/", "/v1/x?to=http://b/"), "/v1/x?to=http://b/");
        assert_eq!(rewritten("", "/", "//b/x"), "//b/x");
    }

    #[test]
    fn bad_arguments_are_refused() {
        type Spec = RewriteLocationResponseHeaderSpec;
        assert!(refusal::<Spec>("{strip-version-mode: SOMETIMES}").contains("SOMETIMES"));
        assert!(refusal::<Spec>("{host-value: 'http://a'}").contains("host:port"));
        assert!(refusal::<Spec>("{protocols-regex: '('}").contains("regular expression"));
        assert!(refusal::<Spec>("{location-header-name: 'a b'}").contains("a b"));
    }
}
