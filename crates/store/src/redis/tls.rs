//! TLS to Redis: whom we trust and who we are.

use std::fmt;
use std::sync::Arc;

use gwanmun_core::Secret;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

/// Whom to trust and who we are; all of it PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// The authorities to trust instead of the platform's.
    pub authorities: Option<Vec<u8>>,
    /// Our certificate, with those between it and its authority, and its key: Redis asks for one unless told not to.
    pub identity: Option<(Vec<u8>, Secret<Vec<u8>>)>,
}

/// Why there can be no TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsError {
    /// No usable certificate of an authority.
    Authorities(String),
    /// A certificate or key of ours that cannot be used.
    Identity(String),
}

impl TlsSettings {
    pub(crate) fn connector(&self) -> Result<TlsConnector, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| TlsError::Identity(error.to_string()))?;
        let builder = builder.with_root_certificates(self.roots()?);
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = certificates(chain).map_err(TlsError::Identity)?;
                let key = PrivateKeyDer::from_pem_slice(key.expose());
                let key = key.map_err(|error| TlsError::Identity(format!("found no PEM private key: {error}")))?;
                builder.with_client_auth_cert(chain, key).map_err(|error| TlsError::Identity(error.to_string()))?
            }
        };
        Ok(TlsConnector::from(Arc::new(config)))
    }

    fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        match &self.authorities {
            Some(pem) => {
                for certificate in certificates(pem).map_err(TlsError::Authorities)? {
                    roots.add(certificate).map_err(|error| TlsError::Authorities(error.to_string()))?;
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        match roots.is_empty() {
            true => Err(TlsError::Authorities("the platform has none".to_owned())),
            false => Ok(roots),
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authorities(detail) => write!(f, "no authority to trust the store's certificate by: {detail}"),
            Self::Identity(detail) => write!(f, "our certificate for the store cannot be used: {detail}"),
        }
    }
}

impl std::error::Error for TlsError {}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(certificates) if certificates.is_empty() => Err("found no PEM certificate".to_owned()),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(format!("found no PEM certificates: {error}")),
    }
}
