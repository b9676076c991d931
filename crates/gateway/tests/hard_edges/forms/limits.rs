//! Limits of a head, as they are without a configuration: 8 KiB of target, 100 fields, 32 KiB in all.

use crate::form::{Form, get, line};

/// The forms.
pub(crate) fn forms() -> Vec<Form> {
    let target = |length: usize| format!("/{}", "a".repeat(length - 1));
    let fields = |count: usize| (0..count).map(|number| format!("x-{number}: y")).collect::<Vec<_>>();
    let lines = |count: usize| fields(count).iter().map(|field| format!("{field}\r\n")).collect::<String>();
    let ninety_nine = fields(99);
    let large = "y".repeat(30_000);
    vec![
        line("target-of-8-kib", "a target of 8 KiB", format!("GET {} HTTP/1.1", target(8192))).passes_as(
            &format!("GET {} HTTP/1.1", target(8192)),
            &[],
            "",
        ),
        line("target-over-8-kib", "a target of 8 KiB and a byte", format!("GET {} HTTP/1.1", target(8193)))
            .refused(414),
        line("target-of-20-kb", "a target of 20,000 bytes", format!("GET {} HTTP/1.1", target(20_000))).refused(414),
        line(
            "query-over-8-kib",
            "a path and a query of 8 KiB and a byte",
            format!("GET /?{} HTTP/1.1", "a".repeat(8191)),
        )
        .refused(414),
        get("hundred-fields", "100 fields", lines(99))
            .passes_with(&ninety_nine.iter().map(String::as_str).collect::<Vec<_>>()),
        get("hundred-and-one-fields", "101 fields", lines(100)).refused(431),
        get("thousand-fields", "1,000 fields", lines(999)).refused(431),
        get("value-of-30-kb", "a value of 30,000 bytes", format!("x: {large}\r\n"))
            .passes_with(&[&format!("x: {large}")]),
        get("value-of-40-kb", "a value of 40,000 bytes", format!("x: {}\r\n", "y".repeat(40_000))).refused(431),
        get("name-of-40-kb", "a name of 40,000 bytes", format!("{}: y\r\n", "x".repeat(40_000))).refused(431),
        get("head-of-40-kb", "50 fields of 800 bytes", format!("x: {}\r\n", "y".repeat(795)).repeat(50)).refused(431),
    ]
}
