//! A document as operators may see it: what came from the environment or a file named by `${file:…}`, what stands under a key
//! that is called a secret, and users, passwords and secrets of the query in URLs are masked.

use std::borrow::Cow;
use std::ops::Range;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::node::{Node, Resolved, Scalar, Value};

/// Words in a key, without what divides words and without capitals, that say its value is a secret.
const SECRET_WORDS: [&str; 8] =
    ["secret", "password", "passwd", "token", "dsn", "credential", "passphrase", "privatekey"];

/// Ends of a key that say the same. `api-keys` may be a whole section.
const SECRET_ENDS: [&str; 2] = ["apikey", "accesskey"];

/// Fields of HTTP whose values are secrets. `authorization` may be a whole section too.
const SECRET_FIELDS: [&str; 3] = ["authorization", "proxy-authorization", "txn-token"];

/// What stands in the place of a secret.
const MASK: &str = "***";

/// A node to be written out without its secrets.
///
/// ```
/// use gwanmun_config::{Environment, Masked, MergeRules, load_texts};
///
/// let file = ("a.yaml".to_owned(), "{url: 'redis://ann:s3cret@host', token: x, n: 1}".to_owned());
/// let loaded = load_texts(&[file], &Environment::default(), &MergeRules::default());
/// let shown = serde_json::to_string(&Masked::of(&loaded.document)).unwrap();
/// assert_eq!(shown, r#"{"url":"redis://***@host","token":"***","n":1}"#);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Masked<'n> {
    node: &'n Node,
    trust: Trust,
    state: State,
}

/// Whether `${…}` is a reference, or what was left of an escaped one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    AsWritten,
    Replaced,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    Plain,
    Secret,
}

impl<'n> Masked<'n> {
    /// The whole of `node`, in which references are replaced.
    pub fn of(node: &'n Node) -> Self {
        Self { node, trust: Trust::Plain, state: State::Replaced }
    }

    /// The whole of `node` as it was written: what refers to something else is masked.
    pub fn as_written(node: &'n Node) -> Self {
        Self { state: State::AsWritten, ..Self::of(node) }
    }

    /// What stands under `key`: secret, where the key says so.
    pub fn under(self, key: &str, node: &'n Node) -> Self {
        let is_field = || SECRET_FIELDS.iter().any(|name| key.eq_ignore_ascii_case(name));
        let is_value = matches!(node.value, Value::Scalar(_));
        let secret = self.trust == Trust::Secret || is_secret(key) || (is_value && is_field());
        Self { node, trust: if secret { Trust::Secret } else { Trust::Plain }, state: self.state }
    }

    /// One element of it.
    pub fn element(self, node: &'n Node) -> Self {
        Self { node, ..self }
    }

    /// The node that is masked.
    pub fn node(self) -> &'n Node {
        self.node
    }
}

/// Whether what stands under `key` is called a secret.
pub fn is_secret(key: &str) -> bool {
    let key = bare(key);
    SECRET_WORDS.iter().any(|word| key.contains(word)) || SECRET_ENDS.iter().any(|end| key.ends_with(end))
}

/// `apikey` for `API_KEY`, `api-key`, `api.key` and `apiKey`.
pub(crate) fn bare(key: &str) -> String {
    key.chars().filter(|letter| !matches!(letter, '-' | '_' | '.')).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// `text`, where it is a URL without the user and the password in it, and without what its query calls a secret.
pub fn without_user(text: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = text.split_once("://") else { return Cow::Borrowed(text) };
    // A password may have any character in it.
    let (user, behind) = match rest.rfind('@').and_then(|place| rest.get(place..)) {
        Some(behind) => (MASK, behind),
        None => ("", rest),
    };
    let secrets = query_secrets(behind);
    if user.is_empty() && secrets.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut shown = format!("{scheme}://{user}");
    let mut from = 0;
    for secret in secrets {
        shown.push_str(behind.get(from..secret.start).unwrap_or_default());
        shown.push_str(MASK);
        from = secret.end;
    }
    shown.push_str(behind.get(from..).unwrap_or_default());
    Cow::Owned(shown)
}

/// Where the query of a URL has the value of what is called a secret: `?password=…`.
pub(crate) fn query_secrets(url: &str) -> Vec<Range<usize>> {
    let Some(mut at) = url.find('?') else { return Vec::new() };
    let mut places = Vec::new();
    for part in url.get(at + 1..).unwrap_or_default().split('&') {
        at += 1;
        if let Some((name, value)) = part.split_once('=')
            && is_secret(name)
            && !value.is_empty()
        {
            places.push(at + part.len() - value.len()..at + part.len());
        }
        at += part.len();
    }
    places
}

impl Serialize for Masked<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.node.value {
            Value::Null => serializer.serialize_unit(),
            Value::Scalar(scalar) => self.scalar(scalar, serializer),
            Value::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for node in items {
                    list.serialize_element(&self.element(node))?;
                }
                list.end()
            }
            Value::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for entry in entries {
                    map.serialize_entry(&entry.key, &self.under(&entry.key, &entry.node))?;
                }
                map.end()
            }
        }
    }
}

impl Masked<'_> {
    fn scalar<S: Serializer>(&self, scalar: &Scalar, serializer: S) -> Result<S::Ok, S::Error> {
        let refers = self.state == State::AsWritten && scalar.text().contains("${");
        if self.trust == Trust::Secret || scalar.is_injected() || refers {
            return serializer.serialize_str(MASK);
        }
        match scalar.resolve() {
            Resolved::Bool(value) => serializer.serialize_bool(value),
            Resolved::Integer(value) => match i64::try_from(value) {
                Ok(value) => serializer.serialize_i64(value),
                Err(_) => serializer.serialize_str(scalar.text()),
            },
            _ => serializer.serialize_str(&without_user(scalar.text())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Span;

    fn shown(value: Value) -> String {
        serde_json::to_string(&Masked::as_written(&Node::new(value, Span::NOWHERE))).unwrap()
    }

    fn shown_replaced(value: Value) -> String {
        serde_json::to_string(&Masked::of(&Node::new(value, Span::NOWHERE))).unwrap()
    }

    #[test]
    fn a_url_is_shown_without_its_user_and_password() {
        for (written, shown) in [
            ("redis://ann:s3/cr@t@redis.internal:6379/0", "redis://***@redis.internal:6379/0"),
            ("redis-cluster://:x@a:1,b:2", "redis-cluster://***@a:1,b:2"),
            ("http://127.0.0.1:9001/x", "http://127.0.0.1:9001/x"),
            ("ann@corp", "ann@corp"),
            (
                "postgres://h/db?user=ann&password=s3&sslmode=require",
                "postgres://h/db?user=ann&password=***&sslmode=require",
            ),
            ("http://ann:x@h/?page=1&token=y", "http://***@h/?page=1&token=***"),
        ] {
            assert_eq!(without_user(written), shown);
        }
    }

    #[test]
    fn keys_say_what_is_secret_in_any_spelling() {
        for key in [
            "password",
            "DB_PASSWORD",
            "passwd",
            "client-secret",
            "api-token",
            "dsn",
            "private_key",
            "privateKey",
            "api-key",
            "apiKey",
            "credentials",
            "MAPS_API_KEY",
            "s3-access-key",
        ] {
            assert!(is_secret(key), "{key}");
        }
        for key in ["key", "url", "issuer", "max-items", "api-keys"] {
            assert!(!is_secret(key), "{key}");
        }
    }

    #[test]
    fn what_a_field_of_http_carries_is_not_shown_and_a_section_of_its_name_is() {
        let file = "headers: {Authorization: 'Bearer x', Accept: z}\nauthorization: {audit: denied}";
        let (environment, rules) = (crate::Environment::default(), crate::MergeRules::default());
        let loaded = crate::load_texts(&[("a.yaml".to_owned(), file.to_owned())], &environment, &rules);
        assert_eq!(
            serde_json::to_string(&Masked::of(&loaded.document)).unwrap(),
            r#"{"headers":{"Authorization":"***","Accept":"z"},"authorization":{"audit":"denied"}}"#
        );
    }

    #[test]
    fn values_keep_their_kind_and_what_came_from_outside_is_not_shown() {
        assert_eq!(shown(Value::Scalar(Scalar::plain("17"))), "17");
        assert_eq!(shown(Value::Scalar(Scalar::quoted("17"))), "\"17\"");
        assert_eq!(shown(Value::Scalar(Scalar::plain("99999999999999999999"))), "\"99999999999999999999\"");
        assert_eq!(shown(Value::Scalar(Scalar::plain("true"))), "true");
        assert_eq!(shown(Value::Null), "null");
        assert_eq!(shown(Value::Scalar(Scalar::plain("x").injected())), "\"***\"");
        assert_eq!(shown(Value::Scalar(Scalar::plain("${A:-hunter2}"))), "\"***\"");
        assert_eq!(shown_replaced(Value::Scalar(Scalar::plain("${name}"))), "\"${name}\"");
    }
}
