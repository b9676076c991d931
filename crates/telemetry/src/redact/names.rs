//! Which names say that their value is a secret: ours, and those of the configuration.

use std::sync::LazyLock;

use arc_swap::ArcSwap;

/// Wherever they stand in a name, written without `-`, `_`, `.` and capitals.
const WORDS: [&[u8]; 16] = [
    b"apikey",
    b"authorization",
    b"clientassertion",
    b"cookie",
    b"credential",
    b"dsn",
    b"passphrase",
    b"passport",
    b"passwd",
    b"password",
    b"privatekey",
    b"secret",
    b"sessionid",
    b"signingkey",
    b"token",
    b"xcsrf",
];

/// Whole names, too short to be looked for in others.
const NAMES: [&[u8]; 7] = [b"cvv", b"jwt", b"otp", b"pan", b"pass", b"pin", b"pwd"];

/// What may follow a word, so that the name is about a secret and its value none: `token_type`, `cookies_total`.
const HARMLESS: [&[u8]; 18] = [
    b"age",
    b"bytes",
    b"count",
    b"endpoint",
    b"expires",
    b"header",
    b"kind",
    b"len",
    b"length",
    b"limit",
    b"ms",
    b"name",
    b"policy",
    b"seconds",
    b"status",
    b"total",
    b"ttl",
    b"type",
];

/// What of a name is looked at: its end.
const LONGEST: usize = 64;

/// Names of the configuration, without `-`, `_`, `.` and capitals.
static MORE: LazyLock<ArcSwap<Vec<Box<[u8]>>>> = LazyLock::new(ArcSwap::default);

/// Adds names whose values are secrets to ours, in place of those of an earlier call: `iban` is then also `IBAN` and
/// `i-ban`, and not `iban_count`.
pub fn set_names<'a>(names: impl IntoIterator<Item = &'a str>) {
    let bare = names.into_iter().map(|name| Bare::of(name).as_bytes().into()).collect();
    MORE.store(std::sync::Arc::new(bare));
}

/// Whether what stands under `name` is to be masked.
pub fn is_secret(name: &str) -> bool {
    let bare = Bare::of(name);
    let bytes = bare.as_bytes();
    let ours = (NAMES.contains(&bytes) || has_word(bytes)) && !HARMLESS.iter().any(|end| bytes.ends_with(end));
    ours || MORE.load().iter().any(|more| **more == *bytes)
}

fn has_word(bare: &[u8]) -> bool {
    (0..bare.len()).any(|place| {
        let rest = bare.get(place..).unwrap_or_default();
        // All words begin with one of these.
        matches!(rest.first(), Some(b'a' | b'c' | b'd' | b'p' | b's' | b't' | b'x'))
            && WORDS.iter().any(|word| rest.starts_with(word))
    })
}

/// A name without what people write differently.
struct Bare {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Bare {
    fn of(name: &str) -> Self {
        let mut bare = Self { bytes: [0; LONGEST], length: 0 };
        let bytes = name.as_bytes();
        let end = bytes.get(bytes.len().saturating_sub(LONGEST)..).unwrap_or_default();
        for byte in end.iter().filter(|byte| !matches!(byte, b'-' | b'_' | b'.')) {
            if let Some(place) = bare.bytes.get_mut(bare.length) {
                *place = byte.to_ascii_lowercase();
                bare.length += 1;
            }
        }
        bare
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_whether_they_are_of_secrets() {
        for name in [
            "password",
            "db_password",
            "client-secret",
            "AccessToken",
            "token",
            "Authorization",
            "Set-Cookie",
            "X-Api-Key",
            "api_key",
            "sentry.dsn",
            "pin",
            "Txn-Token",
            "JSESSIONID",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in
            ["", "event", "author", "keys", "spinning", "token_type", "token-endpoint", "cookie_name", "passed", "path"]
        {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn of_a_long_name_the_end_counts() {
        assert!(is_secret(&format!("{}password", "x".repeat(500))));
        assert!(!is_secret(&format!("password{}", "x".repeat(500))));
    }
}
