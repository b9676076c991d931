//! Cookies between a browser and the gateway alone. A filter at the door takes them out of the request, before anybody else
//! reads it, and sets them in the answer; filters on the way find them here.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;

/// Cookies that no service behind sees or sets.
#[derive(Debug, Default)]
pub struct OwnCookies {
    /// What the browser sent, in its order.
    pub sent: Vec<OwnCookie>,
    /// Values of `Set-Cookie` for the answer, whatever it will be.
    pub answer: Vec<HeaderValue>,
}

/// One cookie that a browser sent.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnCookie {
    /// Its whole name.
    pub name: Arc<str>,
    /// Its value.
    pub value: Box<str>,
}

impl OwnCookies {
    /// The values that were sent under this name.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.sent.iter().filter(move |cookie| *cookie.name == *name).map(|cookie| &*cookie.value)
    }
}

impl fmt::Debug for OwnCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=***", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_by_name_and_do_not_print_themselves() {
        let cookie = |name: &str, value: &str| OwnCookie { name: name.into(), value: value.into() };
        let sent = vec![cookie("a", "hunter2"), cookie("b", "2"), cookie("a", "3")];
        let cookies = OwnCookies { sent, answer: Vec::new() };
        assert_eq!(cookies.named("a").collect::<Vec<_>>(), ["hunter2", "3"]);
        assert!(!format!("{cookies:?}").contains("hunter2"));
    }
}
