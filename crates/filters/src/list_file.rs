//! A list that stands in a file of its own, as `file:PATH` names it. Its mistakes are told at the argument that names it,
//! with the place in the file.

use gwanmun_config::{Diagnostic, Sources, Span, Spanned, decode, load_list};
use gwanmun_proxy::{Invalid, Reader};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::file_reference::path_of;

/// The entries of a list in a file, and where they stand.
pub(crate) struct ListFile<T> {
    pub(crate) entries: Vec<Spanned<T>>,
    sources: Sources,
    value: Span,
}

#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Whole<T> {
    list: Vec<Spanned<T>>,
}

impl<T: DeserializeOwned> ListFile<T> {
    /// Reads the file that `value` names.
    ///
    /// # Errors
    /// It names none, it cannot be read, it is no list of such entries.
    pub(crate) fn read(value: &Spanned<String>, reader: &Reader<'_>) -> Result<Self, Invalid> {
        let at = |message: String| Invalid::within(value.span, message);
        let path = path_of(value)
            .ok_or_else(|| at(format!("found '{}', wanted a file", value.value)).with_hint("write file:PATH"))?;
        let shown = path.display().to_string();
        let bytes = reader.read(&path).map_err(|error| at(format!("cannot read '{shown}': {error}")))?;
        let text = String::from_utf8(bytes).map_err(|_| at(format!("'{shown}' is not UTF-8")))?;
        let mut loaded = load_list(&shown, &text);
        let whole: Option<Whole<T>> = decode(&loaded.document, &mut loaded.diagnostics);
        let read = Self { entries: Vec::new(), sources: loaded.sources, value: value.span };
        let mut mistakes = loaded.diagnostics.iter();
        match (mistakes.next(), whole) {
            (None, Some(whole)) => Ok(Self { entries: whole.list, ..read }),
            (Some(first), _) => Err(read.mistake(first, mistakes.count())),
            (None, None) => Err(at(format!("'{shown}' is no list"))),
        }
    }

    /// A mistake at `span` in the file.
    pub(crate) fn refuse(&self, span: Span, message: &str) -> Invalid {
        Invalid::within(self.value, format!("{}: {message}", self.place(span)))
    }

    fn mistake(&self, first: &Diagnostic, more: usize) -> Invalid {
        let place = first.span.map_or_else(String::new, |span| format!("{}: ", self.place(span)));
        let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
        let invalid = Invalid::within(self.value, format!("{place}{}{more}", first.message));
        match &first.hint {
            Some(hint) => invalid.with_hint(hint),
            None => invalid,
        }
    }

    fn place(&self, span: Span) -> String {
        let (name, line, column) = self.sources.location(span);
        format!("{name}:{line}:{column}")
    }
}
