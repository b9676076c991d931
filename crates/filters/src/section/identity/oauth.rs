//! One OAuth server under `identity.oauth`: what is written, and every mistake in it.

use std::sync::Arc;
use std::time::Duration;

use gwanmun_config::{OneOrMany, Span, Spanned, Timespan};
use gwanmun_identity::{Endpoint, Endpoints, OAuth, OAuthSettings, OmittedScope};
use gwanmun_jose::sha256;
use gwanmun_proxy::Ground;
use gwanmun_store::OnStoreError;
use schemars::JsonSchema;
use serde::Deserialize;

use super::client::is_client_good;
use super::principal_map::PrincipalMapSpec;
use crate::authorities::authorities_of;
use crate::outbound::outbound;
use crate::secret_text::SecretText;
use crate::section::store::SharedStore;

/// An OAuth server that is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OAuthSpec {
    /// What `iss` must be where the server says it; also where its metadata are found.
    #[serde(default)]
    issuer: Option<Spanned<String>>,
    /// Where tokens are issued; by default where the issuer's metadata say.
    #[serde(default)]
    token_endpoint: Option<Spanned<String>>,
    /// Where tokens are introspected; by default where the issuer's metadata say.
    #[serde(default)]
    introspection_endpoint: Option<Spanned<String>>,
    /// Who the gateway is for the server.
    client_id: Spanned<String>,
    /// The proof of that: `"${file:/run/secrets/NAME}"` keeps it out of the configuration.
    client_secret: Spanned<SecretText>,
    /// What happens to who cannot be asked about: `deny` refuses (503).
    #[serde(default)]
    #[expect(dead_code, reason = "there is one choice, which is written for the reader")]
    on_error: OnError,
    /// How long an answer is used, never past the end of the token (30s).
    #[serde(default = "half_a_minute")]
    cache: Spanned<Timespan>,
    /// How long after that a known token is taken while the server cannot be asked, never past its end (0).
    #[serde(default)]
    stale: Option<Timespan>,
    /// `aud` of an introspected token must hold one of these; by default it is not looked at.
    #[serde(default)]
    audiences: OneOrMany<Spanned<String>>,
    /// Where in the server's answer the parts of a principal stand.
    #[serde(default)]
    principal: PrincipalMapSpec,
    /// How long a question may take (2s).
    #[serde(default = "two_seconds")]
    timeout: Spanned<Timespan>,
    /// `file:PATH` of the authorities (PEM) that are trusted for the server's URLs, in place of the platform's.
    #[serde(default)]
    ca: Option<Spanned<String>>,
    /// Whether a token whose scope nobody says was given for all that was asked for (RFC 6749 section 5.1).
    #[serde(default)]
    trust_omitted_scope: bool,
    /// What happens to obtained tokens while the store is lost.
    #[serde(default = "local")]
    on_store_error: OnStoreError,
}

/// What happens to who cannot be asked about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum OnError {
    /// It is refused (503).
    #[default]
    Deny,
}

fn two_seconds() -> Spanned<Timespan> {
    Timespan(Duration::from_secs(2)).into()
}

fn half_a_minute() -> Spanned<Timespan> {
    Timespan(Duration::from_secs(30)).into()
}

fn local() -> OnStoreError {
    OnStoreError::Local
}

impl OAuthSpec {
    /// The server called `name`; mistakes go to `ground`. It is the same as before a reload, if it is written the same.
    pub(super) fn build(self, name: &str, span: Span, ground: &mut Ground<'_>) -> Option<Arc<OAuth>> {
        let endpoints = self.endpoints(span, ground);
        let is_client_good = is_client_good(&self.client_id, &self.client_secret, ground);
        let are_times_good = self.check_times(ground);
        let are_audiences_good = self.check_audiences(ground);
        let principal = self.principal.build(ground);
        let (tls, authorities) = authorities_of(self.ca.as_ref(), ground)?;
        // Nobody needs a store that has mistakes of its own.
        let store = ground.sections.of::<SharedStore>().ok().filter(|shared| shared.store().is_shared());
        let settings = OAuthSettings {
            name: name.to_owned(),
            issuer: self.issuer.as_ref().map(|issuer| issuer.value.clone()).unwrap_or_default(),
            endpoints: endpoints?,
            client_id: self.client_id.value.clone(),
            client_secret: self.client_secret.value.0.clone(),
            audiences: self.audiences.iter().map(|audience| audience.value.clone()).collect(),
            principal: principal?,
            cache: self.cache.0,
            stale: self.stale.map_or(Duration::ZERO, |stale| stale.0),
            timeout: self.timeout.0,
            omitted_scope: if self.trust_omitted_scope { OmittedScope::Granted } else { OmittedScope::Checked },
        };
        if !(is_client_good && are_times_good && are_audiences_good) {
            return None;
        }
        let secret = sha256(settings.client_secret.expose().as_bytes());
        let place = store.as_ref().map_or("", |shared| shared.specification());
        let policy = self.on_store_error;
        let specification = format!("{settings:?} {secret:02x?} {authorities:?} {place} {policy}");
        let outbound = outbound(ground.lasting, ground.clock);
        let space = store.map(|shared| shared.store().space("oauth", policy));
        match OAuth::new(settings, tls, space, &outbound) {
            Ok(oauth) => Some(ground.lasting.shared(specification, || oauth)),
            Err(why) => {
                ground.refuse(self.client_secret.span, why.to_string());
                None
            }
        }
    }

    fn endpoints(&self, span: Span, ground: &mut Ground<'_>) -> Option<Endpoints> {
        let token = endpoint(self.token_endpoint.as_ref(), ground);
        let introspection = endpoint(self.introspection_endpoint.as_ref(), ground);
        let is_all_given = self.token_endpoint.is_some() && self.introspection_endpoint.is_some();
        let is_none_given = self.token_endpoint.is_none() && self.introspection_endpoint.is_none();
        let metadata = match &self.issuer {
            Some(issuer) if issuer.is_empty() => {
                ground.refuse(issuer.span, "found an empty issuer, wanted what 'iss' is in its answers");
                return None;
            }
            Some(_) if is_all_given => Vec::new(),
            Some(issuer) => match Endpoints::metadata_of(issuer) {
                Ok(metadata) => metadata,
                // A name alone is an issuer, too; then nothing can be discovered.
                Err(_) if !is_none_given => Vec::new(),
                Err(why) => {
                    ground.refuse(issuer.span, format!("nothing can be discovered at '{}': {why}", issuer.value));
                    return None;
                }
            },
            None if is_none_given => {
                let hint = "issuer: https://…, or token-endpoint and introspection-endpoint";
                ground.refuse_with_hint(span, "it is not said where the OAuth server is", hint);
                return None;
            }
            None => Vec::new(),
        };
        Some(Endpoints { token: token?, introspection: introspection?, metadata })
    }

    fn check_times(&self, ground: &mut Ground<'_>) -> bool {
        let mut is_good = true;
        for (name, time) in [("cache", &self.cache), ("timeout", &self.timeout)] {
            if time.0.is_zero() {
                ground.refuse(time.span, format!("found 0, wanted more: with '{name}' at 0 nobody could be known"));
                is_good = false;
            }
        }
        is_good
    }

    fn check_audiences(&self, ground: &mut Ground<'_>) -> bool {
        let mut is_good = true;
        for empty in self.audiences.iter().filter(|audience| audience.is_empty()) {
            ground.refuse(empty.span, "found an empty audience");
            is_good = false;
        }
        is_good
    }
}

/// What is written, if anything is; `None` after a mistake.
fn endpoint(written: Option<&Spanned<String>>, ground: &mut Ground<'_>) -> Option<Option<Endpoint>> {
    let Some(written) = written else { return Some(None) };
    match written.parse() {
        Ok(endpoint) => Some(Some(endpoint)),
        Err(why) => {
            ground.refuse(written.span, format!("found '{}': {why}", written.value));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use gwanmun_config::{Environment, MergeRules, decode, load_texts};
    use gwanmun_identity::Identity;
    use gwanmun_proxy::{Catalog, Context, GatewaySpec, Lasting, Network, compile};

    use super::*;
    use crate::section::identity::IdentitySpec;
    use crate::section::store::StoreSpec;

    /// The server that `members` make, and what is said about them.
    fn built(members: &str, store: &str, lasting: &Lasting) -> (Option<Arc<OAuth>>, Vec<String>) {
        let text = format!("{store}\nidentity: {{oauth: {{partner: {{{members}}}}}}}\n");
        let environment = Environment::from_pairs([("", ""); 0]);
        let loaded = load_texts(&[("gw.yaml".to_owned(), text)], &environment, &MergeRules { append: &[] });
        let (mut document, mut diagnostics) = (loaded.document, loaded.diagnostics);
        let mut catalog = Catalog::default();
        catalog.add_section::<StoreSpec>();
        catalog.add_section::<IdentitySpec>();
        let mut context = Context::new(&catalog, &loaded.sources, lasting);
        context.sections = catalog.set_aside(&mut document);
        let spec: GatewaySpec = decode(&document, &mut diagnostics).unwrap();
        let plan = compile(&spec, &context, &mut diagnostics);
        let said = diagnostics.iter().map(|found| found.message.clone()).collect();
        (plan.map(|plan| Arc::clone(&plan.sections.of::<Identity>().unwrap().oauth["partner"])), said)
    }

    fn said(members: &str) -> Vec<String> {
        built(members, "", &Lasting::new(Network::Offline)).1
    }

    #[test]
    fn a_server_is_known_by_its_name() {
        let who = "client-id: gw, client-secret: s";
        for members in [
            format!("issuer: 'https://a', {who}"),
            format!("token-endpoint: 'https://a/t', {who}"),
            format!("issuer: corp, introspection-endpoint: 'http://127.0.0.1:1/i', {who}"),
            format!(
                "issuer: 'https://a', token-endpoint: 'https://a/t', introspection-endpoint: 'https://a/i', {who}, \
                 on-error: deny, cache: 10s, stale: 1m, audiences: gateway, timeout: 1s, principal: {{roles: /r}}, \
                 trust-omitted-scope: true, on-store-error: allow"
            ),
        ] {
            let (oauth, said) = built(&members, "", &Lasting::new(Network::Offline));
            assert_eq!(said, [""; 0], "{members}");
            assert_eq!(oauth.unwrap().client_credential(), "api-client:partner");
        }
    }

    #[test]
    fn mistakes_are_told_and_no_secret_with_them() {
        let who = "client-id: gw, client-secret: hunter2";
        for (members, wanted) in [
            (who.to_owned(), "it is not said where the OAuth server is"),
            (format!("issuer: corp, {who}"), "nothing can be discovered at 'corp'"),
            (format!("issuer: '', {who}"), "an empty issuer"),
            (format!("issuer: 'http://idp.example', {who}"), "wanted https"),
            (format!("token-endpoint: 'http://idp.example/t', {who}"), "wanted https"),
            (format!("introspection-endpoint: idp, {who}"), "found 'idp'"),
            ("issuer: 'https://a', client-id: gw".to_owned(), "client-secret"),
            ("issuer: 'https://a', client-secret: hunter2".to_owned(), "client-id"),
            ("issuer: 'https://a', client-id: '', client-secret: hunter2".to_owned(), "client id"),
            ("issuer: 'https://a', client-id: gw, client-secret: ''".to_owned(), "is empty"),
            ("issuer: 'https://a', client-id: gw, client-secret: \"hunter2\\n\"".to_owned(), "control characters"),
            (format!("issuer: 'https://a', {who}, cache: 0"), "'cache' at 0"),
            (format!("issuer: 'https://a', {who}, timeout: 0"), "'timeout' at 0"),
            (format!("issuer: 'https://a', {who}, audiences: ['']"), "an empty audience"),
            (format!("issuer: 'https://a', {who}, ca: 'file:none.pem'"), "cannot read"),
            (format!("issuer: 'https://a', {who}, on-error: allow"), "allow"),
            (format!("issuer: 'https://a', {who}, on-store-error: maybe"), "maybe"),
            (format!("issuer: 'https://a', {who}, token_endpoint: 'https://a'"), "token_endpoint"),
        ] {
            let said = said(&members);
            assert!(said.iter().any(|message| message.contains(wanted)), "{members}: {said:?}");
            assert!(!said.iter().any(|message| message.contains("hunter2")), "{said:?}");
        }
    }

    #[test]
    fn it_lasts_over_reloads_where_it_is_written_the_same() {
        let lasting = Lasting::new(Network::Offline);
        let members = "issuer: 'https://a', client-id: gw, client-secret: s";
        let (first, second) = (built(members, "", &lasting).0.unwrap(), built(members, "", &lasting).0.unwrap());
        assert!(Arc::ptr_eq(&first, &second));
        let rotated = built("issuer: 'https://a', client-id: gw, client-secret: t", "", &lasting).0.unwrap();
        assert!(!Arc::ptr_eq(&first, &rotated));
    }
}
