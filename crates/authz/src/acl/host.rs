//! The hosts that lines are for.

use std::collections::HashMap;

use crate::decision::shortened;
use crate::invalid::Mistake;

/// Which hosts a line is for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Host {
    Every,
    /// In lower case.
    Named(Box<str>),
    /// One label more than this, in lower case.
    Below(Box<str>),
}

/// Something for hosts, found by name.
#[derive(Debug)]
pub(crate) struct Hosts<T> {
    every: T,
    named: HashMap<Box<str>, T>,
    below: HashMap<Box<str>, T>,
}

impl Host {
    /// `www.example`, `*.example` or `*`.
    pub(crate) fn parse(text: &str) -> Result<Self, Mistake> {
        if text == "*" {
            return Ok(Self::Every);
        }
        let found = |wanted: &str| Mistake::new(format!("found host '{}', wanted {wanted}", shortened(text, 80)));
        if text.contains("://") || text.contains('/') {
            return Err(found("a name without scheme and path"));
        }
        let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        if text
            .rsplit_once(':')
            .is_some_and(|(name, port)| is_port(port) && (!name.contains(':') || name.ends_with(']')))
        {
            return Err(found("a name without a port"));
        }
        let lower = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let (name, below) = match lower.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (lower.as_str(), false),
        };
        if name.contains('*') || name.contains('{') {
            return Err(found("a name, '*.NAME' or '*'"));
        }
        let is_literal = !below && name.starts_with('[') && name.ends_with(']');
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if name.len() > 255 || !(is_literal || name.split('.').all(is_label)) {
            return Err(found("the name of a host"));
        }
        Ok(if below { Self::Below(name.into()) } else { Self::Named(name.into()) })
    }
}

impl<T: Default> Hosts<T> {
    /// What is for `host`, made if need be.
    pub(crate) fn entry(&mut self, host: Host) -> &mut T {
        match host {
            Host::Every => &mut self.every,
            Host::Named(name) => self.named.entry(name).or_default(),
            Host::Below(name) => self.below.entry(name).or_default(),
        }
    }

    /// All that is for the host `name`.
    pub(crate) fn of(&self, name: &str) -> impl Iterator<Item = &T> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let lower;
        let name = if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            lower = name.to_ascii_lowercase();
            &lower
        } else {
            name
        };
        let below = name.split_once('.').filter(|(label, _)| !label.is_empty());
        let below = below.and_then(|(_, parent)| self.below.get(parent));
        [self.named.get(name), below, Some(&self.every)].into_iter().flatten()
    }
}

impl<T: Default> Default for Hosts<T> {
    fn default() -> Self {
        Self { every: T::default(), named: HashMap::new(), below: HashMap::new() }
    }
}
