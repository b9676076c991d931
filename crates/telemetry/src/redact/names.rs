//! Which names say that their value is a secret: ours, and those of the configuration.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

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

/// The letters of `WORDS`, so that a name without them is let go at once.
static LETTERS: LazyLock<[u32; WORDS.len()]> =
    LazyLock::new(|| WORDS.map(|word| word.iter().fold(0, |letters, byte| letters | letter(*byte))));

/// Names of the configuration, without `-`, `_`, `.` and capitals.
static MORE: LazyLock<ArcSwap<Vec<Box<[u8]>>>> = LazyLock::new(ArcSwap::default);
/// How often they were set; 0 where there are none.
static SET: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// What was found of names in the code, by their address.
    static FOUND: Cell<[Found; 64]> = const { Cell::new([Found { address: 0, length: 0, set: 0, is_secret: false }; 64]) };
}

#[derive(Clone, Copy)]
struct Found {
    address: usize,
    length: usize,
    set: u32,
    is_secret: bool,
}

/// Adds names whose values are secrets to ours, in place of those of an earlier call: `iban` is then also `IBAN` and
/// `i-ban`, and not `iban_count`.
pub fn set_names<'a>(names: impl IntoIterator<Item = &'a str>) {
    let bare = names.into_iter().map(|name| Bare::of(name).as_bytes().into()).collect();
    MORE.store(Arc::new(bare));
    SET.fetch_add(1, Ordering::Release);
}

/// Whether what stands under `name` is to be masked.
pub fn is_secret(name: &str) -> bool {
    let bare = Bare::of(name);
    let bytes = bare.as_bytes();
    let has_word = || {
        let mut possible = LETTERS.iter().zip(WORDS).filter(|(letters, _)| bare.letters & **letters == **letters);
        possible.any(|(_, word)| bytes.windows(word.len()).any(|part| part == word))
    };
    let ours = NAMES.contains(&bytes) || has_word();
    (ours && !HARMLESS.iter().any(|end| bytes.ends_with(end)))
        || (SET.load(Ordering::Acquire) != 0 && MORE.load().iter().any(|more| **more == *bytes))
}

/// The same for a name in the code, which is remembered: lines of log ask for the same few.
pub(crate) fn is_secret_field(name: &'static str) -> bool {
    let (address, length, set) = (name.as_ptr().addr(), name.len(), SET.load(Ordering::Acquire));
    FOUND.with(|cells| {
        let cells = Cell::as_array_of_cells(cells);
        let Some(cell) = cells.get((address ^ length) % cells.len()) else { return is_secret(name) };
        let found = cell.get();
        if (found.address, found.length, found.set) == (address, length, set) {
            return found.is_secret;
        }
        let is_secret = is_secret(name);
        cell.set(Found { address, length, set, is_secret });
        is_secret
    })
}

/// A bit for each letter.
const fn letter(byte: u8) -> u32 {
    1 << (byte & 31)
}

/// A name without what people write differently.
struct Bare {
    bytes: [u8; LONGEST],
    length: usize,
    letters: u32,
}

impl Bare {
    fn of(name: &str) -> Self {
        let mut bare = Self { bytes: [0; LONGEST], length: 0, letters: 0 };
        let bytes = name.as_bytes();
        let end = bytes.get(bytes.len().saturating_sub(LONGEST)..).unwrap_or_default();
        for byte in end.iter().filter(|byte| !matches!(byte, b'-' | b'_' | b'.')) {
            if let Some(place) = bare.bytes.get_mut(bare.length) {
                *place = byte.to_ascii_lowercase();
                bare.length += 1;
                bare.letters |= letter(*byte);
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
    fn the_configuration_adds_names_and_takes_them_back() {
        assert!(!is_secret_field("iban_of_test"));
        set_names(["Iban-Of.Test"]);
        assert!(is_secret_field("iban_of_test") && is_secret("ibanOfTest") && !is_secret("iban_of_tests"));
        set_names([]);
        assert!(!is_secret_field("iban_of_test") && is_secret_field("password"));
    }

    #[test]
    fn of_a_long_name_the_end_counts() {
        assert!(is_secret(&format!("{}password", "x".repeat(500))));
        assert!(!is_secret(&format!("password{}", "x".repeat(500))));
    }
}
