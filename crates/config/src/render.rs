//! Diagnostics as text: the message, `path:line:column`, the line at fault with the place marked, and the hint. Secrets are
//! not shown.

use annotate_snippets::{Annotation, AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::hidden::Hidden;
use crate::source::{Sources, Span};

/// Places further apart than this many bytes get a snippet each, so that no large text is scanned for a few lines.
const WINDOW: usize = 16 * 1024;

/// How diagnostics are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Style {
    /// Text only, for pipes and logs.
    Plain,
    /// With terminal colours.
    Coloured,
}

impl Diagnostics {
    /// All of them in the order of the sources, separated by blank lines.
    pub fn render(&self, sources: &Sources, style: Style) -> String {
        let renderer = match style {
            Style::Plain => Renderer::plain(),
            Style::Coloured => Renderer::styled(),
        };
        let hidden = Hidden::of(sources);
        let mut sorted: Vec<&Diagnostic> = self.iter().collect();
        sorted.sort_by_key(|diagnostic| diagnostic.span);
        let mut blocks: Vec<String> =
            sorted.into_iter().map(|diagnostic| block(diagnostic, &hidden, &renderer)).collect();
        if self.dropped() > 0 {
            blocks.push(format!("and {} more", self.dropped()));
        }
        let mut text = blocks.join("\n\n");
        if !text.is_empty() {
            text.push('\n');
        }
        text
    }
}

fn block(diagnostic: &Diagnostic, hidden: &Hidden<'_>, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let (sources, span) = (hidden.sources(), diagnostic.span);
    let message = hidden.without_secrets(&diagnostic.message, span);
    let mut group = Group::with_title(level.primary_title(message));
    let primary = diagnostic.span.map(|span| (span, AnnotationKind::Primary, diagnostic.label.as_deref()));
    let related = diagnostic.related.iter().map(|(span, text)| (*span, AnnotationKind::Context, Some(text.as_str())));
    let mut places: Vec<Place<'_>> = primary.into_iter().chain(related).collect();
    while !places.is_empty() {
        let (element, rest) = snippet(places, sources);
        group = group.element(element);
        places = rest;
    }
    if let Some(hint) = &diagnostic.hint {
        group = group.element(Level::HELP.message(hidden.without_secrets(hint, span)));
    }
    renderer.render(&[group])
}

type Place<'a> = (Span, AnnotationKind, Option<&'a str>);

/// One snippet for the first place and all others near it, and the places left over.
fn snippet<'a>(places: Vec<Place<'a>>, sources: &'a Sources) -> (Element<'a>, Vec<Place<'a>>) {
    let anchor = places.first().map_or(Span::NOWHERE, |place| place.0);
    let near = |place: &Place<'_>| place.0.source == anchor.source && place.0.start.abs_diff(anchor.start) <= WINDOW;
    let (here, rest): (Vec<_>, Vec<_>) = places.into_iter().partition(near);
    let (_, line, column) = sources.location(anchor);
    if sources.text(anchor.source).is_empty() {
        let name = if anchor == Span::NOWHERE { "(default)" } else { sources.name(anchor.source) };
        return (Origin::path(name).line(line).char_column(column).into(), rest);
    }
    let start = here.iter().map(|place| place.0.start).min().unwrap_or(anchor.start);
    let end = here.iter().map(|place| place.0.start).max().unwrap_or(anchor.start);
    let (first_line, offset, text) = sources.lines(anchor.source, start, end);
    let annotations = here.into_iter().map(|place| annotation(place, offset, text));
    let snippet = Snippet::source(text).path(sources.name(anchor.source)).line_start(first_line);
    (snippet.annotations(annotations).into(), rest)
}

/// A mark on the first line of the place: maps and lists run over many lines, and the first says where to look.
fn annotation<'a>((span, kind, label): Place<'a>, offset: usize, text: &str) -> Annotation<'a> {
    let start = text.floor_char_boundary(span.start.saturating_sub(offset));
    let line_end =
        text.get(start..).and_then(|rest| rest.find(['\n', '\r'])).map_or(text.len(), |length| start + length);
    let end = text.floor_char_boundary(span.end.saturating_sub(offset)).clamp(start, line_end);
    kind.span(start..end).label(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceId;

    fn sample(source: SourceId) -> Diagnostics {
        let mistake = Diagnostic::error("unknown key 'b'", Span::new(source, 5, 6)).with_hint("did you mean 'a'?");
        [mistake.with_related(Span::new(source, 0, 1), "first here")].into_iter().collect()
    }

    #[test]
    fn a_diagnostic_shows_message_place_line_and_hint() {
        let mut sources = Sources::default();
        let source = sources.add("gw.yaml", "a: 1\nb: 2\n");
        insta::assert_snapshot!(sample(source).render(&sources, Style::Plain), @r#"
        error: unknown key 'b'
         --> gw.yaml:2:1
          |
        1 | a: 1
          | - first here
        2 | b: 2
          | ^
          |
          = help: did you mean 'a'?
        "#);
    }

    #[test]
    fn colours_only_add_escape_sequences() {
        let mut sources = Sources::default();
        let source = sources.add("gw.yaml", "a: 1\nb: 2\n");
        let coloured = sample(source).render(&sources, Style::Coloured);
        assert!(coloured.contains("\u{1b}["));
        assert!(!sample(source).render(&sources, Style::Plain).contains('\u{1b}'));
    }

    #[test]
    fn a_place_without_text_is_still_named() {
        let mut sources = Sources::default();
        let source = sources.add("gone.yaml", "");
        let diagnostics: Diagnostics =
            [Diagnostic::error("cannot read", Span::new(source, 0, 0))].into_iter().collect();
        assert!(diagnostics.render(&sources, Style::Plain).contains("--> gone.yaml:1:1"));
    }

    #[test]
    fn spans_beyond_the_text_do_not_panic() {
        let mut sources = Sources::default();
        let source = sources.add("gw.yaml", "ö\n");
        for span in [Span::new(source, 1, 1), Span::new(source, 90, 99), Span::new(source, 3, 3), Span::NOWHERE] {
            let diagnostics: Diagnostics =
                [Diagnostic::error("x", span).with_related(Span::NOWHERE, "y")].into_iter().collect();
            assert!(diagnostics.render(&sources, Style::Coloured).contains('x'));
        }
    }
}
