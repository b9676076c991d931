//! One JWK (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2) becomes a key.

use serde_json::{Map, Value};

use super::material::{Curve, Material};
use super::verifying::choose;
use super::{KeyError, VerifyingKey};
use crate::Algorithm;
use crate::base64url;

/// A longer `kid` names nothing.
const LONGEST_KID: usize = 256;

pub(super) fn read(jwk: &Map<String, Value>, allowed: &[Algorithm]) -> Result<VerifyingKey, KeyError> {
    let members = Members(jwk);
    let kty = members.text("kty")?.ok_or(KeyError::Missing("kty"))?;
    let material = match kty {
        "EC" => Some(members.ec()?),
        "OKP" => Some(members.okp()?),
        "RSA" => Some(Material::of_rsa(&members.bytes("n")?, &members.bytes("e")?)),
        "oct" => None,
        other => return Err(KeyError::UnknownType(KeyError::quoted(other))),
    };
    if !members.is_for_verifying()? {
        return Err(KeyError::NotForSignatures);
    }
    let named = match members.text("alg")? {
        Some(alg) => Some(alg.parse().map_err(|_| KeyError::UnknownAlgorithm(KeyError::quoted(alg)))?),
        None => None,
    };
    let key = match material {
        Some(_) if jwk.contains_key("d") => return Err(KeyError::Private),
        Some(material) => {
            let algorithm = choose(named, material.fitting(), allowed)?;
            VerifyingKey::public(material, algorithm)?
        }
        None => {
            let algorithm = choose(named, &[Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512], allowed)?;
            VerifyingKey::secret(&members.bytes("k")?, algorithm)?
        }
    };
    match members.text("kid")? {
        Some(kid) if kid.len() > LONGEST_KID => Err(KeyError::Invalid("kid")),
        Some(kid) => Ok(key.with_kid(kid)),
        None => Ok(key),
    }
}

struct Members<'a>(&'a Map<String, Value>);

impl<'a> Members<'a> {
    fn text(&self, name: &'static str) -> Result<Option<&'a str>, KeyError> {
        self.0.get(name).map(|value| value.as_str().ok_or(KeyError::Invalid(name))).transpose()
    }

    fn bytes(&self, name: &'static str) -> Result<Vec<u8>, KeyError> {
        let text = self.text(name)?.ok_or(KeyError::Missing(name))?;
        base64url::decode(text.as_bytes()).filter(|bytes| !bytes.is_empty()).ok_or(KeyError::Invalid(name))
    }

    fn ec(&self) -> Result<Material, KeyError> {
        let name = self.text("crv")?.ok_or(KeyError::Missing("crv"))?;
        let curve = Curve::ALL.into_iter().find(|curve| curve.name() == name);
        let curve = curve.ok_or_else(|| KeyError::UnknownCurve(KeyError::quoted(name)))?;
        Ok(Material::Ec { curve, x: self.bytes("x")?, y: self.bytes("y")? })
    }

    fn okp(&self) -> Result<Material, KeyError> {
        match self.text("crv")?.ok_or(KeyError::Missing("crv"))? {
            "Ed25519" => Ok(Material::Ed25519 { x: self.bytes("x")? }),
            other => Err(KeyError::UnknownCurve(KeyError::quoted(other))),
        }
    }

    /// What `use` and `key_ops` say, each where it is there (RFC 7517 sections 4.2 and 4.3).
    fn is_for_verifying(&self) -> Result<bool, KeyError> {
        let by_use = self.text("use")?.is_none_or(|purpose| purpose == "sig");
        let by_operations = match self.0.get("key_ops") {
            None => true,
            Some(Value::Array(operations)) => operations.iter().any(|operation| operation == "verify"),
            Some(_) => return Err(KeyError::Invalid("key_ops")),
        };
        Ok(by_use && by_operations)
    }
}
