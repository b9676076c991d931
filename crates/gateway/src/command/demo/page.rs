//! How the demo's pages look: nothing from elsewhere, no script, light or dark as the reader has it.

use gwanmun_proxy::Response;
use http::header::{CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use serde_json::Value;

use super::wire::{answer, escaped};

const STYLE: &str = include_str!("page.css");

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

/// A gate.
const MARK: &str = "<svg viewBox=\"0 0 32 32\" aria-hidden=\"true\"><path d=\"M3 8h26M5 8v20M27 8v20M10 28V17a6 6 0 0 1 12 0v11M2 4q14 5 28 0\"/></svg>";

/// A page: `title` and `body` are HTML of ours.
pub(super) fn page(code: StatusCode, title: &str, badge: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>{title}</title><style>\n{STYLE}</style></head>\n<body><header>{MARK}<b>Gwanmun</b><span>demo</span><em>{badge}</em></header>\n\
         <main>\n{body}</main>\n</body></html>\n"
    );
    let mut response = answer("text/html; charset=utf-8", html);
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// JSON to be read: one member a line, keys, texts and numbers told apart.
pub(super) fn json(value: &Value) -> String {
    let mut out = String::from("<pre class=\"json\">");
    write(value, 0, &mut out);
    out.push_str("</pre>");
    out
}

fn write(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            let open = |key: &String, value: &Value, out: &mut String| {
                out.push_str(&format!("<i>\"{}\"</i>: ", escaped(key)));
                write(value, depth + 1, out);
            };
            list('{', '}', members.iter(), depth, out, |(key, value), out| open(key, value, out));
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            list('[', ']', items.iter(), depth, out, |item, out| write(item, depth + 1, out));
        }
        Value::Object(_) => out.push_str("{}"),
        Value::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push_str(", ");
                }
                write(item, depth, out);
            }
            out.push(']');
        }
        Value::String(_) => out.push_str(&format!("<q>{}</q>", escaped(&value.to_string()))),
        other => out.push_str(&format!("<var>{}</var>", escaped(&other.to_string()))),
    }
}

fn list<T>(
    open: char,
    close: char,
    items: impl ExactSizeIterator<Item = T>,
    depth: usize,
    out: &mut String,
    write: impl Fn(T, &mut String),
) {
    out.push(open);
    let last = items.len();
    for (place, item) in (1..).zip(items) {
        out.push('\n');
        out.push_str(&"  ".repeat(depth + 1));
        write(item, out);
        if place < last {
            out.push(',');
        }
    }
    out.push('\n');
    out.push_str(&"  ".repeat(depth));
    out.push(close);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_shown_as_it_is_and_stays_text() {
        let shown = json(&json!({"a": {"b": [1, "<x>"]}, "c": [], "d": [{"e": null}], "f": {}}));
        let tags = ["<i>", "</i>", "<q>", "</q>", "<var>", "</var>"];
        let bare = tags.iter().fold(shown, |text, tag| text.replace(tag, ""));
        let wanted = "{\n  \"a\": {\n    \"b\": [1, &quot;&lt;x&gt;&quot;]\n  },\n  \"c\": [],\n  \"d\": [\n    {\n      \"e\": null\n    \
                      }\n  ],\n  \"f\": {}\n}";
        assert_eq!(bare, format!("<pre class=\"json\">{wanted}</pre>"));
    }
}
