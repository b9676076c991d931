//! `set-request-uri`: another place to go than the route's upstream.

use gwanmun_core::{Code, Fault};
use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Step, Verdict};
use http::Uri;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::new_path;
use crate::url_template::{self, UrlTemplate};

/// Sends the request to a URI made of what the predicates captured instead of the route's upstream. A path in the
/// template replaces the request's path, and a query its query; without a path both stay. In the host, the value of a
/// variable is a part of the name and nothing else; a request that tries more gets 400.
///
/// Whoever can choose the variable chooses the host: give it a regular expression in the predicate.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SetRequestUriSpec {
    /// `http://…`, `https://…` or `h2c://…`; `{name}` is a variable of the route's predicates.
    template: String,
}

struct SetRequestUri {
    template: UrlTemplate,
}

impl FilterSpec for SetRequestUriSpec {
    const NAME: &'static str = "set-request-uri";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: shops
    predicates:
      - path: "/{shop:books|music}/**"
    filters:
      - strip-prefix: 1
      - set-request-uri: "http://{shop}.internal:9001"
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /books/orders/7}
    expect: {route: shops, upstream-path: /orders/7, upstream-headers: {host: "books.internal:9001"}}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        let template = UrlTemplate::parse("template", &self.template, parts)?;
        let known = ["http://", "https://", "h2c://"].iter().any(|scheme| template.beginning().starts_with(scheme));
        if !template.is_absolute() || !known {
            let found = &self.template;
            return Err(Invalid::at("template", format!("found '{found}', wanted http://…, https://… or h2c://…"))
                .with_hint("set-path changes the path alone"));
        }
        if self.template.contains('#') {
            return Err(Invalid::at("template", "found a fragment, wanted none: it is never sent"));
        }
        Ok(Box::new(SetRequestUri { template }))
    }
}

impl Filter for SetRequestUri {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        let text = self.template.render(exchange)?;
        let (origin, path) = url_template::split(&text);
        exchange.destination = Some(Box::new(origin.parse::<Uri>().map_err(unusable)?));
        let query = text.split_once('?').map(|(_, query)| query);
        if !path.is_empty() {
            new_path::replace(&mut exchange.request, path)?;
        }
        if query.is_some() {
            exchange.request.set_query(query)?;
        }
        Ok(Step::Next)
    }
}

fn unusable(error: http::uri::InvalidUri) -> Fault {
    Fault::new(Code::MalformedRequest, format!("a filter made an unusable URI: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, exchange_capturing, pass, refusal};

    fn sent(template: &str, value: &str) -> Result<(String, String), Fault> {
        let filter = Fixture::new().with_variables(&["x"]).filter::<SetRequestUriSpec>(template).unwrap();
        let mut exchange = exchange_capturing("/old?q=1", &[("x", value)]);
        pass(&*filter, &mut exchange)?;
        Ok((exchange.destination.unwrap().to_string(), exchange.request.target().to_string()))
    }

    fn pair(destination: &str, target: &str) -> (String, String) {
        (destination.to_owned(), target.to_owned())
    }

    #[test]
    fn the_destination_changes_and_the_target_stays() {
        assert_eq!(sent("'http://{x}.internal:81'", "a").unwrap(), pair("http://a.internal:81/", "/old?q=1"));
        assert_eq!(sent("h2c://a", "").unwrap(), pair("h2c://a/", "/old?q=1"));
    }

    #[test]
    fn a_path_or_query_in_the_template_replaces_the_requests() {
        assert_eq!(sent("'https://a/new/{x}'", "b").unwrap(), pair("https://a/", "/new/b?q=1"));
        assert_eq!(sent("'https://a/?x={x}'", "b&c").unwrap(), pair("https://a/", "/?x=b%26c"));
        assert_eq!(sent("https://a/", "").unwrap(), pair("https://a/", "/?q=1"));
    }

    #[test]
    fn a_value_cannot_lead_to_another_host() {
        for value in ["evil.example/", "evil.example#", "u@evil.example", "evil.example:80", "", "a..b", "a\r\nb", "/"]
        {
            assert!(sent("'http://{x}.internal'", value).is_err(), "{value}");
        }
        assert!(sent("'http://a.internal{x}'", ".evil.example").is_err());
        assert_eq!(
            sent("'http://a.internal{x}'", "//evil.example").unwrap(),
            pair("http://a.internal/", "/evil.example?q=1")
        );
        assert!(sent("'http://a.internal{x}'", "/../b").is_err());
    }

    #[test]
    fn bad_arguments_are_refused() {
        for (template, reason) in [
            ("/a", "wanted http://"),
            ("ftp://a", "wanted http://"),
            ("a.example", "wanted https://"),
            ("http://u:p@a", "user name"),
            ("http://", "not usable as a URL"),
            ("http://a/#b", "fragment"),
        ] {
            assert!(refusal::<SetRequestUriSpec>(template).contains(reason), "{template}");
        }
        assert!(refusal::<SetRequestUriSpec>("'http://{y}'").contains("{y}"));
    }
}
