//! A session as it is written: who it is, its tokens, its times. Read strictly: what is not as this writes it is no session.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gwanmun_core::{Level, Principal, Secret};
use serde_json::{Map, Value, json};

use crate::oauth::stored::millis;
use crate::oidc::grant::Tokens;

/// The form of what is written.
const FORM: u64 = 1;

/// A session.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// Whose it is.
    pub(super) mark: String,
    /// Where it is good.
    pub(super) origin: String,
    /// `sub`.
    pub(super) subject: String,
    /// The provider's own session.
    pub(super) sid: Option<String>,
    /// With its token; it ends with the session.
    pub(super) principal: Arc<Principal>,
    pub(super) tokens: Tokens,
    /// When the user logged in here.
    pub(super) begun: SystemTime,
    /// `iat` of the ID token of that login.
    pub(super) issued: SystemTime,
    /// When the tokens came.
    pub(super) renewed: SystemTime,
    /// How often they came anew.
    pub(super) version: u64,
}

impl Record {
    pub(super) fn write(&self) -> Vec<u8> {
        let secret = |token: &Option<Secret<String>>| token.as_ref().map(|token| token.expose().clone());
        let value = json!({
            "form": FORM,
            "mark": self.mark,
            "origin": self.origin,
            "sub": self.subject,
            "sid": self.sid,
            "subject": self.principal.subject,
            "roles": self.principal.roles,
            "scopes": self.principal.scopes,
            "claims": self.principal.claims,
            "access": self.tokens.access.expose(),
            "access_until": self.tokens.access_until.map(millis),
            "refresh": secret(&self.tokens.refresh),
            "id_token": secret(&self.tokens.id_token),
            "begun": millis(self.begun),
            "issued": millis(self.issued),
            "renewed": millis(self.renewed),
            "version": self.version,
        });
        value.to_string().into_bytes()
    }

    /// What [`Self::write`] wrote; its principal is of `credential`, and ends `lifetime` after its beginning.
    pub(super) fn read(bytes: &[u8], credential: &str, lifetime: Duration) -> Option<Self> {
        let Value::Object(mut fields) = serde_json::from_slice(bytes).ok()? else { return None };
        let fields = &mut fields;
        if number(fields, "form")? != FORM {
            return None;
        }
        let begun = moment(number(fields, "begun")?)?;
        let tokens = Tokens {
            access: Secret::new(text(fields, "access")?),
            access_until: optional(fields, "access_until", |value| moment(value.as_u64()?))?,
            refresh: optional(fields, "refresh", into_text)?.map(Secret::new),
            id_token: optional(fields, "id_token", into_text)?.map(Secret::new),
        };
        let principal = Principal {
            roles: texts(fields, "roles")?,
            scopes: texts(fields, "scopes")?,
            claims: match fields.remove("claims")? {
                Value::Object(claims) => claims,
                _ => return None,
            },
            ..Principal::new(text(fields, "subject")?, credential, Level::High)
        };
        let record = Self {
            mark: text(fields, "mark")?,
            origin: text(fields, "origin")?,
            subject: text(fields, "sub")?,
            sid: optional(fields, "sid", into_text)?,
            principal: Arc::new(holding(principal, &tokens, begun, lifetime)),
            tokens,
            begun,
            issued: moment(number(fields, "issued")?)?,
            renewed: moment(number(fields, "renewed")?)?,
            version: number(fields, "version")?,
        };
        fields.is_empty().then_some(record)
    }
}

/// The principal of a session with its token and its end.
pub(super) fn holding(principal: Principal, tokens: &Tokens, begun: SystemTime, lifetime: Duration) -> Principal {
    Principal { expires: begun.checked_add(lifetime), token: Some(tokens.access.clone()), ..principal }
}

type Fields = Map<String, Value>;

fn number(fields: &mut Fields, name: &str) -> Option<u64> {
    fields.remove(name)?.as_u64()
}

fn text(fields: &mut Fields, name: &str) -> Option<String> {
    into_text(fields.remove(name)?)
}

fn texts(fields: &mut Fields, name: &str) -> Option<Vec<String>> {
    match fields.remove(name)? {
        Value::Array(values) => values.into_iter().map(into_text).collect(),
        _ => None,
    }
}

/// It is there, be it as `null`.
fn optional<T>(fields: &mut Fields, name: &str, read: impl FnOnce(Value) -> Option<T>) -> Option<Option<T>> {
    match fields.remove(name)? {
        Value::Null => Some(None),
        value => read(value).map(Some),
    }
}

fn into_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// A moment as it is when it has been written and read.
pub(super) fn written(moment: SystemTime) -> SystemTime {
    self::moment(millis(moment)).unwrap_or(moment)
}

fn moment(millis: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_millis(millis))
}
