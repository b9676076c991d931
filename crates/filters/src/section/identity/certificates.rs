//! One entry under `identity.certificates`: what is written, and every mistake in it.

use std::path::PathBuf;
use std::sync::Arc;

use gwanmun_config::{OneOrMany, Span, Spanned};
use gwanmun_identity::{
    CertificateHeader, Certificates, CertificatesSettings, Proof, RevocationCheck, SanRule, Trusted, Unusable,
};
use gwanmun_proxy::Ground;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::file_reference::path_of;

/// Users by their certificates.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CertificatesSpec {
    /// Who vouches for users' certificates: files of authorities, PEM or DER.
    ca: OneOrMany<Spanned<String>>,
    /// What was revoked: files of revocation lists, PEM or DER.
    #[serde(default)]
    crl: OneOrMany<Spanned<String>>,
    /// Whether a revocation list that is not overdue has to speak of a certificate, and of every authority on the way to
    /// one that is trusted.
    #[serde(default, deserialize_with = "given")]
    crl_required: Option<Spanned<bool>>,
    /// Where in the certificate's names (SAN) the user stands: `uri:spiffe://corp/user/{user}`, `dns:{user}.people.corp`,
    /// `email:{user}@corp`. The first that fits decides.
    user_from: OneOrMany<Spanned<String>>,
    /// In which header trusted proxies write the certificate. The other one is not looked at; without this, both at once
    /// are refused.
    #[serde(default, deserialize_with = "given")]
    header: Option<CertificateHeaderSpec>,
    /// Whether the header has to have the certificate in it, and not only what the proxy says of it.
    #[serde(default)]
    require_certificate: bool,
}

/// A key without a value is a slip: it would believe more than is meant.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A header in which a proxy writes its client's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateHeaderSpec {
    /// `Client-Cert` and `Client-Cert-Chain` (RFC 9440).
    ClientCert,
    /// `X-Forwarded-Client-Cert`, as Envoy and Istio write it.
    XForwardedClientCert,
}

impl CertificatesSpec {
    /// Those called `name`; mistakes go to `ground`.
    pub(super) fn build(self, name: &str, span: Span, ground: &mut Ground<'_>) -> Option<Arc<Certificates>> {
        let trusted = self.trusted(span, ground);
        let user_from = self.user_from(span, ground);
        let revocation = match &self.crl_required {
            Some(required) if required.value && self.crl.is_empty() => {
                let message = "found no 'crl' beside 'crl-required': every certificate would be refused";
                ground.refuse_with_hint(required.span, message, "crl: people.crl");
                return None;
            }
            Some(required) if required.value => RevocationCheck::Required,
            _ => RevocationCheck::WhereKnown,
        };
        let proof = if self.require_certificate { Proof::Certificate } else { Proof::CertificateOrWord };
        let (trusted, user_from) = (trusted?, user_from?);
        let header = self.header.map(|header| match header {
            CertificateHeaderSpec::ClientCert => CertificateHeader::ClientCert,
            CertificateHeaderSpec::XForwardedClientCert => CertificateHeader::XForwardedClientCert,
        });
        let settings = CertificatesSettings { name: name.to_owned(), trusted, revocation, user_from, proof, header };
        Some(Arc::new(Certificates::new(settings, Arc::clone(ground.clock))))
    }

    fn trusted(&self, span: Span, ground: &mut Ground<'_>) -> Option<Trusted> {
        let mut trusted = Trusted::default();
        let now = ground.clock.wall();
        let mut is_good = true;
        for ca in &self.ca {
            match read(ca, ground, |file| trusted.add_authorities(file)) {
                Some(end) if end <= now => {
                    ground.warn(ca.span, format!("an authority in '{}' is not valid any more", ca.value))
                }
                Some(_) => {}
                None => is_good = false,
            }
        }
        for crl in &self.crl {
            match read(crl, ground, |file| trusted.add_revocation_lists(file)) {
                Some(Some(overdue)) if overdue <= now => {
                    ground.warn(crl.span, format!("a revocation list in '{}' is overdue", crl.value));
                }
                Some(_) => {}
                None => is_good = false,
            }
        }
        if self.ca.is_empty() {
            ground.refuse_with_hint(
                span,
                "found no authority: nobody's certificate would be good",
                "ca: people-ca.pem",
            );
            is_good = false;
        }
        is_good.then_some(trusted)
    }

    fn user_from(&self, span: Span, ground: &mut Ground<'_>) -> Option<Vec<SanRule>> {
        let mut rules = Vec::new();
        let mut is_good = true;
        for written in &self.user_from {
            match written.parse() {
                Ok(rule) => rules.push(rule),
                Err(why) => {
                    ground.refuse_with_hint(
                        written.span,
                        format!("found '{}', {why}", written.value),
                        "uri:spiffe://corp/user/{user}, dns:{user}.people.corp or email:{user}@corp",
                    );
                    is_good = false;
                }
            }
        }
        if self.user_from.is_empty() {
            ground.refuse(span, "found no rule in 'user-from': no certificate would be anybody's");
            is_good = false;
        }
        is_good.then_some(rules)
    }
}

/// What `take` makes of the file that `value` names, with or without `file:`; mistakes go to `ground`.
fn read<T>(
    value: &Spanned<String>,
    ground: &mut Ground<'_>,
    take: impl FnOnce(&[u8]) -> Result<T, Unusable>,
) -> Option<T> {
    let path = path_of(value).unwrap_or_else(|| value.clone().map(PathBuf::from));
    let shown = path.display();
    let taken = match ground.reader.read(&path) {
        Ok(file) => take(&file).map_err(|why| format!("'{shown}' cannot be used: {why}")),
        Err(error) => Err(format!("cannot read '{shown}': {error}")),
    };
    taken.map_err(|why| ground.refuse(value.span, why)).ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use gwanmun_config::Severity;
    use gwanmun_core::{Clock, ManualClock};
    use gwanmun_identity::Identity;
    use gwanmun_proxy::{Lasting, Network};
    use gwanmun_testkit::Authority;
    use tempfile::TempDir;

    use super::*;
    use crate::fixture::sections;
    use crate::section::identity::IdentitySpec;

    /// A folder with two authorities, a user's certificate and lists, one of which is overdue.
    fn folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let authority = Authority::new();
        write("ca.pem", &authority.pem());
        write("more.pem", &Authority::called("more").pem());
        write("leaf.pem", &authority.draft(&["dns:a"]).issue().pem());
        write("good.crl", &authority.revoking(&[], 3000));
        write("old.crl", &authority.revoking(&[], 2010));
        write("text.pem", "nothing");
        folder
    }

    /// What is said about `identity.certificates.people` with these `members`, and whether it could be used.
    fn said(members: &str) -> (bool, Vec<(Severity, String)>) {
        let folder = folder();
        let located = members.replace('@', &format!("{}/", folder.path().display()));
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(1_767_323_045)));
        let text = format!("identity: {{certificates: {{people: {{{located}}}}}}}\n");
        let (built, said) = sections::<IdentitySpec>(&text, &clock, &Lasting::new(Network::Offline));
        let people = built.and_then(|sections| sections.of::<Identity>().ok()?.certificates.get("people").cloned());
        (people.is_some_and(|people| people.credential() == "client-cert:people"), said)
    }

    const USER: &str = "user-from: 'dns:{user}.corp'";

    #[test]
    fn users_are_known_by_their_certificates() {
        for members in [
            format!("ca: '@ca.pem', {USER}"),
            format!("ca: 'file:@ca.pem', {USER}, header: client-cert"),
            format!("ca: ['@ca.pem', '@more.pem'], crl: ['@good.crl'], crl-required: true, {USER}"),
            "ca: '@ca.pem', user-from: ['uri:spiffe://corp/{user}', 'dns:{user}']".to_owned(),
            format!("ca: '@ca.pem', {USER}, header: x-forwarded-client-cert, require-certificate: true"),
        ] {
            let outcome = said(&members);
            assert_eq!(outcome, (true, vec![]), "{members}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        for (members, wanted) in [
            (USER.to_owned(), "missing"),
            (format!("ca: [], {USER}"), "found no authority"),
            (format!("ca: '@none.pem', {USER}"), "cannot read"),
            (format!("ca: '@text.pem', {USER}"), "it has no certificate in it"),
            (format!("ca: '@leaf.pem', {USER}"), "no authority's"),
            (format!("ca: '@ca.pem', crl: '@ca.pem', {USER}"), "it has no revocation list in it"),
            (format!("ca: '@ca.pem', crl-required: true, {USER}"), "found no 'crl'"),
            (format!("ca: '@ca.pem', crl: '@good.crl', crl-required: ~, {USER}"), "found nothing"),
            (format!("ca: '@ca.pem', header: x-client-cert, {USER}"), "client-cert"),
            (format!("ca: '@ca.pem', header: ~, {USER}"), "found nothing"),
            ("ca: '@ca.pem'".to_owned(), "user-from"),
            ("ca: '@ca.pem', user-from: []".to_owned(), "found no rule"),
            ("ca: '@ca.pem', user-from: 'cn:{user}'".to_owned(), "wanted uri:, dns: or email:"),
            ("ca: '@ca.pem', user-from: 'dns:people.corp'".to_owned(), "wanted {user} once"),
        ] {
            let (is_good, said) = said(&members);
            assert!(!is_good, "{members}");
            let is_told = said.iter().any(|(severity, text)| *severity == Severity::Error && text.contains(wanted));
            assert!(is_told, "{members}: {said:?}");
        }
    }

    #[test]
    fn a_list_that_is_overdue_is_warned_of() {
        let (is_good, said) = said(&format!("ca: '@ca.pem', crl: '@old.crl', {USER}"));
        assert!(is_good);
        assert!(matches!(&*said, [(Severity::Warning, text)] if text.contains("is overdue")), "{said:?}");
    }
}
