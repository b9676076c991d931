//! A template whose result is a URL. Where a variable stands decides what its value may be, so that no value can lead to
//! another host, become a scheme, or begin a query.

use gwanmun_core::{Code, Fault};
use gwanmun_proxy::template::TemplatePiece;
use gwanmun_proxy::{Exchange, Invalid, Parts, Template};
use http::Uri;

use crate::encode;
use crate::new_path;
use crate::path_template::push_text;

/// An absolute URL, or a path on the same host, with holes.
#[derive(Debug)]
pub(crate) struct UrlTemplate {
    pieces: Vec<Piece>,
    absolute: bool,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Hole(String, Place),
}

/// Where a hole is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The beginning of the host: one or more labels.
    HostFront,
    /// Within the host or port: a part of a label.
    Label,
    /// Behind the host, with nothing after it: a path; where the host has no dot also a part of a label.
    HostEnd { label: bool },
    /// The path.
    Path,
    /// The query or the fragment.
    Query,
}

/// What the next character belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zone {
    Start,
    Host,
    Path,
    Query,
}

impl UrlTemplate {
    /// Parses `text`: `scheme://host…`, or a path that begins with a slash or a variable.
    pub(crate) fn parse(argument: &'static str, text: &str, parts: &Parts<'_>) -> Result<Self, Invalid> {
        let template = Template::parse(text, parts).map_err(|invalid| invalid.or_at(argument))?;
        let wanted =
            || Invalid::at(argument, format!("found '{text}', wanted https://host… or a path that begins with '/'"));
        let mut pieces = Vec::new();
        let (mut zone, mut host) = (Zone::Start, String::new());
        let mut parsed = template.pieces().peekable();
        while let Some(piece) = parsed.next() {
            match piece {
                TemplatePiece::Text(literal) => {
                    if pieces.len() == 1 && zone == Zone::Path && literal.starts_with("://") {
                        return Err(wanted());
                    }
                    zone = advance(zone, literal, &mut host).ok_or_else(wanted)?;
                    pieces.push(Piece::Text(literal.to_owned()));
                }
                TemplatePiece::Variable(name) => {
                    let place = match zone {
                        Zone::Start | Zone::Path => Place::Path,
                        Zone::Query => Place::Query,
                        Zone::Host if host.is_empty() => Place::HostFront,
                        Zone::Host if parsed.peek().is_none() => Place::HostEnd { label: !host.contains('.') },
                        Zone::Host => Place::Label,
                    };
                    match zone {
                        Zone::Start => zone = Zone::Path,
                        Zone::Host => host.push('1'),
                        Zone::Path | Zone::Query => {}
                    }
                    pieces.push(Piece::Hole(name.to_owned(), place));
                }
                TemplatePiece::Group => {}
            }
        }
        let this = Self { pieces, absolute: !host.is_empty() };
        this.check().map_err(|reason| {
            Invalid::at(argument, format!("'{}' is not usable as a URL: {reason}", text.escape_debug()))
        })?;
        Ok(this)
    }

    /// Whether it names a host.
    pub(crate) fn is_absolute(&self) -> bool {
        self.absolute
    }

    /// What it begins with, before any variable.
    pub(crate) fn beginning(&self) -> &str {
        match self.pieces.first() {
            Some(Piece::Text(text)) => text,
            _ => "",
        }
    }

    /// The URL for a request.
    ///
    /// # Errors
    /// `malformed-request` if a value may not stand where the template puts it.
    pub(crate) fn render(&self, exchange: &Exchange) -> Result<String, Fault> {
        let mut out = String::new();
        let mut before = None;
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) if before == Some(Place::Path) => push_text(text, &mut out),
                Piece::Text(text) => out.push_str(text),
                Piece::Hole(name, place) => {
                    let value = exchange.variables.value(name).unwrap_or_default();
                    place.write(value, exchange.original.path(), &mut out)?;
                    before = Some(*place);
                }
            }
        }
        new_path::refuse_dot_segments(split(&out).1)?;
        Ok(out)
    }

    /// Tries the template with a harmless value in every hole.
    fn check(&self) -> Result<(), String> {
        let mut sample = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => sample.push_str(text),
                Piece::Hole(..) if sample.is_empty() => sample.push_str("/1"),
                Piece::Hole(_, Place::HostEnd { label: false }) => sample.push_str("/1"),
                Piece::Hole(..) => sample.push('1'),
            }
        }
        let (origin, path) = split(&sample);
        if origin.contains('@') {
            return Err("a user name or password does not belong in it".to_owned());
        }
        if new_path::has_dot_segment(path) {
            return Err("it has a dot segment".to_owned());
        }
        sample.parse::<Uri>().map(drop).map_err(|error| error.to_string())
    }
}

impl Place {
    fn write(self, value: &str, original: &str, out: &mut String) -> Result<(), Fault> {
        let label = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
        match self {
            Self::HostFront => {
                if !value.split('.').all(|part| !part.is_empty() && part.chars().all(label)) {
                    return Err(misplaced());
                }
                out.push_str(value);
            }
            Self::Label => {
                if value.is_empty() || !value.chars().all(label) {
                    return Err(misplaced());
                }
                out.push_str(value);
            }
            Self::HostEnd { label: true } if !value.is_empty() && value.chars().all(label) => out.push_str(value),
            Self::HostEnd { .. } => {
                if !value.is_empty() && !value.starts_with('/') {
                    return Err(misplaced());
                }
                let mut path = String::from("/");
                encode::path_value(value, original, &mut path);
                out.push_str(&path);
            }
            Self::Path => {
                if out.is_empty() {
                    out.push('/');
                }
                encode::path_value(value, original, out);
            }
            Self::Query => encode::component(value, out),
        }
        Ok(())
    }
}

/// `scheme://host` and the path of a URL.
pub(crate) fn split(url: &str) -> (&str, &str) {
    let host_at = url.find("://").filter(|_| !url.starts_with('/')).map_or(0, |at| at + 3);
    let path_at = url.get(host_at..).and_then(|rest| rest.find(['/', '?', '#'])).map_or(url.len(), |at| host_at + at);
    let (origin, rest) = url.split_at(path_at);
    let path_end = rest.find(['?', '#']).unwrap_or(rest.len());
    (origin, rest.get(..path_end).unwrap_or_default())
}

/// The zone after `text`; what it adds to the host goes to `host`. `None` if a URL cannot begin like this.
fn advance(zone: Zone, text: &str, host: &mut String) -> Option<Zone> {
    let (zone, rest) = match zone {
        Zone::Start if text.starts_with("//") => return None,
        Zone::Start if text.starts_with('/') => (Zone::Path, text),
        Zone::Start => {
            let (scheme, rest) = text.split_once("://")?;
            let good = |character: char| character.is_ascii_alphanumeric() || matches!(character, '+' | '-' | '.');
            if !scheme.starts_with(|first: char| first.is_ascii_alphabetic()) || !scheme.chars().all(good) {
                return None;
            }
            (Zone::Host, rest)
        }
        other => (other, text),
    };
    let rest = match zone {
        Zone::Host => {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (authority, rest) = rest.split_at(end);
            host.push_str(authority);
            rest
        }
        _ => rest,
    };
    Some(match zone {
        Zone::Host if rest.is_empty() => Zone::Host,
        Zone::Query => Zone::Query,
        _ if rest.contains(['?', '#']) => Zone::Query,
        _ => Zone::Path,
    })
}

fn misplaced() -> Fault {
    Fault::new(Code::MalformedRequest, "a path variable has a value that may not stand in the host of a URL")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixture::{Fixture, exchange_capturing};

    fn rendered(template: &str, target: &str, value: &str) -> Result<String, Fault> {
        let fixture = Fixture::new().with_variables(&["x"]);
        let template = UrlTemplate::parse("url", template, &fixture.parts()).unwrap();
        template.render(&exchange_capturing(target, &[("x", value)]))
    }

    #[test]
    fn a_tail_cannot_name_another_host() {
        for (template, value, url) in [
            ("https://a.example/{x}", "//evil.example", "https://a.example/evil.example"),
            ("https://a.example{x}", "//evil.example", "https://a.example/evil.example"),
            ("https://a.example{x}", "", "https://a.example/"),
            ("{x}", "//evil.example/p", "/evil.example/p"),
            ("/{x}", "//evil.example/p", "/evil.example/p"),
            ("{x}", "javascript:alert(1)", "/javascript:alert(1)"),
            ("{x}", "\\\\evil.example", "/%5C%5Cevil.example"),
            ("/{x}", "\\evil.example", "/%5Cevil.example"),
            ("{x}", "/\\evil.example", "/%5Cevil.example"),
        ] {
            assert_eq!(rendered(template, "/x//y", value).unwrap(), url, "{template} {value}");
        }
    }

    #[test]
    fn the_host_takes_only_what_is_a_part_of_a_host() {
        for (template, value) in [
            ("https://a.example{x}", ".evil.example"),
            ("https://a.example{x}", "@evil.example"),
            ("https://a.example{x}", "m"),
            ("https://{x}.example.com/", "evil.example/"),
            ("https://{x}.example.com/", ""),
            ("https://{x}.example.com/", "a..b"),
            ("https://{x}.example.com/", "evil.example#"),
            ("https://a-{x}.example.com/", "/"),
            ("https://a-{x}.example.com/", "b.evil"),
            ("https://a:{x}/", "80@evil"),
            ("http://backend-{x}", "a.evil.example"),
        ] {
            let fault = rendered(template, "/x", value).unwrap_err();
            assert_eq!(fault.code(), Code::MalformedRequest, "{template} {value}");
        }
        assert_eq!(rendered("https://{x}.example.com/", "/", "a.b").unwrap(), "https://a.b.example.com/");
        assert_eq!(rendered("https://{x}", "/", "shop.example").unwrap(), "https://shop.example");
        assert_eq!(rendered("http://backend-{x}", "/", "7").unwrap(), "http://backend-7");
        assert_eq!(rendered("http://a:{x}/", "/", "81").unwrap(), "http://a:81/");
    }

    #[test]
    fn values_in_a_query_are_one_value() {
        assert_eq!(rendered("/login?next={x}&a=b", "/", "/a&b=c#d e").unwrap(), "/login?next=%2Fa%26b%3Dc%23d%20e&a=b");
        assert_eq!(rendered("/a#{x}", "/", "?/").unwrap(), "/a#%3F%2F");
        assert_eq!(rendered("/a?b=c/{x}/d", "/", "").unwrap(), "/a?b=c//d");
    }

    #[test]
    fn dot_segments_out_of_variables_are_refused() {
        assert!(rendered("https://a.example/public/{x}", "/", "../admin").is_err());
        assert!(rendered("/login?next={x}", "/", "..").is_ok());
    }

    #[test]
    fn what_is_no_url_is_refused() {
        let fixture = Fixture::new().with_variables(&["x"]);
        for text in [
            "",
            "acme.org",
            "//acme.org",
            "{x}://acme.org",
            "javascript:{x}",
            "https://",
            "https://a b/",
            "https://u:p@a/",
            "/a/../b",
            "/a b",
            "/\n",
        ] {
            let refused = UrlTemplate::parse("url", text, &fixture.parts());
            assert_eq!(refused.err().and_then(|invalid| invalid.argument()), Some("url"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_value_leads_to_another_host(value in "[/\\\\.@:a-z?#%;\\r\\n]{0,12}", target in "/[a-z/]{0,4}(%2[fF])?") {
            for template in ["https://a.example/{x}", "https://a.example{x}", "https://a.example/p/{x}/q?r={x}#{x}"] {
                if let Ok(url) = rendered(template, &target, &value) {
                    let uri: Uri = url.parse().unwrap();
                    prop_assert_eq!(uri.authority().unwrap().as_str(), "a.example");
                }
            }
            for template in ["{x}", "/{x}", "/p{x}", "/{x}{x}"] {
                if let Ok(url) = rendered(template, &target, &value) {
                    prop_assert!(url.starts_with('/') && !url.starts_with("//") && !url.starts_with("/\\"), "{}", url);
                }
            }
        }
    }
}
