//! `user-headers`: who calls, in the headers that a service behind reads the user from. What a client says there about itself
//! never passes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gwanmun_core::{Principal, Tallies};
use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Step, Verdict};
use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::header_name;

/// The longest value, bytes: services refuse a request whose header is too large.
const LONGEST_VALUE: usize = 4096;

/// What the headers of most tools are, where none are named.
const USUAL: [(&str, &str); 4] = [
    ("X-Forwarded-User", "/subject"),
    ("X-Forwarded-Email", "/claims/email"),
    ("X-Forwarded-Preferred-Username", "/claims/preferred_username"),
    ("X-Forwarded-Groups", "/roles"),
];

/// Tells the service behind who calls, in headers of its choice: names, and where their values are (JSON pointers) in
/// `{subject, roles, scopes, claims}` of the principal. Fields of these names that the client sent are removed, whether
/// somebody is known or not, and so are those that services take for the same (`X_User` for `X-User`).
///
/// Without names they are `X-Forwarded-User` (`/subject`), `X-Forwarded-Email` (`/claims/email`),
/// `X-Forwarded-Preferred-Username` (`/claims/preferred_username`) and `X-Forwarded-Groups` (`/roles`). Lists are joined with
/// commas. A member that has a comma or a control character, or begins or ends with a space, is left out and counted; such a
/// text by itself may have commas, and else counts as missing. What is missing has no header.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct UserHeadersSpec(BTreeMap<String, String>);

struct UserHeaders {
    headers: Vec<(HeaderName, Source)>,
    left_out: Arc<AtomicU64>,
}

/// Where a value comes from.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    Subject,
    Roles,
    Scopes,
    /// A claim, and a pointer into it.
    Claim(String, String),
}

impl FilterSpec for UserHeadersSpec {
    const NAME: &'static str = "user-headers";
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
store: redis://127.0.0.1:6379/0
identity:
  oidc:
    staff:
      issuer: https://idp.example
      client-id: gateway
      client-secret: "${GATEWAY_SECRET:-only an example}"
routes:
  - id: grafana
    predicates:
      - path: /grafana/**
    filters:
      - authenticate: {any: [{session: staff}]}
      - user-headers: {X-WEBAUTH-USER: /subject, X-WEBAUTH-EMAIL: /claims/email, X-WEBAUTH-GROUPS: /roles}
    upstream: http://127.0.0.1:9001
tests:
  - name: the tool hears who calls, and not what callers say about themselves
    request:
      path: /grafana/
      principal: {subject: ann, roles: [editors, staff], claims: {email: ann@corp.example}}
      headers: {x-webauth-user: admin}
    expect:
      status: 200
      upstream-headers: {x-webauth-user: ann, x-webauth-email: ann@corp.example, x-webauth-groups: "editors,staff"}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        let mut written = self.0;
        if written.is_empty() {
            written = USUAL.into_iter().map(|(name, pointer)| (name.to_owned(), pointer.to_owned())).collect();
        }
        let mut headers: Vec<(HeaderName, Source)> = Vec::with_capacity(written.len());
        for (name, pointer) in written {
            let name = header_name::settable_in_request("user-headers", &name)?;
            if headers.iter().any(|(known, _)| *known == name) {
                return Err(Invalid::new(format!("'{name}' stands here twice")));
            }
            headers.push((name, Source::parse(&pointer)?));
        }
        let help = "Members of lists about the caller that no header can carry, and that were left out.";
        let left_out = parts.lasting.of(Tallies::default).tally("gwanmun_user_headers_left_out_total", help, &[]);
        Ok(Box::new(UserHeaders { headers, left_out: left_out.cell(&[]) }))
    }
}

impl Source {
    fn parse(pointer: &str) -> Result<Self, Invalid> {
        let wanted = |why: &str| {
            let invalid = Invalid::new(format!("found '{pointer}', wanted {why}"));
            invalid.with_hint("/subject, /roles, /scopes, or a claim: /claims/email, /claims/org/name")
        };
        let mut escapes = pointer.split('~').skip(1);
        if !escapes.all(|rest| rest.starts_with(['0', '1'])) {
            return Err(wanted("a JSON pointer, in which ~1 is a slash and ~0 a tilde"));
        }
        match pointer {
            "/subject" => Ok(Self::Subject),
            "/roles" => Ok(Self::Roles),
            "/scopes" => Ok(Self::Scopes),
            _ => {
                let claim = pointer.strip_prefix("/claims/").filter(|claim| !claim.is_empty());
                let claim = claim.ok_or_else(|| wanted("a JSON pointer into {subject, roles, scopes, claims}"))?;
                let (name, rest) = claim.find('/').map_or((claim, ""), |slash| claim.split_at(slash));
                Ok(Self::Claim(name.replace("~1", "/").replace("~0", "~"), rest.to_owned()))
            }
        }
    }
}

impl Filter for UserHeaders {
    fn own_fields(&self) -> Vec<HeaderName> {
        self.headers.iter().map(|(name, _)| name.clone()).collect()
    }

    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        let headers = &mut exchange.request.headers;
        for (name, source) in &self.headers {
            header_name::take_with_lookalikes(headers, name);
            let value = exchange.principal.as_ref().and_then(|principal| self.value(source, principal));
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
        Ok(Step::Next)
    }
}

impl UserHeaders {
    fn value(&self, source: &Source, principal: &Principal) -> Option<HeaderValue> {
        match source {
            Source::Subject => single(principal.subject.as_str().into()),
            Source::Roles => self.list(principal.roles.iter().map(|role| Some(role.as_str().into()))),
            Source::Scopes => self.list(principal.scopes.iter().map(|scope| Some(scope.as_str().into()))),
            Source::Claim(name, rest) => match principal.claims.get(name)?.pointer(rest)? {
                Value::Array(members) => self.list(members.iter().map(text)),
                value => single(text(value)?),
            },
        }
    }

    /// The members that a list can carry, with commas between.
    fn list<'p>(&self, members: impl Iterator<Item = Option<Cow<'p, str>>>) -> Option<HeaderValue> {
        let mut joined = String::new();
        let mut left_out = 0;
        for member in members {
            match member.filter(|member| !member.is_empty() && !member.contains(',') && is_carried(member)) {
                Some(member) if joined.len() + 1 + member.len() <= LONGEST_VALUE => {
                    if !joined.is_empty() {
                        joined.push(',');
                    }
                    joined.push_str(&member);
                }
                _ => left_out += 1,
            }
        }
        if left_out > 0 {
            self.left_out.fetch_add(left_out, Ordering::Relaxed);
        }
        HeaderValue::from_maybe_shared(joined).ok().filter(|value| !value.is_empty())
    }
}

fn single(text: Cow<'_, str>) -> Option<HeaderValue> {
    let is_good = !text.is_empty() && text.len() <= LONGEST_VALUE && is_carried(&text);
    is_good.then(|| HeaderValue::from_bytes(text.as_bytes()).ok())?
}

/// Whether a reader finds exactly this: nothing that ends a field, and no space that is cut off.
fn is_carried(text: &str) -> bool {
    !text.chars().any(char::is_control) && text.trim() == text
}

fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Bool(truth) => Some(truth.to_string().into()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use gwanmun_core::Level;
    use http::Method;
    use serde_json::json;

    use super::*;
    use crate::fixture::{Fixture, exchange_with, filter, pass, refusal, values};

    fn after(arguments: &str, claims: Value, roles: &[&str], fields: &[(&str, &str)]) -> Exchange {
        let mut exchange = exchange_with(Method::GET, "/", fields);
        let Value::Object(claims) = claims else { panic!("{claims}") };
        let mut principal = Principal::new("ann", "session:staff", Level::High);
        (principal.claims, principal.roles) = (claims, roles.iter().map(|&role| role.to_owned()).collect());
        exchange.principal = Some(Arc::new(principal));
        pass(&*filter::<UserHeadersSpec>(arguments), &mut exchange).unwrap();
        exchange
    }

    #[test]
    fn what_is_known_goes_where_it_is_wanted() {
        let claims = json!({"email": "ann@a.example", "n": 7, "org": {"a/b": [true, "x"]}});
        let arguments = "{X-A: /subject, X-B: /claims/email, X-C: /roles, X-D: /claims/n, X-E: /claims/org/a~1b, \
                         X-F: /claims/none, X-G: /claims/org, X-H: /scopes}";
        let exchange = after(arguments, claims, &["r1", "r 2"], &[]);
        for (name, wanted) in [
            ("x-a", &["ann"][..]),
            ("x-b", &["ann@a.example"]),
            ("x-c", &["r1,r 2"]),
            ("x-d", &["7"]),
            ("x-e", &["true,x"]),
            ("x-f", &[]),
            ("x-g", &[]),
            ("x-h", &[]),
        ] {
            assert_eq!(values(&exchange.request.headers, name), wanted, "{name}");
        }
    }

    #[test]
    fn without_names_the_usual_ones_are_set() {
        let claims = json!({"email": "e", "preferred_username": "p"});
        let exchange = after("", claims, &["g"], &[("x-forwarded-user", "admin")]);
        for (name, wanted) in [
            ("x-forwarded-user", "ann"),
            ("x-forwarded-email", "e"),
            ("x-forwarded-preferred-username", "p"),
            ("x-forwarded-groups", "g"),
        ] {
            assert_eq!(values(&exchange.request.headers, name), [wanted], "{name}");
        }
    }

    #[test]
    fn what_a_client_says_about_itself_goes_also_where_nobody_is_known() {
        let filter = filter::<UserHeadersSpec>("{X-User: /subject}");
        let mut exchange = exchange_with(Method::GET, "/", &[("x-user", "a"), ("x_user", "b"), ("x-users", "c")]);
        pass(&*filter, &mut exchange).unwrap();
        assert_eq!(exchange.request.headers.keys().collect::<Vec<_>>(), ["x-users"]);
        assert_eq!(filter.own_fields(), ["x-user"]);
    }

    #[test]
    fn members_that_would_be_read_as_others_are_left_out_and_counted() {
        let fixture = Fixture::new();
        let filter = fixture.filter::<UserHeadersSpec>("{X-G: /roles}").unwrap();
        let mut principal = Principal::new("ann", "session:staff", Level::High);
        let roles = ["a", "b,admin", "c\nX-Admin: 1", " admin", "admin ", "", "d\u{85}", "e\u{a0}", "f"];
        principal.roles = roles.map(str::to_owned).into();
        let mut exchange = exchange_with(Method::GET, "/", &[]);
        exchange.principal = Some(Arc::new(principal));
        pass(&*filter, &mut exchange).unwrap();
        assert_eq!(values(&exchange.request.headers, "x-g"), ["a,f"]);
        let counts = fixture.parts().lasting.of(Tallies::default).all();
        let counted = counts.iter().find(|tally| tally.name() == "gwanmun_user_headers_left_out_total").unwrap();
        assert_eq!(counted.counts(), [(vec![], 7)]);
    }

    #[test]
    fn values_that_no_header_can_carry_count_as_missing() {
        for bad in ["a\r\nX-Admin: 1", "a\u{0}", " a", "a ", "", "\u{7f}", &"a".repeat(LONGEST_VALUE + 1)] {
            let exchange = after("{X-E: /claims/e}", json!({"e": bad}), &[], &[("x-e", "admin")]);
            assert_eq!(values(&exchange.request.headers, "x-e"), [""; 0], "{bad:?}");
        }
        let exchange = after("{X-E: /claims/e}", json!({"e": "Müller, Änne"}), &[], &[]);
        assert_eq!(exchange.request.headers["x-e"].as_bytes(), "Müller, Änne".as_bytes());
    }

    #[test]
    fn bad_arguments_are_refused() {
        for (arguments, wanted) in [
            ("{X-A: subject}", "JSON pointer"),
            ("{X-A: /claims}", "JSON pointer"),
            ("{X-A: /claims/}", "JSON pointer"),
            ("{X-A: /subject/a}", "JSON pointer"),
            ("{X-A: /claims/a~2}", "~1 is a slash"),
            ("{X-A: /token}", "/claims/email"),
            ("{X-A: /subject, x-a: /roles}", "twice"),
            ("{Txn-Token: /subject}", "the gateway's own"),
            ("{Host: /subject}", "host"),
            ("{Connection: /subject}", "connection"),
        ] {
            let why = refusal::<UserHeadersSpec>(arguments);
            assert!(why.contains(wanted), "{arguments}: {why}");
        }
    }
}
