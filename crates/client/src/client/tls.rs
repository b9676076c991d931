//! Whom to trust over `https`: the platform's authorities, or given ones. The certificate is always verified.

use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::call_error::CallError;

/// Whom to trust over `https`; by default the platform's authorities, which are read at the first such call.
#[derive(Debug, Clone, Default)]
pub struct Tls(Option<Arc<ClientConfig>>);

impl Tls {
    /// Trusts the authorities in `pem` and no others.
    ///
    /// # Errors
    /// There is none in it, or one cannot be used.
    pub fn with_authorities(pem: &[u8]) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| format!("these are no PEM certificates: {error}"))?;
            roots.add(certificate).map_err(|error| format!("an authority cannot be used: {error}"))?;
        }
        if roots.is_empty() {
            return Err("there is no certificate in it".to_owned());
        }
        Ok(Self(Some(config(roots)?)))
    }

    /// What a handshake needs.
    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, CallError> {
        static PLATFORM: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();
        match &self.0 {
            Some(config) => Ok(Arc::clone(config)),
            None => PLATFORM.get_or_init(|| config(platform())).clone().map_err(|why| CallError::Tls(why.into())),
        }
    }
}

fn config(roots: RootCertStore) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn platform() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(event = "trust-anchors", %error, "some of the platform's authorities cannot be read");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    roots
}
