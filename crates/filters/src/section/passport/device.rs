//! `passport.device`: the headers in which a device tells about itself. Nobody proves it, so its level is low.

use std::borrow::Cow;

use gwanmun_config::Spanned;
use gwanmun_core::Level;
use gwanmun_passport::Device;
use gwanmun_proxy::Ground;
use http::{HeaderMap, HeaderName};
use schemars::JsonSchema;
use serde::Deserialize;

/// More is no name of a device.
const LONGEST: usize = 256;

/// The headers in which devices tell about themselves. They go to the upstream as they are.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct DeviceSpec {
    /// The device's own name, as in `X-Device-Id`.
    id: Option<Spanned<String>>,
    /// Its system and version, as in `X-Device-Os`.
    os: Option<Spanned<String>>,
    /// The app's version, as in `X-App-Version`.
    app: Option<Spanned<String>>,
}

/// Where what is known about devices stands in a request.
#[derive(Debug, Default)]
pub(crate) struct DeviceHeaders {
    id: Option<HeaderName>,
    os: Option<HeaderName>,
    app: Option<HeaderName>,
}

/// What is known about a device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Known<T> {
    pub(crate) id: Option<T>,
    pub(crate) os: Option<T>,
    pub(crate) app: Option<T>,
}

impl DeviceSpec {
    /// Checks the names.
    pub(super) fn build(self, ground: &mut Ground<'_>) -> Option<DeviceHeaders> {
        let mut name = |text: Option<Spanned<String>>| match text {
            None => Some(None),
            Some(text) => match HeaderName::try_from(text.as_str()) {
                Ok(name) => Some(Some(name)),
                Err(_) => {
                    let message = format!("found '{}', wanted the name of a header", text.escape_debug());
                    ground.refuse_with_hint(text.span, message, "device: {id: X-Device-Id}");
                    None
                }
            },
        };
        let (id, os, app) = (name(self.id), name(self.os), name(self.app));
        Some(DeviceHeaders { id: id?, os: os?, app: app? })
    }
}

impl DeviceHeaders {
    /// What a request says about the device.
    pub(crate) fn of<'h>(&self, headers: &'h HeaderMap) -> Known<&'h str> {
        let value = |name: &Option<HeaderName>| name.as_ref().and_then(|name| only(headers, name));
        Known { id: value(&self.id), os: value(&self.os), app: value(&self.app) }
    }
}

impl<T: AsRef<str>> Known<T> {
    /// Whether nothing is.
    pub(crate) fn is_nothing(&self) -> bool {
        self.id.is_none() && self.os.is_none() && self.app.is_none()
    }

    /// The device section, if anything is known.
    pub(crate) fn section(&self, level: Level, source: &'static str) -> Option<Device<'_>> {
        if self.is_nothing() {
            return None;
        }
        let text = |value: &'_ Option<T>| value.as_ref().map(|value| Cow::Owned(value.as_ref().to_owned()));
        Some(Device { id: text(&self.id), os: text(&self.os), app: text(&self.app), level, source: source.into() })
    }

    /// The same, on its own.
    pub(crate) fn to_kept(&self) -> Known<Box<str>> {
        let text = |value: &Option<T>| value.as_ref().map(|value| value.as_ref().into());
        Known { id: text(&self.id), os: text(&self.os), app: text(&self.app) }
    }

    /// Whether `other` says the same.
    pub(crate) fn is<U: AsRef<str>>(&self, other: &Known<U>) -> bool {
        let same =
            |one: &Option<T>, two: &Option<U>| one.as_ref().map(AsRef::as_ref) == two.as_ref().map(AsRef::as_ref);
        same(&self.id, &other.id) && same(&self.os, &other.os) && same(&self.app, &other.app)
    }
}

/// The value of a field that is there once, and is plain text.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    value.to_str().ok().filter(|text| !text.is_empty() && text.len() <= LONGEST)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_is_said_twice_too_long_or_not_as_text_is_not_known() {
        let names = DeviceHeaders { id: Some(HeaderName::from_static("x-id")), ..DeviceHeaders::default() };
        let known = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-id", HeaderValue::from_bytes(value).unwrap());
            }
            names.of(&headers).id.map(str::to_owned)
        };
        assert_eq!(known(&[b"d9"]).as_deref(), Some("d9"));
        let long = [b'd'; LONGEST + 1];
        let cases: [&[&[u8]]; 5] = [&[], &[b""], &[b"d9", b"d9"], &[b"d\xff"], &[&long]];
        for values in cases {
            assert_eq!(known(values), None, "{values:?}");
        }
        assert!(known(&[&long[1..]]).is_some());
    }
}
