//! Changing one parameter of a query and nothing else: the bytes and the order of the others stay. Names are compared
//! decoded, so that another spelling of a name does not slip through.

use gwanmun_proxy::Invalid;
use gwanmun_proxy::route::escape::query_decoded;

use crate::encode;

/// Refuses the empty name.
pub(crate) fn check_name(argument: &'static str, name: &str) -> Result<(), Invalid> {
    match name {
        "" => Err(Invalid::at(argument, "found an empty name, wanted the name of a parameter")),
        _ => Ok(()),
    }
}

/// `query` with `name=value` at the end, both encoded.
pub(crate) fn with_added(query: Option<&str>, name: &str, value: &str) -> String {
    let mut out = query.unwrap_or_default().to_owned();
    if !out.is_empty() && !out.ends_with('&') {
        out.push('&');
    }
    push_parameter(name, value, &mut out);
    out
}

/// `query` without any `name`; `Some(None)` if nothing remains, `None` if there was none.
pub(crate) fn without(query: &str, name: &str) -> Option<Option<String>> {
    if !query.split('&').any(|parameter| is_called(parameter, name)) {
        return None;
    }
    let kept: Vec<&str> = query.split('&').filter(|parameter| !is_called(parameter, name)).collect();
    Some(if kept.is_empty() { None } else { Some(kept.join("&")) })
}

/// `query` with `value` in place of the first `name` and without the others; `None` if there was none.
pub(crate) fn with_replaced(query: &str, name: &str, value: &str) -> Option<String> {
    let mut ours = String::new();
    push_parameter(name, value, &mut ours);
    let mut replaced = false;
    let parameters = query.split('&').filter_map(|parameter| match is_called(parameter, name) {
        false => Some(parameter),
        true => (!std::mem::replace(&mut replaced, true)).then_some(ours.as_str()),
    });
    let out = parameters.collect::<Vec<_>>().join("&");
    replaced.then_some(out)
}

fn is_called(parameter: &str, name: &str) -> bool {
    let written = parameter.split_once('=').map_or(parameter, |(written, _)| written);
    query_decoded(written) == name
}

fn push_parameter(name: &str, value: &str, out: &mut String) {
    encode::component(name, out);
    out.push('=');
    encode::component(value, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_added_parameter_comes_last() {
        assert_eq!(with_added(None, "a", "b"), "a=b");
        assert_eq!(with_added(Some(""), "a", "b"), "a=b");
        assert_eq!(with_added(Some("x=%7e&y"), "a", "b"), "x=%7e&y&a=b");
        assert_eq!(with_added(Some("x&"), "a", "b"), "x&a=b");
        assert_eq!(with_added(None, "a b", "c&d=e#ü"), "a%20b=c%26d%3De%23%C3%BC");
    }

    #[test]
    fn the_others_keep_their_bytes_and_order() {
        assert_eq!(without("b=%7E&a=1&&c=+&a", "a"), Some(Some("b=%7E&&c=+".to_owned())));
        assert_eq!(with_replaced("b=%7E&a=1&&c=+&a", "a", "2"), Some("b=%7E&a=2&&c=+".to_owned()));
        assert_eq!(with_replaced("&a=1", "a", "2"), Some("&a=2".to_owned()));
    }

    #[test]
    fn names_are_compared_decoded() {
        assert_eq!(without("%61=1&a+b=2", "a"), Some(Some("a+b=2".to_owned())));
        assert_eq!(without("a+b=1&a%20b", "a b"), Some(None));
        assert_eq!(with_replaced("%61=1", "a", "2"), Some("a=2".to_owned()));
    }

    #[test]
    fn a_query_without_the_name_is_left_alone() {
        assert_eq!(without("ab=1&A=2&b=a", "a"), None);
        assert_eq!(with_replaced("ab=1", "a", "2"), None);
    }
}
