//! The form of times in the log: RFC 3339 in UTC with microseconds, as [`gwanmun_core::Stamp`] writes them.

const SHAPE: &[u8; 27] = b"0000-00-00T00:00:00.000000Z";

/// Whether `text` has that form.
pub(crate) fn is_time(text: &[u8]) -> bool {
    let fits = |(byte, shape): (&u8, &u8)| if *shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    text.len() == SHAPE.len() && text.iter().zip(SHAPE).all(fits)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use gwanmun_core::Stamp;

    use super::*;

    #[test]
    fn what_is_written_has_the_form() {
        let mut out = Vec::new();
        Stamp::new().push(&mut out, SystemTime::now());
        assert!(is_time(&out));
    }

    #[test]
    fn another_form_is_no_time() {
        for other in ["2026-01-02T03:04:05Z", "2026-01-02 03:04:05.006078Z", "2026-01-02T03:04:05.00607xZ", ""] {
            assert!(!is_time(other.as_bytes()), "{other}");
        }
    }
}
