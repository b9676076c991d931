//! `clients.NAME` as people write it, and the client that it becomes.

use std::sync::Arc;
use std::time::Duration;

use gwanmun_client::{Client, Outbound, Settings};
use gwanmun_config::{ByteSize, Spanned, Timespan};
use gwanmun_resilience::{BreakerSettings, RetryBudget, RetryBudgetSettings};
use schemars::JsonSchema;
use serde::Deserialize;

use super::target::Base;
use super::{HttpClient, Parts, Told};
use crate::ground::Ground;

/// More attempts help nobody.
const MOST_RETRIES: u32 = 10;

/// A service that this one calls.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClientSpec {
    /// Its base URL: `http://menu:8080`, `https://menu.internal/api`.
    pub url: Spanned<String>,
    /// How long a call may take, all attempts together (2 s).
    #[serde(default)]
    pub timeout: Option<Spanned<Timespan>>,
    /// How long one attempt may take (`timeout`).
    #[serde(default)]
    pub attempt_timeout: Option<Spanned<Timespan>>,
    /// How long connecting may take (1 s).
    #[serde(default)]
    pub connect_timeout: Option<Spanned<Timespan>>,
    /// Whether the caller's Passport goes along: `pass` for services within the trust domain, and for no others.
    #[serde(default)]
    pub passport: PassportUse,
    /// How often a call that can be repeated is made again after it failed (2).
    #[serde(default)]
    pub retries: Option<Spanned<u32>>,
    /// How many calls may be made again, all together.
    #[serde(default)]
    pub retry_budget: RetryBudgetSpec,
    /// When calls are refused since too many failed.
    #[serde(default)]
    pub breaker: BreakerSpec,
    /// The largest answer (1 MiB).
    #[serde(default)]
    pub body_bytes: Option<Spanned<ByteSize>>,
    /// How many calls are made at a time (64); sixteen times as many may wait for their turn.
    #[serde(default)]
    pub concurrent: Option<Spanned<usize>>,
    /// Whom to trust over `https`, and who we are.
    #[serde(default)]
    pub tls: ClientTlsSpec,
}

/// Whether the caller's Passport goes along. There is no third way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PassportUse {
    /// It stays here: the other side is not within the trust domain, or has no use for it.
    #[default]
    Drop,
    /// It goes along.
    Pass,
}

/// How many calls may be made again.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RetryBudgetSpec {
    /// So many to a hundred calls (20).
    pub percent: Option<Spanned<u8>>,
    /// And so many in each second, however few calls there are (10).
    pub per_second: Option<Spanned<u32>>,
}

/// When calls are refused since too many failed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct BreakerSpec {
    /// It opens when so many in a hundred of the latest calls failed (50).
    pub failure_rate: Option<Spanned<u8>>,
    /// How many of the latest calls are looked at (100).
    pub window: Option<Spanned<usize>>,
    /// With fewer calls than this it does not judge (20).
    pub minimum_calls: Option<Spanned<usize>>,
    /// How long calls are refused then (5 s).
    pub open: Option<Spanned<Timespan>>,
}

/// Whom to trust over `https`, and who we are.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ClientTlsSpec {
    /// A PEM file with the authorities that are trusted, in place of the platform's.
    pub ca: Option<Spanned<String>>,
    /// A PEM file with our certificate and its chain, where the other side wants one.
    pub certificate: Option<Spanned<String>>,
    /// A PEM file with its private key.
    pub key: Option<Spanned<String>>,
}

impl HttpClient {
    /// Checks what is written and reads files.
    pub(super) fn build(
        name: &str,
        spec: &ClientSpec,
        told: &Told,
        outbound: &Outbound,
        ground: &mut Ground<'_>,
    ) -> Option<Self> {
        let before = ground.diagnostics.len();
        let base = Base::parse(&spec.url);
        let base = base
            .map_err(|why| ground.refuse(spec.url.span, format!("found '{}': {why}", spec.url.value.escape_debug())));
        let mut time = |name: &str, written: Option<&Spanned<Timespan>>, default: Duration| match written {
            None => default,
            Some(given) if given.0.is_zero() => {
                ground.refuse(given.span, format!("found 0, wanted more: no call could be made in a '{name}' of 0"));
                default
            }
            Some(given) => given.0,
        };
        let timeout = time("timeout", spec.timeout.as_ref(), Duration::from_secs(2));
        let attempt = time("attempt-timeout", spec.attempt_timeout.as_ref(), timeout).min(timeout);
        let connect_timeout =
            time("connect-timeout", spec.connect_timeout.as_ref(), Duration::from_secs(1)).min(attempt);
        let open = time("open", spec.breaker.open.as_ref(), Duration::from_secs(5));
        let retries = spec.retries.as_ref().map_or(2, |retries| retries.value);
        if let Some(written) = spec.retries.as_ref().filter(|written| written.value > MOST_RETRIES) {
            ground.refuse(written.span, format!("found {retries}, wanted at most {MOST_RETRIES}"));
        }
        for percent in [&spec.retry_budget.percent, &spec.breaker.failure_rate].into_iter().flatten() {
            if percent.value > 100 {
                ground.refuse(percent.span, format!("found {}, wanted at most 100", percent.value));
            }
        }
        if let Some(none) = spec.concurrent.as_ref().filter(|concurrent| concurrent.value == 0) {
            ground.refuse(none.span, "found 0, wanted more: no call could be made");
        }
        let own = match (&spec.tls.certificate, &spec.tls.key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(lonely), None) | (None, Some(lonely)) => {
                ground.refuse(lonely.span, "found one of 'certificate' and 'key', wanted both or none");
                None
            }
        };
        let tls = ground.tls(spec.tls.ca.as_ref(), own);
        let has_mistake =
            ground.diagnostics.iter().skip(before).any(|found| found.severity == gwanmun_config::Severity::Error);
        let (base, tls) = (base.ok()?, tls?);
        if has_mistake {
            return None;
        }
        let concurrent = spec.concurrent.as_ref().map_or(64, |concurrent| concurrent.value);
        let defaults = BreakerSettings { minimum_calls: 20, open, ..BreakerSettings::default() };
        let settings = Settings {
            timeout: attempt,
            connect_timeout,
            answer_bytes: spec
                .body_bytes
                .as_ref()
                .map_or(1024 * 1024, |size| usize::try_from(size.0).unwrap_or(usize::MAX)),
            concurrent,
            waiting: concurrent.saturating_mul(16),
            breaker: BreakerSettings {
                failure_rate: spec.breaker.failure_rate.as_ref().map_or(defaults.failure_rate, |rate| rate.value),
                window: spec.breaker.window.as_ref().map_or(defaults.window, |window| window.value),
                minimum_calls: spec.breaker.minimum_calls.as_ref().map_or(defaults.minimum_calls, |least| least.value),
                ..defaults
            },
            tls,
            ..Settings::default()
        };
        let budget = RetryBudgetSettings::default();
        let budget = RetryBudgetSettings {
            percent: spec.retry_budget.percent.as_ref().map_or(budget.percent, |percent| percent.value),
            per_second: spec.retry_budget.per_second.as_ref().map_or(budget.per_second, |rate| rate.value),
            ..budget
        };
        Some(Self(Arc::new(Parts {
            name: name.into(),
            base,
            client: Client::new(outbound, name, settings),
            passport: spec.passport,
            timeout,
            attempt,
            retries,
            budget: RetryBudget::new(budget, Arc::clone(ground.clock)),
            told: told.clone(),
            clock: Arc::clone(ground.clock),
        })))
    }
}
