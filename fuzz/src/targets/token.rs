//! Tokens: a text has one reading, a stranger's is never believed, and claims that are believed are as expected.

use std::time::{Duration, UNIX_EPOCH};

use gwanmun_jose::{Algorithm, Compact, Expect, JwkSet, SigningKey, base64url, sign};

use crate::pieces::Choices;

const LONGEST: usize = 4096;
const NOW: u64 = 1_800_000_000;

/// The input's first byte chooses what the rest is: a token, a header, or claims that are signed with a known key.
pub(crate) fn run(input: &[u8]) {
    let key = SigningKey::from_secret(&[7; 32], Algorithm::Hs256).expect("the secret is long enough");
    let keys = JwkSet::of([key.verifying_key().clone()]).expect("it is one key");
    let expect = Expect {
        issuers: vec!["a".to_owned()],
        audiences: vec!["b".to_owned()],
        leeway: Duration::from_secs(30),
        ..Expect::default()
    };
    let now = UNIX_EPOCH + Duration::from_secs(NOW);
    let mut choices = Choices::of(input);
    match choices.one_of(3) {
        0 => stranger(choices.rest(), &keys),
        1 => stranger(format!("{}.e30.AA", base64url::encode(choices.rest())).as_bytes(), &keys),
        _ => {
            let token = sign(&key, None, choices.rest()).expect("HMAC signs anything");
            let Ok(verified) = expect.verify(token.as_bytes(), usize::MAX, &keys, now) else { return };
            assert!(!verified.subject.is_empty());
            assert!(verified.expires + expect.leeway > now);
            assert_eq!(verified.claims.get("iss").and_then(|issuer| issuer.as_str()), Some("a"));
            let audience = verified.claims.get("aud").expect("it was asked for");
            let several = audience.as_array().map_or(std::slice::from_ref(audience), Vec::as_slice);
            assert!(several.iter().any(|audience| audience == "b"));
        }
    }
}

fn stranger(token: &[u8], keys: &JwkSet) {
    let Ok(read) = Compact::parse(token, LONGEST) else { return };
    assert!(token.len() <= LONGEST);
    let parts: Vec<&[u8]> = token.split(|byte| *byte == b'.').collect();
    let [header, payload, signature] = parts.as_slice() else { panic!("{} parts", parts.len()) };
    for part in [header, payload, signature] {
        let bytes = base64url::decode(part).expect("every part is base64url");
        assert_eq!(base64url::encode(&bytes).as_bytes(), *part, "it could be spelled in another way");
    }
    if let Ok(key) = keys.key_for(read.kid(), read.algorithm()) {
        assert!(read.verify(key).is_err(), "nobody knows the secret");
    }
    _ = read.unverified_issuer();
}
