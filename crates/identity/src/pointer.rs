//! JSON pointers (RFC 6901): where in the claims of a token something stands.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// A JSON pointer that begins with a slash, and perhaps another for where it leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pointer(Cow<'static, str>, Option<Box<Pointer>>);

/// A text that is no JSON pointer, or points at the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPointer;

impl Pointer {
    /// One of our own.
    pub(crate) const fn to(text: &'static str) -> Self {
        Self(Cow::Borrowed(text), None)
    }

    /// The same, or `other` where this one leads nowhere.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0, Some(Box::new(other)))
    }

    /// What stands there.
    pub fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        value.pointer(&self.0).or_else(|| self.1.as_ref()?.find(value))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Pointer {
    type Err = NoPointer;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut escapes = text.split('~').skip(1);
        if text.starts_with('/') && escapes.all(|rest| rest.starts_with(['0', '1'])) {
            Ok(Self(Cow::Owned(text.to_owned()), None))
        } else {
            Err(NoPointer)
        }
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)?;
        self.1.as_ref().map_or(Ok(()), |other| write!(f, " or {other}"))
    }
}

impl fmt::Display for NoPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wanted a JSON pointer like /realm_access/roles, in which ~1 is a slash and ~0 a tilde")
    }
}

impl std::error::Error for NoPointer {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pointers_lead_into_claims() {
        let claims = json!({"a": {"b": [1, 2]}, "https://x/roles": "r", "~": 0, "": 7});
        let find = |text: &str| text.parse::<Pointer>().unwrap().find(&claims).cloned();
        assert_eq!(find("/a/b/1"), Some(json!(2)));
        assert_eq!(find("/https:~1~1x~1roles"), Some(json!("r")));
        assert_eq!(find("/~0"), Some(json!(0)));
        assert_eq!(find("/"), Some(json!(7)));
        assert_eq!(find("/a/c"), None);
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        for text in ["", "a", "a/b", "$.a", "/~", "/~2", "/a~/b"] {
            assert_eq!(text.parse::<Pointer>(), Err(NoPointer), "{text}");
        }
    }
}
