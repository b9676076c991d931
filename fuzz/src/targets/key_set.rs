//! JWK sets: every key is used or told, what is used is allowed, and it is the same key when it is published.

use gwanmun_jose::{Algorithm, JwkSet, VerifyingKey};

use crate::pieces::Choices;

/// The input's first two bytes choose the allowed algorithms, the rest is the set.
pub(crate) fn run(input: &[u8]) {
    let mut choices = Choices::of(input);
    let bits = u16::from_be_bytes([choices.byte(), choices.byte()]);
    let allowed: Vec<Algorithm> =
        (0..).zip(Algorithm::ALL).filter(|(bit, _)| bits >> bit & 1 == 0).map(|(_, it)| it).collect();
    let Ok(set) = JwkSet::parse(choices.rest(), &allowed) else { return };
    assert!(set.keys().len() + set.unusable().len() <= JwkSet::MOST_KEYS);
    for key in set.keys() {
        assert!(allowed.contains(&key.algorithm()), "{key:?}");
        assert!(key.verify(b"message", b"signature").is_err(), "{key:?}");
        if key.kid().is_some() {
            let found = set.key_for(key.kid(), key.algorithm()).expect("its own kid and algorithm mean it");
            assert_eq!(found.thumbprint(), key.thumbprint());
        }
        match key.public_jwk() {
            None => assert!(key.algorithm().is_symmetric() && key.thumbprint().is_none()),
            Some(jwk) => {
                let again = VerifyingKey::from_jwk(jwk.as_object().expect("a JWK is an object"), &[key.algorithm()]);
                let again = again.expect("what is published is read");
                assert_eq!((again.kid(), again.thumbprint()), (key.kid(), key.thumbprint()));
                assert_eq!(again.public_jwk(), Some(jwk));
            }
        }
    }
    for key in set.unusable() {
        let told = key.reason.to_string();
        assert!(told.len() < 400 && !told.chars().any(char::is_control), "{told:?}");
    }
}
