//! Names of header fields in arguments: which of them filters may touch. The fields that frame a message or belong to one
//! connection are the engine's; a filter that set them would desynchronise the two sides.

use gwanmun_proxy::Invalid;
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Framing and hop-by-hop fields (RFC 9110 section 7.6.1, RFC 9112 section 6).
const CONNECTION_FIELDS: [&str; 8] =
    ["connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

/// A name that is only read.
pub(crate) fn readable(argument: &'static str, text: &str) -> Result<HeaderName, Invalid> {
    HeaderName::from_bytes(text.as_bytes()).map_err(|_| {
        let invalid = Invalid::at(argument, format!("found '{}', wanted the name of a header", text.escape_debug()));
        match text.split_once(':') {
            Some((name, _)) if !name.is_empty() => {
                invalid.with_hint("the value is an argument of its own, without a colon")
            }
            _ => invalid.with_hint("a name has letters, digits, '-' and '_'"),
        }
    })
}

/// The name of a request's field that a filter sets.
pub(crate) fn settable_in_request(argument: &'static str, text: &str) -> Result<HeaderName, Invalid> {
    let name = settable(argument, text)?;
    if name == http::header::HOST {
        return Err(Invalid::at(argument, "'host' is not set like other headers: it is part of the request's target")
            .with_hint("use set-request-host-header, or preserve-host-header to keep the client's"));
    }
    Ok(name)
}

/// The name of a response's field that a filter sets.
pub(crate) fn settable_in_response(argument: &'static str, text: &str) -> Result<HeaderName, Invalid> {
    settable(argument, text)
}

/// The name of a request's field that a filter removes.
pub(crate) fn removable_from_request(argument: &'static str, text: &str) -> Result<HeaderName, Invalid> {
    let name = changeable(argument, text)?;
    if name == http::header::HOST {
        return Err(Invalid::at(argument, "'host' cannot be removed: every request has one").with_hint(
            "the upstream gets its own host unless preserve-host-header or set-request-host-header says otherwise",
        ));
    }
    Ok(name)
}

/// The name of a field that a filter removes from a response or rewrites there.
pub(crate) fn changeable(argument: &'static str, text: &str) -> Result<HeaderName, Invalid> {
    let name = readable(argument, text)?;
    if CONNECTION_FIELDS.contains(&name.as_str()) {
        return Err(Invalid::at(argument, format!("'{name}' is not a filter's to change"))
            .with_hint("it frames the message or belongs to one connection; the gateway writes it anew on each side"));
    }
    Ok(name)
}

/// Whether no field of that name has a value in it.
pub(crate) fn is_missing_or_blank(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get_all(name).iter().all(|value| value.as_bytes().iter().all(u8::is_ascii_whitespace))
}

/// Takes out the first value of the field `name`, and with it every field that services in the manner of CGI (WSGI, Rack,
/// PHP) cannot tell from it: `X_Plan` is `X-Plan` to them.
pub(crate) fn take_with_lookalikes(headers: &mut HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let first = headers.remove(name);
    let lookalikes: Vec<HeaderName> = headers.keys().filter(|other| look_alike(other, name)).cloned().collect();
    for other in lookalikes {
        headers.remove(other);
    }
    first
}

/// Whether two names differ only in what is no letter and no digit.
fn look_alike(one: &HeaderName, other: &HeaderName) -> bool {
    let (one, other) = (one.as_str().as_bytes(), other.as_str().as_bytes());
    one.len() == other.len()
        && one.iter().zip(other).all(|(a, b)| a == b || !(a.is_ascii_alphanumeric() || b.is_ascii_alphanumeric()))
}

fn settable(argument: &'static str, text: &str) -> Result<HeaderName, Invalid> {
    let name = changeable(argument, text)?;
    if name == "txn-token" || name.as_str().starts_with("x-gwanmun-") {
        return Err(Invalid::at(argument, format!("'{name}' is the gateway's own"))
            .with_hint("services trust it because only the gateway can set it; choose another name"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_case_insensitive() {
        assert_eq!(settable_in_request("name", "X-Order").unwrap(), "x-order");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", "x y", "x\r\ny", "ä", ":path", "x:1"] {
            assert_eq!(readable("name", text).unwrap_err().argument(), Some("name"), "{text:?}");
        }
    }

    #[test]
    fn framing_and_hop_by_hop_fields_are_refused() {
        for text in CONNECTION_FIELDS.map(str::to_uppercase) {
            assert!(settable_in_request("name", &text).is_err(), "{text}");
            assert!(settable_in_response("name", &text).is_err(), "{text}");
            assert!(removable_from_request("name", &text).is_err(), "{text}");
            assert!(changeable("name", &text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_gateways_own_fields_may_be_removed_but_not_set() {
        for text in ["Txn-Token", "X-Gwanmun-User"] {
            assert!(settable_in_request("name", text).is_err(), "{text}");
            assert!(settable_in_response("name", text).is_err(), "{text}");
            assert!(removable_from_request("name", text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_field_goes_with_all_that_services_take_for_it() {
        let mut headers = HeaderMap::new();
        for name in ["x_a-b", "x-a-b", "x.a!b", "xa-b", "x-a-b-", "x-aab", "x-a-c"] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(name));
        }
        assert_eq!(take_with_lookalikes(&mut headers, &HeaderName::from_static("x-a-b")).unwrap(), "x-a-b");
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["x-a-b-", "x-a-c", "x-aab", "xa-b"]);
        assert_eq!(take_with_lookalikes(&mut headers, &HeaderName::from_static("x-a-b")), None);
    }

    #[test]
    fn host_has_filters_of_its_own() {
        let refused = settable_in_request("name", "Host").unwrap_err();
        assert!(refused.hint().unwrap().contains("set-request-host-header"));
        assert!(removable_from_request("name", "host").is_err());
    }
}
