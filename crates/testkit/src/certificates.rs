//! Certificates for tests: an authority of their own and what it signs.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// An authority that nobody trusts but who is given its certificate.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
pub struct Identity {
    certificate: CertificateDer<'static>,
    chain: String,
    key: KeyPair,
    clients: Option<RootCertStore>,
}

impl Authority {
    /// A new authority.
    #[expect(clippy::new_without_default, reason = "every one is another")]
    pub fn new() -> Self {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = named("authority");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap())
    }

    /// The authority's certificate, PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
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
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = CertificateParams::new(names).unwrap();
        parameters.distinguished_name = named("service");
        change(&mut parameters);
        let certificate = parameters.signed_by(&key, &self.0).unwrap();
        Identity { certificate: certificate.der().clone(), chain: certificate.pem(), key, clients: None }
    }

    /// A client that trusts this authority only and says who it is if it is asked.
    pub(crate) fn client(&self, alpn: &[&str], identity: Option<&Identity>) -> ClientConfig {
        let builder =
            ClientConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
        let builder = builder.unwrap().with_root_certificates(self.roots());
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                builder.with_client_auth_cert(vec![identity.certificate.clone()], identity.private_key()).unwrap()
            }
        };
        config.alpn_protocols = protocols(alpn);
        config
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
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

    /// The certificate, PEM.
    pub fn pem(&self) -> String {
        self.chain.clone()
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
        let mut config = builder.with_single_cert(vec![self.certificate.clone()], self.private_key()).unwrap();
        config.alpn_protocols = protocols(alpn);
        config
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }
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
