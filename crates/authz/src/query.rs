//! Parameters of a query, read only when a rule asks for one (`application/x-www-form-urlencoded`).

use std::borrow::Cow;

use crate::action::decoded;

/// The parameters of `query` in their order; `None` in place of one that is no text.
pub(crate) fn parameters(query: Option<&str>) -> impl Iterator<Item = Option<(Cow<'_, str>, Cow<'_, str>)>> {
    query.unwrap_or_default().split('&').filter(|part| !part.is_empty()).map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        Some((text(name)?, text(value)?))
    })
}

/// What a query says about one parameter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parameter<'a> {
    Missing,
    Once(Cow<'a, str>),
    /// Services differ in which one they take.
    Often,
    /// Something in the query is no text, so it cannot be told.
    Unreadable,
}

/// The parameter `name` of `query`.
pub(crate) fn parameter<'a>(query: Option<&'a str>, name: &str) -> Parameter<'a> {
    let mut found = Parameter::Missing;
    for parameter in parameters(query) {
        let Some((its_name, value)) = parameter else { return Parameter::Unreadable };
        if its_name == name {
            match found {
                Parameter::Missing => found = Parameter::Once(value),
                _ => return Parameter::Often,
            }
        }
    }
    found
}

fn text(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.contains('+') {
        return match decoded(raw)? {
            Cow::Borrowed(_) => Some(raw.into()),
            Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
        };
    }
    let spaced = raw.replace('+', " ");
    String::from_utf8(decoded(&spaced)?.into_owned()).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(query: &'a str, name: &str) -> Parameter<'a> {
        parameter(Some(query), name)
    }

    #[test]
    fn a_parameter_is_decoded() {
        assert_eq!(of("a=1&b=2", "b"), Parameter::Once("2".into()));
        assert_eq!(of("a=x%20y+z%2B", "a"), Parameter::Once("x y z+".into()));
        assert_eq!(of("%61=1", "a"), Parameter::Once("1".into()));
        assert_eq!(of("a&&b==", "a"), Parameter::Once("".into()));
        assert_eq!(of("a&&b==", "b"), Parameter::Once("=".into()));
        assert_eq!((of("A=1", "a"), parameter(None, "a")), (Parameter::Missing, Parameter::Missing));
    }

    #[test]
    fn what_services_read_in_different_ways_is_told_apart() {
        assert_eq!(of("a=1&b=2&a=1", "a"), Parameter::Often);
        assert_eq!(of("a=1&%61=2", "a"), Parameter::Often);
        assert_eq!(of("b=%", "a"), Parameter::Unreadable);
        assert_eq!(of("b=%FF", "a"), Parameter::Unreadable);
    }
}
