//! TLS of the listener: one certificate, clients' certificates where they are wanted, ALPN for HTTP/2 and HTTP/1.1 (RFC
//! 7301). Taken anew when files change; connections that are there keep what they began with.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use gwanmun_config::{Diagnostic, Diagnostics, Files, Sources, Spanned};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use tokio_rustls::TlsAcceptor;

use crate::settings::{ClientAuth, ServerTlsSpec};

/// The certificate of a client, which leads to one of `client-ca`. An extension of each of its requests:
/// `Extension<ClientCertificate>`.
#[derive(Debug, Clone)]
pub struct ClientCertificate(Arc<CertificateDer<'static>>);

impl ClientCertificate {
    /// The certificate, DER.
    pub fn der(&self) -> &[u8] {
        &self.0
    }

    /// The host names that it is for.
    pub fn dns_names(&self) -> Vec<String> {
        let leaf = webpki::EndEntityCert::try_from(&*self.0);
        leaf.map_or_else(|_| Vec::new(), |leaf| leaf.valid_dns_names().map(str::to_owned).collect())
    }

    /// The URIs that it is for: `spiffe://corp/orders`.
    pub fn uris(&self) -> Vec<String> {
        let leaf = webpki::EndEntityCert::try_from(&*self.0);
        leaf.map_or_else(|_| Vec::new(), |leaf| leaf.valid_uri_names().map(str::to_owned).collect())
    }

    /// What a client has shown in its handshake.
    pub(super) fn of(connection: &ServerConnection) -> Option<Self> {
        let leaf = connection.peer_certificates()?.first()?;
        Some(Self(Arc::new(leaf.clone().into_owned())))
    }
}

/// TLS as the settings want it. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Tls(Arc<ArcSwap<ServerConfig>>);

impl Tls {
    /// Reads the files that `spec` names; what is wrong with them is told.
    pub(crate) fn load(
        spec: &ServerTlsSpec,
        sources: &Sources,
        files: &mut Files,
        mistakes: &mut Diagnostics,
    ) -> Option<Self> {
        let mut path_of = |written: &Spanned<String>| {
            let path = sources.directory(written.span.source).join(&written.value);
            files.note(&path);
            path
        };
        let (certificate, key) = (path_of(&spec.certificate), path_of(&spec.key));
        let authorities = spec.client_ca.as_ref().map(|written| (path_of(written), written.span));
        let mut refuse = |span, why: String| mistakes.push(Diagnostic::error(why, span));
        let verifier = match (spec.client_auth.as_ref().map(|wanted| (wanted.value, wanted.span)), authorities) {
            (Some((ClientAuth::None, _)) | None, None) => Ok(None),
            (Some((ClientAuth::None, _)), Some(_)) => Ok(None),
            (Some((_, span)), None) => Err((span, "client-auth needs client-ca: the authorities to trust".to_owned())),
            (wanted, Some((path, span))) => {
                verifier(&path, wanted.map(|(wanted, _)| wanted)).map(Some).map_err(|why| (span, why))
            }
        };
        let verifier = verifier.map_err(|(span, why)| refuse(span, why)).ok();
        let chain = certificates(&certificate).map_err(|why| refuse(spec.certificate.span, why)).ok();
        let private = PrivateKeyDer::from_pem_file(&key)
            .map_err(|error| format!("'{}' cannot be read as a PEM private key: {error}", key.display()))
            .map_err(|why| refuse(spec.key.span, why))
            .ok();
        let config = config(verifier?, chain?, private?, &certificate, &key);
        let config = config.map_err(|why| refuse(spec.certificate.span, why)).ok()?;
        Some(Self(Arc::new(ArcSwap::from_pointee(config))))
    }

    /// Goes on as `other`, from the next connection on.
    pub(crate) fn become_like(&self, other: &Self) {
        self.0.store(other.0.load_full());
    }

    /// What the next connection begins with.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.load_full())
    }
}

fn config(
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    chain: Vec<CertificateDer<'static>>,
    private: PrivateKeyDer<'static>,
    certificate: &Path,
    key: &Path,
) -> Result<ServerConfig, String> {
    let builder = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let (certificate, key) = (certificate.display(), key.display());
    let mut config = builder.with_single_cert(chain, private).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => format!("'{certificate}' is not the certificate of the key '{key}'"),
        _ => format!("'{certificate}' and '{key}' cannot be used together: {error}"),
    })?;
    // Our order of cipher suites counts, not the client's.
    config.ignore_client_order = true;
    // One ticket is enough to resume.
    config.send_tls13_tickets = 1;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()
        .map_err(|error| format!("session tickets cannot be set up: {error}"))?;
    Ok(config)
}

fn verifier(authorities: &Path, wanted: Option<ClientAuth>) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authorities)? {
        let added = roots.add(certificate);
        added
            .map_err(|error| format!("'{}' has a certificate that is no authority: {error}", authorities.display()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider()));
    let builder = if wanted == Some(ClientAuth::Optional) { builder.allow_unauthenticated() } else { builder };
    builder.build().map_err(|error| format!("client certificates cannot be verified: {error}"))
}

/// The certificates in a PEM file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match found {
        Ok(certificates) if certificates.is_empty() => Err(format!("'{}' has no certificate in it", path.display())),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(format!("'{}' cannot be read as PEM certificates: {error}", path.display())),
    }
}

/// AES-128 first: it is the cheapest of the strong ones.
fn provider() -> CryptoProvider {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
    provider
}
