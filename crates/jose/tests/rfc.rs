//! The examples of the RFCs: what they sign is verified, what they forge is refused.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests stand outside of them")]

use gwanmun_jose::{Algorithm, Compact, Expect, JwkSet, KeyError, Refusal, SigningKey, VerifyingKey, base64url};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// RFC 7515 appendix A: the payload that A.1 to A.3 sign.
const JOE: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

const A1_SECRET: &str = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";

const A1_SIGNATURE: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

const A2_MODULUS: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0\
    Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQ\
    OS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs9\
    1kzk2PAcDTW9gb54h4FRWyuXpoQ";

const A2_SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W\
    2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_\
    eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywl\
    VmtVrBp0igcN_IoypGlUPQGe77Rw";

const A3_SIGNATURE: &str = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

/// RFC 7520 section 4: the payload that everything there signs.
const FRODO: &str = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0a\
    GUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3Z\
    XB0IG9mZiB0by4";

/// RFC 7520 section 3.3.
const BILBO_MODULUS: &str = "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_A\
    JmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1\
    NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__k\
    RhuaxwUkRz5iaiQkqgc5gHdrNP5zw";

/// RFC 8037 appendix A.1.
const ED25519_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn key(jwk: &Value, algorithm: Algorithm) -> VerifyingKey {
    VerifyingKey::from_jwk(jwk.as_object().unwrap(), &[algorithm]).unwrap()
}

fn payload(token: &str, key: &VerifyingKey) -> Result<Vec<u8>, Refusal> {
    let token = Compact::parse(token.as_bytes(), 4096)?;
    token.verify(key).map(<[u8]>::to_vec)
}

/// Verified with its key; refused with its last byte changed.
fn holds(token: &str, key: &VerifyingKey) {
    let signed = token.split('.').nth(1).unwrap();
    assert_eq!(payload(token, key), Ok(base64url::decode(signed.as_bytes()).unwrap()));
    let (start, signature) = token.rsplit_once('.').unwrap();
    let mut signature = base64url::decode(signature.as_bytes()).unwrap();
    *signature.last_mut().unwrap() ^= 1;
    assert_eq!(payload(&format!("{start}.{}", base64url::encode(&signature)), key), Err(Refusal::BadSignature));
}

fn bilbo() -> Value {
    json!({"kty": "RSA", "kid": "bilbo.baggins@hobbiton.example", "use": "sig", "n": BILBO_MODULUS, "e": "AQAB"})
}

#[test]
fn rfc_7515_a_1_hs256() {
    let jwk = json!({"kty": "oct", "k": A1_SECRET});
    let token = format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{JOE}.{A1_SIGNATURE}");
    holds(&token, &key(&jwk, Algorithm::Hs256));
    let secret = SigningKey::from_secret(&base64url::decode(A1_SECRET.as_bytes()).unwrap(), Algorithm::Hs256).unwrap();
    let (signed, _) = token.rsplit_once('.').unwrap();
    assert_eq!(base64url::encode(&secret.sign(signed.as_bytes()).unwrap()), A1_SIGNATURE);
}

#[test]
fn rfc_7515_a_2_rs256() {
    let jwk = json!({"kty": "RSA", "n": A2_MODULUS, "e": "AQAB"});
    holds(&format!("eyJhbGciOiJSUzI1NiJ9.{JOE}.{A2_SIGNATURE}"), &key(&jwk, Algorithm::Rs256));
}

#[test]
fn rfc_7515_a_3_es256() {
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
    holds(&format!("eyJhbGciOiJFUzI1NiJ9.{JOE}.{A3_SIGNATURE}"), &key(&jwk, Algorithm::Es256));
}

#[test]
fn rfc_7515_a_5_an_unsecured_token_is_refused() {
    let token = format!("eyJhbGciOiJub25lIn0.{JOE}.");
    assert_eq!(Compact::parse(token.as_bytes(), 4096).map(|_| ()), Err(Refusal::WrongAlgorithm));
}

#[test]
fn rfc_7515_a_6_the_json_serialization_is_refused() {
    let token =
        json!({"payload": JOE, "signatures": [{"protected": "eyJhbGciOiJFUzI1NiJ9", "signature": A3_SIGNATURE}]});
    assert_eq!(Compact::parse(token.to_string().as_bytes(), 4096).map(|_| ()), Err(Refusal::Malformed));
}

#[test]
fn rfc_7515_e_a_critical_member_that_nobody_knows_is_refused() {
    let header = base64url::encode(
        br#"{"alg":"ES256","crit":["http://example.invalid/UNDEFINED"],"http://example.invalid/UNDEFINED":true}"#,
    );
    let token = format!("{header}.RkFJTA.{A3_SIGNATURE}");
    assert_eq!(Compact::parse(token.as_bytes(), 4096).map(|_| ()), Err(Refusal::UnknownCritical));
}

#[test]
fn rfc_7520_4_1_rs256() {
    let token = format!(
        "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.{FRODO}.MRjdkly7_-oTPTS3AXP41iQIGKa80A\
        0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0\
        RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6\
        L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg"
    );
    holds(&token, &key(&bilbo(), Algorithm::Rs256));
    assert_eq!(payload(&token, &key(&bilbo(), Algorithm::Rs384)), Err(Refusal::WrongAlgorithm));
    assert_eq!(payload(&token, &key(&bilbo(), Algorithm::Ps256)), Err(Refusal::WrongAlgorithm));
}

#[test]
fn rfc_7520_4_2_ps384() {
    let token = format!(
        "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.{FRODO}.cu22eBqkYDKgIlTpzDXGvaFfz6WGoz\
        7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQF\
        lfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6\
        uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw"
    );
    holds(&token, &key(&bilbo(), Algorithm::Ps384));
}

#[test]
fn rfc_7520_3_1_and_4_3_es512_is_not_spoken() {
    let jwk = json!({"kty": "EC", "kid": "bilbo.baggins@hobbiton.example", "use": "sig", "crv": "P-521",
        "x": "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt",
        "y": "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1"});
    let set = JwkSet::parse(json!({"keys": [jwk, bilbo()]}).to_string().as_bytes(), &[Algorithm::Rs256]).unwrap();
    assert_eq!(set.keys().len(), 1);
    assert_eq!(set.unusable()[0].reason, KeyError::UnknownCurve("P-521".to_owned()));
    let header = base64url::encode(br#"{"alg":"ES512","kid":"bilbo.baggins@hobbiton.example"}"#);
    let token = format!("{header}.{FRODO}.{A3_SIGNATURE}");
    assert_eq!(Compact::parse(token.as_bytes(), 4096).map(|_| ()), Err(Refusal::WrongAlgorithm));
}

#[test]
fn rfc_7520_3_4_a_private_key_in_a_set_is_refused() {
    let mut jwk = bilbo();
    jwk["d"] = json!("bWUC9B-EFRIo8kpGfh0ZuyGPvMNKvYWNtB_ikiH9k20eT");
    assert_eq!(
        VerifyingKey::from_jwk(jwk.as_object().unwrap(), &[Algorithm::Rs256]).map(|_| ()),
        Err(KeyError::Private)
    );
}

#[test]
fn rfc_7520_3_5_and_4_4_hs256() {
    let jwk = json!({"kty": "oct", "kid": "018c0ae5-4d9b-471b-bfd6-eef314bc7037", "use": "sig", "alg": "HS256",
        "k": "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"});
    let token = format!(
        "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9.{FRODO}.\
        s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0"
    );
    holds(&token, &key(&jwk, Algorithm::Hs256));
}

#[test]
fn rfc_7520_4_5_detached_content_is_not_the_content() {
    let jwk = json!({"kty": "oct", "alg": "HS256", "k": "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"});
    let token = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9..\
        s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0";
    assert_eq!(payload(token, &key(&jwk, Algorithm::Hs256)), Err(Refusal::BadSignature));
}

#[test]
fn rfc_8037_a_4_and_a_5_eddsa() {
    let key = key(&json!({"kty": "OKP", "crv": "Ed25519", "x": ED25519_X}), Algorithm::EdDsa);
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    holds(&format!("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.{signature}"), &key);
}

#[test]
fn rfc_8037_a_3_thumbprint() {
    let key = key(&json!({"kty": "OKP", "crv": "Ed25519", "x": ED25519_X}), Algorithm::EdDsa);
    assert_eq!(key.thumbprint().as_deref(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
}

#[test]
fn rfc_7638_3_1_thumbprint() {
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n\
        3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHz\
        u6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8aw\
        apJzKnqDKgw";
    let jwk = json!({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"});
    let key = key(&jwk, Algorithm::Rs256);
    assert_eq!(key.thumbprint().as_deref(), Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
    assert_eq!(key.public_jwk().unwrap()["n"], n);
}

#[test]
fn rfc_7519_3_1_the_first_example_has_no_subject() {
    let keys = JwkSet::of([key(&json!({"kty": "oct", "k": A1_SECRET}), Algorithm::Hs256)]).unwrap();
    let token = format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{JOE}.{A1_SIGNATURE}");
    let expect = Expect { issuers: vec!["joe".to_owned()], typ: Some("JWT".to_owned()), ..Expect::default() };
    let at = |seconds: u64| -> SystemTime { UNIX_EPOCH + Duration::from_secs(seconds) };
    let verify = |now| expect.verify(token.as_bytes(), 4096, &keys, now).map(|_| ());
    assert_eq!(verify(at(1_300_819_379)), Err(Refusal::MissingSubject));
    assert_eq!(verify(at(1_300_819_380)), Err(Refusal::Expired));
}
