//! The page `/loggers`, in the shape that Spring Boot's has: which targets there are, how much they tell, and how to
//! change that. Who may change it is for who serves the page.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Level;
use super::levels::{Levels, Unchanged};
use super::subscriber::Dial;

/// What a change looks like; without a level it is taken back.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    #[serde(default)]
    configured_level: Option<String>,
}

/// The answer to a request for `path`, if it is one about loggers: HTTP status and JSON.
pub(super) fn answer(dial: &Dial, method: &str, path: &str, body: &[u8]) -> Option<(u16, String)> {
    let rest = path.strip_prefix("/loggers")?;
    let name = match rest.strip_prefix('/') {
        // `:` may be written as it is (RFC 3986 section 3.3), and careful clients escape it.
        Some(name) => Some(name.replace("%3A", ":").replace("%3a", ":")),
        None if rest.is_empty() => None,
        None => return None,
    };
    let answer = match (method, name) {
        ("GET" | "HEAD", None) => (200, all(dial).to_string()),
        ("GET" | "HEAD", Some(name)) => {
            let levels = dial.levels();
            match names(dial, &levels).contains(name.as_str()) {
                true => (200, one(&levels, &name).to_string()),
                false => problem(404, "no logger is called so; /loggers lists those that are known"),
            }
        }
        ("POST", Some(name)) => change(dial, &name, body),
        _ => problem(405, "loggers are read with GET and changed one by one with POST"),
    };
    Some(answer)
}

fn all(dial: &Dial) -> Value {
    let levels = dial.levels();
    let loggers: Map<String, Value> =
        names(dial, &levels).into_iter().map(|name| (name.to_owned(), one(&levels, name))).collect();
    json!({"levels": Level::ALL.map(Level::name), "loggers": loggers})
}

fn one(levels: &Levels, name: &str) -> Value {
    json!({"configuredLevel": levels.configured(name).map(Level::name), "effectiveLevel": levels.effective(name).name()})
}

/// What is named in the configuration or was changed, what told something or could have, and what is above those.
fn names<'a>(dial: &Dial, levels: &'a Levels) -> BTreeSet<&'a str> {
    let mut names: BTreeSet<&str> = levels.names().collect();
    for target in dial.known_targets() {
        let mut name = target;
        while names.insert(name) {
            let Some((above, _)) = name.rsplit_once("::") else { break };
            name = above;
        }
    }
    names
}

fn change(dial: &Dial, name: &str, body: &[u8]) -> (u16, String) {
    let Ok(Change { configured_level: wanted }) = serde_json::from_slice(body) else {
        return problem(400, r#"wanted {"configuredLevel": "DEBUG"}, or null to take a change back"#);
    };
    let level = match wanted.as_deref().map(Level::from_name) {
        None => None,
        Some(Some(level)) => Some(level),
        Some(None) => return problem(400, "no such level; /loggers lists them"),
    };
    match dial.change(name, level) {
        Ok(()) => (204, String::new()),
        Err(Unchanged::Name) => problem(400, "a logger has a name of letters, digits, _ : . and -, up to 200 of them"),
        Err(Unchanged::Full) => problem(409, "100 loggers are changed already; take one back first"),
    }
}

fn problem(status: u16, title: &str) -> (u16, String) {
    (status, json!({"title": title, "status": status}).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dial() -> Dial {
        Dial::new(Levels::new(Level::Info, [("my_service::orders".into(), Level::Debug)]))
    }

    fn get(dial: &Dial, path: &str) -> (u16, Value) {
        let (status, body) = answer(dial, "GET", path, b"").unwrap();
        (status, serde_json::from_str(&body).unwrap())
    }

    fn post(dial: &Dial, path: &str, body: &str) -> u16 {
        answer(dial, "POST", path, body.as_bytes()).unwrap().0
    }

    #[test]
    fn loggers_are_told_in_springs_shape() {
        let dial = dial();
        dial.knows("sqlx::query::logger");
        let (status, page) = get(&dial, "/loggers");
        let inherited = json!({"configuredLevel": null, "effectiveLevel": "INFO"});
        let wanted = json!({
            "levels": ["OFF", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"],
            "loggers": {
                "ROOT": {"configuredLevel": "INFO", "effectiveLevel": "INFO"},
                "my_service::orders": {"configuredLevel": "DEBUG", "effectiveLevel": "DEBUG"},
                "sqlx": inherited, "sqlx::query": inherited, "sqlx::query::logger": inherited,
            },
        });
        assert_eq!((status, page), (200, wanted));
        assert_eq!(get(&dial, "/loggers/ROOT").1, json!({"configuredLevel": "INFO", "effectiveLevel": "INFO"}));
        assert_eq!(get(&dial, "/loggers/my_service%3A%3Aorders").0, 200);
        assert_eq!(get(&dial, "/loggers/unheard_of").0, 404);
        assert_eq!(answer(&dial, "GET", "/loggersx", b""), None);
        assert_eq!(answer(&dial, "GET", "/health", b""), None);
    }

    #[test]
    fn a_level_is_changed_and_taken_back() {
        let dial = dial();
        assert_eq!(post(&dial, "/loggers/sqlx", r#"{"configuredLevel":"DEBUG"}"#), 204);
        assert_eq!(get(&dial, "/loggers/sqlx").1, json!({"configuredLevel": "DEBUG", "effectiveLevel": "DEBUG"}));
        assert_eq!(post(&dial, "/loggers/ROOT", r#"{"configuredLevel":"warn"}"#), 204);
        assert_eq!(get(&dial, "/loggers/ROOT").1["effectiveLevel"], "WARN");
        assert_eq!(post(&dial, "/loggers/ROOT", r#"{"configuredLevel":null}"#), 204);
        assert_eq!(post(&dial, "/loggers/sqlx", "{}"), 204);
        assert_eq!(get(&dial, "/loggers/ROOT").1["effectiveLevel"], "INFO");
        assert_eq!(get(&dial, "/loggers/sqlx").0, 404);
    }

    #[test]
    fn nonsense_changes_nothing() {
        let dial = dial();
        let before = get(&dial, "/loggers");
        for (path, body) in [
            ("/loggers/sqlx", ""),
            ("/loggers/sqlx", "null"),
            ("/loggers/sqlx", r#"{"configuredLevel":"LOUD"}"#),
            ("/loggers/sqlx", r#"{"configuredLevel":7}"#),
            ("/loggers/sqlx", r#"{"configuredLevel":"INFO","configuredLevel":"DEBUG"}"#),
            ("/loggers/", r#"{"configuredLevel":"DEBUG"}"#),
            ("/loggers/a%0ab", r#"{"configuredLevel":"DEBUG"}"#),
            ("/loggers/a/b", r#"{"configuredLevel":"DEBUG"}"#),
        ] {
            assert_eq!(post(&dial, path, body), 400, "{path} {body}");
        }
        assert_eq!(post(&dial, "/loggers", r#"{"configuredLevel":"DEBUG"}"#), 405);
        assert_eq!(answer(&dial, "DELETE", "/loggers/sqlx", b"").unwrap().0, 405);
        assert_eq!(get(&dial, "/loggers"), before);
    }
}
