//! The headers of a request, cleaned at the door: one walk over them finds what the table of known headers has against
//! them, and most requests have nothing of the kind. `table` says what is done with which, `values` how they have to look.

mod chain;
mod cookies;
mod known;
mod table;
mod values;

use std::borrow::Cow;
use std::sync::LazyLock;

use gwanmun_core::{Code, Fault, Reason};
use gwanmun_telemetry::sanitized::{Sanitized, What};
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use smallvec::SmallVec;

use crate::forward::dashed;
use crate::plan::InternalHeaders;
use known::Known;
use table::{Rule, Twice};

pub use known::KnownHeaders;
pub(crate) use known::NotKept;

/// What a value looks like.
#[derive(Debug)]
enum Look {
    /// It stays.
    Good,
    /// The header goes.
    Remove,
    /// This takes its place.
    Correct(Vec<u8>),
    /// The request is refused, for this reason.
    Refuse(&'static str),
    /// The same, unless a filter refuses it before, who can tell more.
    RefuseUnlessTaken(&'static str),
    /// More than this value is concerned.
    Tidy(fn(&mut HeaderMap)),
}

/// What a walk over the headers found.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// There are headers for this hop only.
    pub(crate) hop_by_hop: bool,
    /// There are headers that tell of the framing.
    pub(crate) framing: bool,
    /// There are headers that tell which trace this is.
    pub(crate) trace: bool,
    /// How many cookies there are.
    pub(crate) cookies: usize,
    /// Why it is refused before it leaves, if no filter has refused it.
    pub(crate) late_refusal: Option<Fault>,
    findings: SmallVec<[Finding; 2]>,
}

#[derive(Debug)]
struct Finding {
    name: HeaderName,
    what: What,
    act: Act,
}

#[derive(Debug)]
enum Act {
    Remove,
    KeepFirst,
    Correct(Vec<u8>),
    Tidy(fn(&mut HeaderMap)),
    Refuse(&'static str),
}

impl KnownHeaders {
    /// Looks at every header once. `host` is not among them any more.
    pub(crate) fn survey(&self, headers: &HeaderMap, internal: &InternalHeaders, trusted: bool) -> Survey {
        let mut survey = Survey::default();
        let mut before: Option<&HeaderName> = None;
        for (name, value) in headers {
            // Values of one name come one after the other.
            let is_first = before.is_none_or(|before| before != name);
            before = Some(name);
            // What is in the table as it stands has no look-alike characters to be searched for.
            let exact = self.exact(name.as_str());
            let dashed = if exact.is_some() { Cow::Borrowed(name.as_str()) } else { dashed(name.as_str()) };
            if internal.covers(&dashed) {
                survey.found(name, What::Internal, Act::Remove);
                continue;
            }
            let Some(&Known { what, rule, .. }) = exact.or_else(|| self.find(&dashed)) else { continue };
            let is_lookalike = matches!(dashed, Cow::Owned(_));
            match rule {
                Rule::Kept => {}
                _ if is_lookalike => survey.found(name, what, Act::Remove),
                Rule::Hop => survey.hop_by_hop = true,
                Rule::Trace => {
                    survey.trace = true;
                    if !trusted {
                        survey.found(name, what, Act::Remove);
                    }
                }
                Rule::Never => survey.found(name, what, Act::Remove),
                Rule::Claim(..) if !trusted => survey.found(name, what, Act::Remove),
                Rule::Cookie => {
                    survey.cookies += cookies::count(value.as_bytes());
                    if !is_first || !cookies::are_good(value.as_bytes()) {
                        survey.found(name, what, Act::Tidy(cookies::tidy));
                    }
                }
                Rule::Framing(twice, look) | Rule::Claim(twice, look) | Rule::Value(twice, look) => {
                    survey.framing |= matches!(rule, Rule::Framing(..));
                    match twice {
                        Twice::First if !is_first => survey.found(name, what, Act::KeepFirst),
                        Twice::Remove if !is_first => survey.found(name, what, Act::Remove),
                        Twice::RefuseUnlessTaken(reason) if !is_first => survey.late_refusal = Some(ambiguous(reason)),
                        Twice::Refuse(reason) if !is_first => survey.found(name, what, Act::Refuse(reason)),
                        Twice::RefuseUnlessSame(_) if headers.get(name) == Some(value) && !is_first => {
                            survey.found(name, what, Act::KeepFirst);
                        }
                        Twice::RefuseUnlessSame(reason) if !is_first => survey.found(name, what, Act::Refuse(reason)),
                        _ => match look(value.as_bytes()) {
                            Look::Good => {}
                            Look::Remove => survey.found(name, what, Act::Remove),
                            Look::Correct(instead) => survey.found(name, what, Act::Correct(instead)),
                            Look::Refuse(reason) => survey.found(name, what, Act::Refuse(reason)),
                            Look::RefuseUnlessTaken(reason) => survey.late_refusal = Some(ambiguous(reason)),
                            Look::Tidy(tidy) => survey.found(name, what, Act::Tidy(tidy)),
                        },
                    }
                }
            }
        }
        survey
    }
}

impl Survey {
    /// Does what the findings ask for; the reason comes with it if the request has to be refused.
    pub(crate) fn clean(&mut self, headers: &mut HeaderMap, sanitized: &mut Sanitized) -> Result<(), Fault> {
        let mut refused = Ok(());
        for Finding { name, what, act } in self.findings.drain(..) {
            match act {
                Act::Refuse(reason) => {
                    refused = refused.and(Err(ambiguous(reason)));
                    continue;
                }
                Act::Remove => drop(headers.remove(&name)),
                Act::KeepFirst => {
                    if let Some(first) = headers.remove(&name) {
                        headers.insert(name, first);
                    }
                }
                Act::Correct(instead) => match HeaderValue::from_bytes(&instead) {
                    Ok(instead) => drop(headers.insert(name, instead)),
                    Err(_) => drop(headers.remove(&name)),
                },
                Act::Tidy(tidy) => tidy(headers),
            }
            sanitized.add(what);
        }
        refused
    }

    fn found(&mut self, name: &HeaderName, what: What, act: Act) {
        self.findings.push(Finding { name: name.clone(), what, act });
    }
}

fn ambiguous(reason: &'static str) -> Fault {
    Fault::new(Code::MalformedRequest, reason).because(Reason::AmbiguousHeader)
}

/// Takes out of a request's trailers what would be believed or would change the message if somebody behind merged them
/// into the header section (RFC 9110 section 6.5.1): all that is known.
pub(crate) fn clean_trailers(trailers: &mut HeaderMap, internal: &InternalHeaders) {
    static KNOWN: LazyLock<KnownHeaders> = LazyLock::new(KnownHeaders::all);
    let is_known = |name: &&HeaderName| {
        let dashed = dashed(name.as_str());
        // A quote is in no token (RFC 9110 section 5.6.2), but HTTP/2 brings names that have one.
        internal.covers_trailer(&dashed) || KNOWN.knows(&dashed) || name.as_str().contains('"')
    };
    let found: Vec<_> = trailers.keys().filter(is_known).cloned().collect();
    for name in found {
        trailers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::table::TABLE;
    use super::*;

    fn map(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn internal() -> InternalHeaders {
        InternalHeaders::new(vec![HeaderName::from_static("x-other_one")], vec!["x-consent_".to_owned()])
    }

    /// What becomes of `fields`, and what was done.
    fn cleaned(
        known: &KnownHeaders,
        trusted: bool,
        fields: &[(&'static str, &str)],
    ) -> Result<(HeaderMap, Vec<&'static str>), String> {
        let mut headers = map(fields);
        let mut sanitized = Sanitized::NOTHING;
        let mut survey = known.survey(&headers, &internal(), trusted);
        let outcome = survey.clean(&mut headers, &mut sanitized).and(survey.late_refusal.map_or(Ok(()), Err));
        outcome.map_err(|fault| fault.detail().to_owned())?;
        Ok((headers, sanitized.iter().map(What::name).collect()))
    }

    fn from_anybody(fields: &[(&'static str, &str)]) -> Result<(HeaderMap, Vec<&'static str>), String> {
        cleaned(&KnownHeaders::all(), false, fields)
    }

    #[test]
    fn a_good_request_stays_as_it_is() {
        let browser = [
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
            ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
            ("accept-language", "ko-KR,ko;q=0.8,en-US;q=0.5,en;q=0.3"),
            ("accept-encoding", "gzip, deflate, br, zstd"),
            ("referer", "https://shop.example/cart?a=b"),
            ("origin", "https://shop.example"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("cookie", "session=abc; theme=\"dark\"; _ga=GA1.2.3"),
            ("if-none-match", "W/\"abc\""),
            ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("authorization", "Bearer a.b.c"),
            ("upgrade-insecure-requests", "1"),
            ("sec-fetch-site", "same-origin"),
            ("x-requested-with", "XMLHttpRequest"),
            ("x_custom", "1"),
        ];
        assert_eq!(from_anybody(&browser), Ok((map(&browser), vec![])));
    }

    #[test]
    fn what_would_lead_a_service_behind_astray_is_removed_whoever_sends_it() {
        let fields = [
            ("proxy", "http://evil.test"),
            ("x-http-method-override", "DELETE"),
            ("x-original-url", "/admin"),
            ("x-middleware-subrequest", "middleware"),
            ("x_rewrite_url", "/admin"),
            ("x-stays", "1"),
        ];
        let wanted = Ok((map(&[("x-stays", "1")]), vec!["override", "proxy"]));
        assert_eq!(from_anybody(&fields), wanted);
        assert_eq!(cleaned(&KnownHeaders::all(), true, &fields), wanted);
    }

    #[test]
    fn who_the_client_is_is_for_trusted_proxies_to_say_and_in_good_form() {
        let fields = [
            ("x-real-ip", "1.1.1.1"),
            ("x-forwarded-for", "6.6.6.6, <b>, 1.1.1.1"),
            ("x-forwarded-host", "a b"),
            ("x-forwarded-proto", "https"),
            ("true-client-ip", "not an address"),
            ("x-auth-request-user", "root"),
            ("x-appengine-user-ip", "nobody"),
            ("x.forwarded.for", "6.6.6.6"),
        ];
        assert_eq!(from_anybody(&fields), Ok((HeaderMap::new(), vec!["forwarding"])));
        let believed = [
            ("x-real-ip", "1.1.1.1"),
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-proto", "https"),
            ("x-auth-request-user", "root"),
        ];
        assert_eq!(cleaned(&KnownHeaders::all(), true, &fields), Ok((map(&believed), vec!["forwarding"])));
    }

    #[test]
    fn wrong_values_are_removed_or_corrected() {
        let fields = [
            ("user-agent", "caf\u{e9}"),
            ("x-between", "1"),
            ("user-agent", "second"),
            ("accept-language", "../../etc/passwd"),
            ("origin", "https://a.test/path"),
            ("if-range", "\"a"),
            ("range", "bytes=0-1"),
            ("cookie", "a=1"),
            ("cookie", "b=2; $Version=1"),
            ("content-type", "text/plain"),
            ("content-type", "text/plain"),
        ];
        let wanted = [
            ("user-agent", "caf%C3%A9"),
            ("x-between", "1"),
            ("origin", "null"),
            ("cookie", "a=1; b=2"),
            ("content-type", "text/plain"),
        ];
        let done = [
            "header:accept-language",
            "header:content-type",
            "header:cookie",
            "header:origin",
            "header:range",
            "header:user-agent",
        ];
        assert_eq!(from_anybody(&fields), Ok((map(&wanted), done.to_vec())));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let apart = [("authorization", "Basic a"), ("x", "1"), ("authorization", "Basic a")];
        assert!(from_anybody(&apart).is_err());
        for fields in [
            [("authorization", "Basic a"), ("authorization", "Basic a")],
            [("content-type", "text/plain"), ("content-type", "text/html")],
            [("content-length", "1"), ("content-length", "2")],
            [("origin", "https://a.test"), ("origin", "https://b.test")],
            [("content-type", "text/plain, text/html"), ("x", "")],
            [("content-length", "+1"), ("x", "")],
            [("if-match", "\"a"), ("x", "")],
        ] {
            assert!(from_anybody(&fields).is_err(), "{fields:?}");
        }
    }

    #[test]
    fn internal_headers_go_under_all_names_that_services_may_take_for_them() {
        let fields = [
            ("txn-token", "1"),
            ("txn_token", "1"),
            ("txn.token", "1"),
            ("x_gwanmun_user", "1"),
            ("x_consent-a", "1"),
            ("x_other-one", "1"),
            ("x-stays_here", "1"),
        ];
        assert_eq!(from_anybody(&fields), Ok((map(&[("x-stays_here", "1")]), vec!["internal"])));
    }

    #[test]
    fn what_the_operator_keeps_comes_through() {
        let mut known = KnownHeaders::all();
        for name in ["x-http-method-override", "x-envoy-retry-on", "referer"] {
            assert_eq!(known.keep(&HeaderName::from_static(name)), Ok(()));
        }
        let fields = [("x-http-method-override", "PUT"), ("x-envoy-retry-on", "5xx"), ("referer", "?")];
        assert_eq!(cleaned(&known, false, &fields), Ok((map(&fields), vec![])));
        let (left, _) = cleaned(&known, false, &[("x-envoy-internal", "true")]).unwrap();
        assert!(left.is_empty());
        for (name, why) in [
            ("x-forwarded-for", NotKept::Needed),
            ("connection", NotKept::Needed),
            ("traceparent", NotKept::Needed),
            ("x-whatever", NotKept::Unknown),
        ] {
            assert_eq!(known.keep(&HeaderName::from_static(name)), Err(why), "{name}");
        }
    }

    #[test]
    fn trailers_bring_nothing_that_would_be_believed() {
        let mut trailers = map(&[
            ("grpc-status", "0"),
            ("x-checksum", "1"),
            ("authorization", "Basic a"),
            ("host", "evil.test"),
            ("content_length", "5"),
            ("x-forwarded-for", "6.6.6.6"),
            ("txn_token", "1"),
            ("te", "trailers"),
        ]);
        let quoted = HeaderName::from_lowercase(b"x-\"quoted\"").unwrap();
        trailers.insert(quoted, HeaderValue::from_static("1"));
        clean_trailers(&mut trailers, &internal());
        assert_eq!(trailers, map(&[("grpc-status", "0"), ("x-checksum", "1")]));
    }

    /// A header of the table with a value made of what its grammar is about.
    fn known_field() -> impl Strategy<Value = (&'static str, String)> {
        let names: Vec<_> = KnownHeaders::names().collect();
        let pieces = [
            "a",
            "text/html",
            "*",
            "=",
            ";",
            ",",
            " ",
            "\"",
            "\\",
            "/",
            ":",
            "#",
            "%",
            "1",
            "-",
            "bytes=",
            "q=",
            "0.5",
            "://",
            "null",
            "$",
            "\u{e9}",
            "for=",
            "1.1.1.1",
            "_x",
            "unknown",
            "W/",
            "Sun, 06 Nov 1994 08:49:37 GMT",
        ];
        let value = prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..6);
        (prop::sample::select(names), value.prop_map(|parts| parts.concat().trim().to_owned()))
    }

    proptest! {
        #[test]
        fn what_has_been_cleaned_is_clean(fields in prop::collection::vec(known_field(), 0..6), trusted: bool) {
            let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            if let Ok((once, _)) = cleaned(&KnownHeaders::all(), trusted, &fields) {
                let mut twice = once.clone();
                let mut sanitized = Sanitized::NOTHING;
                let mut survey = KnownHeaders::all().survey(&twice, &internal(), trusted);
                prop_assert!(survey.clean(&mut twice, &mut sanitized).is_ok());
                prop_assert_eq!(&twice, &once);
                prop_assert!(sanitized.is_nothing(), "{:?}", sanitized);
            }
        }
    }

    #[test]
    fn the_table_names_each_header_once_and_in_lower_case() {
        let mut names: Vec<_> = TABLE.iter().map(|row| row.name).collect();
        assert!(names.iter().all(|name| *name == name.to_ascii_lowercase() && !name.contains('_')));
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn documents_name_every_header_and_everything_that_is_told() {
        let door = include_str!("../../../docs/door.md").to_ascii_lowercase();
        let operating = include_str!("../../../docs/operating.md");
        let undocumented = TABLE.iter().map(|row| row.name).filter(|name| !door.contains(&format!("`{name}`")));
        assert_eq!(undocumented.collect::<Vec<_>>(), Vec::<&str>::new());
        for what in What::ALL {
            assert!(operating.contains(&format!("`{}`", what.name())), "{}", what.name());
        }
    }
}
