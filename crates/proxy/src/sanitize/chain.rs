//! What trusted proxies tell of those before them: lists to which each adds at the right. Whatever stands left of an
//! element that nobody can read is anybody's word, and is cut off.

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName, HeaderValue};

use super::Look;
use super::values::is_token;
use crate::client_address::{address, rsplit_unquoted};
use crate::forward::X_FORWARDED_FOR;

/// `X-Forwarded-For`, and others of its form.
pub(super) fn x_forwarded_for(value: &[u8]) -> Look {
    look(value, is_node, |headers| tidy(headers, X_FORWARDED_FOR, is_node))
}

/// `Forwarded` (RFC 7239 section 4).
pub(super) fn forwarded(value: &[u8]) -> Look {
    look(value, is_element, |headers| tidy(headers, FORWARDED, is_element))
}

fn look(value: &[u8], is_good: fn(&str) -> bool, tidy: fn(&mut HeaderMap)) -> Look {
    if rsplit_unquoted(value, b',').all(|element| reads(element, is_good)) { Look::Good } else { Look::Tidy(tidy) }
}

fn reads(element: &[u8], is_good: fn(&str) -> bool) -> bool {
    std::str::from_utf8(element).is_ok_and(|element| is_good(element.trim()))
}

/// Keeps the elements on the right that can all be read.
fn tidy(headers: &mut HeaderMap, name: HeaderName, is_good: fn(&str) -> bool) {
    let values = headers.get_all(&name).iter().rev();
    let elements = values.flat_map(|value| rsplit_unquoted(value.as_bytes(), b',')).map(<[u8]>::trim_ascii);
    let mut kept: Vec<&[u8]> = elements.take_while(|element| reads(element, is_good)).collect();
    kept.reverse();
    let list = kept.join(&b", "[..]);
    let value = HeaderValue::from_bytes(&list).ok().filter(|value| !value.is_empty());
    headers.remove(&name);
    if let Some(value) = value {
        headers.insert(name, value);
    }
}

/// An address, `unknown`, or a name made up by a proxy (RFC 7239 section 6).
fn is_node(text: &str) -> bool {
    let is_made_up = || {
        text.strip_prefix('_').is_some_and(|rest| {
            rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        })
    };
    address(text).is_some() || text.eq_ignore_ascii_case("unknown") || is_made_up()
}

/// Pairs of a name and a token or quoted string, each name once.
fn is_element(element: &str) -> bool {
    let mut names: Vec<&str> = Vec::new();
    rsplit_unquoted(element.as_bytes(), b';').all(|pair| {
        let pair = std::str::from_utf8(pair).ok().and_then(|pair| pair.trim().split_once('='));
        let Some((name, value)) = pair else { return false };
        let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let is_value = bare.is_some() || is_token(value.as_bytes());
        let is_new = !names.iter().any(|known| known.eq_ignore_ascii_case(name));
        names.push(name);
        let is_read = !name.eq_ignore_ascii_case("for") || is_node(bare.unwrap_or(value));
        is_token(name.as_bytes()) && is_value && is_new && is_read
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tidied(name: HeaderName, is_good: fn(&str) -> bool, values: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, HeaderValue::from_static(value));
        }
        tidy(&mut headers, name.clone(), is_good);
        headers.get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn what_stands_left_of_something_unreadable_goes() {
        for (values, wanted) in [
            (&["6.6.6.6, <script>, 1.1.1.1, unknown"][..], Some("1.1.1.1, unknown")),
            (&["<script>", "1.1.1.1", "_hidden, 10.0.0.1:80"], Some("1.1.1.1, _hidden, 10.0.0.1:80")),
            (&["1.1.1.1, nobody"], None),
            (&["1.1.1.1,,2.2.2.2"], Some("2.2.2.2")),
        ] {
            assert_eq!(tidied(X_FORWARDED_FOR, is_node, values).as_deref(), wanted, "{values:?}");
        }
    }

    #[test]
    fn what_stands_right_of_a_byte_that_is_no_text_stays() {
        let mut headers = HeaderMap::new();
        headers.insert(X_FORWARDED_FOR, HeaderValue::from_bytes(b"6.6.6.6, \xff, 1.1.1.1").unwrap());
        tidy(&mut headers, X_FORWARDED_FOR, is_node);
        assert_eq!(headers.get(X_FORWARDED_FOR).unwrap(), "1.1.1.1");
    }

    #[test]
    fn elements_of_forwarded_are_pairs() {
        let good = "for=\"[2001:db8::1]:80\";proto=https;host=\"a, b\";by=_me";
        assert_eq!(tidied(FORWARDED, is_element, &["for=6.6.6.6;x", good]).as_deref(), Some(good));
        for bad in ["for", "for=1.1.1.1;for=2.2.2.2", "for=somebody", "a b=c", "for=1.1.1.1;host=\"a", "=x"] {
            assert!(!is_element(bad), "{bad}");
        }
        assert!(matches!(forwarded(good.as_bytes()), Look::Good));
        assert!(matches!(forwarded(b"for=a/b"), Look::Tidy(_)));
    }
}
