//! `identity`: who may say who a caller is.

mod algorithms;
mod certificates;
mod client;
mod issuer;
mod key_file;
mod oauth;
mod oidc;
mod principal_map;

use std::collections::BTreeMap;

use gwanmun_config::Spanned;
use gwanmun_identity::Identity;
use gwanmun_proxy::{Ground, SectionSpec};
use schemars::JsonSchema;
use serde::Deserialize;

pub use certificates::{CertificateHeaderSpec, CertificatesSpec};
pub use issuer::IssuerSpec;
pub use oauth::OAuthSpec;
pub use oidc::OidcSpec;
pub use principal_map::PrincipalMapSpec;

/// Who may say who a caller is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct IdentitySpec {
    /// Issuers of tokens, by name: `authenticate` takes them as `jwt: NAME`.
    issuers: BTreeMap<String, Spanned<IssuerSpec>>,
    /// OAuth servers that are asked, by name: `authenticate` takes them as `introspect: NAME` and `api-client: NAME`.
    oauth: BTreeMap<String, Spanned<OAuthSpec>>,
    /// OpenID providers that people log in at, by name: `authenticate` takes their sessions as `session: NAME`.
    oidc: BTreeMap<String, Spanned<OidcSpec>>,
    /// Users by their certificates, by name: `authenticate` takes them as `client-cert: NAME`.
    certificates: BTreeMap<String, Spanned<CertificatesSpec>>,
}

impl SectionSpec for IdentitySpec {
    const KEY: &'static str = "identity";

    type Section = Identity;

    fn build(self, ground: &mut Ground<'_>) -> Option<Identity> {
        let mut issuers = BTreeMap::new();
        let mut is_good = true;
        for (name, spec) in self.issuers {
            match spec.value.build(&name, spec.span, ground) {
                Some(issuer) => drop(issuers.insert(name, issuer)),
                None => is_good = false,
            }
        }
        let mut oauth = BTreeMap::new();
        for (name, spec) in self.oauth {
            match spec.value.build(&name, spec.span, ground) {
                Some(server) => drop(oauth.insert(name, server)),
                None => is_good = false,
            }
        }
        let mut certificates = BTreeMap::new();
        for (name, spec) in self.certificates {
            match spec.value.build(&name, spec.span, ground) {
                Some(people) => drop(certificates.insert(name, people)),
                None => is_good = false,
            }
        }
        let providers = oidc::all(self.oidc, ground).filter(|_| is_good)?;
        Some(Identity::new(issuers).with_oauth(oauth).with_oidc(providers).with_certificates(certificates))
    }
}

#[cfg(test)]
mod tests;
