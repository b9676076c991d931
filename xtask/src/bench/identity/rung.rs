//! The rungs of the ladder: what each asks of callers, and of which proxy.

use crate::bench::product::Product;

/// One way to guard the same route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rung {
    /// No guard.
    Plain,
    /// One token again and again, which is verified once.
    Known,
    /// Another token for each request.
    Unknown,
    /// [`Rung::Known`], and a role and a scope are wanted.
    Authorized,
    /// [`Rung::Authorized`], and a Passport of its own for each request.
    PassportEach,
    /// [`Rung::Authorized`], and a Passport that serves for a while.
    PassportReused,
    /// An opaque token, which the authorization server was asked about a while ago.
    Introspected,
    /// [`Rung::Authorized`], and a record of each decision that must not be lost.
    Audited,
    /// Somebody who has logged in, with a role and a scope that are wanted.
    Session,
    /// Envoy without a guard.
    EnvoyPlain,
    /// One token again and again, with Envoy's cache of tokens.
    EnvoyKnownCached,
    /// One token again and again, without the cache.
    EnvoyKnown,
    /// Another token for each request, without the cache.
    EnvoyUnknown,
}

/// What a rung may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A signed token.
    Token,
    /// A signed token that was not seen before.
    NewTokens,
    /// A token only its issuer understands.
    Introspection,
    /// A decision over who the caller is.
    Decision,
    /// A Passport for the origin.
    Passport,
    /// A line in the audit log.
    Audit,
    /// A session.
    Session,
}

impl Rung {
    /// Every rung, in the order of the rounds and of the report.
    pub(crate) const ALL: [Self; 13] = [
        Self::Plain,
        Self::Known,
        Self::Unknown,
        Self::Authorized,
        Self::PassportEach,
        Self::PassportReused,
        Self::Introspected,
        Self::Audited,
        Self::Session,
        Self::EnvoyPlain,
        Self::EnvoyKnownCached,
        Self::EnvoyKnown,
        Self::EnvoyUnknown,
    ];

    /// The short name, of the rounds and of the folder.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Known => "known",
            Self::Unknown => "unknown",
            Self::Authorized => "authorize",
            Self::PassportEach => "passport-each",
            Self::PassportReused => "passport-reused",
            Self::Introspected => "introspection",
            Self::Audited => "audit",
            Self::Session => "session",
            Self::EnvoyPlain => "envoy-plain",
            Self::EnvoyKnownCached => "envoy-known-cached",
            Self::EnvoyKnown => "envoy-known",
            Self::EnvoyUnknown => "envoy-unknown",
        }
    }

    /// The name in the report.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Plain => "gwanmun: plain",
            Self::Known => "gwanmun: jwt known",
            Self::Unknown => "gwanmun: jwt unknown",
            Self::Authorized => "gwanmun: jwt known + authorize",
            Self::PassportEach => "gwanmun: jwt known + authorize + Passport per request",
            Self::PassportReused => "gwanmun: jwt known + authorize + Passport reused",
            Self::Introspected => "gwanmun: introspection cached",
            Self::Audited => "gwanmun: jwt known + authorize + audit",
            Self::Session => "gwanmun: session known + authorize",
            Self::EnvoyPlain => "envoy: plain",
            Self::EnvoyKnownCached => "envoy: jwt known, cache on",
            Self::EnvoyKnown => "envoy: jwt known, cache off",
            Self::EnvoyUnknown => "envoy: jwt unknown, cache off",
        }
    }

    /// Whose rung it is.
    pub(crate) fn product(self) -> Product {
        match self {
            Self::EnvoyPlain | Self::EnvoyKnownCached | Self::EnvoyKnown | Self::EnvoyUnknown => Product::Envoy,
            Self::Plain
            | Self::Known
            | Self::Unknown
            | Self::Authorized
            | Self::PassportEach
            | Self::PassportReused
            | Self::Introspected
            | Self::Audited
            | Self::Session => Product::Gwanmun,
        }
    }

    /// The rung of the same proxy without a guard.
    pub(crate) fn plain(self) -> Self {
        if self.product() == Product::Envoy { Self::EnvoyPlain } else { Self::Plain }
    }

    /// Whether it asks for something.
    pub(crate) fn asks(self, what: Asked) -> bool {
        let asked: &[Asked] = match self {
            Self::Plain | Self::EnvoyPlain => &[],
            Self::Known | Self::EnvoyKnownCached | Self::EnvoyKnown => &[Asked::Token],
            Self::Unknown | Self::EnvoyUnknown => &[Asked::Token, Asked::NewTokens],
            Self::Authorized => &[Asked::Token, Asked::Decision],
            Self::PassportEach | Self::PassportReused => &[Asked::Token, Asked::Decision, Asked::Passport],
            Self::Introspected => &[Asked::Introspection],
            Self::Audited => &[Asked::Token, Asked::Decision, Asked::Audit],
            Self::Session => &[Asked::Session, Asked::Decision],
        };
        asked.contains(&what)
    }

    /// Whether it asks for anything.
    pub(crate) fn is_guarded(self) -> bool {
        self != self.plain()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_rungs_share_a_name_or_a_title() {
        for (index, one) in Rung::ALL.iter().enumerate() {
            for other in &Rung::ALL[index + 1..] {
                assert!(one.name() != other.name() && one.title() != other.title(), "{one:?} and {other:?}");
            }
        }
    }

    #[test]
    fn a_title_begins_with_its_proxy_and_only_plain_rungs_stand_open() {
        for rung in Rung::ALL {
            assert!(rung.title().starts_with(&format!("{}: ", rung.product().name())), "{rung:?}");
            let asked = [Asked::Token, Asked::Introspection, Asked::Session].iter().any(|what| rung.asks(*what));
            assert_eq!(rung.is_guarded(), asked, "{rung:?}");
        }
    }
}
