//! What sections of the configuration are built with: the clock, the counters, the runtime, the files that they name, and
//! the place where their mistakes are told.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gwanmun_client::{Outbound, Tls};
use gwanmun_config::{Diagnostic, Diagnostics, Files, Sources, Span, Spanned};
use gwanmun_core::{Clock, Tallies};
use tokio::runtime::Handle;

/// The largest file that is read whole.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// What sections are built with.
pub(crate) struct Ground<'a> {
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) tallies: &'a Tallies,
    /// Where calls run.
    pub(crate) runtime: &'a Handle,
    pub(crate) sources: &'a Sources,
    /// Every file that is read is noted here.
    pub(crate) files: &'a mut Files,
    pub(crate) diagnostics: &'a mut Diagnostics,
}

impl Ground<'_> {
    /// Tells a mistake.
    pub(crate) fn refuse(&mut self, span: Span, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(message, span));
    }

    /// Tells a mistake and what to do about it.
    pub(crate) fn refuse_with_hint(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(message, span).with_hint(hint));
    }

    /// Tells what is hardly meant.
    pub(crate) fn warn(&mut self, span: Span, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::warning(message, span));
    }

    /// Calls on the service's runtime.
    pub(crate) fn outbound(&self) -> Outbound {
        Outbound::on(self.runtime.clone(), Arc::clone(self.clock), self.tallies.clone())
    }

    /// `path` as written, relative to the file it stands in.
    pub(crate) fn resolve(&self, path: &Path, span: Span) -> PathBuf {
        if path.is_absolute() || span == Span::NOWHERE {
            return path.to_owned();
        }
        self.sources.directory(span.source).join(path)
    }

    /// What is in the file that `file:PATH` names; where there is none, that is told.
    pub(crate) fn read(&mut self, value: &Spanned<String>) -> Option<Vec<u8>> {
        let Some(path) = path_of(value) else {
            self.refuse(value.span, "it is not said which file: wanted file:PATH");
            return None;
        };
        self.read_at(&path, value.span)
    }

    /// What is in the file of this path, with or without `file:` before it.
    fn read_plain(&mut self, value: &Spanned<String>) -> Option<Vec<u8>> {
        let path = value.strip_prefix("file:").unwrap_or(value);
        if path.is_empty() {
            self.refuse(value.span, "it is not said which file: wanted a path");
            return None;
        }
        self.read_at(Path::new(path), value.span)
    }

    fn read_at(&mut self, path: &Path, span: Span) -> Option<Vec<u8>> {
        let path = self.resolve(path, span);
        self.files.note(&path);
        let read = read(&path);
        read.map_err(|error| self.refuse(span, format!("cannot read '{}': {error}", path.display()))).ok()
    }

    /// Whom to trust over `https`, and who we are.
    pub(crate) fn tls(
        &mut self,
        ca: Option<&Spanned<String>>,
        own: Option<(&Spanned<String>, &Spanned<String>)>,
    ) -> Option<Tls> {
        let authorities = match ca {
            Some(ca) => Some((self.read_plain(ca)?, ca.span)),
            None => None,
        };
        let (made, span) = match (own, authorities) {
            (None, None) => return Some(Tls::default()),
            (None, Some((pem, span))) => (Tls::with_authorities(&pem), span),
            (Some((certificate, key)), authorities) => {
                let (chain, private) = (self.read_plain(certificate), self.read_plain(key));
                let pem = authorities.as_ref().map(|(pem, _)| pem.as_slice());
                (Tls::with_identity(pem, &chain?, &private?), certificate.span)
            }
        };
        made.map_err(|why| self.refuse(span, why)).ok()
    }
}

/// The path of `file:PATH`; `None` for a value that names no file.
pub(crate) fn path_of(value: &Spanned<String>) -> Option<PathBuf> {
    value.value.strip_prefix("file:").filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= MOST_BYTES) {
        return Ok(bytes);
    }
    Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {MOST_BYTES} bytes")))
}
