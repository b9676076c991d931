//! Forms (`application/x-www-form-urlencoded`), read as a strict server reads them.

use std::collections::BTreeSet;

use crate::base64url;
use crate::message::Message;

/// Fields, each of them once.
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// The form that a request brings.
    pub(crate) fn of(request: &Message) -> Option<Self> {
        let is_form = request.header("content-type").as_deref() == Some("application/x-www-form-urlencoded");
        if is_form { Self::read(&request.body) } else { None }
    }

    /// A query.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let fields = fields(text)?;
        let names: BTreeSet<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        (names.len() == fields.len()).then_some(Self(fields))
    }

    /// The value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// Client id and secret of `Basic`, each encoded as in a form (RFC 6749, section 2.3.1).
pub(crate) fn credentials(basic: &str) -> Option<(String, String)> {
    let pair = String::from_utf8(base64url::decode_plain(basic.strip_prefix("Basic ")?)?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((decoded(id)?, decoded(secret)?))
}

/// As a value of a form or a query: only letters, digits and `-._~` as they are.
pub(crate) fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// The fields in their order; `None` where a name or a value is not what an encoder would have written.
fn fields(body: &[u8]) -> Option<Vec<(String, String)>> {
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
