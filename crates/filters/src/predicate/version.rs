//! `version`: the version of the API that a request wants.

use std::borrow::Cow;

use gwanmun_proxy::route::escape::{percent_decoded, query_decoded};
use gwanmun_proxy::spec::ApiVersionSpec;
use gwanmun_proxy::{Condition, Exchange, Invalid, Parts, Predicate, PredicateSpec};
use http::header::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

/// Matches requests for a version of the API. Where a request carries its version, and what one without a version
/// wants, is said once for the gateway: `api-version: {header | query | path-segment, default}`.
///
/// Versions are semantic: `1.2`, `v1.2` and `1.2.0` are the same. `1.2+` is 1.2 or any later one. A request whose version
/// cannot be read matches no version.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct VersionSpec {
    /// The version: `1.1` for exactly this one, `1.1+` for this or later.
    version: String,
}

impl PredicateSpec for VersionSpec {
    const NAME: &'static str = "version";
    const EXAMPLE: &'static str = r#"
api-version: {header: X-API-Version, default: "1.0"}
routes:
  - id: current
    predicates:
      - version: 1.1+
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /, headers: {x-api-version: "1.2"}}
    upstream-response: {status: 200}
    expect: {route: current, status: 200}
  - request: {method: GET, path: /}
    expect: {status: 404}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Condition, Invalid> {
        let (text, later) = match self.version.strip_suffix('+') {
            Some(text) => (text, Later::Too),
            None => (self.version.as_str(), Later::Not),
        };
        let wanted = Version::parse(text).ok_or_else(|| {
            Invalid::at("version", format!("found '{}', wanted a version", self.version))
                .with_hint("like 1, 1.1 or 1.1.2, with a '+' at the end for this or later")
        })?;
        let spec = parts.api_version.ok_or_else(|| {
            Invalid::new("the configuration does not say where requests carry their version")
                .with_hint("add for example `api-version: {header: X-API-Version}` at the top")
        })?;
        let place = Place::of(spec)?;
        let default = match &spec.default {
            Some(text) => Some(Version::parse(text).ok_or_else(|| {
                Invalid::new(format!("found '{text}' as the default of api-version, wanted a version like 1.1"))
            })?),
            None => None,
        };
        Ok(Condition::Test(Box::new(Wanted { wanted, later, place, default })))
    }
}

/// Major, minor, patch; what is not written is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version([u32; 3]);

impl Version {
    /// Parses `1`, `1.2`, `1.2.3`; what stands before the first digit is skipped, as in `v1`.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let mut numbers = text.get(text.find(|c: char| c.is_ascii_digit())?..)?.split('.');
        let mut version = [0; 3];
        for place in &mut version {
            let Some(number) = numbers.next() else { break };
            *place = Some(number).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?;
        }
        numbers.next().is_none().then_some(Self(version))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Later {
    Too,
    Not,
}

/// Where a request carries its version.
enum Place {
    Header(HeaderName),
    Query(String),
    PathSegment(usize),
}

impl Place {
    fn of(spec: &ApiVersionSpec) -> Result<Self, Invalid> {
        match (&spec.header, &spec.query, spec.path_segment) {
            (Some(name), None, None) => HeaderName::try_from(name)
                .map(Self::Header)
                .map_err(|_| Invalid::new(format!("found '{name}' under api-version, wanted the name of a header"))),
            (None, Some(param), None) => Ok(Self::Query(param.clone())),
            (None, None, Some(segment)) => Ok(Self::PathSegment(segment)),
            _ => Err(Invalid::new("api-version wants exactly one of header, query and path-segment")),
        }
    }

    fn text<'e>(&self, exchange: &'e Exchange) -> Option<Cow<'e, str>> {
        match self {
            Self::Header(name) => {
                exchange.request.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()))
            }
            Self::Query(param) => exchange.request.query()?.split('&').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                (query_decoded(name) == *param).then(|| query_decoded(value))
            }),
            Self::PathSegment(segment) => {
                exchange.request.path().strip_prefix('/')?.split('/').nth(*segment).map(percent_decoded)
            }
        }
        .filter(|text| !text.is_empty())
    }
}

struct Wanted {
    wanted: Version,
    later: Later,
    place: Place,
    default: Option<Version>,
}

impl Predicate for Wanted {
    fn holds(&self, exchange: &Exchange) -> bool {
        let version = match self.place.text(exchange) {
            Some(text) => Version::parse(&text),
            None => self.default,
        };
        version.is_some_and(|version| match self.later {
            Later::Too => version >= self.wanted,
            Later::Not => version == self.wanted,
        })
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::fixture::{Fixture, exchange, exchange_with};
    use crate::predicate::tests::holds;

    fn in_header(default: Option<&str>) -> Fixture {
        let (header, default) = (Some("X-Version".to_owned()), default.map(str::to_owned));
        Fixture::new().with_api_version(ApiVersionSpec { header, default, ..ApiVersionSpec::default() })
    }

    fn wants(version: &str) -> Exchange {
        exchange_with(Method::GET, "/", &[("x-version", version)])
    }

    #[test]
    fn exactly_the_version_has_to_be_asked_for() {
        let condition = in_header(None).predicate::<VersionSpec>("1.1").unwrap();
        assert!(holds(&condition, &wants("1.1")));
        assert!(holds(&condition, &wants("v1.1.0")));
        assert!(!holds(&condition, &wants("1.2")));
        assert!(!holds(&condition, &wants("1")));
        assert!(!holds(&condition, &exchange("/")));
    }

    #[test]
    fn a_plus_takes_later_versions_by_number() {
        let condition = in_header(None).predicate::<VersionSpec>("1.9+").unwrap();
        assert!(holds(&condition, &wants("1.9")));
        assert!(holds(&condition, &wants("1.10")), "10 comes after 9");
        assert!(holds(&condition, &wants("2")));
        assert!(!holds(&condition, &wants("1.8.9")));
    }

    #[test]
    fn a_request_without_a_version_wants_the_default() {
        let condition = in_header(Some("1.1")).predicate::<VersionSpec>("1.1").unwrap();
        assert!(holds(&condition, &exchange("/")));
        assert!(!holds(&condition, &wants("nonsense")), "an unreadable version is not a missing one");
    }

    #[test]
    fn the_version_may_stand_in_the_query_or_the_path() {
        let query = ApiVersionSpec { query: Some("v".to_owned()), ..ApiVersionSpec::default() };
        let condition = Fixture::new().with_api_version(query).predicate::<VersionSpec>("2").unwrap();
        assert!(holds(&condition, &exchange("/?a=b&v=2.0")));
        assert!(!holds(&condition, &exchange("/?v=3")));
        let path = ApiVersionSpec { path_segment: Some(1), ..ApiVersionSpec::default() };
        let condition = Fixture::new().with_api_version(path).predicate::<VersionSpec>("2").unwrap();
        assert!(holds(&condition, &exchange("/api/v2/items")));
        assert!(!holds(&condition, &exchange("/api")));
    }

    #[test]
    fn a_version_is_one_to_three_numbers() {
        for bad in ["", "x", "1.2.3.4", "1.x", "1..2", "1.2-beta", "99999999999"] {
            assert_eq!(Version::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn it_is_refused_without_a_place_to_look_at() {
        let refusal = Fixture::new().predicate::<VersionSpec>("1.1").err().unwrap();
        assert!(refusal.contains("does not say where requests carry their version"), "{refusal}");
    }

    #[test]
    fn something_that_is_no_version_is_refused() {
        let refusal = in_header(None).predicate::<VersionSpec>("latest").err().unwrap();
        assert!(refusal.contains("found 'latest', wanted a version"), "{refusal}");
    }
}
