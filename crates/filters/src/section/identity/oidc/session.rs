//! `session` of a provider: how long sessions last.

use std::time::Duration;

use gwanmun_config::{Span, Spanned, Timespan};
use gwanmun_identity::SessionSettings;
use gwanmun_proxy::Ground;
use schemars::JsonSchema;
use serde::Deserialize;

/// So that a session which has ended is gone everywhere within a second.
const LONGEST_CACHE: Duration = Duration::from_secs(1);

/// How long sessions last.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct SessionSpec {
    /// Altogether (8h).
    lifetime: Spanned<Timespan>,
    /// Without a request (30m, and never more than `lifetime`).
    idle: Option<Spanned<Timespan>>,
    /// How long before the end of its access token a session is refreshed, where the provider gives a refresh token (60s).
    refresh_ahead: Option<Spanned<Timespan>>,
    /// How long after the end of its access token a session goes on while the provider cannot be asked (5m).
    grace: Timespan,
    /// How long a worker believes what it has read of a session: at most 1s (500ms).
    cache: Spanned<Timespan>,
}

impl Default for SessionSpec {
    fn default() -> Self {
        let seconds = |seconds| Timespan(Duration::from_secs(seconds));
        Self {
            lifetime: seconds(8 * 3600).into(),
            idle: None,
            refresh_ahead: None,
            grace: seconds(300),
            cache: Timespan(Duration::from_millis(500)).into(),
        }
    }
}

impl SessionSpec {
    pub(super) fn build(&self, ground: &mut Ground<'_>) -> Option<SessionSettings> {
        let usual = |written: &Option<Spanned<Timespan>>, seconds: u64, most: Duration| {
            written.as_ref().map_or(Duration::from_secs(seconds).min(most), |time| time.0)
        };
        let lifetime = self.lifetime.0;
        let (idle, ahead) = (usual(&self.idle, 1800, lifetime), usual(&self.refresh_ahead, 60, lifetime / 2));
        let mut is_good = true;
        let mut refuse = |span: Span, message: String| {
            ground.refuse(span, message);
            is_good = false;
        };
        if lifetime < Duration::from_secs(1) {
            refuse(self.lifetime.span, format!("found {}, wanted at least 1s", self.lifetime.value));
        }
        if let Some(written) = &self.idle
            && (idle > lifetime || idle < Duration::from_secs(1))
        {
            let message = format!("found {}, wanted from 1s to the lifetime, {}", written.value, self.lifetime.value);
            refuse(written.span, message);
        }
        if let Some(written) = &self.refresh_ahead
            && ahead >= lifetime
        {
            let message = format!("found {}, wanted less than the lifetime, {}", written.value, self.lifetime.value);
            refuse(written.span, message);
        }
        if self.cache.0 > LONGEST_CACHE {
            let message = format!("found {}, wanted at most 1s: who is logged out would go on", self.cache.value);
            refuse(self.cache.span, message);
        }
        let settings =
            SessionSettings { lifetime, idle, refresh_ahead: ahead, grace: self.grace.0, cache: self.cache.0 };
        is_good.then_some(settings)
    }
}
