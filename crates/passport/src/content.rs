//! What a Passport says besides who made it, for whom and how long: the same types for making and for reading.

use std::borrow::Cow;
use std::net::IpAddr;

use gwanmun_core::{Level, Principal};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a Passport says. Borrowed where one is made, owned where one was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Content<'a> {
    /// The transaction: unique to this request (`txn`).
    pub txn: Cow<'a, str>,
    /// Who calls (`sub`).
    pub subject: Cow<'a, str>,
    /// What the caller may do. What is no scope token (RFC 6749 section 3.3) is left out: a space in it would make two.
    pub scopes: Cow<'a, [String]>,
    /// The user, and how well that is proven.
    pub user: User<'a>,
    /// The device, where something is known of it.
    pub device: Option<Device<'a>>,
    /// Who acts for the user (the `sub` of `act`, RFC 8693 section 4.1).
    pub actor: Option<Cow<'a, str>>,
    /// Where the request came from.
    pub requester: Requester<'a>,
}

impl<'a> Content<'a> {
    /// What a principal alone tells: no device, no address.
    pub fn of(principal: &'a Principal, txn: &'a str) -> Self {
        let authn = Cow::Owned(format!("urn:gwanmun:authn:{}", principal.credential_kind()));
        Self {
            txn: Cow::Borrowed(txn),
            subject: Cow::Borrowed(&principal.subject),
            scopes: Cow::Borrowed(&principal.scopes),
            user: User {
                id: Cow::Borrowed(&principal.subject),
                roles: Cow::Borrowed(&principal.roles),
                level: principal.level,
                source: Cow::Borrowed(&principal.credential),
            },
            device: None,
            actor: None,
            requester: Requester { authn, role: Cow::Borrowed("none"), ..Requester::default() },
        }
    }
}

/// The user section of `tctx`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct User<'a> {
    /// The user's name with the auth server.
    pub id: Cow<'a, str>,
    /// What the user may act as.
    pub roles: Cow<'a, [String]>,
    /// How well it is proven.
    #[serde(with = "level")]
    pub level: Level,
    /// Who says so: `jwt:corp`.
    pub source: Cow<'a, str>,
}

/// The device section of `tctx`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Device<'a> {
    /// The device's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Cow<'a, str>>,
    /// Its system and version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os: Option<Cow<'a, str>>,
    /// The app's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<Cow<'a, str>>,
    /// How well it is proven.
    #[serde(with = "level")]
    pub level: Level,
    /// Who says so: `header`.
    pub source: Cow<'a, str>,
}

/// `rctx`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Requester<'a> {
    /// The client's address.
    #[serde(rename = "req_ip", skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// How the caller was authenticated: `urn:gwanmun:authn:jwt`.
    pub authn: Cow<'a, str>,
    /// The role of the gateway that let the request in, or `none`.
    pub role: Cow<'a, str>,
    /// The trace the request belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<Cow<'a, str>>,
}

/// Whether it is one scope token: printable ASCII without space, quote and backslash (RFC 6749 section 3.3).
pub(crate) fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// Levels by their names.
mod level {
    use super::{Cow, Deserialize, Deserializer, Level, Serializer};

    // The signature is serde's.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    pub(super) fn serialize<S: Serializer>(level: &Level, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(level.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Level, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_tells_who_calls_and_how_sure_that_is() {
        let mut principal = Principal::new("u1", "jwt:corp", Level::High);
        principal.roles = vec!["member".to_owned()];
        principal.scopes = vec!["orders.read".to_owned()];
        let content = Content::of(&principal, "t1");
        assert_eq!((&*content.txn, &*content.subject, &*content.user.id), ("t1", "u1", "u1"));
        assert_eq!((&*content.user.source, content.user.level), ("jwt:corp", Level::High));
        assert_eq!((&*content.user.roles, &*content.scopes), (&*principal.roles, &*principal.scopes));
        assert_eq!((&*content.requester.authn, &*content.requester.role), ("urn:gwanmun:authn:jwt", "none"));
    }
}
