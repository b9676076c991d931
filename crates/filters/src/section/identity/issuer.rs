//! One issuer under `identity.issuers`: what is written, and every mistake in it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gwanmun_client::{Client, Settings};
use gwanmun_config::{OneOrMany, Span, Spanned, Timespan};
use gwanmun_identity::{FetchSettings, Issuer, IssuerSettings, Keys, KeysAt, Published};
use gwanmun_jose::Algorithm;
use gwanmun_proxy::Ground;
use schemars::JsonSchema;
use serde::Deserialize;

use super::algorithms::algorithms_in;
use super::key_file::keys_in;
use super::principal_map::PrincipalMapSpec;
use crate::authorities::authorities_of;
use crate::file_reference::path_of;
use crate::outbound::outbound;

/// Beyond this, clocks do not differ; a token's end is moved.
const USUAL_LEEWAY: Duration = Duration::from_secs(300);

/// An issuer of tokens.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct IssuerSpec {
    /// What `iss` must be, to the letter.
    issuer: Spanned<String>,
    /// The issuer's keys: the URL of its JWK set, or `file:PATH`.
    #[serde(default)]
    jwks: Option<Spanned<String>>,
    /// The keys are where the issuer's `/.well-known/openid-configuration` says.
    #[serde(default)]
    discovery: bool,
    /// `aud` must hold one of these.
    #[serde(default)]
    audiences: OneOrMany<Spanned<String>>,
    /// How tokens may be signed; by default in every way whose keys may be published. HS256, HS384 and HS512 only with the
    /// keys in a file.
    #[serde(default)]
    algorithms: Option<Vec<Spanned<String>>>,
    /// How far the clocks may differ.
    #[serde(default = "half_a_minute")]
    leeway: Spanned<Timespan>,
    /// What `typ` must be: `at+jwt` for access tokens of RFC 9068.
    #[serde(default, rename = "type")]
    typ: Option<String>,
    /// Where in the claims the parts of a principal stand.
    #[serde(default)]
    principal: PrincipalMapSpec,
    /// How long fetched keys are used before they are fetched anew.
    #[serde(default = "five_minutes")]
    cache: Spanned<Timespan>,
    /// How long old keys go on serving while the issuer cannot be reached.
    #[serde(default = "an_hour")]
    stale: Timespan,
    /// How long keys are not fetched anew for one that is not among them.
    #[serde(default = "half_a_minute")]
    cool_down: Spanned<Timespan>,
    /// How long a fetch may take.
    #[serde(default = "two_seconds")]
    timeout: Spanned<Timespan>,
    /// The file of the authorities (PEM) that are trusted for the issuer's URLs, in place of the platform's.
    #[serde(default)]
    ca: Option<Spanned<String>>,
}

fn two_seconds() -> Spanned<Timespan> {
    Timespan(Duration::from_secs(2)).into()
}

fn half_a_minute() -> Spanned<Timespan> {
    Timespan(Duration::from_secs(30)).into()
}

fn five_minutes() -> Spanned<Timespan> {
    Timespan(Duration::from_secs(300)).into()
}

fn an_hour() -> Timespan {
    Timespan(Duration::from_secs(3600))
}

/// Where the keys are.
enum Source {
    File(Spanned<PathBuf>),
    Web(KeysAt),
}

impl IssuerSpec {
    /// The issuer called `name`; mistakes go to `ground`.
    pub(super) fn build(self, name: &str, span: Span, ground: &mut Ground<'_>) -> Option<Arc<Issuer>> {
        let source = self.source(span, ground);
        let is_file = matches!(source, Some(Source::File(_)));
        let algorithms = self.algorithms(is_file || source.is_none(), ground);
        let audiences = self.audiences(span, ground);
        let principal = self.principal.build(ground);
        let are_times_good = self.check_times(ground);
        if self.issuer.is_empty() {
            ground.refuse(self.issuer.span, "found an empty issuer, wanted what 'iss' is in its tokens");
            return None;
        }
        let settings = IssuerSettings {
            name: name.to_owned(),
            issuer: self.issuer.value.clone(),
            audiences: audiences?,
            typ: self.typ.clone(),
            leeway: self.leeway.0,
            principal: principal?,
        };
        let (source, algorithms) = (source?, algorithms?);
        if !are_times_good {
            return None;
        }
        match source {
            Source::File(path) => {
                if let Some(ca) = &self.ca {
                    ground.warn(ca.span, "the keys are in a file: 'ca' is trusted for nothing");
                }
                let keys = Keys::fixed(keys_in(&path, &algorithms, ground)?);
                Some(Arc::new(Issuer::new(settings, keys, Arc::clone(ground.clock))))
            }
            Source::Web(at) => self.fetched(settings, at, algorithms, ground),
        }
    }

    /// An issuer whose keys are fetched: the same as before a reload, if it is written the same.
    fn fetched(
        &self,
        settings: IssuerSettings,
        at: KeysAt,
        algorithms: Vec<Algorithm>,
        ground: &mut Ground<'_>,
    ) -> Option<Arc<Issuer>> {
        let (tls, authorities) = authorities_of(self.ca.as_ref(), ground)?;
        let fetch = FetchSettings {
            issuer: settings.name.clone(),
            algorithms,
            cache: self.cache.0,
            stale: self.stale.0,
            cool_down: self.cool_down.0,
            timeout: self.timeout.0,
        };
        let outbound = outbound(ground.lasting, ground.clock);
        let clock = Arc::clone(ground.clock);
        let specification = format!("{settings:?} {fetch:?} {at:?} {authorities:?}");
        let issuer = ground.lasting.shared(specification, || {
            let limits = Settings {
                timeout: fetch.timeout,
                connect_timeout: fetch.timeout,
                answer_bytes: Published::LONGEST,
                tls,
                ..Settings::default()
            };
            let client = Client::new(&outbound, &format!("jwks:{}", settings.name), limits);
            let keys = Keys::fetched(fetch, Arc::new(Published::new(at, client)), &outbound);
            Issuer::new(settings, keys, clock)
        });
        Some(issuer)
    }

    fn source(&self, span: Span, ground: &mut Ground<'_>) -> Option<Source> {
        match (&self.jwks, self.discovery) {
            (Some(jwks), true) => {
                ground.refuse(jwks.span, "found 'jwks' beside 'discovery', wanted one of them");
                None
            }
            (None, false) => {
                let hint = "jwks: https://…, jwks: file:PATH, or discovery: true";
                ground.refuse_with_hint(span, "it is not said where the issuer's keys are", hint);
                None
            }
            (Some(jwks), false) => match path_of(jwks) {
                Some(path) => Some(Source::File(path)),
                None => match jwks.parse() {
                    Ok(url) => Some(Source::Web(KeysAt::Url(url))),
                    Err(why) => {
                        let message = format!("found '{}': {why}", jwks.value);
                        ground.refuse_with_hint(jwks.span, message, "keys in a file are written file:PATH");
                        None
                    }
                },
            },
            (None, true) => match KeysAt::discovery(&self.issuer) {
                Ok(at) => Some(Source::Web(at)),
                Err(why) => {
                    ground.refuse(
                        self.issuer.span,
                        format!("nothing can be discovered at '{}': {why}", self.issuer.value),
                    );
                    None
                }
            },
        }
    }

    fn algorithms(&self, may_be_symmetric: bool, ground: &mut Ground<'_>) -> Option<Vec<Algorithm>> {
        let Some(written) = &self.algorithms else {
            return Some(Algorithm::ALL.into_iter().filter(|algorithm| !algorithm.is_symmetric()).collect());
        };
        if written.is_empty() {
            ground.refuse(self.issuer.span, "found no algorithms: no token could be verified");
            return None;
        }
        let wrong = |algorithm: Algorithm| {
            let message =
                || format!("{algorithm} is not for keys from a URL: who reads them there could sign with them");
            let hint = "put the key set into a file, or let the issuer sign with ES256";
            (algorithm.is_symmetric() && !may_be_symmetric).then(|| (message(), hint))
        };
        algorithms_in(written, wrong, ground)
    }

    fn audiences(&self, span: Span, ground: &mut Ground<'_>) -> Option<Vec<String>> {
        if self.audiences.is_empty() {
            ground.refuse_with_hint(
                span,
                "found no audiences: a token that was made for somebody else would be taken",
                "audiences: [what 'aud' is in tokens for this gateway]",
            );
            return None;
        }
        let mut is_good = true;
        for empty in self.audiences.iter().filter(|audience| audience.is_empty()) {
            ground.refuse(empty.span, "found an empty audience");
            is_good = false;
        }
        is_good.then(|| self.audiences.iter().map(|audience| audience.value.clone()).collect())
    }

    fn check_times(&self, ground: &mut Ground<'_>) -> bool {
        let mut is_good = true;
        for (name, time) in [("cache", &self.cache), ("cool-down", &self.cool_down), ("timeout", &self.timeout)] {
            if time.0.is_zero() {
                ground.refuse(
                    time.span,
                    format!("found 0, wanted more: with '{name}' at 0 every request would ask the issuer"),
                );
                is_good = false;
            }
        }
        if self.leeway.0 > USUAL_LEEWAY {
            ground.warn(self.leeway.span, format!("every token is good for {} longer than it says", self.leeway.value));
        }
        is_good
    }
}
