//! `client-cert`: a user's certificate, shown in the TLS handshake or written into a header by a trusted proxy that ended
//! TLS. The certificate is verified here, wherever it comes from; what others than trusted proxies write is nothing.

use std::sync::Arc;

use gwanmun_config::{Spanned, did_you_mean};
use gwanmun_core::{Principal, Reason};
use gwanmun_identity::{CertificateHeader, Certificates, Identity, Refusal, Shown};
use gwanmun_proxy::{Invalid, Parts};
use http::HeaderValue;
use http::header::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use super::credential::{Carrier, Credential, Look};
use super::presented::Presented;

const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");
const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-client-cert");

/// The name of an entry under `identity.certificates`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ClientCertSpec(Spanned<String>);

struct ClientCert {
    people: Arc<Certificates>,
    carriers: [Carrier; 4],
}

impl ClientCertSpec {
    /// Those who are meant.
    pub(super) fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Credential>, Invalid> {
        let Self(name) = self;
        let identity =
            parts.sections.of::<Identity>().map_err(|absent| absent.needed("identity").or_within(name.span))?;
        let Some(people) = identity.certificates.get(&name.value) else {
            let message = format!("there is no '{}' under identity.certificates", name.value);
            let invalid = Invalid::within(name.span, message);
            return Err(match did_you_mean(&name, identity.certificates.keys().map(String::as_str)) {
                Some(close) => invalid.with_hint(format!("did you mean '{close}'?")),
                None => invalid,
            });
        };
        let headers = [CLIENT_CERT, CLIENT_CERT_CHAIN, FORWARDED].map(Carrier::Header);
        let [certificate, chain, forwarded] = headers;
        let carriers = [Carrier::Certificate, certificate, chain, forwarded];
        Ok(Box::new(ClientCert { people: Arc::clone(people), carriers }))
    }
}

impl Credential for ClientCert {
    fn name(&self) -> &str {
        self.people.credential()
    }

    fn carriers(&self) -> &[Carrier] {
        &self.carriers
    }

    fn look<'a>(&'a self, presented: &Presented<'_>) -> Look<'a> {
        match self.brought(presented) {
            Ok(None) => Look::NotOurs,
            Ok(Some(shown)) => Look::Decided(self.principal(presented, &shown)),
            Err(refusal) => Look::Decided(Err(refusal)),
        }
    }
}

/// Where a certificate is.
enum Brought {
    Handshake,
    ClientCert,
    Forwarded,
}

impl ClientCert {
    /// The one place where the request brings a certificate, if it brings one.
    fn brought(&self, presented: &Presented<'_>) -> Result<Option<Brought>, Refusal> {
        let own = presented.chain.map(|_| Brought::Handshake);
        if !presented.is_from_trusted_proxy {
            return Ok(own);
        }
        let has = |name: &HeaderName| presented.headers.get_all(name).iter().any(|value| !value.is_empty());
        let client_cert = (has(&CLIENT_CERT) || has(&CLIENT_CERT_CHAIN)).then_some(Brought::ClientCert);
        let forwarded = has(&FORWARDED).then_some(Brought::Forwarded);
        match self.people.header() {
            // What the proxy itself shows is its own certificate.
            Some(CertificateHeader::ClientCert) => Ok(client_cert),
            Some(CertificateHeader::XForwardedClientCert) => Ok(forwarded),
            None => match [own, client_cert, forwarded] {
                [None, None, None] => Ok(None),
                [Some(one), None, None] | [None, Some(one), None] | [None, None, Some(one)] => Ok(Some(one)),
                _ => {
                    let detail = "the request has more than one of a certificate of its own, Client-Cert and \
                                  X-Forwarded-Client-Cert, and it is not said which the proxy writes ('header')";
                    Err(Refusal::invalid(Reason::TwoCredentials, detail))
                }
            },
        }
    }

    fn principal(&self, presented: &Presented<'_>, brought: &Brought) -> Result<Arc<Principal>, Refusal> {
        let certificates = &self.people;
        let values = |name: &HeaderName| -> Vec<&[u8]> {
            presented.headers.get_all(name).iter().map(HeaderValue::as_bytes).collect()
        };
        match (brought, presented.chain) {
            (Brought::Handshake, Some(chain)) => {
                certificates.principal(&Shown::Handshake { certificates: chain.certificates(), hash: chain.hash() })
            }
            (Brought::Handshake, None) => {
                Err(Refusal::invalid(Reason::NoCredential, "the connection has no certificate"))
            }
            (Brought::ClientCert, _) => {
                let certificate = presented.only(&CLIENT_CERT)?.map(HeaderValue::as_bytes).unwrap_or_default();
                certificates.principal(&Shown::ClientCert { certificate, chain: &values(&CLIENT_CERT_CHAIN) })
            }
            (Brought::Forwarded, _) => certificates.principal(&Shown::Forwarded(&values(&FORWARDED))),
        }
    }
}

#[cfg(test)]
mod tests;
