//! `redirect-to`: the client is sent elsewhere; no upstream is asked.

use gwanmun_core::{Code, Fault};
use gwanmun_proxy::{Body, Exchange, Filter, FilterSpec, Invalid, Parts, Response, Step, Verdict};
use http::StatusCode;
use http::header::{HeaderValue, LOCATION};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::status::StatusSpec;
use crate::url_template::UrlTemplate;

/// Answers with a redirect. Values of variables are percent-encoded for their place in the URL; none of them can lead to
/// another host than the URL names. The route needs no upstream.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RedirectToSpec {
    /// A status from 300 to 399: `302` or `FOUND`.
    status: StatusSpec,
    /// Where to: `https://…` or a path on the same host. `{name}` is a variable of the route's predicates.
    url: String,
    /// Whether the query of the request is added to the URL.
    #[serde(default)]
    include_request_params: bool,
}

struct RedirectTo {
    status: StatusCode,
    url: UrlTemplate,
    query: Query,
}

enum Query {
    Drop,
    Add,
}

impl FilterSpec for RedirectToSpec {
    const NAME: &'static str = "redirect-to";
    const ANSWERS: bool = true;
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: moved
    predicates:
      - path: "/old/{*rest}"
    filters:
      - redirect-to: {status: 308, url: "https://shop.example{rest}", include-request-params: true}
tests:
  - request: {method: GET, path: "/old/orders/7?page=2"}
    expect: {route: moved, status: 308, headers: {location: "https://shop.example/orders/7?page=2"}}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        let status = self.status.code();
        if !status.is_redirection() {
            return Err(Invalid::at("status", format!("found {}, wanted a status from 300 to 399", status.as_u16())));
        }
        Ok(Box::new(RedirectTo {
            status,
            url: UrlTemplate::parse("url", &self.url, parts)?,
            query: if self.include_request_params { Query::Add } else { Query::Drop },
        }))
    }
}

impl Filter for RedirectTo {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        let mut url = self.url.render(exchange)?;
        if let (Query::Add, Some(query)) = (&self.query, exchange.request.query()) {
            url = with_query(&url, query);
        }
        let location = HeaderValue::try_from(url)
            .map_err(|_| Fault::new(Code::Internal, "a redirect has a character that no header may have"))?;
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = self.status;
        response.headers_mut().insert(LOCATION, location);
        Ok(Step::Reply(Box::new(response)))
    }
}

/// `url` with `query` at the end of its own, before a fragment.
fn with_query(url: &str, query: &str) -> String {
    let (url, fragment) = url.split_at(url.find('#').unwrap_or(url.len()));
    let joint = match url.find('?') {
        None => "?",
        Some(_) if query.is_empty() || url.ends_with(['?', '&']) => "",
        Some(_) => "&",
    };
    format!("{url}{joint}{query}{fragment}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, exchange_capturing, refusal, reply};

    fn redirected(arguments: &str, target: &str, value: &str) -> Result<(u16, String), Fault> {
        let filter = Fixture::new().with_variables(&["rest"]).filter::<RedirectToSpec>(arguments).unwrap();
        let response = reply(&*filter, &mut exchange_capturing(target, &[("rest", value)]))?;
        assert!(matches!(response.body(), Body::Empty));
        Ok((response.status().as_u16(), response.headers()[LOCATION].to_str().unwrap().to_owned()))
    }

    fn location(arguments: &str, target: &str) -> String {
        redirected(arguments, target, "").unwrap().1
    }

    #[test]
    fn the_client_is_sent_elsewhere() {
        let found = redirected("{status: FOUND, url: 'https://a.example'}", "/?q=1", "").unwrap();
        assert_eq!(found, (302, "https://a.example".to_owned()));
    }

    #[test]
    fn the_query_is_added_where_asked() {
        let with = |url: &str| format!("{{status: 302, url: '{url}', include-request-params: true}}");
        assert_eq!(location(&with("https://a.example"), "/?q=1&r"), "https://a.example?q=1&r");
        assert_eq!(location(&with("/new?a=b"), "/?q=1"), "/new?a=b&q=1");
        assert_eq!(location(&with("/new#top"), "/?q=1"), "/new?q=1#top");
        assert_eq!(location(&with("/new"), "/"), "/new");
    }

    #[test]
    fn a_variable_never_makes_an_open_redirect_or_another_header() {
        for (url, value, location) in [
            ("https://a.example/{rest}", "//evil.example", "https://a.example/evil.example"),
            ("https://a.example{rest}", "//evil.example", "https://a.example/evil.example"),
            ("{rest}", "//evil.example", "/evil.example"),
            ("{rest}", "/\\evil.example", "/%5Cevil.example"),
            ("/{rest}", "\r\nset-cookie: a=b", "/%0D%0Aset-cookie:%20a=b"),
            ("/login?to={rest}", "/a&admin=1#", "/login?to=%2Fa%26admin%3D1%23"),
        ] {
            let arguments = format!("{{status: 302, url: '{url}'}}");
            assert_eq!(redirected(&arguments, "/x//y", value).unwrap().1, location);
        }
        for value in [".evil.example", "@evil.example", ":80@evil.example"] {
            assert!(redirected("{status: 302, url: 'https://a.example{rest}'}", "/", value).is_err(), "{value}");
        }
    }

    #[test]
    fn bad_arguments_are_refused() {
        assert!(refusal::<RedirectToSpec>("{status: 200, url: /a}").contains("300 to 399"));
        assert!(refusal::<RedirectToSpec>("{status: 302, url: acme.org}").contains("acme.org"));
        assert!(refusal::<RedirectToSpec>("{status: 302, url: '//acme.org'}").contains("//acme.org"));
        assert!(refusal::<RedirectToSpec>("{status: 302}").contains("url"));
        assert!(refusal::<RedirectToSpec>("{status: 302, url: '/{id}'}").contains("{id}"));
    }
}
