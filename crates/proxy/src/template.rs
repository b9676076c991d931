//! `{name}` in values: a group of the filter's own regular expression, else a variable that the route's predicates
//! captured, else a mistake that `check` reports. Parsed once when the filter is built, rendered per request.

use std::borrow::Cow;
use std::collections::BTreeSet;

use gwanmun_core::{Code, Fault};
use http::HeaderValue;
use regex::{Captures, Regex};

use crate::parts::{Invalid, Parts};
use crate::route::Variables;

/// What to do about a variable where there are none. The compile step, which knows the place, says it more exactly.
pub(crate) const NO_VARIABLES: &str = "the route's predicates capture no variables; write {{ for a literal brace";

/// Text with holes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(String),
    Group(String),
    GroupNumber(usize),
}

/// One piece of a [`Template`]. Complete: there are no other holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplatePiece<'a> {
    /// Literal text.
    Text(&'a str),
    /// A variable of the route, by name.
    Variable(&'a str),
    /// A group of a regular expression; replacements only.
    Group,
}

/// Which notations of a hole are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notation {
    Braces,
    BracesAndDollars,
}

impl Template {
    /// `{name}` is a variable of the route; `{{` and `}}` are literal braces.
    ///
    /// # Errors
    /// An unknown name, an unclosed brace.
    pub fn parse(text: &str, parts: &Parts<'_>) -> Result<Self, Invalid> {
        parse(text, parts.variables, None, Notation::Braces)
    }

    /// The replacement of `regexp`: besides `{name}` also `$1`, `${name}` and Spring's `$\{name}`; `$$` is a dollar.
    ///
    /// # Errors
    /// An unknown name or group, an unclosed brace.
    pub fn parse_replacement(text: &str, regexp: &Regex, parts: &Parts<'_>) -> Result<Self, Invalid> {
        parse(text, parts.variables, Some(regexp), Notation::BracesAndDollars)
    }

    /// The text, if there is no hole in it.
    pub fn constant(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Text and holes in order, for what has to know in which place of the result a variable stands.
    pub fn pieces(&self) -> impl Iterator<Item = TemplatePiece<'_>> {
        self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => TemplatePiece::Text(text),
            Piece::Variable(name) => TemplatePiece::Variable(name),
            Piece::Group(_) | Piece::GroupNumber(_) => TemplatePiece::Group,
        })
    }

    /// The text with every hole filled.
    pub fn render<'a>(&'a self, variables: &Variables) -> Cow<'a, str> {
        self.render_with(variables, as_is)
    }

    /// The text with every hole filled by what `encode` makes of the variable's value.
    pub fn render_with<'a>(&'a self, variables: &Variables, encode: impl Fn(&str, &mut String)) -> Cow<'a, str> {
        match self.constant() {
            Some(text) => Cow::Borrowed(text),
            None => {
                let mut out = String::new();
                self.append(&mut out, variables, None, encode);
                Cow::Owned(out)
            }
        }
    }

    /// Replaces every match of `regexp` in `text` by this template, as Java's `replaceAll` does; borrowed if there is none.
    pub fn replace_all<'a>(&self, regexp: &Regex, text: &'a str, variables: &Variables) -> Cow<'a, str> {
        self.replace_all_with(regexp, text, variables, as_is)
    }

    /// The same, with what `encode` makes of the values of variables; groups of `regexp` stay as they stand in `text`.
    pub fn replace_all_with<'a>(
        &self,
        regexp: &Regex,
        text: &'a str,
        variables: &Variables,
        encode: impl Fn(&str, &mut String),
    ) -> Cow<'a, str> {
        regexp.replace_all(text, |captures: &Captures<'_>| {
            let mut out = String::new();
            self.append(&mut out, variables, Some(captures), &encode);
            out
        })
    }

    fn append(
        &self,
        out: &mut String,
        variables: &Variables,
        captures: Option<&Captures<'_>>,
        encode: impl Fn(&str, &mut String),
    ) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Variable(name) => encode(variables.value(name).unwrap_or_default(), out),
                Piece::Group(name) => {
                    out.push_str(captures.and_then(|found| found.name(name)).map_or("", |found| found.as_str()))
                }
                Piece::GroupNumber(number) => {
                    out.push_str(captures.and_then(|found| found.get(*number)).map_or("", |found| found.as_str()))
                }
            }
        }
    }
}

/// A template whose result is a field value; a constant one is prepared once.
#[derive(Debug, Clone)]
pub struct HeaderTemplate {
    template: Template,
    prepared: Option<HeaderValue>,
}

impl HeaderTemplate {
    /// Parses `text` as [`Template::parse`] does and checks that it may stand in a field.
    ///
    /// # Errors
    /// An unknown name, an unclosed brace, a character that no field value may have.
    pub fn parse(text: &str, parts: &Parts<'_>) -> Result<Self, Invalid> {
        let template = Template::parse(text, parts)?;
        for piece in template.pieces() {
            if let TemplatePiece::Text(text) = piece {
                header_value(text).ok_or_else(|| {
                    let found = text.escape_debug();
                    Invalid::new(format!("found '{found}', wanted a header value without control characters"))
                })?;
            }
        }
        let prepared = template.constant().and_then(header_value);
        Ok(Self { template, prepared })
    }

    /// Whether it can be rendered: a filter that works on the response asks before the upstream does its work.
    ///
    /// # Errors
    /// As [`HeaderTemplate::render`].
    pub fn check(&self, variables: &Variables) -> Result<(), Fault> {
        match self.prepared {
            Some(_) => Ok(()),
            None => self.render(variables).map(drop),
        }
    }

    /// The field value for a request.
    ///
    /// # Errors
    /// `malformed-request` if a variable brings in a character that no field value may have.
    pub fn render(&self, variables: &Variables) -> Result<HeaderValue, Fault> {
        match &self.prepared {
            Some(value) => Ok(value.clone()),
            None => header_value(&self.template.render(variables)).ok_or_else(|| {
                Fault::new(Code::MalformedRequest, "a path variable has a character that no header value may have")
            }),
        }
    }
}

fn as_is(value: &str, out: &mut String) {
    out.push_str(value);
}

/// Characters beyond ASCII go out as UTF-8 (`obs-text`, RFC 9110 section 5.5).
fn header_value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_bytes(text.as_bytes()).ok()
}

fn parse(
    text: &str,
    variables: &BTreeSet<String>,
    regexp: Option<&Regex>,
    notation: Notation,
) -> Result<Template, Invalid> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}', '$']) {
        let (before, found) = rest.split_at(at);
        plain.push_str(before);
        let dollars = notation == Notation::BracesAndDollars;
        let hole = if let Some(after) = found.strip_prefix("{{") {
            plain.push('{');
            rest = after;
            continue;
        } else if let Some(after) = found.strip_prefix("}}") {
            plain.push('}');
            rest = after;
            continue;
        } else if let Some(after) = found.strip_prefix('{') {
            after
        } else if let Some(after) = found.strip_prefix("$$").filter(|_| dollars) {
            plain.push('$');
            rest = after;
            continue;
        } else if let Some(after) = found.strip_prefix("$\\{").or_else(|| found.strip_prefix("${")).filter(|_| dollars)
        {
            after
        } else if let Some(digits) =
            found.strip_prefix('$').filter(|after| dollars && after.starts_with(|c: char| c.is_ascii_digit()))
        {
            let groups = regexp.map_or(0, Regex::captures_len);
            let (number, after) = leading_number(digits, groups);
            if number >= groups {
                let has = match groups.saturating_sub(1) {
                    0 => "no groups".to_owned(),
                    1 => "1 group".to_owned(),
                    count => format!("{count} groups"),
                };
                return Err(Invalid::new(format!("found ${number}, the expression has {has}")));
            }
            flush(&mut plain, &mut pieces);
            pieces.push(Piece::GroupNumber(number));
            rest = after;
            continue;
        } else {
            let mut characters = found.chars();
            plain.extend(characters.next());
            rest = characters.as_str();
            continue;
        };
        let Some((name, after)) = hole.split_once('}') else {
            return Err(
                Invalid::new(format!("'{{' is never closed in '{text}'")).with_hint("write {{ for a literal brace")
            );
        };
        flush(&mut plain, &mut pieces);
        pieces.push(hole_of(name, variables, regexp)?);
        rest = after;
    }
    plain.push_str(rest);
    flush(&mut plain, &mut pieces);
    Ok(Template { pieces })
}

fn hole_of(name: &str, variables: &BTreeSet<String>, regexp: Option<&Regex>) -> Result<Piece, Invalid> {
    if regexp.is_some_and(|regexp| regexp.capture_names().flatten().any(|group| group == name)) {
        return Ok(Piece::Group(name.to_owned()));
    }
    if variables.contains(name) {
        return Ok(Piece::Variable(name.to_owned()));
    }
    let groups: Vec<&str> = regexp.into_iter().flat_map(|regexp| regexp.capture_names().flatten()).collect();
    let known = groups.iter().copied().chain(variables.iter().map(String::as_str));
    let hint = match gwanmun_config::did_you_mean(name, known) {
        Some(close) => format!("did you mean {{{close}}}?"),
        None if groups.is_empty() && variables.is_empty() => NO_VARIABLES.to_owned(),
        None => {
            let told =
                [("the expression's groups are", list(&groups)), ("the route's predicates capture", list(variables))];
            let told = told.iter().filter(|(_, names)| !names.is_empty());
            let told: Vec<String> = told.map(|(what, names)| format!("{what} {names}")).collect();
            format!("{}; write {{{{ for a literal brace", told.join(", "))
        }
    };
    Err(Invalid::new(format!("nothing is called {{{name}}} here")).with_hint(hint))
}

fn list<N: std::fmt::Display>(names: impl IntoIterator<Item = N>) -> String {
    names.into_iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(", ")
}

/// The number at the beginning of `digits` and the rest. As in Java, a further digit belongs to it only while there are so
/// many `groups`: with one group, `$12` is `$1` and a `2`.
fn leading_number(digits: &str, groups: usize) -> (usize, &str) {
    let (mut number, mut rest) = (0, digits);
    for (at, digit) in digits.bytes().enumerate().take_while(|(_, byte)| byte.is_ascii_digit()) {
        let longer = number * 10 + usize::from(digit - b'0');
        if at > 0 && longer >= groups {
            break;
        }
        number = longer;
        rest = digits.get(at + 1..).unwrap_or_default();
    }
    (number, rest)
}

fn flush(plain: &mut String, pieces: &mut Vec<Piece>) {
    if !plain.is_empty() {
        pieces.push(Piece::Text(std::mem::take(plain)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gwanmun_config::Sources;
    use gwanmun_core::{Clock, SystemClock};

    use super::*;
    use crate::compile::Reader;
    use crate::section::{Lasting, Network, Sections};

    fn with_parts<T>(names: &[&str], work: impl FnOnce(&Parts<'_>) -> T) -> T {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let variables = names.iter().map(|&name| name.to_owned()).collect();
        let lasting = Lasting::new(Network::Offline);
        let (listeners, sections, sources) = (BTreeSet::new(), Sections::default(), Sources::default());
        work(&Parts::new(&clock, &listeners, None, &sections, &Reader::new(&sources), &lasting).capturing(&variables))
    }

    fn captured(values: &[(&str, &str)]) -> Variables {
        let mut variables = Variables::default();
        for &(name, value) in values {
            variables.push(&Arc::from(name), value);
        }
        variables
    }

    fn rendered(text: &str, values: &[(&str, &str)]) -> Result<String, Invalid> {
        let names: Vec<_> = values.iter().map(|&(name, _)| name).collect();
        let template = with_parts(&names, |parts| Template::parse(text, parts))?;
        Ok(template.render(&captured(values)).into_owned())
    }

    fn replaced(regexp: &str, replacement: &str, text: &str) -> Result<String, Invalid> {
        let regexp = Regex::new(regexp).unwrap();
        let template = with_parts(&["id"], |parts| Template::parse_replacement(replacement, &regexp, parts))?;
        Ok(template.replace_all(&regexp, text, &captured(&[("id", "7")])).into_owned())
    }

    #[test]
    fn holes_are_filled_and_doubled_braces_are_literal() {
        assert_eq!(rendered("a-{id}-{{id}}", &[("id", "7")]).unwrap(), "a-7-{id}");
        assert_eq!(rendered("$1 costs $$", &[]).unwrap(), "$1 costs $$");
    }

    #[test]
    fn an_unknown_name_gets_a_suggestion() {
        let mistake = rendered("{idd}", &[("id", "7")]).unwrap_err();
        assert_eq!(mistake.hint(), Some("did you mean {id}?"));
        assert!(rendered("{id", &[("id", "7")]).is_err());
    }

    #[test]
    fn an_unknown_name_in_a_replacement_gets_the_groups_too() {
        let hint = |replacement| replaced("/(?<segment>.*)", replacement, "").unwrap_err().hint().map(str::to_owned);
        assert_eq!(hint("/$\\{sgment}").unwrap(), "did you mean {segment}?");
        let told =
            "the expression's groups are {segment}, the route's predicates capture {id}; write {{ for a literal brace";
        assert_eq!(hint("/{banana}").unwrap(), told);
        assert!(replaced("(a)", "$2", "a").unwrap_err().message().ends_with("the expression has 1 group"));
    }

    #[test]
    fn every_notation_of_a_group_is_understood() {
        for replacement in ["/{rest}", "/$1", "/${rest}", "/$\\{rest}"] {
            assert_eq!(replaced("^/red/?(?<rest>.*)", replacement, "/red/blue").unwrap(), "/blue", "{replacement}");
        }
        assert_eq!(replaced("a", "$$$0-{id}", "bab").unwrap(), "b$a-7b");
    }

    #[test]
    fn digits_belong_to_a_group_number_only_while_there_are_so_many_groups() {
        assert_eq!(replaced("(a)", "$12", "a").unwrap(), "a2");
        assert!(replaced("(a)", "$2", "a").is_err());
        assert!(replaced("a", "$99999999999999999999999", "a").is_err());
    }

    #[test]
    fn variables_are_encoded_and_groups_are_not() {
        let regexp = Regex::new("/(.*)").unwrap();
        let template = with_parts(&["id"], |parts| Template::parse_replacement("{id}$1", &regexp, parts)).unwrap();
        let shout = |value: &str, out: &mut String| out.push_str(&value.to_uppercase());
        assert_eq!(template.replace_all_with(&regexp, "/x", &captured(&[("id", "a")]), shout), "Ax");
    }

    #[test]
    fn a_variable_cannot_smuggle_a_line_break_into_a_header() {
        let template = with_parts(&["id"], |parts| HeaderTemplate::parse("id={id}", parts)).unwrap();
        assert_eq!(template.render(&captured(&[("id", "7")])).unwrap(), "id=7");
        let fault = template.render(&captured(&[("id", "7\r\nx-admin: 1")])).unwrap_err();
        assert_eq!(fault.code(), Code::MalformedRequest);
        assert!(template.check(&captured(&[("id", "\r\n")])).is_err());
        assert!(template.check(&captured(&[("id", "7")])).is_ok());
    }

    #[test]
    fn control_characters_in_a_header_template_are_refused_with_and_without_holes() {
        assert!(with_parts(&[], |parts| HeaderTemplate::parse("a\nb", parts)).is_err());
        assert!(with_parts(&["id"], |parts| HeaderTemplate::parse("a\n{id}", parts)).is_err());
    }

    #[test]
    fn text_beyond_ascii_goes_out_as_utf_8() {
        let template = with_parts(&["id"], |parts| HeaderTemplate::parse("ü-{id}", parts)).unwrap();
        assert_eq!(template.render(&captured(&[("id", "é")])).unwrap().as_bytes(), "ü-é".as_bytes());
    }
}
