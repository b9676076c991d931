//! Who the client is, by `Forwarded` and `X-Forwarded-For`: an untrusted peer is the client whatever it says, and a
//! trusted one's word counts only for an address that stands there.

use std::net::IpAddr;

use gwanmun_proxy::fuzzing::client_address;
use gwanmun_proxy::plan::AddressSet;
use http::header::FORWARDED;
use http::{HeaderMap, HeaderName, HeaderValue};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Each line of the input is a field: `X-Forwarded-For` behind a `+`, else `Forwarded`.
pub(crate) fn run(input: &[u8]) {
    let trusted = AddressSet::new(vec!["10.0.0.0/8".parse().unwrap(), "fc00::/7".parse().unwrap()]);
    let mut headers = HeaderMap::new();
    for line in input.split(|&byte| byte == b'\n') {
        let (name, value) = match line.strip_prefix(b"+") {
            Some(value) => (X_FORWARDED_FOR, value),
            None => (FORWARDED, line),
        };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    let outside: IpAddr = [203, 0, 113, 9].into();
    assert_eq!(client_address(outside, &headers, &trusted), Some(outside), "an untrusted peer is believed");
    let proxy: IpAddr = [10, 0, 0, 1].into();
    let client = client_address(proxy, &headers, &trusted).expect("there is always the peer");
    if client == proxy {
        return;
    }
    let said = headers.values().any(|value| mentions(value.as_bytes(), client));
    assert!(said, "{client} was never named");

    // What a client writes stands to the left of what the proxy adds, which decides.
    let mut behind = HeaderMap::new();
    let mut list: Vec<u8> =
        headers.get_all(X_FORWARDED_FOR).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b", "[..]);
    list.extend_from_slice(b", 198.51.100.7");
    behind.insert(X_FORWARDED_FOR, HeaderValue::from_bytes(&list).unwrap());
    let decided: IpAddr = [198, 51, 100, 7].into();
    assert_eq!(client_address(proxy, &behind, &trusted), Some(decided), "what was said to the proxy decides");
}

/// Whether some part of `value` reads as `address`.
fn mentions(value: &[u8], address: IpAddr) -> bool {
    let text = String::from_utf8_lossy(value).replace('\\', "");
    let part = |c: char| !(c.is_ascii_hexdigit() || c == '.' || c == ':');
    let candidates = text.split(part).flat_map(|word| {
        let without_port = word.rsplit_once(':').map(|(host, _)| host);
        let bare = [Some(word), without_port, Some(word.trim_matches(':'))];
        bare.into_iter().flatten().filter_map(|word| word.parse::<IpAddr>().ok()).collect::<Vec<_>>()
    });
    candidates.map(|found| found.to_canonical()).any(|found| found == address)
}
