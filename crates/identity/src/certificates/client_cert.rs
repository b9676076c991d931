//! `Client-Cert` and `Client-Cert-Chain` (RFC 9440): certificates as byte sequences of structured fields (RFC 8941 section
//! 3.3.5), `:base64:`, as a proxy in front writes them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Malformed;

/// The certificate (DER) in a field value of `Client-Cert`: one byte sequence without parameters.
pub(super) fn certificate(value: &[u8]) -> Result<Vec<u8>, Malformed> {
    byte_sequence(value.trim_ascii())
}

/// The certificates in the field values of `Client-Cert-Chain`: lists of such byte sequences.
pub(super) fn chain(values: &[&[u8]]) -> Result<Vec<Vec<u8>>, Malformed> {
    let members = values.iter().flat_map(|value| value.split(|byte| *byte == b','));
    members.map(|member| byte_sequence(member.trim_ascii())).collect()
}

/// Canonical base64 between two colons, and not nothing.
fn byte_sequence(text: &[u8]) -> Result<Vec<u8>, Malformed> {
    let encoded = text.strip_prefix(b":").and_then(|text| text.strip_suffix(b":")).ok_or(Malformed)?;
    let bytes = STANDARD.decode(encoded).map_err(|_| Malformed)?;
    if bytes.is_empty() { Err(Malformed) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_byte_sequence_is_base64_between_colons() {
        assert_eq!(certificate(b":MAA=:"), Ok(vec![0x30, 0]));
        assert_eq!(certificate(b"  :MAA=: "), Ok(vec![0x30, 0]));
        assert_eq!(chain(&[b":MAA=:, :MAE=:", b":MAI=:"]), Ok(vec![vec![0x30, 0], vec![0x30, 1], vec![0x30, 2]]));
        assert_eq!(chain(&[]), Ok(vec![]));
    }

    #[test]
    fn what_is_not_quite_a_byte_sequence_is_malformed() {
        for value in [
            "",
            ":",
            "::",
            "MAA=",
            ":MAA=",
            "MAA=:",
            ":MAA:",
            ":MAB=:",
            ":MA A=:",
            ":MAA=:;a=b",
            ":MAA=:, :MAA=:",
            ":MAA-:",
            ":MAA_:",
            "\":MAA=:\"",
            ":-----BEGIN CERTIFICATE-----:",
            "::MAA=::",
        ] {
            assert_eq!(certificate(value.as_bytes()), Err(Malformed), "{value}");
        }
        for value in ["", ",", ":MAA=:,", ",:MAA=:", ":MAA=:,,:MAA=:", ":MAA=: :MAA=:", "(:MAA=:)"] {
            assert_eq!(chain(&[value.as_bytes()]), Err(Malformed), "{value}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_and_in_one_form_only(bytes in prop::collection::vec(any::<u8>(), 1..200)) {
            let text = format!(":{}:", STANDARD.encode(&bytes));
            prop_assert_eq!(certificate(text.as_bytes()), Ok(bytes));
        }

        #[test]
        fn what_is_read_is_written_the_same(value in "[:A-Za-z0-9+/=, ]{0,40}") {
            if let Ok(bytes) = certificate(value.as_bytes()) {
                prop_assert_eq!(format!(":{}:", STANDARD.encode(bytes)), value.trim());
            }
        }
    }
}
