//! From the claims of a token to a principal: where subject, roles, scopes and further claims stand.

use std::time::SystemTime;

use gwanmun_core::{Level, Principal, Reason};
use serde_json::{Map, Value};

use crate::pointer::Pointer;
use crate::refusal::Refusal;

/// Where a principal's parts stand in the claims of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalMap {
    /// Who it is: text that is not empty, or a whole number.
    pub subject: Pointer,
    /// What it may act as: a list of texts, or one text with spaces or commas between.
    pub roles: Pointer,
    /// What the token was given for: one text with spaces between (RFC 8693 section 4.2), or a list.
    pub scope: Pointer,
    /// What else is known, by name; `None` is every claim under its own name.
    pub claims: Option<Vec<(String, Pointer)>>,
}

impl PrincipalMap {
    /// The principal of a token's `claims`; `credential` is who vouches for it: `jwt:corp`.
    ///
    /// # Errors
    /// There is no subject where one is wanted, or one with control characters.
    pub fn principal(
        &self,
        claims: Map<String, Value>,
        credential: &str,
        level: Level,
        expires: SystemTime,
    ) -> Result<Principal, Refusal> {
        let claims = Value::Object(claims);
        let subject = match self.subject.find(&claims) {
            Some(Value::String(text)) if !text.is_empty() && !text.contains(char::is_control) => text.clone(),
            Some(Value::Number(number)) if !number.is_f64() => number.to_string(),
            _ => {
                let detail = format!("the token names no subject at {}", self.subject);
                return Err(Refusal::invalid(Reason::MalformedToken, detail));
            }
        };
        let roles = words(self.roles.find(&claims), &[' ', ',']);
        let scopes = words(self.scope.find(&claims), &[' ']);
        let claims = match (&self.claims, claims) {
            (None, Value::Object(all)) => all,
            (None, _) => Map::new(),
            (Some(named), claims) => named
                .iter()
                .filter_map(|(name, pointer)| Some((name.clone(), pointer.find(&claims)?.clone())))
                .collect(),
        };
        Ok(Principal { roles, scopes, claims, expires: Some(expires), ..Principal::new(subject, credential, level) })
    }
}

/// The texts of a list, or of a text with separators. What is no text is no role: less is safer than a guess.
fn words(value: Option<&Value>, separators: &[char]) -> Vec<String> {
    match value {
        Some(Value::String(text)) => {
            text.split(separators).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        }
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

impl PrincipalMap {
    /// For people: most providers call what they may act as groups.
    pub fn of_people() -> Self {
        Self { roles: Pointer::to("/groups").or(Pointer::to("/roles")), ..Self::default() }
    }
}

impl Default for PrincipalMap {
    fn default() -> Self {
        let (subject, roles, scope) = (Pointer::to("/sub"), Pointer::to("/roles"), Pointer::to("/scope"));
        Self { subject, roles, scope, claims: None }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::json;

    use super::*;

    fn principal(map: &PrincipalMap, claims: Value) -> Result<Principal, Refusal> {
        let Value::Object(claims) = claims else { panic!("{claims}") };
        map.principal(claims, "jwt:corp", Level::High, UNIX_EPOCH + Duration::from_secs(9))
    }

    #[test]
    fn the_usual_claims_make_a_principal() {
        let claims = json!({"sub": "u1", "roles": ["a", "b"], "scope": "x y", "tenant": 7});
        let found = principal(&PrincipalMap::default(), claims.clone()).unwrap();
        assert_eq!((&*found.subject, &*found.credential, found.level), ("u1", "jwt:corp", Level::High));
        assert_eq!((found.roles, found.scopes), (vec!["a".to_owned(), "b".into()], vec!["x".to_owned(), "y".into()]));
        assert_eq!(Value::Object(found.claims), claims);
        assert_eq!(found.expires, Some(UNIX_EPOCH + Duration::from_secs(9)));
    }

    #[test]
    fn parts_may_stand_anywhere_and_in_several_forms() {
        let map = PrincipalMap {
            subject: "/user/id".parse().unwrap(),
            roles: "/realm_access/roles".parse().unwrap(),
            scope: "/scp".parse().unwrap(),
            claims: Some(vec![
                ("tenant".to_owned(), "/org/0".parse().unwrap()),
                ("gone".to_owned(), "/x".parse().unwrap()),
            ]),
        };
        let claims =
            json!({"user": {"id": 42}, "realm_access": {"roles": "a, b,,c"}, "scp": ["x y", "z", 1], "org": ["t"]});
        let found = principal(&map, claims).unwrap();
        assert_eq!(
            (&*found.subject, found.roles, found.scopes),
            ("42", vec!["a".into(), "b".into(), "c".into()], vec!["x y".into(), "z".into()])
        );
        assert_eq!(Value::Object(found.claims), json!({"tenant": "t"}));
    }

    #[test]
    fn the_roles_of_people_are_their_groups() {
        for (claims, wanted) in [
            (json!({"sub": "u", "groups": ["a"], "roles": ["b"]}), vec!["a"]),
            (json!({"sub": "u", "roles": "b c"}), vec!["b", "c"]),
            (json!({"sub": "u", "groups": []}), vec![]),
            (json!({"sub": "u"}), vec![]),
        ] {
            assert_eq!(principal(&PrincipalMap::of_people(), claims.clone()).unwrap().roles, wanted, "{claims}");
        }
        assert_eq!(PrincipalMap::of_people().roles.to_string(), "/groups or /roles");
    }

    #[test]
    fn roles_of_another_type_are_none() {
        for roles in [json!(1), json!({"admin": true}), json!(null), json!([1, ["admin"], {"admin": 1}])] {
            assert_eq!(
                principal(&PrincipalMap::default(), json!({"sub": "u", "roles": roles})).unwrap().roles,
                [""; 0]
            );
        }
    }

    #[test]
    fn without_a_subject_there_is_nobody() {
        for claims in [
            json!({}),
            json!({"sub": ""}),
            json!({"sub": ["a"]}),
            json!({"sub": 1.5}),
            json!({"sub": "a\nb"}),
            json!({"sub": true}),
        ] {
            let refusal = principal(&PrincipalMap::default(), claims.clone()).unwrap_err();
            assert_eq!(refusal.reason(), Reason::MalformedToken, "{claims}");
        }
    }
}
