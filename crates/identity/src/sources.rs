//! Everybody who may say who a caller is, by the names that the configuration gives them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::certificates::Certificates;
use crate::issuer::Issuer;
use crate::oauth::OAuth;
use crate::oidc::Oidc;

/// Who may say who a caller is.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Identity {
    /// Issuers of tokens.
    pub issuers: BTreeMap<String, Arc<Issuer>>,
    /// OAuth servers that are asked.
    pub oauth: BTreeMap<String, Arc<OAuth>>,
    /// OpenID providers that people log in at.
    pub oidc: BTreeMap<String, Arc<Oidc>>,
    /// Users by their certificates.
    pub certificates: BTreeMap<String, Arc<Certificates>>,
}

impl Identity {
    /// These issuers.
    pub fn new(issuers: BTreeMap<String, Arc<Issuer>>) -> Self {
        Self { issuers, ..Self::default() }
    }

    /// With these OAuth servers.
    #[must_use]
    pub fn with_oauth(self, oauth: BTreeMap<String, Arc<OAuth>>) -> Self {
        Self { oauth, ..self }
    }

    /// With these OpenID providers.
    #[must_use]
    pub fn with_oidc(self, oidc: BTreeMap<String, Arc<Oidc>>) -> Self {
        Self { oidc, ..self }
    }

    /// With these users by their certificates.
    #[must_use]
    pub fn with_certificates(self, certificates: BTreeMap<String, Arc<Certificates>>) -> Self {
        Self { certificates, ..self }
    }
}
