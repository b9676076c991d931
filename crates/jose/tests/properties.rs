//! What holds for every key and every message.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests stand outside of them")]

use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use gwanmun_jose::{Algorithm, Compact, Expect, JwkSet, SigningKey, VerifyingKey, json, sign};
use proptest::prelude::*;

/// One key for each algorithm.
static KEYS: LazyLock<Vec<SigningKey>> = LazyLock::new(|| {
    let rsa = include_bytes!("../testdata/rsa.pem");
    let key = |algorithm| match algorithm {
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => SigningKey::generate(algorithm),
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => SigningKey::from_secret(&[7; 64], algorithm),
        _ => SigningKey::from_pem(rsa, &[algorithm]),
    };
    Algorithm::ALL.map(|algorithm| key(algorithm).unwrap().with_kid(algorithm.as_str())).into()
});

static SET: LazyLock<JwkSet> =
    LazyLock::new(|| JwkSet::of(KEYS.iter().map(|key| key.verifying_key().clone())).unwrap());

fn any_key() -> impl Strategy<Value = &'static SigningKey> {
    (0..Algorithm::ALL.len()).prop_map(|place| &KEYS[place])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_a_key_signs_it_verifies(key in any_key(), payload in any::<Vec<u8>>()) {
        let token = sign(key, Some("JWT"), &payload).unwrap();
        let token = Compact::parse(token.as_bytes(), token.len()).unwrap();
        let found = SET.key_for(token.kid(), token.algorithm()).unwrap();
        prop_assert_eq!(token.verify(found), Ok(payload.as_slice()));
    }

    #[test]
    fn a_published_key_is_the_same_key(key in any_key(), message in any::<Vec<u8>>()) {
        let public = key.verifying_key();
        let Some(jwk) = public.public_jwk() else { return Ok(()) };
        let read = VerifyingKey::from_jwk(jwk.as_object().unwrap(), &Algorithm::ALL).unwrap();
        prop_assert_eq!((read.algorithm(), read.kid()), (public.algorithm(), public.kid()));
        prop_assert_eq!(read.thumbprint(), public.thumbprint());
        prop_assert_eq!(read.verify(&message, &key.sign(&message).unwrap()), Ok(()));
    }

    #[test]
    fn a_token_with_a_bit_flipped_is_refused(key in any_key(), bit in any::<prop::sample::Index>()) {
        let mut token = sign(key, Some("JWT"), br#"{"sub":"u1","exp":2000000000,"role":"member"}"#).unwrap().into_bytes();
        let now = UNIX_EPOCH + Duration::from_secs(1_900_000_000);
        prop_assert!(Expect::default().verify(&token, 4096, &SET, now).is_ok());
        let bit = bit.index(8 * token.len());
        token[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Expect::default().verify(&token, 4096, &SET, now).is_err());
    }

    #[test]
    fn a_token_with_pieces_moved_is_refused(key in any_key(), from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>()) {
        let token = sign(key, None, br#"{"sub":"u1","exp":2000000000}"#).unwrap().into_bytes();
        let (from, to) = (from.index(token.len()), to.index(token.len()));
        let mut moved = token.clone();
        let piece: Vec<u8> = moved.drain(from.min(to)..from.max(to)).collect();
        moved.extend(piece);
        let outcome = Expect::default().verify(&moved, 4096, &SET, UNIX_EPOCH);
        prop_assert!(outcome.is_err() || moved == token);
    }

    #[test]
    fn no_bytes_panic(bytes in any::<Vec<u8>>(), text in "[A-Za-z0-9_.{}\":,-]{0,80}") {
        for bytes in [bytes.as_slice(), text.as_bytes()] {
            _ = Compact::parse(bytes, 4096);
            _ = JwkSet::parse(bytes, &Algorithm::ALL);
            _ = json::parse_object(bytes, 4096);
            _ = VerifyingKey::from_pem(bytes, &Algorithm::ALL);
            _ = SigningKey::from_pem(bytes, &Algorithm::ALL);
        }
    }

    #[test]
    fn no_document_in_pem_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..80), place in any::<prop::sample::Index>(), byte: u8) {
        use rustls_pki_types::pem::PemObject;
        let known = rustls_pki_types::SubjectPublicKeyInfoDer::from_pem_slice(include_bytes!("../testdata/rsa-public.pem")).unwrap();
        let mut changed = known.to_vec();
        let place = place.index(changed.len());
        changed[place] = byte;
        bytes.insert(0, 0x30);
        for (label, document) in [("PUBLIC KEY", &changed), ("PUBLIC KEY", &bytes), ("PRIVATE KEY", &bytes), ("EC PRIVATE KEY", &bytes)] {
            let pem = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, document));
            _ = VerifyingKey::from_pem(pem.as_bytes(), &[Algorithm::Rs256, Algorithm::Es256]);
            _ = SigningKey::from_pem(pem.as_bytes(), &[Algorithm::Rs256, Algorithm::Es256]);
        }
    }
}
