//! TLS at a listener: certificates by SNI (RFC 6066), ALPN (RFC 7301) for HTTP/2 and HTTP/1.1.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::rustls;

use crate::listen::unverified::Unverified;
use crate::spec::ClientAuth;
use crate::upstream::tls::{authorities, certificates, private_key, unfit};

/// What a listener wants of clients' certificates.
pub(crate) struct ClientCertificates {
    pub(crate) wanted: ClientAuth,
    pub(crate) ca: Vec<PathBuf>,
    pub(crate) crl: Vec<PathBuf>,
}

/// Reads a chain and its key, which must belong together.
///
/// # Errors
/// A sentence naming the file.
pub(crate) fn certified_key(chain: &Path, key: &Path) -> Result<CertifiedKey, String> {
    CertifiedKey::from_der(certificates(chain)?, private_key(key)?, &provider())
        .map_err(|error| unfit(&error, chain, key))
}

/// A server configuration; the first certificate serves whoever asks for no name that is there.
///
/// # Errors
/// A sentence naming what is wrong.
pub(crate) fn server_config(
    keys: Vec<CertifiedKey>,
    clients: &ClientCertificates,
) -> Result<Arc<ServerConfig>, String> {
    let builder = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let builder = match verifier(clients)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(ByName::new(keys)?));
    // Our order of cipher suites counts, not the client's: see `provider`.
    config.ignore_client_order = true;
    // One ticket is enough to resume; each costs an encryption at every full handshake.
    config.send_tls13_tickets = 1;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()
        .map_err(|error| format!("session tickets cannot be set up: {error}"))?;
    Ok(Arc::new(config))
}

/// AES-128 first: it is the cheapest of the strong ones.
fn provider() -> CryptoProvider {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
    provider
}

fn verifier(clients: &ClientCertificates) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
    match clients.wanted {
        ClientAuth::None => return Ok(None),
        ClientAuth::Unverified => return Ok(Some(Arc::new(Unverified::new(&provider())))),
        ClientAuth::Optional | ClientAuth::Required => {}
    }
    if clients.ca.is_empty() {
        return Err("client-auth needs client-ca: the authorities to trust".to_owned());
    }
    let mut roots = RootCertStore::empty();
    for path in &clients.ca {
        roots.roots.extend(authorities(path)?.roots);
    }
    let mut lists = Vec::new();
    for path in &clients.crl {
        lists.extend(revocation_lists(path)?);
    }
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider()));
    if !lists.is_empty() {
        builder = builder.with_crls(lists).allow_unknown_revocation_status();
    }
    if clients.wanted == ClientAuth::Optional {
        builder = builder.allow_unauthenticated();
    }
    builder.build().map(Some).map_err(|error| format!("client certificates cannot be verified: {error}"))
}

/// The revocation lists in a PEM file, at least one.
fn revocation_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_file_iter(path).and_then(Iterator::collect);
    match found {
        Ok(lists) if lists.is_empty() => Err(format!("'{}' has no PEM revocation list in it", path.display())),
        Ok(lists) => Ok(lists),
        Err(error) => Err(format!("'{}' cannot be read as PEM revocation lists: {error}", path.display())),
    }
}

/// Certificates by the names in them.
#[derive(Debug)]
struct ByName {
    names: HashMap<String, Arc<CertifiedKey>>,
    default: Arc<CertifiedKey>,
}

impl ByName {
    fn new(keys: Vec<CertifiedKey>) -> Result<Self, String> {
        let mut names = HashMap::new();
        let mut default = None;
        for key in keys {
            let key = Arc::new(key);
            for name in names_of(&key) {
                names.entry(name).or_insert_with(|| Arc::clone(&key));
            }
            default.get_or_insert(key);
        }
        let default = default.ok_or("a TLS listener needs a certificate")?;
        Ok(Self { names, default })
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let Some(name) = hello.server_name() else { return Some(Arc::clone(&self.default)) };
        let name = name.to_ascii_lowercase();
        let exact = self.names.get(&name);
        let wildcard = || self.names.get(&format!("*.{}", name.split_once('.')?.1));
        Some(Arc::clone(exact.or_else(wildcard).unwrap_or(&self.default)))
    }
}

/// The DNS names a certificate is for, lower case.
fn names_of(key: &CertifiedKey) -> Vec<String> {
    let Ok(leaf) = key.end_entity_cert() else { return Vec::new() };
    let Ok(parsed) = webpki::EndEntityCert::try_from(leaf) else { return Vec::new() };
    parsed.valid_dns_names().map(str::to_ascii_lowercase).collect()
}
