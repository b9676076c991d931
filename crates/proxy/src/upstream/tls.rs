//! TLS towards upstreams: their certificate is always verified, against the platform's authorities or given ones.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

/// What a handshake with an endpoint needs.
#[derive(Debug, Clone)]
pub(crate) struct ClientTls {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) name: ServerName<'static>,
}

impl ClientTls {
    /// For a server that must be called `name`.
    pub(crate) fn new(config: Arc<ClientConfig>, name: &str) -> Result<Self, String> {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| format!("'{name}' is no name a certificate could have"))?;
        Ok(Self { config, name })
    }
}

/// The settings of an upstream, as paths.
#[derive(Debug, Default)]
pub(crate) struct ClientTlsFiles<'a> {
    pub(crate) ca: Option<&'a Path>,
    pub(crate) identity: Option<(&'a Path, &'a Path)>,
}

/// Reads the files and makes a client configuration that offers HTTP/2 and HTTP/1.1.
///
/// # Errors
/// A sentence naming the file.
pub(crate) fn client_config(files: &ClientTlsFiles<'_>) -> Result<Arc<ClientConfig>, String> {
    let roots = match files.ca {
        Some(path) => Arc::new(authorities(path)?),
        None => platform_authorities(),
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?
        .with_root_certificates(roots);
    let mut config = match files.identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder
            .with_client_auth_cert(certificates(chain)?, private_key(key)?)
            .map_err(|error| unfit(&error, chain, key))?,
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The certificates in a PEM file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match found {
        Ok(certificates) if certificates.is_empty() => Err(format!("'{}' has no certificate in it", path.display())),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(format!("'{}' cannot be read as PEM certificates: {error}", path.display())),
    }
}

/// The private key in a PEM file.
pub(crate) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|error| format!("'{}' cannot be read as a PEM private key: {error}", path.display()))
}

/// Why a chain and a key cannot be used together.
pub(crate) fn unfit(error: &rustls::Error, chain: &Path, key: &Path) -> String {
    let (chain, key) = (chain.display(), key.display());
    match error {
        rustls::Error::InconsistentKeys(_) => format!("'{chain}' is not the certificate of the key '{key}'"),
        _ => format!("'{chain}' and '{key}' cannot be used together: {error}"),
    }
}

/// The authorities in a PEM file.
pub(crate) fn authorities(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| format!("'{}' has an unusable authority in it: {error}", path.display()))?;
    }
    Ok(roots)
}

fn platform_authorities() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let load = || {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(event = "trust-anchors", %error, "some of the platform's authorities cannot be read");
        }
        roots.add_parsable_certificates(found.certs);
        Arc::new(roots)
    };
    Arc::clone(ROOTS.get_or_init(load))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_another_certificate_is_told_in_words() {
        let error = rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch);
        let said = unfit(&error, Path::new("a.pem"), Path::new("b.key"));
        assert_eq!(said, "'a.pem' is not the certificate of the key 'b.key'");
        let said = unfit(&rustls::Error::NoCertificatesPresented, Path::new("a.pem"), Path::new("b.key"));
        assert!(said.starts_with("'a.pem' and 'b.key' cannot be used together: "), "{said}");
    }
}
