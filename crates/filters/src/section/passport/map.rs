//! `map`: where in what the auth server tells stand the parts of a Passport.

use gwanmun_config::Spanned;
use gwanmun_core::Level;
use gwanmun_identity::Pointer;
use gwanmun_proxy::Ground;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::device::Known;

/// How much of one text is taken over.
const LONGEST: usize = 256;

/// Where the parts of a Passport stand in an answer: JSON pointers (RFC 6901). What is not mapped comes from the principal
/// and the request.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct MapSpec {
    /// The user's name: text, a whole number, or an object with an `id`.
    user: Option<Spanned<String>>,
    /// What the user may act as: a list of texts, or a text with spaces or commas. If nothing is there, nothing.
    roles: Option<Spanned<String>>,
    /// The device: an object with `id`, `os`, `app` and `level`.
    device: Option<Spanned<String>>,
}

/// The same, ready to be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Map {
    user: Option<Pointer>,
    roles: Option<Pointer>,
    device: Option<Pointer>,
}

/// What the auth server tells about a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct About {
    /// The user's name; `None`: the principal's subject.
    pub(crate) user: Option<String>,
    /// The user's roles; `None`: the principal's.
    pub(crate) roles: Option<Vec<String>>,
    /// The device, and how well it is known; `None`: what the request says.
    pub(crate) device: Option<(Known<Box<str>>, Level)>,
}

impl MapSpec {
    /// Checks the pointers; `user` and `roles` stand in their place where nothing is written.
    pub(super) fn build(self, user: Option<&str>, roles: Option<&str>, ground: &mut Ground<'_>) -> Option<Map> {
        let mut pointer = |text: Option<Spanned<String>>, usual: Option<&str>| {
            let Some(text) = text.or_else(|| usual.map(|usual| usual.to_owned().into())) else { return Some(None) };
            match text.parse::<Pointer>() {
                Ok(pointer) => Some(Some(pointer)),
                Err(why) => {
                    let hint = format!("did you mean '/{}'?", text.replace('.', "/"));
                    ground.refuse_with_hint(text.span, format!("found '{}', {why}", text.value), hint);
                    None
                }
            }
        };
        let (user, roles, device) = (pointer(self.user, user), pointer(self.roles, roles), pointer(self.device, None));
        Some(Map { user: user?, roles: roles?, device: device? })
    }
}

impl Map {
    /// What `answer` tells; `None` if it names no user where one is wanted.
    pub(super) fn read(&self, answer: &Value) -> Option<About> {
        let user = match &self.user {
            Some(pointer) => Some(name(pointer.find(answer)?)?),
            None => None,
        };
        let roles = self.roles.as_ref().map(|pointer| words(pointer.find(answer)));
        let device = self.device.as_ref().and_then(|pointer| device(pointer.find(answer)?));
        Some(About { user, roles, device })
    }
}

fn name(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => usable(text).map(str::to_owned),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        Value::Object(object) => match object.get("id")? {
            Value::Object(_) => None,
            id => name(id),
        },
        _ => None,
    }
}

fn words(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => {
            text.split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        }
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn device(value: &Value) -> Option<(Known<Box<str>>, Level)> {
    let text = |name| value.get(name).and_then(Value::as_str).and_then(usable).map(Box::from);
    let known = Known { id: text("id"), os: text("os"), app: text("app") };
    let level = value.get("level").and_then(Value::as_str).and_then(|level| level.parse().ok()).unwrap_or_default();
    (!known.is_nothing()).then_some((known, level))
}

fn usable(text: &str) -> Option<&str> {
    (!text.is_empty() && text.len() <= LONGEST && !text.contains(char::is_control)).then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map() -> Map {
        let pointer = |text: &str| Some(text.parse().unwrap());
        Map { user: pointer("/user"), roles: pointer("/roles"), device: pointer("/device") }
    }

    #[test]
    fn parts_are_found_in_their_forms() {
        let about = |user: Value| map().read(&json!({"user": user, "roles": ["a", 1, "b"]})).unwrap();
        for user in [json!("u1"), json!({"id": "u1"})] {
            let about = about(user);
            assert_eq!(about.user.as_deref(), Some("u1"));
            assert_eq!((about.roles, about.device), (Some(vec!["a".to_owned(), "b".to_owned()]), None));
        }
        assert_eq!(about(json!({"id": 7})).user.as_deref(), Some("7"));
        let device = json!({"id": "d9", "app": "", "os": "a\nb", "level": "highest"});
        let about = map().read(&json!({"user": "u", "roles": "x, y", "device": device})).unwrap();
        assert_eq!(about.roles, Some(vec!["x".to_owned(), "y".to_owned()]));
        let (known, level) = about.device.unwrap();
        assert_eq!((known.id.as_deref(), known.app, known.os, level), (Some("d9"), None, None, Level::Highest));
    }

    #[test]
    fn roles_that_are_not_there_are_none_and_a_user_who_is_not_there_is_no_answer() {
        assert_eq!(map().read(&json!({"user": "u"})).unwrap().roles, Some(Vec::new()));
        for answer in
            [json!({}), json!({"user": ""}), json!({"user": {"id": {"id": "u"}}}), json!({"user": [1]}), json!(1)]
        {
            assert_eq!(map().read(&answer), None, "{answer}");
        }
    }
}
