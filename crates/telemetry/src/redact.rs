//! What must not be read in a line of log or an exception becomes `***`: values under names that say they are secrets,
//! credentials behind their scheme, tokens that look like JWTs (the Passport is one), user and password in URLs. All rules
//! stand here and in `redact/`. Text without anything suspicious is looked at once, many bytes together, and not copied.

mod names;
mod scan;

use std::borrow::Cow;

pub(crate) use names::is_secret_field;
pub use names::{is_secret, set_names};

/// What stands in place of a secret.
pub const MASK: &str = "***";

/// `text` without its secrets. Takes time in proportion to its length, whatever is in it.
///
/// - `name=value`, `name: "value"`, `"name":"value"` where [`is_secret`] holds for the name; `Authorization: …` and
///   `Cookie: …` to the end of their line
/// - `Bearer …`, `DPoP …` and `Basic …` (RFC 6750 section 2.1, RFC 9449 section 7.1, RFC 7617 section 2)
/// - what begins like a JWT (RFC 7519), and so a Passport: `eyJ…`
/// - `scheme://user:password@host` (RFC 3986 section 3.2.1): the host stays
pub fn text(text: &str) -> Cow<'_, str> {
    if is_suspicious(text.as_bytes()) { scan::without_secrets(text) } else { Cow::Borrowed(text) }
}

/// Whether a closer look could find something: a separator, the third letter of every JWT, or the end of a scheme and a
/// space. Without a branch for each byte, so that compilers do many bytes together.
fn is_suspicious(text: &[u8]) -> bool {
    let next = text.get(1..).unwrap_or_default();
    let found = text.iter().zip(next).fold(0_u8, |found, (byte, next)| {
        let is = |wanted: u8| u8::from(*byte == wanted);
        let ends_scheme = is(b'r') | is(b'R') | is(b'c') | is(b'C') | is(b'p') | is(b'P');
        found | is(b'=') | is(b':') | is(b'J') | (ends_scheme & u8::from(*next == b' '))
    });
    found != 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const JWT: &str = "eyJhbGciOiJFZERTQSIsInR5cCI6InR4bnRva2VuK2p3dCJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl";

    #[test]
    fn secrets_are_masked_and_what_is_around_them_stays() {
        for (given, wanted) in [
            ("sent Bearer abc.def-9 to it", "sent Bearer *** to it"),
            ("BEARER abc", "BEARER ***"),
            ("Basic YW5uOmh1bnRlcjI=", "Basic ***"),
            ("dpop aB3", "dpop ***"),
            (JWT, "***"),
            (&format!("refused {JWT}, since it has expired"), "refused ***, since it has expired"),
            (&format!("x{JWT}"), "x***"),
            ("Txn-Token: eyJhbGciOiJFZERTQSJ9.e30.x", "Txn-Token: ***"),
            ("redis://ann:s3/cr@t@redis.internal:6379/0", "redis://***@redis.internal:6379/0"),
            ("redis-cluster://:x@a:1,b:2", "redis-cluster://***@a:1,b:2"),
            ("https://key@sentry.internal/7 answers 401", "https://***@sentry.internal/7 answers 401"),
            ("http://a:b@c http://d:e@f", "http://***@c http://***@f"),
            ("https://ann:pa#ss?w@host/x", "https://***@host/x"),
            ("POST /token?client_secret=abc&x=1", "POST /token?client_secret=***&x=1"),
            ("a=1;password=hunter2;b=2", "a=1;password=***;b=2"),
            ("password = hunter2", "password = ***"),
            ("password: hunter2!", "password: ***"),
            (r#"Config { password: "hun\"ter", port: 5 }"#, r#"Config { password: "***", port: 5 }"#),
            (r#"Config { token: Some("abc"), port: 5 }"#, r#"Config { token: Some("***"), port: 5 }"#),
            (r#"{"api-key":"abc","b":"c"}"#, r#"{"api-key":"***","b":"c"}"#),
            (r#"{\"accessToken\":\"abc\",\"b\":1}"#, r#"{\"accessToken\":\"***\",\"b\":1}"#),
            ("cookie: a=b; c=d\nhost: x", "cookie: ***\nhost: x"),
            ("Authorization: Custom a b c", "Authorization: ***"),
            (r#"{"authorization": "Custom a", "host": "x"}"#, r#"{"authorization": "***", "host": "x"}"#),
            ("password=", "password="),
            ("password=\"unterminated", "password=\"***"),
            ("pässword=x token=é…", "pässword=x token=***"),
        ] {
            assert_eq!(text(given), wanted, "{given}");
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for plain in [
            "",
            "listening on 127.0.0.1:8080",
            "the bearer token is missing",
            "Bearer authentication is asked for",
            "basic rules",
            "no route: the token has expired",
            "cannot read the secret: No such file or directory",
            "cannot read the secret: /run/secrets/x",
            "https://host:8443/users/@me",
            "http://[::1]:80/@x",
            "mail ann@example.org: refused",
            "token_type=Bearer",
            "gwanmun_passport::token::verify failed",
            "eyJ is how they begin",
            "key=value; monkey=see",
        ] {
            assert!(matches!(text(plain), Cow::Borrowed(_)), "{plain}: {}", text(plain));
        }
    }

    #[test]
    fn a_line_of_traps_takes_no_longer_than_its_length_asks_for() {
        for trap in ["://", "eyJ", "password=\"", "a@", "://a:b/", "\"\"\\", "token: ", "Bearer ", "://x@", "token:/"] {
            let text = trap.repeat(400_000 / trap.len());
            let begin = std::time::Instant::now();
            drop(super::text(&text));
            // Quadratic work would take minutes.
            assert!(begin.elapsed().as_secs() < 10, "{trap}");
        }
    }

    /// Pieces that rules begin and end with, between anything.
    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            any::<char>().prop_map(String::from),
            "[ -~]{0,5}",
            proptest::sample::select(vec![
                "://",
                "@",
                "eyJ",
                "Bearer ",
                "basic ",
                "password",
                "token",
                "=",
                ":",
                ": ",
                "\"",
                "\\\"",
                "Some(",
                "é",
                "\n",
                "cookie",
                "authorization",
                JWT,
                "'",
                " ",
            ])
            .prop_map(str::to_owned),
        ];
        proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn anything_is_taken_and_masking_twice_is_masking_once(given in hostile()) {
            let once = text(&given).into_owned();
            prop_assert_eq!(text(&once), once.clone());
        }

        #[test]
        fn a_token_never_survives(before in "[a-z :=\"]{0,20}", after in "[ ,;\"')]{1}[ -~]{0,20}") {
            let given = format!("{before}{JWT}{after}");
            prop_assert!(!text(&given).contains("c2lnbmF0dXJl"), "{}", text(&given));
        }

        #[test]
        fn a_password_in_a_url_never_survives(before in "([ -~]{0,20} )?", password in "[a-z0-9!$&'()*+,;=:%_~-]{1,20}", rest in "(/[ -~]{0,20})?") {
            let given = format!("{before}postgres://ann:Q{password}Q@db{rest}");
            let secret = format!("Q{password}Q");
            prop_assert!(!text(&given).contains(&secret), "{}", text(&given));
        }

        #[test]
        fn what_looks_innocent_at_once_has_nothing_to_find(given in hostile()) {
            if !is_suspicious(given.as_bytes()) {
                prop_assert_eq!(scan::without_secrets(&given), given.as_str());
            }
        }
    }
}
