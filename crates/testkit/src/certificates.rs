//! Certificates for tests: an authority of their own and what it signs.

mod draft;

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DistinguishedName, DnType,
    IsCa, KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

pub use draft::Draft;

/// An authority that nobody trusts but who is given its certificate.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Its own certificate and those above it but the root's, which clients send along.
    path: Vec<CertificateDer<'static>>,
    path_pem: String,
}

/// A certificate with its key.
pub struct Identity {
    /// The certificate and those that lead to its authority.
    certificates: Vec<CertificateDer<'static>>,
    chain: String,
    serial: SerialNumber,
    key: KeyPair,
    clients: Option<RootCertStore>,
}

impl Authority {
    /// A new authority.
    #[expect(clippy::new_without_default, reason = "every one is another")]
    pub fn new() -> Self {
        Self::called("authority")
    }

    /// A new authority whose subject has this common name; those of [`Authority::new`] have all the same.
    pub fn called(name: &str) -> Self {
        let issuer = CertifiedIssuer::self_signed(authority(name), KeyPair::generate().unwrap()).unwrap();
        Self { issuer, path: Vec::new(), path_pem: String::new() }
    }

    /// An authority that this one vouches for. What it signs is sent with its certificate.
    pub fn intermediate(&self) -> Self {
        let parameters = authority(&format!("intermediate {}", self.path.len() + 1));
        let issuer = CertifiedIssuer::signed_by(parameters, KeyPair::generate().unwrap(), &self.issuer).unwrap();
        let path = [&[issuer.der().clone()], &self.path[..]].concat();
        let path_pem = issuer.pem() + &self.path_pem;
        Self { issuer, path, path_pem }
    }

    /// A list of what it has revoked, PEM, which is replaced before the year `next_update`.
    pub fn revoking(&self, identities: &[&Identity], next_update: i32) -> String {
        let revoked = |identity: &&Identity| RevokedCertParams {
            serial_number: identity.serial.clone(),
            revocation_time: date_time_ymd(2000, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2000, 1, 1),
            next_update: date_time_ymd(next_update, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: identities.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    /// The authority's own certificate and key, as if it were a client.
    pub fn as_client(&self) -> Identity {
        let key = KeyPair::from_pem(&self.issuer.key().serialize_pem()).unwrap();
        let certificates = vec![self.issuer.der().clone()];
        Identity { certificates, chain: self.issuer.pem(), serial: SerialNumber::from(0), key, clients: None }
    }

    /// Its certificate, PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Signs a certificate for DNS names and addresses.
    pub fn issue(&self, names: &[&str]) -> Identity {
        self.sign(names, |_| {})
    }

    /// Signs one that was valid long ago.
    pub fn issue_expired(&self, names: &[&str]) -> Identity {
        self.sign(names, |parameters| parameters.not_after = rcgen::date_time_ymd(2001, 1, 1))
    }

    fn sign(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = CertificateParams::new(names).unwrap();
        parameters.distinguished_name = named("service");
        change(&mut parameters);
        self.signed(parameters, KeyPair::generate().unwrap())
    }

    fn signed(&self, mut parameters: CertificateParams, key: KeyPair) -> Identity {
        let serial = serial();
        parameters.serial_number = Some(serial.clone());
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let certificates = [&[certificate.der().clone()], &self.path[..]].concat();
        Identity { certificates, chain: certificate.pem() + &self.path_pem, serial, key, clients: None }
    }

    /// A client that trusts this authority only and says who it is if it is asked.
    pub(crate) fn client(&self, alpn: &[&str], identity: Option<&Identity>) -> ClientConfig {
        let builder =
            ClientConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
        let builder = builder.unwrap().with_root_certificates(self.roots());
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                // Without a look at whether certificate and key belong together.
                let key = any_supported_type(&identity.private_key()).unwrap();
                let shown = CertifiedKey::new(identity.certificates.clone(), key);
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown)))
            }
        };
        config.alpn_protocols = protocols(alpn);
        config
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }
}

impl Identity {
    /// A server with this certificate asks for one that `authority` has signed.
    #[must_use]
    pub fn asking_clients(mut self, authority: &Authority) -> Self {
        self.clients = Some(authority.roots());
        self
    }

    /// This certificate in the hands of somebody who has another key.
    #[must_use]
    pub fn stolen_by(&self, other: &Self) -> Self {
        let key = KeyPair::from_pem(&other.key()).unwrap();
        let (certificates, chain, serial) = (self.certificates.clone(), self.chain.clone(), self.serial.clone());
        Self { certificates, chain, serial, key, clients: None }
    }

    /// The certificate and those that lead to its authority, PEM.
    pub fn pem(&self) -> String {
        self.chain.clone()
    }

    /// The same, DER.
    pub fn der(&self) -> Vec<&[u8]> {
        self.certificates.iter().map(AsRef::as_ref).collect()
    }

    /// Its key, PEM.
    pub fn key(&self) -> String {
        self.key.serialize_pem()
    }

    /// A server with this certificate that speaks the protocols `alpn`.
    pub(crate) fn server(&self, alpn: &[&str]) -> ServerConfig {
        let builder =
            ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
        let builder = match &self.clients {
            None => builder.unwrap().with_no_client_auth(),
            Some(roots) => {
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots.clone()), Arc::new(default_provider()));
                builder.unwrap().with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let mut config = builder.with_single_cert(self.certificates.clone(), self.private_key()).unwrap();
        config.alpn_protocols = protocols(alpn);
        config
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = named(name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters
}

/// Another for every certificate.
fn serial() -> SerialNumber {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    // Positive, and not zero.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from_slice(&bytes)
}

/// OpenSSL takes a certificate for self-signed whose issuer has its own name.
fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

pub(crate) fn protocols(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| name.as_bytes().to_vec()).collect()
}
