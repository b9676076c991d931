//! One OpenID provider under `identity.oidc`: what is written, and every mistake in it.

mod distinct;
mod paths;
mod session;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gwanmun_config::{OneOrMany, Span, Spanned, Timespan};
use gwanmun_identity::{Endpoint, Oidc, OidcSettings};
use gwanmun_jose::{Algorithm, sha256};
use gwanmun_proxy::{Ground, Network};
use gwanmun_store::OnStoreError;
use schemars::JsonSchema;
use serde::Deserialize;

use self::distinct::are_distinct;
use self::paths::PathsSpec;
use self::session::SessionSpec;
use super::algorithms::algorithms_in;
use super::client::is_client_good;
use super::principal_map::PrincipalMapSpec;
use crate::audited::Audited;
use crate::authorities::authorities_of;
use crate::outbound::outbound;
use crate::secret_text::SecretText;
use crate::section::store::SharedStore;
use crate::session::{CookieNames, Entrance, Entrances, SessionDoor};

/// Where a provider's metadata are, from its issuer on (OpenID Connect Discovery 1.0 section 4).
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// Of each kind of key one algorithm, so that a key that does not say its own fits exactly one.
const ALGORITHMS: [Algorithm; 4] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa];

/// Beyond this, clocks do not differ; a token's end is moved.
const USUAL_LEEWAY: Duration = Duration::from_secs(300);

/// The longest name of a cookie, bytes.
const LONGEST_COOKIE_NAME: usize = 64;

/// The longest path after a logout, bytes.
const LONGEST_PATH: usize = 256;

/// An OpenID provider that people log in at.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OidcSpec {
    /// What `iss` must be, to the letter; its metadata are at `/.well-known/openid-configuration` there.
    issuer: Spanned<String>,
    /// Who the gateway is for the provider.
    client_id: Spanned<String>,
    /// The proof of that, and what sessions are sealed with: `"${file:/run/secrets/NAME}"` keeps it out of the
    /// configuration.
    client_secret: Spanned<SecretText>,
    /// What users are asked to grant; `openid` is added where it is missing (openid, profile, email).
    #[serde(default = "usual_scopes")]
    scopes: OneOrMany<Spanned<String>>,
    /// How ID tokens and logout tokens may be signed (RS256, ES256, ES384, EdDSA).
    #[serde(default)]
    algorithms: Option<OneOrMany<Spanned<String>>>,
    /// Where in the claims the parts of a principal stand; roles are in `/groups`, else in `/roles`.
    #[serde(default)]
    principal: PrincipalMapSpec,
    /// Whether the provider's UserInfo endpoint is asked for claims that the ID token does not have.
    #[serde(default)]
    userinfo: bool,
    /// Whether the provider's logout tokens may have no `exp`, as drafts of the specification had it (false).
    #[serde(default)]
    logout_without_exp: bool,
    /// How long a question to the provider may take (2s).
    #[serde(default = "two_seconds")]
    timeout: Spanned<Timespan>,
    /// How far the clocks may differ (30s).
    #[serde(default = "half_a_minute")]
    leeway: Spanned<Timespan>,
    /// `file:PATH` of the authorities (PEM) that are trusted for the provider's URLs, in place of the platform's.
    #[serde(default)]
    ca: Option<Spanned<String>>,
    /// How long sessions last.
    #[serde(default)]
    session: SessionSpec,
    /// What the session's cookie is called; over https `__Host-` stands before it.
    #[serde(default = "usual_cookie")]
    cookie: Spanned<String>,
    /// Paths of the gateway's own, on every host.
    #[serde(default)]
    paths: PathsSpec,
    /// Where browsers go when they are logged out, on the host where they were (`/`).
    #[serde(default = "root")]
    after_logout: Spanned<String>,
    /// What happens to sessions while the store is lost.
    #[serde(default = "deny")]
    on_store_error: OnStoreError,
}

/// A provider that was built, and where what others must not have as well was written.
struct Built {
    entrance: Arc<Entrance>,
    cookie: Span,
    paths: Vec<(String, Span)>,
}

fn usual_scopes() -> OneOrMany<Spanned<String>> {
    OneOrMany(["openid", "profile", "email"].map(|scope| scope.to_owned().into()).into())
}

fn two_seconds() -> Spanned<Timespan> {
    Timespan(Duration::from_secs(2)).into()
}

fn half_a_minute() -> Spanned<Timespan> {
    Timespan(Duration::from_secs(30)).into()
}

fn usual_cookie() -> Spanned<String> {
    "gwanmun".to_owned().into()
}

fn root() -> Spanned<String> {
    "/".to_owned().into()
}

fn deny() -> OnStoreError {
    OnStoreError::Deny
}

/// All providers, with the filter at the door that serves their paths; mistakes go to `ground`.
pub(super) fn all(
    specs: BTreeMap<String, Spanned<OidcSpec>>,
    ground: &mut Ground<'_>,
) -> Option<BTreeMap<String, Arc<Oidc>>> {
    let mut is_good = true;
    let mut built = Vec::with_capacity(specs.len());
    for (name, spec) in specs {
        match spec.value.build(&name, spec.span, ground) {
            Some(provider) => built.push(provider),
            None => is_good = false,
        }
    }
    is_good &= are_distinct(&built, ground);
    let audited = Audited::at(ground.sections).ok().filter(|_| is_good)?;
    let entrances: Vec<Arc<Entrance>> = built.into_iter().map(|built| built.entrance).collect();
    let providers = entrances.iter().map(|entrance| (entrance.name().to_owned(), Arc::clone(&entrance.oidc)));
    let providers = providers.collect();
    if !entrances.is_empty() {
        ground.put(Entrances::new(entrances.clone()));
        let names: Vec<&str> = entrances.iter().map(|entrance| entrance.name()).collect();
        ground.at_the_door("session", names.join(", "), SessionDoor::new(entrances, audited));
    }
    Some(providers)
}

impl OidcSpec {
    /// The provider called `name`; mistakes go to `ground`. It is the same as before a reload, if it is written the same.
    fn build(self, name: &str, span: Span, ground: &mut Ground<'_>) -> Option<Built> {
        let metadata = self.metadata(ground);
        let is_client_good = is_client_good(&self.client_id, &self.client_secret, ground);
        let scopes = self.scopes(ground);
        let algorithms = self.algorithms(ground);
        let principal = self.principal.build_for_people(ground);
        let session = self.session.build(ground);
        let paths = self.paths.build(ground);
        let is_cookie_good = self.check_cookie(ground);
        let is_rest_good = self.check_times(ground) & self.check_after_logout(ground);
        let (tls, authorities) = authorities_of(self.ca.as_ref(), ground)?;
        // What is wrong with the store has been told.
        let store = ground.sections.of::<SharedStore>().ok()?;
        let settings = OidcSettings {
            name: name.to_owned(),
            issuer: self.issuer.value.clone(),
            metadata: vec![metadata?],
            client_id: self.client_id.value.clone(),
            client_secret: self.client_secret.value.0.clone(),
            scopes: scopes?,
            algorithms: algorithms?,
            leeway: self.leeway.0,
            principal: principal?,
            userinfo: self.userinfo,
            logout_without_exp: self.logout_without_exp,
            mark: self.cookie.value.clone(),
            timeout: self.timeout.0,
            paths: paths?,
            session: session?,
        };
        if !(is_client_good && is_cookie_good && is_rest_good) {
            return None;
        }
        if !store.is_written_shared() {
            ground.warn(
                span,
                "'store' is memory: sessions are known to this process only, which is for a single replica, and end with it",
            );
        }
        let oidc = self.provider(settings, (tls, authorities), &store, ground)?;
        let entrance = Entrance::new(
            oidc,
            CookieNames::new(&self.cookie),
            self.after_logout.value.clone(),
            Arc::clone(ground.clock),
            ground.lasting.network() == Network::Offline,
        );
        Some(Built { entrance: Arc::new(entrance), cookie: or(self.cookie.span, span), paths: self.paths.places(span) })
    }

    fn provider(
        &self,
        settings: OidcSettings,
        (tls, authorities): (gwanmun_client::Tls, Vec<u8>),
        store: &SharedStore,
        ground: &mut Ground<'_>,
    ) -> Option<Arc<Oidc>> {
        let secret = sha256(settings.client_secret.expose().as_bytes());
        let (place, policy) = (store.specification(), self.on_store_error);
        let specification = format!("{settings:?} {secret:02x?} {authorities:?} {place} {policy}");
        let outbound = outbound(ground.lasting, ground.clock);
        match Oidc::new(settings, tls, store.store().space("oidc", policy), &outbound) {
            Ok(oidc) => Some(ground.lasting.shared(specification, || oidc)),
            Err(why) => {
                ground.refuse(self.client_secret.span, why.to_string());
                None
            }
        }
    }

    fn metadata(&self, ground: &mut Ground<'_>) -> Option<Endpoint> {
        if let Some(issuer) = self.issuer.strip_suffix(WELL_KNOWN) {
            let message = "found the URL of the provider's metadata, wanted the issuer";
            ground.refuse_with_hint(
                self.issuer.span,
                message,
                format!("issuer: {issuer}, or as `issuer` stands in the metadata"),
            );
            return None;
        }
        let at = format!("{}{WELL_KNOWN}", self.issuer.trim_end_matches('/'));
        let is_url_alone = !self.issuer.contains(['?', '#']);
        match at.parse() {
            Ok(endpoint) if is_url_alone => Some(endpoint),
            Ok(_) => {
                ground.refuse(self.issuer.span, format!("found '{}', wanted a URL without a query", self.issuer.value));
                None
            }
            Err(why) => {
                let message = format!("nothing can be discovered at '{}': {why}", self.issuer.value);
                ground.refuse_with_hint(self.issuer.span, message, "issuer: https://…, as 'iss' is in its tokens");
                None
            }
        }
    }

    fn scopes(&self, ground: &mut Ground<'_>) -> Option<Vec<String>> {
        let mut scopes = vec!["openid".to_owned()];
        let mut is_good = true;
        for scope in self.scopes.iter() {
            if !crate::authenticate::is_scope(scope) {
                let message = format!("found '{}', wanted one scope without spaces", scope.value.escape_debug());
                ground.refuse(scope.span, message);
                is_good = false;
            } else if !scopes.contains(&scope.value) {
                scopes.push(scope.value.clone());
            }
        }
        is_good.then_some(scopes)
    }

    fn algorithms(&self, ground: &mut Ground<'_>) -> Option<Vec<Algorithm>> {
        let Some(written) = &self.algorithms else { return Some(ALGORITHMS.into()) };
        if written.is_empty() {
            ground.refuse(self.issuer.span, "found no algorithms: nobody could log in");
            return None;
        }
        let wrong = |algorithm: Algorithm| {
            let message = || format!("{algorithm} is not for ID tokens: its key would be the client secret");
            algorithm.is_symmetric().then(|| (message(), "let the provider sign with ES256 or RS256"))
        };
        algorithms_in(written, wrong, ground)
    }

    fn check_times(&self, ground: &mut Ground<'_>) -> bool {
        if self.leeway.0 > USUAL_LEEWAY {
            ground.warn(self.leeway.span, format!("every token is good for {} longer than it says", self.leeway.value));
        }
        let is_good = !self.timeout.0.is_zero();
        if !is_good {
            ground.refuse(self.timeout.span, "found 0, wanted more: with 'timeout' at 0 nobody could log in");
        }
        is_good
    }

    /// RFC 6265 section 4.1.1; prefixes are the gateway's to put.
    fn check_cookie(&self, ground: &mut Ground<'_>) -> bool {
        let (name, span) = (&self.cookie.value, self.cookie.span);
        let is_token = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
        if name.is_empty() || name.len() > LONGEST_COOKIE_NAME || !is_token || name.starts_with('$') {
            let message = format!("found '{}', wanted the name of a cookie of at most 64 bytes", name.escape_debug());
            ground.refuse_with_hint(span, message, "a name has letters, digits, '-' and '_'");
            return false;
        }
        if name.get(..2) == Some("__") {
            let message = format!("found '{name}', wanted a name without a prefix");
            ground.refuse_with_hint(span, message, "over https the gateway puts '__Host-' before it");
            return false;
        }
        true
    }

    fn check_after_logout(&self, ground: &mut Ground<'_>) -> bool {
        let target = &self.after_logout.value;
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{}|#".contains(&byte);
        let is_good = target.starts_with('/') && !target.starts_with("//") && target.bytes().all(is_plain);
        if !is_good || target.len() > LONGEST_PATH {
            let message = format!("found '{}', wanted a path like /goodbye", target.escape_debug());
            ground.refuse_with_hint(self.after_logout.span, message, "it is a path of the host where the session was");
            return false;
        }
        true
    }
}

/// Where something was written, or where it was not.
fn or(span: Span, otherwise: Span) -> Span {
    if span == Span::NOWHERE { otherwise } else { span }
}

#[cfg(test)]
mod tests;
