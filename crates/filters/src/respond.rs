//! `respond`: an answer out of the configuration; no upstream is asked.

use std::collections::BTreeMap;

use gwanmun_proxy::{
    Body, Exchange, Filter, FilterSpec, HeaderTemplate, Invalid, Parts, Response, Step, Template, Verdict,
};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::header_name;
use crate::status::{self, StatusSpec};

/// Answers the request; the route needs no upstream. Values of variables are escaped for the content type: for HTML and
/// XML as text, for JSON as the inside of a string. A literal brace is doubled: `{{"ok":true}}` is `{"ok":true}`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RespondSpec {
    /// The status: `404` or `NOT_FOUND`.
    #[serde(default = "ok")]
    status: StatusSpec,
    /// Headers; `{name}` in a value is a variable of the route's predicates.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The body; `{name}` is a variable of the route's predicates.
    #[serde(default)]
    body: Option<String>,
    /// What the body is; `text/plain; charset=utf-8` if neither this nor a header says anything else.
    #[serde(default)]
    content_type: Option<String>,
}

fn ok() -> StatusSpec {
    StatusCode::OK.into()
}

struct Respond {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderTemplate)>,
    body: Template,
    escape: fn(&str, &mut String),
}

impl FilterSpec for RespondSpec {
    const NAME: &'static str = "respond";
    const ANSWERS: bool = true;
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: greeting
    predicates:
      - path: "/hello/{name}"
    filters:
      - respond:
          headers: {Cache-Control: no-store}
          content-type: application/json
          body: '{{"hello":"{name}"}}'
tests:
  - request: {method: GET, path: /hello/world}
    expect:
      route: greeting
      status: 200
      headers: {content-type: application/json, cache-control: no-store}
      body: '{"hello":"world"}'
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        let status = self.status.code();
        let mut headers = Vec::new();
        let mut content_type = None;
        for (name, value) in &self.headers {
            let name = header_name::settable_in_response("headers", name)?;
            if name == CONTENT_TYPE {
                content_type = Some(value.clone());
                continue;
            }
            headers.push((name, HeaderTemplate::parse(value, parts).map_err(|invalid| invalid.or_at("headers"))?));
        }
        if content_type.is_some() && self.content_type.is_some() {
            return Err(Invalid::at("content-type", "found the content type twice, here and in the headers"));
        }
        if !status::has_body(status) && self.body.is_some() {
            return Err(Invalid::at(
                "body",
                format!("found a body, but an answer of status {} has none", status.as_u16()),
            ));
        }
        let content_type = self.content_type.or(content_type).or(self.body.as_ref().map(|_| plain_text()));
        if let Some(content_type) = &content_type {
            let value = HeaderTemplate::parse(content_type, parts).map_err(|invalid| invalid.or_at("content-type"))?;
            headers.push((CONTENT_TYPE, value));
        }
        let body = Template::parse(&self.body.unwrap_or_default(), parts).map_err(|invalid| invalid.or_at("body"))?;
        let escape = escape_for(&content_type.unwrap_or_default());
        Ok(Box::new(Respond { status, headers, body, escape }))
    }
}

impl Filter for Respond {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        let mut headers = HeaderMap::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            headers.append(name, value.render(&exchange.variables)?);
        }
        let body = self.body.render_with(&exchange.variables, self.escape).into_owned();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        Ok(Step::Reply(Box::new(response)))
    }
}

fn plain_text() -> String {
    "text/plain; charset=utf-8".to_owned()
}

/// How a value is written into a body of this type without becoming a part of its structure.
fn escape_for(content_type: &str) -> fn(&str, &mut String) {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence.contains("html") || essence.contains("xml") {
        escape_markup
    } else if essence.contains("json") {
        escape_json
    } else {
        |value, out| out.push_str(value)
    }
}

fn escape_markup(value: &str, out: &mut String) {
    for character in value.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
}

fn escape_json(value: &str, out: &mut String) {
    for character in value.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if control.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, exchange_capturing, refusal, reply};

    fn answer(arguments: &str, value: &str) -> Response {
        let filter = Fixture::new().with_variables(&["x"]).filter::<RespondSpec>(arguments).unwrap();
        reply(&*filter, &mut exchange_capturing("/", &[("x", value)])).unwrap()
    }

    fn body(response: Response) -> String {
        match response.into_body() {
            Body::Full(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            Body::Empty => String::new(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nothing_said_is_an_empty_200() {
        let response = answer("", "");
        assert_eq!(response.status(), 200);
        assert!(response.headers().is_empty());
        assert_eq!(body(response), "");
    }

    #[test]
    fn status_headers_and_body_are_what_is_written() {
        let response =
            answer("{status: TOO_MANY_REQUESTS, headers: {Retry-After: 7, X-A: 'n-{x}'}, body: 'no {x}'}", "1");
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "7");
        assert_eq!(response.headers()["x-a"], "n-1");
        assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
        assert_eq!(body(response), "no 1");
    }

    #[test]
    fn the_content_type_may_stand_in_either_place_but_only_once() {
        let response = answer("{headers: {content-type: text/css}, body: a}", "");
        assert_eq!(response.headers().get_all("content-type").iter().count(), 1);
        assert_eq!(response.headers()["content-type"], "text/css");
        assert_eq!(answer("{content-type: text/css, body: a}", "").headers()["content-type"], "text/css");
        assert!(refusal::<RespondSpec>("{headers: {Content-Type: a/b}, content-type: a/b}").contains("twice"));
    }

    #[test]
    fn a_variable_is_data_in_every_kind_of_body() {
        let value = "<script>\"'&\\\n\u{1f}";
        assert_eq!(
            body(answer("{content-type: text/html; charset=utf-8, body: '<p>{x}</p>'}", value)),
            "<p>&lt;script&gt;&quot;&#39;&amp;\\\n\u{1f}</p>"
        );
        assert_eq!(
            body(answer("{content-type: application/problem+json, body: '{{\"x\":\"{x}\"}}'}", value)),
            "{\"x\":\"<script>\\\"'&\\\\\\u000a\\u001f\"}"
        );
        assert_eq!(body(answer("{body: '{x}'}", value)), value);
    }

    #[test]
    fn bad_arguments_are_refused() {
        assert!(refusal::<RespondSpec>("{status: 101}").contains("200 to 599"));
        assert!(refusal::<RespondSpec>("{status: 204, body: a}").contains("204"));
        assert!(refusal::<RespondSpec>("{headers: {Content-Length: 3}}").contains("content-length"));
        assert!(refusal::<RespondSpec>("{body: '{y}'}").contains("{y}"));
        assert!(refusal::<RespondSpec>("{content-type: \"a\\nb\"}").contains("control"));
        assert!(refusal::<RespondSpec>("{text: a}").contains("text"));
    }
}
