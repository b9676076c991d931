//! Forms (`application/x-www-form-urlencoded`), read as a strict server reads them.

/// The fields in their order; `None` where a name or a value is not what an encoder would have written.
pub(crate) fn fields(body: &[u8]) -> Option<Vec<(String, String)>> {
    let text = std::str::from_utf8(body).ok()?;
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').and_then(|(name, value)| Some((decoded(name)?, decoded(value)?)))).collect()
}

/// A name or a value.
pub(crate) fn decoded(text: &str) -> Option<String> {
    percent_decoded(&text.replace('+', " "))
}

/// A segment of a path.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (high, low) = (char::from(rest.next()?).to_digit(16)?, char::from(rest.next()?).to_digit(16)?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded() {
        let read = fields(b"a=1+2%2B3&empty=&caf%C3%A9=x").unwrap();
        let wanted = [("a", "1 2+3"), ("empty", ""), ("café", "x")];
        assert_eq!(read, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_broken_escape_is_no_form() {
        for body in ["a=%2", "a=%zz", "a=%ff", "a"] {
            assert_eq!(fields(body.as_bytes()), None, "{body}");
        }
    }
}
