//! What a guarded row asks of every request: a signed token. Key and tokens (ES256) come from the `openssl` command, so that
//! nothing that is measured has made them.
#![cfg_attr(not(test), expect(dead_code, reason = "no row is guarded yet"))]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::failure::{Failure, While};
use crate::steps;

/// Who signs, `iss`.
pub(crate) const ISSUER: &str = "https://issuer.bench.test";
/// Whom tokens are for, `aud`.
pub(crate) const AUDIENCE: &str = "gateway";
/// How many good tokens a proxy remembers that remembers any.
pub(crate) const REMEMBERED: usize = 10_000;

/// How long tokens live: longer than any bench.
const LIFETIME_SECONDS: u64 = 24 * 60 * 60;

/// What a proxy needs to know to verify tokens of the one issuer.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    /// The issuer's keys, a JWK set.
    pub(crate) jwks: String,
    /// Whether a token seen before is verified again.
    pub(crate) memory: Memory,
}

/// What a proxy may remember of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Memory {
    /// Nothing: each request costs a verification.
    None,
    /// [`REMEMBERED`] tokens that were good.
    OfGoodTokens,
}

/// A key that signs tokens.
pub(crate) struct Mint {
    folder: PathBuf,
    key: PathBuf,
    jwks: String,
}

impl Mint {
    /// Makes a key in a folder.
    pub(crate) fn make(folder: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(folder).while_doing(folder.display())?;
        let (key, public) = (folder.join("token-key.pem"), folder.join("token-key.der"));
        let mut generate = Command::new("openssl");
        generate.args(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"]).arg(&key);
        steps::output(generate)?;
        let mut export = Command::new("openssl");
        export.args(["pkey", "-pubout", "-outform", "DER", "-in"]).arg(&key).arg("-out").arg(&public);
        steps::output(export)?;
        let der = fs::read(&public).while_doing(public.display())?;
        // The point is the last in it.
        let (rest, y) = der.split_last_chunk::<32>().ok_or_else(|| Failure::new("no point in a public key"))?;
        let (_, x) = rest.split_last_chunk::<32>().ok_or_else(|| Failure::new("no point in a public key"))?;
        let jwk = json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "bench",
            "x": base64url(x), "y": base64url(y)});
        Ok(Self { folder: folder.to_owned(), key, jwks: json!({"keys": [jwk]}).to_string() })
    }

    /// What a proxy needs to know of it.
    pub(crate) fn guard(&self, memory: Memory) -> Guard {
        Guard { jwks: self.jwks.clone(), memory }
    }

    /// A good token of a subject.
    pub(crate) fn token(&self, subject: &str) -> Result<String, Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).while_doing("reading the clock")?.as_secs();
        let header = json!({"alg": "ES256", "kid": "bench", "typ": "JWT"});
        let claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + LIFETIME_SECONDS,
            "roles": ["member"], "scope": "orders.read"});
        let part = |value: Value| base64url(value.to_string().as_bytes());
        let message = format!("{}.{}", part(header), part(claims));
        let (file, signature) = (self.folder.join("token"), self.folder.join("token-signature.der"));
        fs::write(&file, &message).while_doing(file.display())?;
        let mut sign = Command::new("openssl");
        sign.args(["dgst", "-sha256", "-sign"]).arg(&self.key).arg("-out").arg(&signature).arg(&file);
        steps::output(sign)?;
        let der = fs::read(&signature).while_doing(signature.display())?;
        let signature = fixed(&der).ok_or_else(|| Failure::new("an ECDSA signature in DER was wanted of openssl"))?;
        Ok(format!("{message}.{}", base64url(&signature)))
    }
}

/// Both integers of an ECDSA signature in DER, 32 bytes each, as a JWS has them (RFC 7518, section 3.4).
fn fixed(der: &[u8]) -> Option<Vec<u8>> {
    let integers = der.strip_prefix(&[0x30])?.split_first()?.1;
    let (r, rest) = integer(integers)?;
    let (s, _) = integer(rest)?;
    Some([r, s].concat())
}

/// The integer that an element at the beginning of `der` holds, in 32 bytes, and what follows it.
fn integer(der: &[u8]) -> Option<([u8; 32], &[u8])> {
    let (length, rest) = der.strip_prefix(&[0x02])?.split_first()?;
    let (digits, rest) = rest.split_at_checked(usize::from(*length))?;
    let digits = digits.strip_prefix(&[0]).unwrap_or(digits);
    let mut fixed = [0; 32];
    let begin = fixed.len().checked_sub(digits.len())?;
    fixed.get_mut(begin..)?.copy_from_slice(digits);
    Some((fixed, rest))
}

/// Without padding, in the alphabet of URLs.
fn base64url(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().chain(&[0, 0]).take(3).fold(0_u32, |group, byte| group << 8 | u32::from(*byte));
        let letters = [18, 12, 6, 0].map(|shift| group >> shift & 63);
        text.extend(letters.iter().take(chunk.len() + 1).filter_map(|value| letter(*value)));
    }
    text
}

fn letter(value: u32) -> Option<char> {
    let code = match value {
        0..26 => u32::from('A') + value,
        26..52 => u32::from('a') + value - 26,
        52..62 => u32::from('0') + value - 52,
        62 => u32::from('-'),
        _ => u32::from('_'),
    };
    char::from_u32(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_spelt_as_urls_have_them() {
        let spelt = [&b""[..], b"f", b"fo", b"foo", b"foob", &[0xfb, 0xff]].map(base64url);
        assert_eq!(spelt, ["", "Zg", "Zm8", "Zm9v", "Zm9vYg", "-_8"]);
    }

    #[test]
    fn short_and_positive_integers_of_a_signature_become_32_bytes() {
        let der = [&[0x30, 0x27, 0x02, 0x02, 0x01, 0x02, 0x02, 0x21, 0x00][..], &[0x80; 32]].concat();
        let signature = fixed(&der).unwrap();
        assert_eq!((signature.len(), &signature[29..34]), (64, &[0, 1, 2, 0x80, 0x80][..]));
        assert_eq!(fixed(&der[..20]), None);
    }

    #[test]
    fn a_token_has_three_parts_and_its_key_is_published() {
        let folder = crate::workspace::target().join(format!("tmp/mint-{}", std::process::id()));
        let mint = Mint::make(&folder).unwrap();
        let token = mint.token("u1").unwrap();
        assert_eq!(token.split('.').map(str::len).collect::<Vec<_>>().last(), Some(&86));
        let jwks: Value = serde_json::from_str(&mint.guard(Memory::None).jwks).unwrap();
        assert_eq!(jwks["keys"][0]["x"].as_str().map(str::len), Some(43));
        fs::remove_dir_all(folder).unwrap();
    }
}
