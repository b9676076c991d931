//! `cookie`: a cookie with a value of a certain form.

use gwanmun_proxy::{Condition, Exchange, Invalid, Parts, Predicate, PredicateSpec};
use http::header::COOKIE;
use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::regexp;

/// Matches requests that carry a cookie whose whole value matches a regular expression. Where the cookie was sent more
/// than once, one of them is enough. Quotes around a value do not belong to it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CookieSpec {
    /// The cookie's name; case matters.
    name: String,
    /// What the whole value must look like.
    regexp: String,
}

impl PredicateSpec for CookieSpec {
    const NAME: &'static str = "cookie";
    const EXAMPLE: &'static str = r#"
routes:
  - id: testers
    predicates:
      - cookie: {name: group, regexp: "beta|internal"}
    upstream: http://127.0.0.1:9001
tests:
  - request: {method: GET, path: /, headers: {cookie: "theme=dark; group=beta"}}
    upstream-response: {status: 200}
    expect: {route: testers, status: 200}
  - request: {method: GET, path: /, headers: {cookie: "group=betatester"}}
    expect: {status: 404}
"#;

    fn build(self, _: &Parts<'_>) -> Result<Condition, Invalid> {
        let token = |c: char| c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?={}".contains(c);
        if self.name.is_empty() || !self.name.chars().all(token) {
            return Err(Invalid::at("name", format!("found '{}', wanted the name of a cookie", self.name)));
        }
        let regexp = regexp::whole("regexp", &self.regexp)?;
        Ok(Condition::Test(Box::new(Cookie { name: self.name, regexp })))
    }
}

struct Cookie {
    name: String,
    regexp: Regex,
}

impl Predicate for Cookie {
    fn holds(&self, exchange: &Exchange) -> bool {
        exchange.request.headers.get_all(COOKIE).iter().any(|field| {
            String::from_utf8_lossy(field.as_bytes())
                .split(';')
                .filter_map(|pair| pair.split_once('='))
                .any(|(name, value)| name.trim() == self.name && self.regexp.is_match(without_quotes(value.trim())))
        })
    }
}

fn without_quotes(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::fixture::{Fixture, exchange, exchange_with};
    use crate::predicate::tests::holds;

    fn with_cookies(fields: &[&str]) -> Exchange {
        let fields: Vec<_> = fields.iter().map(|field| ("cookie", *field)).collect();
        exchange_with(Method::GET, "/", &fields)
    }

    #[test]
    fn the_whole_value_of_the_named_cookie_has_to_match() {
        let condition = Fixture::new().predicate::<CookieSpec>("{name: chocolate, regexp: ch.p}").unwrap();
        assert!(holds(&condition, &with_cookies(&["a=b; chocolate=chip"])));
        assert!(!holds(&condition, &with_cookies(&["chocolate=chips"])));
        assert!(!holds(&condition, &with_cookies(&["dark-chocolate=chip; Chocolate=chip"])));
        assert!(!holds(&condition, &exchange("/")));
    }

    #[test]
    fn one_of_several_cookies_of_the_name_is_enough() {
        let condition = Fixture::new().predicate::<CookieSpec>("{name: a, regexp: x}").unwrap();
        assert!(holds(&condition, &with_cookies(&["a=y; a=x"])));
        assert!(holds(&condition, &with_cookies(&["a=y", "a=x"])));
    }

    #[test]
    fn quotes_do_not_belong_to_the_value() {
        let condition = Fixture::new().predicate::<CookieSpec>("{name: a, regexp: x}").unwrap();
        assert!(holds(&condition, &with_cookies(&["a=\"x\""])));
    }

    #[test]
    fn a_value_may_have_an_equals_sign() {
        let condition = Fixture::new().predicate::<CookieSpec>("{name: a, regexp: x=y}").unwrap();
        assert!(holds(&condition, &with_cookies(&["a=x=y"])));
    }

    #[test]
    fn a_bad_expression_and_a_bad_name_are_refused() {
        let refusal = Fixture::new().predicate::<CookieSpec>("{name: a, regexp: \"(\"}").err().unwrap();
        assert!(refusal.contains("not usable as a regular expression"), "{refusal}");
        let refusal = Fixture::new().predicate::<CookieSpec>("{name: a=b, regexp: x}").err().unwrap();
        assert!(refusal.contains("wanted the name of a cookie"), "{refusal}");
    }
}
