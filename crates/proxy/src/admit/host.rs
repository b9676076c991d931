//! Which host a request is for: `Host`, or the authority of its target, and nothing that could be read as two.

use std::net::Ipv6Addr;

use gwanmun_core::{Code, Fault, Reason};
use http::{HeaderValue, Version};

use crate::h1::fields::Hosts;

/// `Host`, or the authority of an absolute target, which must agree with it: stricter than RFC 9112 section 3.2.2, which
/// lets the target win.
pub(super) fn host(version: Version, uri: &http::Uri, hosts: Hosts) -> Result<Option<HeaderValue>, Fault> {
    let first = match hosts {
        Hosts::None => None,
        Hosts::One(host) => Some(host),
        Hosts::Several => return Err(ambiguous("the request has two Host fields")),
    };
    let Some(authority) = uri.authority() else {
        if first.is_none() && version == Version::HTTP_11 {
            return Err(ambiguous("an HTTP/1.1 request has no Host"));
        }
        let good = first.as_ref().is_none_or(|host| is_host(host.as_bytes()));
        return if good { Ok(first) } else { Err(ambiguous("Host is no host and port")) };
    };
    if authority.as_str().contains('@') {
        return Err(ambiguous("the target has a user in it"));
    }
    if !is_host(authority.as_str().as_bytes()) {
        return Err(ambiguous("the authority is no host and port"));
    }
    match first {
        None if version == Version::HTTP_11 => Err(ambiguous("an HTTP/1.1 request has no Host")),
        Some(host) if !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) => {
            Err(ambiguous("the target and Host name different hosts"))
        }
        Some(host) => Ok(Some(host)),
        None => {
            HeaderValue::from_str(authority.as_str()).map(Some).map_err(|_| ambiguous("the authority is malformed"))
        }
    }
}

fn ambiguous(why: &'static str) -> Fault {
    Fault::new(Code::MalformedRequest, why).because(Reason::AmbiguousHost)
}

/// A name or an address, an IPv6 one in brackets, and perhaps a port (RFC 3986 section 3.2.2); no commas, since hosts stand
/// in lists, and never empty, since nothing here is asked for without a host.
pub(crate) fn is_host(text: &[u8]) -> bool {
    let until = |text: &[u8], byte| text.iter().position(|&found| found == byte).unwrap_or(text.len());
    if let Some(bracketed) = text.strip_prefix(b"[") {
        let (address, port) = bracketed.split_at(until(bracketed, b']'));
        let address = std::str::from_utf8(address).ok().and_then(|address| address.parse::<Ipv6Addr>().ok());
        return address.is_some() && port.strip_prefix(b"]").is_some_and(is_port);
    }
    let (host, port) = text.split_at(until(text, b':'));
    let of_a_host = |byte: &u8| match byte {
        b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'A'..=b'Z' => true,
        byte => b"_~%!$&'()*+;=".contains(byte),
    };
    !host.is_empty() && host.iter().all(of_a_host) && is_port(port)
}

/// A colon and a number, a colon, or nothing.
fn is_port(text: &[u8]) -> bool {
    match text.split_first() {
        None => true,
        Some((b':', digits)) => {
            let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u16>().ok());
            digits.is_empty() || (number.is_some() && digits.iter().all(u8::is_ascii_digit))
        }
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_address_and_perhaps_a_port() {
        for good in ["a.example", "a:80", "a:", "1.2.3.4:65535", "[::1]", "[::1]:80", "A_b"] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "a:99999", "a:b", "a:b:c", "::1", "[::1", "[::1]x", "a,b", "a b", "a/b", "a@b", "a:+80", "", ":80", "[]",
            "[a]", "[::1]:x",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }

    fn asked(target: &str, host_field: Option<&'static str>) -> Result<Option<HeaderValue>, Code> {
        let hosts = host_field.map_or(Hosts::None, |host| Hosts::One(HeaderValue::from_static(host)));
        host(Version::HTTP_2, &target.parse().unwrap(), hosts).map_err(|fault| fault.code())
    }

    #[test]
    fn an_authority_is_held_to_the_same_as_host() {
        assert_eq!(asked("http://a.test:80/", None), Ok(Some(HeaderValue::from_static("a.test:80"))));
        assert_eq!(asked("http://a.test/", Some("A.test")), Ok(Some(HeaderValue::from_static("A.test"))));
        for target in ["http://a,b/", "http://u@a/"] {
            assert_eq!(asked(target, None), Err(Code::MalformedRequest), "{target}");
        }
        assert_eq!(asked("/", Some("a,b")), Err(Code::MalformedRequest));
    }
}
