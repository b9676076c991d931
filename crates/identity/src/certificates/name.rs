//! Names in a certificate: its subject alternative names (RFC 5280 section 4.2.1.6) of the three kinds that are texts. The
//! subject's common name is none: anything may stand there, and readers disagree about where it ends.

use std::fmt;

/// A kind of name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SanKind {
    /// A URI: `spiffe://corp/user/ann`.
    Uri,
    /// A DNS name: `ann.people.corp`.
    Dns,
    /// An address of electronic mail: `ann@corp`.
    Email,
}

/// One name, in the form in which names are compared: DNS names and the domains of addresses in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct San {
    kind: SanKind,
    text: String,
}

/// A name that two readers could read in two ways: it is empty, or has a control byte, a space, or a byte beyond ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoName;

impl SanKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Uri, Self::Dns, Self::Email];

    /// `uri`, `dns` or `email`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Uri => "uri",
            Self::Dns => "dns",
            Self::Email => "email",
        }
    }

    /// What parts of such a name stand between.
    pub fn separator(self) -> char {
        match self {
            Self::Uri => '/',
            Self::Dns => '.',
            Self::Email => '@',
        }
    }

    /// `text`, a name of this kind or a part of one up to its end, in the form in which names are compared.
    pub fn comparable(self, text: &str) -> String {
        match (self, text.rsplit_once('@')) {
            (Self::Dns, _) => text.to_ascii_lowercase(),
            (Self::Email, Some((local, domain))) => format!("{local}@{}", domain.to_ascii_lowercase()),
            (Self::Uri, _) | (Self::Email, None) => text.to_owned(),
        }
    }

    /// The kind and the rest of `uri:…`, `dns:…` or `email:…`.
    pub fn split(text: &str) -> Option<(Self, &str)> {
        let (word, rest) = text.split_once(':')?;
        Some((Self::ALL.into_iter().find(|kind| kind.as_str() == word)?, rest))
    }
}

impl San {
    /// The name that stands in `bytes`.
    ///
    /// # Errors
    /// See [`NoName`].
    pub fn new(kind: SanKind, bytes: &[u8]) -> Result<Self, NoName> {
        let text = str::from_utf8(bytes).map_err(|_| NoName)?;
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(NoName);
        }
        Ok(Self { kind, text: kind.comparable(text) })
    }

    /// Its kind.
    pub fn kind(&self) -> SanKind {
        self.kind
    }

    /// Its text, without the kind.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for San {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_counts_where_it_does_for_everybody() {
        for (kind, text, wanted) in [
            (SanKind::Dns, "Ann.People.CORP", "dns:ann.people.corp"),
            (SanKind::Email, "Ann.B@Corp.Example", "email:Ann.B@corp.example"),
            (SanKind::Email, "Ann", "email:Ann"),
            (SanKind::Uri, "spiffe://Corp/User/Ann", "uri:spiffe://Corp/User/Ann"),
        ] {
            assert_eq!(San::new(kind, text.as_bytes()).unwrap().to_string(), wanted);
        }
    }

    #[test]
    fn what_could_be_cut_off_or_taken_for_another_is_no_name() {
        for kind in SanKind::ALL {
            for bytes in [
                &b""[..],
                b"ann.people.corp\0.evil.test",
                b"ann\n.people.corp",
                b"ann\x7f",
                b"ann people",
                b"\xff",
                "\u{e4}nn.people.corp".as_bytes(),
            ] {
                assert_eq!(San::new(kind, bytes), Err(NoName), "{bytes:?}");
            }
        }
    }
}
