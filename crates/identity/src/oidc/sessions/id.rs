//! What a browser shows: 32 random bytes in base64url. It means nothing to anybody who has not the session itself.

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gwanmun_core::Secret;

/// A session's id, well formed.
#[derive(Clone, Copy)]
pub(super) struct Id<'t>(&'t str);

impl<'t> Id<'t> {
    /// How long it is as text.
    pub(super) const LENGTH: usize = 43;

    /// What may be one; nobody is asked about anything else.
    pub(super) fn read(text: &'t str) -> Option<Self> {
        let bytes = (text.len() == Self::LENGTH).then(|| URL_SAFE_NO_PAD.decode(text).ok())??;
        (bytes.len() == 32).then_some(Self(text))
    }

    /// A new one. `None` where there is no randomness.
    pub(super) fn random() -> Option<Secret<String>> {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).ok()?;
        Some(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
    }

    pub(super) fn text(&self) -> &'t str {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_43_characters_and_never_the_same() {
        let (one, two) = (Id::random().unwrap(), Id::random().unwrap());
        assert_ne!(one, two);
        assert_eq!(Id::read(one.expose()).unwrap().text(), one.expose());
        let canonical = format!("{}A", "A".repeat(42));
        assert!(Id::read(&canonical).is_some());
        for wrong in ["", "A", &"A".repeat(42), &"A".repeat(44), &format!("{}B", "A".repeat(42)), &"=".repeat(43)] {
            assert!(Id::read(wrong).is_none(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn one_session_has_one_text(text in "[A-Za-z0-9_=+/-]{40,46}|.{43}") {
            if let Some(id) = Id::read(&text) {
                let bytes = URL_SAFE_NO_PAD.decode(id.text()).unwrap();
                prop_assert_eq!(URL_SAFE_NO_PAD.encode(bytes), text);
            }
        }
    }
}
