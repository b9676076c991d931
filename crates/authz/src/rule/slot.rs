//! What an expression asks about: places that are found when it is checked, so that a request gives up what stands there
//! and nothing else.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::time::SystemTime;

use cel::common::types::{CelBool, CelInt, CelMap, CelMapKey, CelString};
use cel::common::value::{CowVal, Val};
use http::HeaderMap;
use serde_json::Value;

use crate::decision::shortened;
use crate::query::{Parameter, parameter, parameters};
use crate::rule::Facts;
use crate::rule::function::Pattern;
use crate::rule::kind::Kind;
use crate::rule::value::{Work, of_json, of_text, of_texts};

/// One place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Slot {
    Subject,
    Roles,
    Scopes,
    Level,
    Credential,
    /// The claim at this path; all of them if it is empty.
    Claim(Vec<Step>),
    Method,
    Scheme,
    Host,
    Path,
    Client,
    Time,
    Queries,
    Query(String),
    Headers,
    Header(String),
    /// Whether there is one.
    Has(Box<Slot>),
    /// A regular expression that stands in the rule.
    Pattern(Pattern),
}

/// A step into a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Member(String),
    Element(usize),
}

/// Why a slot has no value.
pub(crate) type Lack = &'static str;

impl Slot {
    /// The member `name` of `principal`.
    pub(crate) fn of_principal(name: &str) -> Option<Self> {
        Some(match name {
            "subject" => Self::Subject,
            "roles" => Self::Roles,
            "scopes" => Self::Scopes,
            "level" => Self::Level,
            "credential" => Self::Credential,
            "claims" => Self::Claim(Vec::new()),
            _ => return None,
        })
    }

    /// The member `name` of `request`.
    pub(crate) fn of_request(name: &str) -> Option<Self> {
        Some(match name {
            "method" => Self::Method,
            "scheme" => Self::Scheme,
            "host" => Self::Host,
            "path" => Self::Path,
            "query" => Self::Queries,
            "headers" => Self::Headers,
            "client" => Self::Client,
            "time" => Self::Time,
            _ => return None,
        })
    }

    /// What it gives.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Roles | Self::Scopes => Kind::Texts,
            Self::Level => Kind::Level,
            Self::Claim(path) if path.is_empty() => Kind::Map,
            Self::Claim(_) | Self::Pattern(_) => Kind::Any,
            Self::Time => Kind::Int,
            Self::Queries | Self::Headers => Kind::TextMap,
            Self::Has(_) => Kind::Bool,
            Self::Subject
            | Self::Credential
            | Self::Method
            | Self::Scheme
            | Self::Host
            | Self::Path
            | Self::Client
            | Self::Query(_)
            | Self::Header(_) => Kind::Text,
        }
    }

    /// What stands there.
    pub(crate) fn value<'v>(&'v self, facts: &'v Facts<'v>, work: &Work) -> Result<CowVal<'v, 'v>, Lack> {
        const TOO_LARGE: Lack = "is too large";
        let Facts { principal, level, action } = facts;
        let text = |text: &'v str| of_text(text, work).ok_or(TOO_LARGE);
        let value = match self {
            Self::Subject => text(&principal.subject),
            Self::Credential => text(&principal.credential),
            Self::Roles => of_texts(&principal.roles, work).ok_or(TOO_LARGE),
            Self::Scopes => of_texts(&principal.scopes, work).ok_or(TOO_LARGE),
            Self::Level => text(level.as_str()),
            Self::Claim(path) => match path.split_first() {
                None => claims(&principal.claims, work).ok_or(TOO_LARGE),
                Some(_) => of_json(claim(&principal.claims, path)?, work).ok_or(TOO_LARGE),
            },
            Self::Method => text(action.method),
            Self::Scheme => text(action.scheme),
            Self::Host => owned(host(action.host), work),
            Self::Path if !action.has_clear_path() => Err("is not canonical"),
            Self::Path => text(action.path),
            Self::Client => {
                action.client.ok_or("is not known").and_then(|client| owned(client.to_string().into(), work))
            }
            Self::Time => Ok(Box::new(CelInt::from(seconds(action.time))) as Box<dyn Val>),
            Self::Query(name) => match parameter(action.query, name) {
                Parameter::Missing => Err("is missing"),
                Parameter::Once(value) => owned(value, work),
                Parameter::Often => Err("is there several times"),
                Parameter::Unreadable => Err("cannot be told, since the query is no text"),
            },
            Self::Queries => queries(action.query, work),
            Self::Header(name) => header(action.headers, name).and_then(|value| owned(value, work)),
            Self::Headers => headers(action.headers, work),
            Self::Has(of) => of.is_there(facts).map(|there| Box::new(CelBool::from(there)) as Box<dyn Val>),
            Self::Pattern(pattern) => return Ok(CowVal::Borrowed(pattern)),
        };
        value.map(CowVal::Owned)
    }

    /// What stands there, for people; `None` for what is no place.
    pub(crate) fn shown(&self, facts: &Facts<'_>) -> Option<String> {
        let text = match self {
            Self::Pattern(_) => return None,
            Self::Has(of) => {
                return of.is_there(facts).map_or_else(|lack| Some(lack.to_owned()), |there| Some(there.to_string()));
            }
            Self::Claim(path) if !path.is_empty() => claim(&facts.principal.claims, path).map(Value::to_string),
            Self::Claim(_) => Ok(format!("{:?}", facts.principal.claims.keys().collect::<Vec<_>>())),
            Self::Roles => Ok(format!("{:?}", facts.principal.roles)),
            Self::Scopes => Ok(format!("{:?}", facts.principal.scopes)),
            Self::Headers => Ok(format!("{:?}", facts.action.headers.keys().collect::<Vec<_>>())),
            Self::Queries => Ok(format!("{:?}", facts.action.query.unwrap_or_default())),
            Self::Time => Ok(seconds(facts.action.time).to_string()),
            _ => match self.value(facts, &Work::new(u32::MAX)) {
                Ok(value) => Ok(value.downcast_ref::<CelString>().map(|text| format!("{:?}", text.inner()))?),
                Err(lack) => Err(lack),
            },
        };
        Some(shortened(&text.unwrap_or_else(str::to_owned), 120))
    }

    /// Whether `has()` holds of it.
    fn is_there(&self, facts: &Facts<'_>) -> Result<bool, Lack> {
        match self {
            Self::Claim(path) => match path.split_last() {
                Some((Step::Member(name), [])) => Ok(facts.principal.claims.contains_key(name)),
                Some((Step::Member(name), parents)) => match claim(&facts.principal.claims, parents)? {
                    Value::Object(members) => Ok(members.contains_key(name)),
                    _ => Err("is no member of a map"),
                },
                _ => Ok(true),
            },
            Self::Header(name) => Ok(facts.action.headers.contains_key(name)),
            Self::Query(name) => match parameter(facts.action.query, name) {
                Parameter::Missing => Ok(false),
                Parameter::Once(_) | Parameter::Often => Ok(true),
                Parameter::Unreadable => Err("cannot be told, since the query is no text"),
            },
            _ => Ok(true),
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject => f.write_str("principal.subject"),
            Self::Roles => f.write_str("principal.roles"),
            Self::Scopes => f.write_str("principal.scopes"),
            Self::Level => f.write_str("principal.level"),
            Self::Credential => f.write_str("principal.credential"),
            Self::Claim(path) => {
                f.write_str("principal.claims")?;
                path.iter().try_for_each(|step| match step {
                    Step::Member(name) => write_member(f, name),
                    Step::Element(place) => write!(f, "[{place}]"),
                })
            }
            Self::Method => f.write_str("request.method"),
            Self::Scheme => f.write_str("request.scheme"),
            Self::Host => f.write_str("request.host"),
            Self::Path => f.write_str("request.path"),
            Self::Client => f.write_str("request.client"),
            Self::Time => f.write_str("request.time"),
            Self::Queries => f.write_str("request.query"),
            Self::Query(name) => f.write_str("request.query").and_then(|()| write_member(f, name)),
            Self::Headers => f.write_str("request.headers"),
            Self::Header(name) => f.write_str("request.headers").and_then(|()| write_member(f, name)),
            Self::Has(of) => write!(f, "has({of})"),
            Self::Pattern(pattern) => write!(f, "{:?}", pattern.text()),
        }
    }
}

fn write_member(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !name.is_empty() && name.bytes().all(is_plain) && !name.starts_with(|first: char| first.is_ascii_digit()) {
        write!(f, ".{name}")
    } else {
        write!(f, "['{}']", shortened(name, 100))
    }
}

fn owned<'v>(text: Cow<'v, str>, work: &Work) -> Result<Box<dyn Val + 'v>, Lack> {
    if work.take_text(&text) { Ok(Box::new(CelString::from(text))) } else { Err("is too large") }
}

fn claim<'v>(claims: &'v serde_json::Map<String, Value>, path: &[Step]) -> Result<&'v Value, Lack> {
    let mut steps = path.iter();
    let first = match steps.next() {
        Some(Step::Member(name)) => claims.get(name),
        _ => None,
    };
    let found = first.and_then(|first| {
        steps.try_fold(first, |value, step| match step {
            Step::Member(name) => value.get(name),
            Step::Element(place) => value.get(*place),
        })
    });
    found.ok_or("is missing")
}

fn claims<'v>(claims: &'v serde_json::Map<String, Value>, work: &Work) -> Option<Box<dyn Val + 'v>> {
    let claim = |(name, value): (&'v String, &'v Value)| {
        work.take_text(name).then_some(())?;
        Some((CelMapKey::from(name.as_str()), of_json(value, work)?))
    };
    let claims = claims.iter().map(claim).collect::<Option<HashMap<_, _>>>()?;
    Some(Box::new(CelMap::from(claims)))
}

/// The field `name`; several of them as one (RFC 9110 section 5.3).
fn header<'v>(headers: &'v HeaderMap, name: &str) -> Result<Cow<'v, str>, Lack> {
    let mut values = headers.get_all(name).iter().map(|value| std::str::from_utf8(value.as_bytes()));
    let no_text = |_| "is no text";
    let mut value = Cow::Borrowed(values.next().ok_or("is missing")?.map_err(no_text)?);
    for next in values {
        let value = value.to_mut();
        value.push_str(", ");
        value.push_str(next.map_err(no_text)?);
    }
    Ok(value)
}

fn headers<'v>(headers: &'v HeaderMap, work: &Work) -> Result<Box<dyn Val + 'v>, Lack> {
    let mut map = HashMap::with_capacity(headers.keys_len());
    for name in headers.keys() {
        map.insert(CelMapKey::from(name.as_str()), owned(header(headers, name.as_str())?, work)?);
    }
    Ok(Box::new(CelMap::from(map)))
}

fn queries<'v>(query: Option<&'v str>, work: &Work) -> Result<Box<dyn Val + 'v>, Lack> {
    let mut map = HashMap::new();
    for parameter in parameters(query) {
        let (name, value) = parameter.ok_or("is no text")?;
        let value = owned(value, work)?;
        if map.insert(CelMapKey::from(name.into_owned()), value).is_some() {
            return Err("has a parameter several times");
        }
    }
    Ok(Box::new(CelMap::from(map)))
}

fn host(host: &str) -> Cow<'_, str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    match host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => host.to_ascii_lowercase().into(),
        false => host.into(),
    }
}

fn seconds(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds),
    }
}
