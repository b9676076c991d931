//! What a message does not show of the text that it points into: values under keys that are called secrets, and passwords in
//! URLs. Terminals, CI and logs are read by more people than configurations.

use std::ops::Range;

use crate::masked::{bare, query_secrets};
use crate::source::{Sources, Span};
use crate::suggest::did_you_mean;

/// A key with one of these in it has a value that nobody should read.
const WORDS: [&str; 4] = ["secret", "password", "passphrase", "dsn"];

/// So has one that ends in one of these: `management.token`, but not `token-endpoint`.
const ENDS: [&str; 3] = ["token", "privatekey", "passwd"];

/// Fewer letters of a secret in a row may stand in a message by chance.
const BY_CHANCE: usize = 5;

/// The texts as they may be shown, and what was taken out of them.
pub(crate) struct Hidden<'s> {
    original: &'s Sources,
    shown: Sources,
}

impl<'s> Hidden<'s> {
    pub(crate) fn of(original: &'s Sources) -> Self {
        Self { original, shown: original.map_texts(masked) }
    }

    /// The same texts, byte for byte as long, with stars in the place of what is secret.
    pub(crate) fn sources(&self) -> &Sources {
        &self.shown
    }

    /// `words` about the text at `span`, without the secret that stands there.
    pub(crate) fn without_secrets(&self, words: &str, span: Option<Span>) -> String {
        let Some(span) = span else { return words.to_owned() };
        let text = self.original.text(span.source);
        let concerns = |place: &Range<usize>| place.start < span.end.max(span.start + 1) && span.start < place.end;
        let places = secrets(text).into_iter().filter(concerns);
        places.filter_map(|place| text.get(place)).fold(words.to_owned(), |words, secret| without(&words, secret))
    }
}

/// `words` with stars for each part that is part of `secret`, too.
fn without(words: &str, secret: &str) -> String {
    let letters: Vec<char> = words.chars().collect();
    let secret: Vec<char> = secret.chars().collect();
    let least = secret.len().clamp(1, BY_CHANCE + 1);
    let mut told = vec![false; letters.len()];
    for (at, window) in letters.windows(least).enumerate() {
        if secret.windows(least).any(|part| part == window) {
            told.iter_mut().skip(at).take(least).for_each(|told| *told = true);
        }
    }
    letters.into_iter().zip(told).map(|(letter, told)| if told { '*' } else { letter }).collect()
}

fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut shown_to = 0;
    for place in secrets(text) {
        out.push_str(text.get(shown_to..place.start).unwrap_or(""));
        let hidden = text.get(place.start.max(shown_to)..place.end).unwrap_or("");
        for letter in hidden.chars() {
            match letter {
                '\n' | '\r' => out.push(letter),
                other => out.extend(std::iter::repeat_n('*', other.len_utf8())),
            }
        }
        shown_to = shown_to.max(place.end);
    }
    out.push_str(text.get(shown_to..).unwrap_or(""));
    out
}

/// Where secrets stand, in the order of the text. It is told from the letters alone: the text may be no YAML at all.
fn secrets(text: &str) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        for (colon, _) in line.match_indices(':') {
            let Some(key) = line.get(..colon).map(key_before).filter(|key| is_secret(key.text)) else { continue };
            let after = start + colon + 1;
            let end = if key.is_in_flow {
                after + flow_value(line.get(colon + 1..).unwrap_or(""))
            } else {
                block_end(text, after, key.column)
            };
            places.extend(value(text, after..end));
        }
        places.extend(passwords(line).map(|place| start + place.start..start + place.end));
        start += line.len();
    }
    places.sort_by_key(|place| place.start);
    places
}

struct Key<'t> {
    text: &'t str,
    column: usize,
    is_in_flow: bool,
}

/// The key that ends where `before` does.
fn key_before(before: &str) -> Key<'_> {
    let from = before.rfind(['{', ',', '[']).map_or(0, |at| at + 1);
    let written = before.get(from..).unwrap_or("");
    let text = written.trim_start_matches([' ', '\t', '-', '?', '#']);
    let column = before.len() - text.len();
    Key { text: text.trim_matches([' ', '"', '\'']), column, is_in_flow: from > 0 }
}

fn is_secret(key: &str) -> bool {
    let bare = bare(key);
    key.bytes().all(is_key_letter)
        && (WORDS.iter().any(|word| bare.contains(word))
            || ENDS.iter().any(|word| bare.ends_with(word))
            || did_you_mean(&key.to_ascii_lowercase(), ["client-secret"].into_iter()).is_some())
}

fn is_key_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}

/// How long a value in braces may be: until the next key, or until what closes the braces at the end of the line.
fn flow_value(rest: &str) -> usize {
    let is_key = |text: &str| {
        let key = text.trim_start().split(':').next().unwrap_or("").trim_matches(['"', '\'']);
        text.contains(':') && !key.is_empty() && key.bytes().all(is_key_letter)
    };
    let next = rest.match_indices(',').find(|(at, _)| rest.get(at + 1..).is_some_and(is_key)).map(|(at, _)| at);
    next.unwrap_or_else(|| rest.trim_end_matches([' ', '\n', '\r', '}', ']', ',']).len())
}

/// Where the value of a key in `column` ends: with its line and those below that are indented deeper.
fn block_end(text: &str, from: usize, column: usize) -> usize {
    let mut lines = text.get(from..).unwrap_or("").split_inclusive('\n');
    let first = lines.next().map_or(0, str::len);
    let is_deeper = |line: &&str| line.trim().is_empty() || line.len() - line.trim_start_matches(' ').len() > column;
    from + first + lines.take_while(is_deeper).map(str::len).sum::<usize>()
}

/// What is secret of `place`: all but the quotes around it, and nothing where it only says where the secret is.
fn value(text: &str, place: Range<usize>) -> Option<Range<usize>> {
    let written = text.get(place.clone())?;
    let start = place.start + (written.len() - written.trim_start().len());
    let mut inner = start..start + written.trim().len();
    if let Some(quote @ ('"' | '\'')) = text.get(inner.clone())?.chars().next() {
        inner.start += 1;
        if text.get(inner.clone())?.ends_with(quote) {
            inner.end -= 1;
        }
    }
    // How a URL begins is known, and stands in messages.
    let beginning = ["https://", "http://"]
        .into_iter()
        .find(|scheme| text.get(inner.clone()).is_some_and(|value| value.starts_with(scheme)));
    inner.start += beginning.map_or(0, str::len);
    (!inner.is_empty() && !is_reference(text.get(inner.clone())?)).then_some(inner)
}

/// `${NAME}` or `${file:PATH}` and nothing else.
fn is_reference(value: &str) -> bool {
    let name = value.trim_end_matches(['"', '\'']).strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| !name.contains(['$', '}']) && !name.contains(":-"))
}

/// Passwords before the `@` of URLs, which may have any character in them, and those of their queries.
fn passwords(line: &str) -> impl Iterator<Item = Range<usize>> {
    line.match_indices("://").flat_map(move |(at, mark)| {
        let from = at + mark.len();
        let rest = line.get(from..).unwrap_or("");
        let url = rest.split([' ', '\t', '"', '\'', '\n', '\r']).next().unwrap_or("");
        let in_front = before_host(url).into_iter();
        let in_query =
            query_secrets(url).into_iter().filter(|place| !is_reference(url.get(place.clone()).unwrap_or("")));
        in_front.chain(in_query).map(move |place| from + place.start..from + place.end)
    })
}

fn before_host(url: &str) -> Option<Range<usize>> {
    let user = url.get(..url.rfind('@')?)?;
    let password = user.get(user.find(':')? + 1..)?;
    (!password.is_empty() && !is_reference(password)).then(|| user.len() - password.len()..user.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Diagnostic, Diagnostics, Style};

    #[test]
    fn secrets_are_stars_however_they_are_written() {
        for (written, shown) in [
            ("client-secret: hunter2\n", "client-secret: *******\n"),
            ("  client-secret: \"hunter2\"\n", "  client-secret: \"*******\"\n"),
            ("clientSecret: 'hun''ter2' # mine\nb: 1\n", "clientSecret: '*****************\nb: 1\n"),
            (
                "a: {client-id: gw, client-secret: hunter2, scopes: [a]}",
                "a: {client-id: gw, client-secret: *******, scopes: [a]}",
            ),
            ("a: {client-secret: hun,ter}2}}\n", "a: {client-secret: *********}}\n"),
            ("a: {\"client-secret\": \"hunter2\", b: 1}", "a: {\"client-secret\": \"*******\", b: 1}"),
            ("client-secret: |\n  hunter\n  2\nb: 1\n", "client-secret: *\n********\n***\nb: 1\n"),
            ("- password:\n    hunter2\n  b: 1\n", "- password:\n    *******\n  b: 1\n"),
            ("client-secret: \"hunter2\nclient-id: gw\n", "client-secret: \"*******\nclient-id: gw\n"),
            ("client-secert: hünter\n", "client-secert: *******\n"),
            ("management: {token: [hunter2]}\n", "management: {token: ********]}\n"),
            ("  dsn: https://hunter2@sentry/x\n", "  dsn: https://****************\n"),
            ("privateKey: hunter2\n", "privateKey: *******\n"),
            ("url: 'postgres://h/d?password=hunter2&a=1'", "url: 'postgres://h/d?password=*******&a=1'"),
            ("store: redis://ann:hun/t@er2@redis:6379", "store: redis://ann:*********@redis:6379"),
            ("a: {dsn: 'https://hunter2@host', evry: 1s}\n", "a: {dsn: 'https://************', evry: 1s}\n"),
            ("a: {address: b, token: hunter2}\n", "a: {address: b, token: *******}\n"),
        ] {
            assert_eq!(masked(written), shown, "{written}");
            assert_eq!(masked(written).len(), written.len(), "{written}");
        }
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        for written in [
            "client-secret: ${file:/run/secrets/gw}\n",
            "client-secret: \"${GATEWAY_SECRET}\"\n",
            "a: {client-secret: \"${GATEWAY_SECRET}\", b: 1}\n",
            "passport: {trust-domain: example.internal}\n",
            "token-endpoint: https://idp.example/token\n",
            "user-from: [\"uri:spiffe://corp/{user}@x\"]\n",
            "store: redis://:${PASSWORD}@redis:6379\n",
            "# a secret: nothing\nclient-id: gw\n",
        ] {
            assert_eq!(masked(written), written);
        }
    }

    #[test]
    fn no_message_shows_a_secret() {
        let mut sources = Sources::default();
        let source = sources.add("gw.yaml", "client-secret: %hunter2\n");
        let mistake =
            Diagnostic::error("found '%hunter2'", Span::new(source, 15, 23)).with_hint("quote it: \"%hunter2\"");
        let diagnostics: Diagnostics = [mistake].into_iter().collect();
        let shown = diagnostics.render(&sources, Style::Plain);
        assert!(shown.contains("found '********'") && !shown.contains("hunt"), "{shown}");
    }

    #[test]
    fn masking_keeps_every_text_as_long() {
        proptest::proptest!(|(text in "(client-secret|a|b)?[:{}\"' ,\\[\\]|ö\n#$@/-]{0,12}(password: |://)?[a-z:{}\"' ,@ö\n]{0,30}")| {
            let shown = masked(&text);
            proptest::prop_assert_eq!(shown.len(), text.len());
            proptest::prop_assert_eq!(shown.lines().count(), text.lines().count());
        });
    }
}
