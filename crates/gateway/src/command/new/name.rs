//! What a service may be called: its name is that of a package, a program, a section of the configuration and a label.

/// Words that a package cannot be called: Rust's own, and those of cargo and the compiler.
const TAKEN: [&str; 62] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "target",
    "test",
    "tests",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    "build",
    "deps",
    "examples",
    "incremental",
];

/// The keys of the configuration that every service has.
const KEYS: [&str; 11] = [
    "audit",
    "authorization",
    "clients",
    "database",
    "drain",
    "health",
    "management",
    "passport",
    "profiles",
    "server",
    "telemetry",
];

/// Packages that the service uses.
const USED: [&str; 3] = ["gwanmun-chassis", "serde", "tokio"];

/// Longer ones are no label of a host.
const LONGEST: usize = 63;

/// Says what is wrong with a name.
pub(super) fn check(name: &str) -> Result<(), String> {
    let shown = name.escape_debug();
    let is_letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if name.len() > LONGEST || !name.chars().all(is_letter) {
        return Err(format!("'{shown}' is no name: wanted small letters, digits and '-', at most {LONGEST}"));
    }
    if !name.starts_with(|letter: char| letter.is_ascii_lowercase()) || name.ends_with('-') || name.contains("--") {
        return Err(format!("'{shown}' is no name: it begins with a letter, and each '-' stands between two others"));
    }
    if TAKEN.contains(&name) || USED.contains(&name) {
        return Err(format!("a package cannot be called '{shown}': the word is taken"));
    }
    if KEYS.contains(&name) {
        return Err(format!("a service cannot be called '{shown}': every service has this key in its configuration"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_packages_hosts_and_keys() {
        for name in ["orders", "order-history", "a1", "s"] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        let long = "a".repeat(LONGEST + 1);
        for name in [
            "",
            "Orders",
            "orders_2",
            "1st",
            "-a",
            "a-",
            "a--b",
            "a b",
            "a/b",
            "../a",
            "ö",
            "fn",
            "self",
            "test",
            "incremental",
            "server",
            "telemetry",
            "tokio",
            &long,
        ] {
            assert!(check(name).is_err(), "{name}");
        }
    }
}
