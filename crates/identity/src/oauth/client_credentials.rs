//! Id and secret of an API client. The secret is compared by the OAuth server alone; here it is hashed, sent once, and
//! forgotten.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gwanmun_core::{Reason, Secret};

use crate::refusal::Refusal;

/// The longest id, and the longest secret, bytes.
const LONGEST: usize = 1024;

/// Who an API client says that it is, and its proof.
#[derive(Debug, Clone)]
pub struct ClientCredentials {
    id: String,
    secret: Secret<String>,
}

impl ClientCredentials {
    /// An id and a secret that came apart.
    ///
    /// # Errors
    /// One of them is empty or too long, or has control characters.
    pub fn new(id: &str, secret: &str) -> Result<Self, Refusal> {
        let malformed = |what| Refusal::invalid(Reason::MalformedCredential, what);
        for (what, text) in [("the client's id", id), ("the client's secret", secret)] {
            if text.is_empty() {
                return Err(malformed(format!("{what} is empty")));
            }
            if text.len() > LONGEST || text.contains(char::is_control) {
                return Err(malformed(format!("{what} is too long or has control characters")));
            }
        }
        Ok(Self { id: id.to_owned(), secret: Secret::new(secret.to_owned()) })
    }

    /// What stands behind `Basic` (RFC 7617): base64 of `id:secret`, in UTF-8. Neither is decoded any further.
    ///
    /// # Errors
    /// It is not of that form.
    pub fn basic(text: &str) -> Result<Self, Refusal> {
        let malformed = |what| Refusal::invalid(Reason::MalformedCredential, what);
        let decoded = STANDARD.decode(text).map_err(|_| malformed("the Basic credentials are no base64"))?;
        let decoded = String::from_utf8(decoded).map_err(|_| malformed("the Basic credentials are not UTF-8"))?;
        let (id, secret) = decoded.split_once(':').ok_or_else(|| malformed("the Basic credentials have no colon"))?;
        Self::new(id, secret)
    }

    /// Who it says that it is.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn secret(&self) -> &str {
        self.secret.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(pair: &[u8]) -> Result<(String, String), Reason> {
        let read = ClientCredentials::basic(&STANDARD.encode(pair)).map_err(|refusal| refusal.reason())?;
        Ok((read.id().to_owned(), read.secret().to_owned()))
    }

    #[test]
    fn the_first_colon_separates_and_nothing_is_decoded() {
        assert_eq!(basic(b"gw:a:b%20+"), Ok(("gw".into(), "a:b%20+".into())));
        assert_eq!(basic("gé:ü".as_bytes()), Ok(("gé".into(), "ü".into())));
    }

    #[test]
    fn what_is_not_of_the_form_is_refused() {
        for pair in [&b"gw"[..], b":s", b"gw:", b"gw:\xff", b"g\nw:s", b"gw:s\0"] {
            assert_eq!(basic(pair), Err(Reason::MalformedCredential), "{pair:?}");
        }
        assert_eq!(basic(format!("a:{}", "s".repeat(1025)).as_bytes()), Err(Reason::MalformedCredential));
        for text in ["Zzp4=", "Zzp4\n", "Z:p4", "Zzq=", "Zw"] {
            assert!(ClientCredentials::basic(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_secret_does_not_print_itself() {
        assert!(!format!("{:?}", ClientCredentials::new("gw", "hunter2").unwrap()).contains("hunter2"));
    }
}
