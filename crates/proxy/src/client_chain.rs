//! The certificates that a client showed in its TLS handshake, which proved that it has the key of the first. Whether
//! anybody vouches for them is another question: the listener may have asked it (`client-ca`), `client-cert` does.

use aws_lc_rs::digest::{Context, SHA256};
use rustls::pki_types::CertificateDer;

/// A client's certificate and what it sent along to lead to an authority.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientChain {
    certificates: Vec<CertificateDer<'static>>,
    hash: [u8; 32],
}

impl ClientChain {
    /// These certificates (DER), the client's own first; `None` where there are none.
    pub fn new<'c>(certificates: impl IntoIterator<Item = &'c [u8]>) -> Option<Self> {
        let mut context = Context::new(&SHA256);
        let mut owned = Vec::new();
        for certificate in certificates {
            // With its length, so that no other chain has the same bytes.
            context.update(&certificate.len().to_be_bytes());
            context.update(certificate);
            owned.push(CertificateDer::from(certificate.to_vec()));
        }
        let mut hash = [0; 32];
        hash.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
        (!owned.is_empty()).then_some(Self { certificates: owned, hash })
    }

    /// The certificates, the client's own first.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// A SHA-256 that no other chain has: what caches know it by, computed once for the connection.
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_told_apart_by_where_certificates_end() {
        let chain = |certificates: &[&'static [u8]]| ClientChain::new(certificates.iter().copied());
        assert_eq!(chain(&[]), None);
        let hashes = [&[&b"ab"[..], b"c"][..], &[b"a", b"bc"], &[b"abc"], &[b"abc", b""]]
            .map(|certificates| *chain(certificates).unwrap().hash());
        for (place, hash) in hashes.iter().enumerate() {
            assert_eq!(hashes.iter().position(|other| other == hash), Some(place));
        }
        assert_eq!(chain(&[b"a", b"b"]).unwrap().certificates()[1].as_ref(), b"b");
    }
}
