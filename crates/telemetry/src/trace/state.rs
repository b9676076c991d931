//! `tracestate`, what vendors carry along a trace (W3C Trace Context section 3.3). The gateway has nothing to say there; it
//! only sees to it that nothing unreadable is passed on.

/// More members than this make the whole list invalid.
const MOST_MEMBERS: usize = 32;
/// Characters of a key, and of a value.
const MOST_CHARACTERS: usize = 256;

/// Whether `fields`, the values of all `tracestate` fields in their order, make a list that may be passed on: at most 32
/// members, each a key and a value. Empty members are allowed.
pub fn is_tracestate<'a>(fields: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut count = 0;
    for member in fields.flat_map(|field| field.split(|&byte| byte == b',')).map(<[u8]>::trim_ascii) {
        if member.is_empty() {
            continue;
        }
        count += 1;
        let Some(equals) = member.iter().position(|&byte| byte == b'=') else { return false };
        let (key, value) = member.split_at(equals);
        if count > MOST_MEMBERS || !is_key(key) || !is_value(value.get(1..).unwrap_or_default()) {
            return false;
        }
    }
    true
}

fn is_key(key: &[u8]) -> bool {
    key.len() <= MOST_CHARACTERS
        && key.first().is_some_and(|first| matches!(first, b'a'..=b'z' | b'0'..=b'9'))
        && key.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@'))
}

fn is_value(value: &[u8]) -> bool {
    (1..=MOST_CHARACTERS).contains(&value.len())
        && value.iter().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_good(fields: &[&str]) -> bool {
        is_tracestate(fields.iter().map(|field| field.as_bytes()))
    }

    #[test]
    fn members_are_keys_with_values() {
        let long = format!("k={}", "v".repeat(256));
        for good in ["", "a=1", "a=1,b=2", "a=1 ,\t b=2,,", "tenant@system=v/w", "0=!", "a*b/c_d-e=1", long.as_str()] {
            assert!(is_good(&[good]), "{good}");
        }
        let longer = format!("k={}", "v".repeat(257));
        for bad in ["a", "=1", "a=", "A=1", "a=1=2", "a=\u{e9}", "_a=1", "a b=1", longer.as_str()] {
            assert!(!is_good(&[bad]), "{bad}");
        }
    }

    #[test]
    fn members_of_all_fields_are_counted() {
        let half = ["a=1"; 16].join(",");
        assert!(is_good(&[&half, &half]));
        assert!(!is_good(&[&half, &half, "a=1"]));
    }
}
