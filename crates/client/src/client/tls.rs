//! Whom to trust over `https`: the platform's authorities, or given ones; and who we are, where the other side wants a
//! certificate. The other side's certificate is always verified.

use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::call_error::CallError;
use crate::client::settings::Protocol;

/// How HTTP/2 is called while TLS is agreed on.
pub(crate) const HTTP_2: &[u8] = b"h2";

/// Whom to trust over `https`; by default the platform's authorities, which are read at the first such call.
#[derive(Debug, Clone, Default)]
pub struct Tls(Option<Arc<ClientConfig>>);

impl Tls {
    /// Trusts the authorities in `pem` and no others.
    ///
    /// # Errors
    /// There is none in it, or one cannot be used.
    pub fn with_authorities(pem: &[u8]) -> Result<Self, String> {
        Ok(Self(Some(config(authorities(pem)?, None)?)))
    }

    /// Shows the certificate in `certificate`, whose chain may follow it, with the private key in `key`, all PEM; trusts
    /// the authorities in `authorities`, or the platform's.
    ///
    /// # Errors
    /// One of them cannot be used, or the key is not the certificate's.
    pub fn with_identity(authorities: Option<&[u8]>, certificate: &[u8], key: &[u8]) -> Result<Self, String> {
        let chain = certificates(certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| format!("there is no private key: {error}"))?;
        let roots = authorities.map_or_else(|| Ok(platform()), self::authorities)?;
        Ok(Self(Some(config(roots, Some((chain, key)))?)))
    }

    /// What a handshake needs.
    pub(crate) fn config(&self, protocol: Protocol) -> Result<Arc<ClientConfig>, CallError> {
        let mut config = self.trusting()?;
        if protocol == Protocol::Http2 {
            Arc::make_mut(&mut config).alpn_protocols = vec![HTTP_2.to_vec()];
        }
        Ok(config)
    }

    fn trusting(&self) -> Result<Arc<ClientConfig>, CallError> {
        static PLATFORM: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();
        match &self.0 {
            Some(config) => Ok(Arc::clone(config)),
            None => PLATFORM.get_or_init(|| config(platform(), None)).clone().map_err(|why| CallError::Tls(why.into())),
        }
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let read = read.map_err(|error| format!("these are no PEM certificates: {error}"))?;
    if read.is_empty() { Err("there is no certificate in it".to_owned()) } else { Ok(read) }
}

fn authorities(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(|error| format!("an authority cannot be used: {error}"))?;
    }
    Ok(roots)
}

/// Who we are.
type Own = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn config(roots: RootCertStore, own: Option<Own>) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let builder = builder.with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| format!("the certificate and its key cannot be used: {error}"))?,
    };
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
