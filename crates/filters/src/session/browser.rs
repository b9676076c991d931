//! What a request says about who sent it: a person who goes to a page, or a script; from a page of ours, or another site
//! (Fetch Metadata, RFC 6454).

use gwanmun_proxy::{Exchange, Request};
use http::header::{ACCEPT, HeaderName, ORIGIN};

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");
const PURPOSE: HeaderName = HeaderName::from_static("purpose");
const X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// Where the request was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// On a page of the same origin.
    Here,
    /// By the user: an address that was typed, a bookmark; or by a client that does not say.
    ByItself,
    /// On a page of another origin, be it of the same site; or by a browser that only guesses where its user wants to go.
    Elsewhere,
}

/// Whether a person goes to a page: only then a page or a way to one is of use.
pub(crate) fn is_navigation(request: &Request) -> bool {
    let headers = &request.headers;
    if let Some(mode) = headers.get(SEC_FETCH_MODE) {
        return mode == "navigate";
    }
    // Scripts of old browsers say that they take anything, HTML too.
    !headers.contains_key(X_REQUESTED_WITH)
        && headers.get_all(ACCEPT).iter().any(|value| value.as_bytes().split(|&byte| byte == b',').any(is_html))
}

/// Where the request was made, at `origin`.
pub(super) fn made(exchange: &Exchange, origin: &str) -> Made {
    let headers = &exchange.request.headers;
    // Nobody has decided yet to go there.
    if [SEC_PURPOSE, PURPOSE].iter().any(|name| headers.contains_key(name)) {
        return Made::Elsewhere;
    }
    match (headers.get(SEC_FETCH_SITE), headers.get(ORIGIN)) {
        (Some(site), _) if site == "same-origin" => Made::Here,
        (Some(site), _) if site == "none" => Made::ByItself,
        (Some(_), _) => Made::Elsewhere,
        (None, Some(of)) if of.as_bytes() == origin.as_bytes() => Made::Here,
        (None, Some(_)) => Made::Elsewhere,
        (None, None) => Made::ByItself,
    }
}

fn is_html(media: &[u8]) -> bool {
    let mut parts = media.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    let is_html = parts.next().is_some_and(|media| media.eq_ignore_ascii_case(b"text/html"));
    let is_refused =
        |weight: &[u8]| weight.strip_prefix(b"q=0").is_some_and(|rest| rest.iter().all(|b| b".0".contains(b)));
    is_html && !parts.any(is_refused)
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::fixture::exchange_with;

    const CHROMIUM: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

    #[test]
    fn only_who_goes_to_a_page_navigates() {
        for (fields, wanted) in [
            (&[("sec-fetch-mode", "navigate")][..], true),
            (&[("sec-fetch-mode", "navigate"), ("accept", "*/*")], true),
            (&[("sec-fetch-mode", "cors"), ("accept", "text/html")], false),
            (&[("sec-fetch-mode", "no-cors")], false),
            (&[("sec-fetch-mode", "websocket")], false),
            (&[("accept", CHROMIUM)], true),
            (&[("accept", "TEXT/HTML;q=0.5")], true),
            (&[("accept", CHROMIUM), ("x-requested-with", "XMLHttpRequest")], false),
            (&[("accept", "*/*")], false),
            (&[("accept", "application/json")], false),
            (&[("accept", "text/html;q=0")], false),
            (&[("accept", "text/html ; q=0.000, */*")], false),
            (&[("accept", "text/htmlx")], false),
            (&[], false),
        ] {
            let exchange = exchange_with(Method::GET, "/", fields);
            assert_eq!(is_navigation(&exchange.request), wanted, "{fields:?}");
        }
    }

    #[test]
    fn who_is_elsewhere_is_told_from_who_is_here() {
        for (fields, wanted) in [
            (&[("sec-fetch-site", "same-origin")][..], Made::Here),
            (&[("sec-fetch-site", "none")], Made::ByItself),
            (&[("sec-fetch-site", "same-site")], Made::Elsewhere),
            (&[("sec-fetch-site", "cross-site"), ("origin", "https://a")], Made::Elsewhere),
            (&[("sec-fetch-site", "?")], Made::Elsewhere),
            (&[("origin", "https://a")], Made::Here),
            (&[("origin", "https://a.b")], Made::Elsewhere),
            (&[("origin", "null")], Made::Elsewhere),
            (&[("sec-fetch-site", "none"), ("sec-purpose", "prefetch;prerender")], Made::Elsewhere),
            (&[("purpose", "prefetch")], Made::Elsewhere),
            (&[], Made::ByItself),
        ] {
            assert_eq!(made(&exchange_with(Method::POST, "/", fields), "https://a"), wanted, "{fields:?}");
        }
    }
}
