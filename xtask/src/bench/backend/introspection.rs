//! `POST /introspect`: an authorization server as small as it gets (RFC 7662). It knows one token.

use serde_json::json;

/// The token it knows; to everybody else it means nothing.
pub(crate) const OPAQUE_TOKEN: &str = "an-opaque-token-of-the-bench-3c8f0d5e9b7a4f62";

/// More than a form with one token and a client's name has.
pub(super) const MAX_FORM: usize = 4096;

/// 2100-01-01: the token outlives every run.
const EXPIRES: u64 = 4_102_444_800;

/// The body of the answer to a form.
pub(super) fn answer_to(form: &[u8]) -> Vec<u8> {
    let mut fields = form.split(|byte| *byte == b'&');
    let token = fields.find_map(|field| field.strip_prefix(b"token="));
    let answer = if token == Some(OPAQUE_TOKEN.as_bytes()) {
        json!({
            "active": true,
            "iss": "https://idp.example",
            "aud": "gateway",
            "sub": "user-opaque",
            "client_id": "bench-app",
            "scope": "openid orders.read",
            "roles": ["member"],
            "token_type": "Bearer",
            "iat": 1_700_000_000,
            "exp": EXPIRES,
        })
    } else {
        json!({"active": false})
    };
    answer.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_active(form: &str) -> bool {
        serde_json::from_slice::<serde_json::Value>(&answer_to(form.as_bytes())).unwrap()["active"] == true
    }

    #[test]
    fn one_token_is_active_and_no_other() {
        assert!(is_active(&format!("token_type_hint=access_token&token={OPAQUE_TOKEN}&client_id=a")));
        for form in [String::new(), "token=x".to_owned(), format!("token={OPAQUE_TOKEN}-not"), OPAQUE_TOKEN.to_owned()]
        {
            assert!(!is_active(&form), "{form}");
        }
    }
}
