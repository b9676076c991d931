//! From the header `Txn-Token` to a Passport that is believed: one field, of a gateway that is named, signed with a key
//! that it publishes. Usually nothing is waited for; where keys are missing they are fetched once for all who wait.

use std::sync::Arc;
use std::time::Duration;

use gwanmun_client::{Client, Settings};
use gwanmun_config::{OneOrMany, Spanned, Timespan};
use gwanmun_core::{Code, Fault, Reason};
use gwanmun_identity::{FetchSettings, Keys, KeysAt, NoEndpoint, PassportIssuers, PassportLook, Published, Refusal};
use gwanmun_jose::{Compact, JwkSet};
use gwanmun_passport::{ALGORITHMS, HEADER, LONGEST, Passport, VerifierSpec};
use http::{HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::ground::{Ground, path_of};

/// The header that carries a Passport, exactly once.
pub(crate) const TXN_TOKEN: HeaderName = HeaderName::from_static("txn-token");

/// What would do for who brings none.
const CHALLENGE: &str = r#"Txn-Token realm="gwanmun""#;

/// Beyond this, clocks do not differ; a Passport's end is moved.
const USUAL_LEEWAY: Duration = Duration::from_secs(60);

/// Whose Passports are believed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PassportSpec {
    /// The gateways that sign them: `iss` is one of these, to the letter.
    pub issuer: OneOrMany<Spanned<String>>,
    /// Their keys: the URL of a JWK set (`https:`, or `http:` on this machine), or `file:PATH`.
    pub jwks: Spanned<String>,
    /// `aud` of every Passport.
    pub trust_domain: Spanned<String>,
    /// `file:PATH` of the authorities (PEM) that are trusted for the URL, in place of the platform's.
    #[serde(default)]
    pub ca: Option<Spanned<String>>,
    /// Gateways with keys of their own, for the same trust domain.
    #[serde(default)]
    pub more: Vec<Spanned<MoreSpec>>,
    /// How far the clocks may differ (5 s).
    #[serde(default)]
    pub leeway: Option<Spanned<Timespan>>,
    /// How long keys are used before they are fetched anew (5 min).
    #[serde(default)]
    pub cache: Option<Spanned<Timespan>>,
    /// How long old keys go on serving while newer ones cannot be fetched (1 h).
    #[serde(default)]
    pub stale: Option<Spanned<Timespan>>,
    /// How long keys are not fetched anew for one that is not among them (5 s).
    #[serde(default)]
    pub cool_down: Option<Spanned<Timespan>>,
    /// How long fetching keys may take (2 s).
    #[serde(default)]
    pub timeout: Option<Spanned<Timespan>>,
}

/// Gateways with keys of their own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MoreSpec {
    /// `iss` is one of these.
    pub issuer: OneOrMany<Spanned<String>>,
    /// Their keys: a URL or `file:PATH`.
    pub jwks: Spanned<String>,
    /// `file:PATH` of the authorities that are trusted for the URL.
    #[serde(default)]
    pub ca: Option<Spanned<String>>,
}

/// Proves Passports.
pub(crate) struct Proof {
    trusted: Vec<PassportIssuers>,
}

/// What a request brought.
pub(crate) enum Brought {
    /// No Passport.
    Nothing,
    /// One that is believed, and its text.
    Proven(Arc<Passport>, HeaderValue),
}

impl Proof {
    /// Checks what is written and reads files.
    pub(crate) fn build(spec: &PassportSpec, ground: &mut Ground<'_>) -> Option<Self> {
        let before = ground.diagnostics.len();
        if spec.trust_domain.is_empty() {
            ground.refuse(spec.trust_domain.span, "found an empty trust domain, wanted what 'aud' is in Passports");
        }
        let mut times = Times::default();
        let written = [
            ("cache", &spec.cache, &mut times.cache),
            ("cool-down", &spec.cool_down, &mut times.cool_down),
            ("timeout", &spec.timeout, &mut times.timeout),
        ];
        for (name, given, time) in written {
            let Some(given) = given else { continue };
            if given.0.is_zero() {
                ground.refuse(
                    given.span,
                    format!("found 0, wanted more: with '{name}' at 0 every request would ask for keys"),
                );
            }
            *time = given.0;
        }
        times.stale = spec.stale.as_ref().map_or(times.stale, |stale| stale.0);
        if let Some(leeway) = &spec.leeway {
            if leeway.0 > USUAL_LEEWAY {
                ground.warn(leeway.span, format!("every Passport is good for {} longer than it says", leeway.value));
            }
            times.leeway = leeway.0;
        }
        let first = (&spec.issuer, &spec.jwks, spec.ca.as_ref());
        let more = spec.more.iter().map(|more| (&more.issuer, &more.jwks, more.ca.as_ref()));
        let mut seen = Vec::new();
        let mut trusted = Vec::new();
        for (issuers, jwks, ca) in std::iter::once(first).chain(more) {
            if issuers.is_empty() {
                ground.refuse(jwks.span, "it is not said whose keys these are: wanted an issuer");
            }
            for issuer in issuers.iter() {
                if issuer.is_empty() {
                    ground.refuse(issuer.span, "found an empty issuer, wanted what 'iss' is in its Passports");
                } else if seen.contains(&&issuer.value) {
                    ground.refuse(issuer.span, format!("found the issuer '{}' twice", issuer.value.escape_debug()));
                }
                seen.push(&issuer.value);
            }
            let issuers = issuers.iter().map(|issuer| issuer.value.clone()).collect();
            let verifier =
                VerifierSpec { trust_domain: spec.trust_domain.value.clone(), issuers, leeway: times.leeway };
            if let Some(keys) = keys(jwks, ca, &verifier, &times, ground) {
                trusted.push(PassportIssuers::new(verifier, keys, Arc::clone(ground.clock)));
            }
        }
        let is_good =
            ground.diagnostics.iter().skip(before).all(|found| found.severity != gwanmun_config::Severity::Error);
        is_good.then_some(Self { trusted })
    }

    /// Takes the Passport out of `headers` and proves it.
    pub(crate) async fn of(&self, headers: &mut HeaderMap) -> Result<Brought, Fault> {
        let mut values = headers.get_all(TXN_TOKEN).iter();
        let (first, second) = (values.next().cloned(), values.next().is_some());
        headers.remove(TXN_TOKEN);
        let Some(mut token) = first else { return Ok(Brought::Nothing) };
        if second {
            let fault = Fault::new(Code::Unauthenticated, format!("{HEADER} is there more than once"));
            return Err(fault.because(Reason::TwoCredentials).with_challenge(CHALLENGE));
        }
        token.set_sensitive(true);
        let proven = match self.trusted_for(&token) {
            None => Err(gwanmun_identity::unknown_gateway()),
            Some(issuers) => match issuers.look(token.as_bytes()) {
                PassportLook::Decided(outcome) => outcome,
                PassportLook::Ask => issuers.ask(token.as_bytes()).await,
            },
        };
        proven.map(|passport| Brought::Proven(passport, token)).map_err(|refusal| fault_of(&refusal))
    }

    /// Fetches all keys.
    pub(crate) async fn prepare_keys(&self) -> Result<(), Refusal> {
        for issuers in &self.trusted {
            issuers.prepare_keys().await?;
        }
        Ok(())
    }

    /// Whose keys to look at. A single set is asked whatever the Passport says, since it refuses other issuers itself.
    fn trusted_for(&self, token: &HeaderValue) -> Option<&PassportIssuers> {
        match self.trusted.as_slice() {
            [only] => Some(only),
            several => {
                let first = several.first()?;
                // What cannot be read has no issuer; any of them says what is wrong with it.
                let Ok(read) = Compact::parse(token.as_bytes(), LONGEST) else { return Some(first) };
                let Some(issuer) = read.unverified_issuer() else { return Some(first) };
                several.iter().find(|trusted| trusted.issuers().contains(&issuer))
            }
        }
    }
}

/// What is said to who brings no Passport where one is needed.
pub(crate) fn missing() -> Fault {
    let fault = Fault::new(Code::Unauthenticated, "there is no Passport");
    fault.because(Reason::NoCredential).with_challenge(CHALLENGE)
}

/// What is said where no gateway is believed at all.
pub(crate) fn nobody_is_believed() -> Fault {
    let fault = Fault::new(Code::Unauthenticated, "the configuration has no section 'passport': nobody is believed");
    fault.because(Reason::WrongIssuer).with_challenge(CHALLENGE)
}

fn fault_of(refusal: &Refusal) -> Fault {
    match refusal {
        Refusal::Unavailable { reason, detail, retry_after } => {
            Fault::new(Code::IdentityUnavailable, detail.clone()).because(*reason).with_retry_after(*retry_after)
        }
        refusal => Fault::new(Code::Unauthenticated, refusal.detail().to_owned())
            .because(refusal.reason())
            .with_challenge(CHALLENGE),
    }
}

struct Times {
    leeway: Duration,
    cache: Duration,
    stale: Duration,
    cool_down: Duration,
    timeout: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            leeway: Duration::from_secs(5),
            cache: Duration::from_secs(300),
            stale: Duration::from_secs(3600),
            cool_down: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
        }
    }
}

fn keys(
    jwks: &Spanned<String>,
    ca: Option<&Spanned<String>>,
    verifier: &VerifierSpec,
    times: &Times,
    ground: &mut Ground<'_>,
) -> Option<Keys> {
    if path_of(jwks).is_some() {
        return fixed(jwks, ground);
    }
    let tls = ground.tls(ca, None);
    let url = match jwks.parse() {
        Ok(url) => url,
        Err(why) => {
            let message = format!("found '{}': {why}", jwks.value.escape_debug());
            match why {
                NoEndpoint::Cleartext => ground.refuse_with_hint(
                    jwks.span,
                    message,
                    "whoever is on the way could answer with keys of their own: https:, or file:PATH",
                ),
                _ => {
                    ground.refuse_with_hint(jwks.span, message, "wanted https://gateway.example/jwks.json or file:PATH")
                }
            }
            return None;
        }
    };
    let limits = Settings {
        timeout: times.timeout,
        connect_timeout: times.timeout,
        answer_bytes: Published::LONGEST,
        tls: tls?,
        ..Settings::default()
    };
    let fetch = FetchSettings {
        issuer: verifier.issuers.first().cloned().unwrap_or_default(),
        algorithms: ALGORITHMS.to_vec(),
        cache: times.cache,
        stale: times.stale,
        cool_down: times.cool_down,
        timeout: times.timeout,
    };
    let outbound = ground.outbound();
    let client = Client::new(&outbound, "passport-keys", limits);
    Some(Keys::fetched(fetch, Arc::new(Published::new(KeysAt::Url(url), client)), &outbound))
}

fn fixed(file: &Spanned<String>, ground: &mut Ground<'_>) -> Option<Keys> {
    let bytes = ground.read(file)?;
    let set = JwkSet::parse(&bytes, &ALGORITHMS).map_err(|error| format!("this is no key set: {error}"));
    let set = set.and_then(|set| match set.keys().is_empty() {
        true => Err("no key in it is for EdDSA or ES256".to_owned()),
        false => Ok(set),
    });
    set.map(Keys::fixed).map_err(|why| ground.refuse(file.span, why)).ok()
}
