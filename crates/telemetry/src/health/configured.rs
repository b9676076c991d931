//! The section `health`, checked: which checks there are, and what the operator says about those that code brings.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gwanmun_client::Outbound;
use gwanmun_config::{ByteSize, Diagnostic, Diagnostics, OneOrMany, Span, Spanned, Timespan};
use http::{HeaderName, HeaderValue, Method, Uri};

use super::check::{Check, CheckSettings};
use super::disk::{DiskCheck, Free};
use super::http::HttpCheck;
use super::page::RESERVED;
use super::probe::Probe;
use super::tcp::TcpCheck;
use super::transaction::TransactionCheck;
use crate::spec::{CheckSpec, HealthSpec, StepSpec};

/// How often the same thing may be looked at.
const OFTEN: Duration = Duration::from_millis(100);

/// How many requests a transaction may have.
const STEPS: usize = 20;

/// How long the name of a check may be.
const NAME: usize = 64;

/// What a disk must have left, where nothing is said.
const FREE: Free = Free::Bytes(100 << 20);

/// The section `health`, checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Configured {
    general: Overrides,
    /// By name; nothing to look at where only settings are changed.
    checks: BTreeMap<String, (Option<Target>, Overrides)>,
}

/// What is said about settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Overrides {
    readiness: Option<bool>,
    liveness: Option<bool>,
    startup: Option<bool>,
    every: Option<Duration>,
    timeout: Option<Duration>,
}

/// What is looked at.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Target {
    Http(Box<Probe>),
    Tcp(String, u16),
    Disk(String, Free),
    Transaction(Vec<Probe>),
}

impl HealthSpec {
    /// Checks what is written; mistakes go to `diagnostics`. `known` are the names of checks that code brings, whose
    /// settings may be changed here.
    pub fn configured(&self, known: &[&str], diagnostics: &mut Diagnostics) -> Configured {
        let general = Overrides {
            every: pause(self.every.as_ref(), diagnostics),
            timeout: limit(self.timeout.as_ref(), diagnostics),
            ..Overrides::default()
        };
        let mut checks = BTreeMap::new();
        for (name, check) in &self.checks {
            check_name(name, check.span, diagnostics);
            let overrides = Overrides {
                readiness: check.readiness,
                liveness: check.liveness,
                startup: check.startup,
                every: pause(check.every.as_ref(), diagnostics),
                timeout: limit(check.timeout.as_ref(), diagnostics),
            };
            let is_known = known.contains(&name.as_str());
            let target = target(check, is_known, known, diagnostics);
            checks.insert(name.clone(), (target, overrides));
        }
        Configured { general, checks }
    }
}

impl Configured {
    /// The settings of the check `name` of code, which wants `settings`, after what the operator says.
    pub fn settings(&self, name: &str, settings: CheckSettings) -> CheckSettings {
        let default = CheckSettings::default();
        let own = self.checks.get(name).map(|(_, overrides)| *overrides).unwrap_or_default();
        let unsaid = |value: Duration, default: Duration, general: Option<Duration>| {
            general.filter(|_| value == default).unwrap_or(value)
        };
        CheckSettings {
            readiness: own.readiness.unwrap_or(settings.readiness),
            liveness: own.liveness.unwrap_or(settings.liveness),
            startup: own.startup.unwrap_or(settings.startup),
            every: own.every.unwrap_or(unsaid(settings.every, default.every, self.general.every)),
            timeout: own.timeout.unwrap_or(unsaid(settings.timeout, default.timeout, self.general.timeout)),
        }
    }

    /// What is looked at by the word of the configuration.
    pub(super) fn targets(&self) -> impl Iterator<Item = (&str, &Target, CheckSettings)> {
        self.checks.iter().filter_map(|(name, (target, _))| {
            let target = target.as_ref()?;
            Some((name.as_str(), target, self.settings(name, target.settings())))
        })
    }
}

impl Target {
    /// What is right where nothing is said. A transaction is more work than a look.
    fn settings(&self) -> CheckSettings {
        match self {
            Self::Http(_) | Self::Tcp(..) | Self::Disk(..) => CheckSettings::default(),
            Self::Transaction(_) => CheckSettings {
                every: Duration::from_secs(60),
                timeout: Duration::from_secs(10),
                ..CheckSettings::default()
            },
        }
    }

    /// The check for the component `name`.
    pub(super) fn check(&self, outbound: &Outbound, name: &str, timeout: Duration) -> Arc<dyn Check> {
        match self {
            Self::Http(probe) => Arc::new(HttpCheck::new(outbound, name, timeout, Probe::clone(probe))),
            Self::Tcp(host, port) => Arc::new(TcpCheck::new(host, *port)),
            Self::Disk(path, free) => Arc::new(DiskCheck::new(path, *free)),
            Self::Transaction(steps) => Arc::new(TransactionCheck::new(outbound, name, timeout, steps.clone())),
        }
    }
}

fn check_name(name: &str, span: Span, diagnostics: &mut Diagnostics) {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > NAME || !name.bytes().all(is_plain) {
        let message = format!("found the name '{name}', wanted 1 to {NAME} letters, digits and any of - _ .");
        diagnostics.push(Diagnostic::error(message, span));
    } else if RESERVED.contains(&name) {
        diagnostics.push(Diagnostic::error(format!("no check can be called '{name}': a page of health is"), span));
    }
}

/// What `check` looks at; nothing after a mistake, and where it only changes the settings of a known one.
fn target(check: &Spanned<CheckSpec>, is_known: bool, known: &[&str], diagnostics: &mut Diagnostics) -> Option<Target> {
    let CheckSpec { http, status, tcp, path, free, steps, .. } = &check.value;
    let kinds = [http.is_some(), tcp.is_some(), path.is_some(), steps.is_some()];
    let mut refuse = |message: &str, span: Span| diagnostics.push(Diagnostic::error(message, span));
    match (kinds.into_iter().filter(|is_there| *is_there).count(), is_known) {
        (1, false) | (0, true) => {}
        (0, false) => {
            let known = known.join(", ");
            let mistake = Diagnostic::error("found nothing to look at, wanted http, tcp, path or steps", check.span);
            let hint = format!("the settings of these may be changed without: {known}");
            diagnostics.push(if known.is_empty() { mistake } else { mistake.with_hint(hint) });
            return None;
        }
        (_, true) => refuse("what this check looks at is given, only its settings can be changed", check.span),
        (_, false) => refuse("found several things to look at, wanted one of http, tcp, path and steps", check.span),
    }
    if let (Some(status), None) = (status.as_ref().and_then(|status| status.first()), http) {
        refuse("'status' belongs to 'http', which is not here", status.span);
    }
    if let (Some(free), None) = (free, path) {
        refuse("'free' belongs to 'path', which is not here", free.span);
    }
    match (http, tcp, path, steps) {
        (Some(url), None, None, None) => {
            let statuses = statuses(status.as_ref(), diagnostics);
            let probe = Probe { statuses: statuses?, ..Probe::get(uri(url, diagnostics)?) };
            Some(Target::Http(Box::new(probe)))
        }
        (None, Some(address), None, None) => {
            let parsed = host_and_port(address);
            if parsed.is_none() {
                let message = format!("found '{}', wanted HOST:PORT", address.value);
                diagnostics.push(Diagnostic::error(message, address.span));
            }
            parsed.map(|(host, port)| Target::Tcp(host, port))
        }
        (None, None, Some(path), None) => {
            let wanted = free.as_ref().map_or(Some(FREE), |free| room(free, diagnostics));
            Some(Target::Disk(path.value.clone(), wanted?))
        }
        (None, None, None, Some(steps)) => {
            if !(1..=STEPS).contains(&steps.len()) {
                let message = format!("found {} steps, wanted 1 to {STEPS}", steps.len());
                diagnostics.push(Diagnostic::error(message, check.span));
            }
            let steps: Vec<_> = steps.iter().map(|step| probe(step, diagnostics)).collect();
            Some(Target::Transaction(steps.into_iter().collect::<Option<_>>()?))
        }
        _ => None,
    }
}

fn probe(step: &StepSpec, diagnostics: &mut Diagnostics) -> Option<Probe> {
    let uri = uri(&step.url, diagnostics);
    let method = match &step.method {
        None => Some(Method::GET),
        Some(method) => {
            let read = Method::from_bytes(method.as_bytes()).ok();
            if read.is_none() {
                let message = format!("found '{}', wanted a method such as POST", method.value);
                diagnostics.push(Diagnostic::error(message, method.span));
            }
            read
        }
    };
    let mut headers = http::HeaderMap::new();
    for (name, value) in &step.headers {
        match (HeaderName::try_from(name), HeaderValue::try_from(value.0.expose())) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
            (Err(_), _) => {
                diagnostics.push(Diagnostic::error(format!("'{name}' cannot be the name of a header"), value.span));
            }
            // The value may be a secret.
            (_, Err(_)) => {
                let message = format!("the header '{name}' cannot have this value: a control character is in it");
                diagnostics.push(Diagnostic::error(message, value.span));
            }
        }
    }
    let statuses = statuses(step.status.as_ref(), diagnostics);
    let body = step.body.as_ref().map(|body| Bytes::copy_from_slice(body.0.expose().as_bytes())).unwrap_or_default();
    let contains = step.contains.clone();
    Some(Probe { method: method?, uri: uri?, headers, body, statuses: statuses?, contains })
}

fn uri(url: &Spanned<String>, diagnostics: &mut Diagnostics) -> Option<Uri> {
    let read = url.parse::<Uri>().ok().filter(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
    });
    if read.is_none() {
        // A password may stand in it.
        let mistake = Diagnostic::error("this is no URL that can be asked", url.span);
        diagnostics.push(mistake.with_hint("http://HOST:PORT/PATH or https://…, without a user"));
    }
    read
}

fn statuses(written: Option<&OneOrMany<Spanned<u16>>>, diagnostics: &mut Diagnostics) -> Option<Vec<u16>> {
    let Some(written) = written else { return Some(Vec::new()) };
    let wrong = written.iter().find(|status| !(100..600).contains(&status.value));
    if let Some(wrong) = wrong {
        let message = format!("found {}, wanted a status from 100 to 599", wrong.value);
        diagnostics.push(Diagnostic::error(message, wrong.span));
    }
    wrong.is_none().then(|| written.iter().map(|status| status.value).collect())
}

/// Of `name:1`, `127.0.0.1:1` and `[::1]:1`; the host without brackets.
fn host_and_port(address: &str) -> Option<(String, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let host = match bare {
        Some(bare) => bare.parse::<std::net::Ipv6Addr>().ok().map(|_| bare)?,
        None => Some(host).filter(|_| is_host)?,
    };
    let port = port.parse().ok().filter(|port| *port != 0)?;
    Some((host.to_owned(), port))
}

fn room(free: &Spanned<String>, diagnostics: &mut Diagnostics) -> Option<Free> {
    let read = match free.strip_suffix('%') {
        Some(share) => share.parse().ok().filter(|share| *share <= 100).map(Free::Percent),
        None => ByteSize::parse(free).map(|size| Free::Bytes(size.0)),
    };
    if read.is_none() {
        let message = format!("found '{}', wanted a size or a share such as 100MiB or 10%", free.value);
        diagnostics.push(Diagnostic::error(message, free.span));
    }
    read
}

fn pause(written: Option<&Spanned<Timespan>>, diagnostics: &mut Diagnostics) -> Option<Duration> {
    let written = written?;
    if written.0 < OFTEN {
        let message = format!("found {}, wanted {} or more", written.value, Timespan(OFTEN));
        diagnostics.push(Diagnostic::error(message, written.span));
    }
    Some(written.value.0)
}

fn limit(written: Option<&Spanned<Timespan>>, diagnostics: &mut Diagnostics) -> Option<Duration> {
    let written = written?;
    if written.0.is_zero() {
        diagnostics.push(Diagnostic::error("found 0, wanted more: no check could answer", written.span));
    }
    Some(written.value.0)
}

#[cfg(test)]
mod tests {
    use gwanmun_config::{Environment, MergeRules, decode, load_texts};

    use super::*;

    fn read(text: &str) -> (Configured, Vec<String>) {
        let environment = Environment::from_pairs([("", ""); 0]);
        let texts = [("gw.yaml".to_owned(), text.to_owned())];
        let loaded = load_texts(&texts, &environment, &MergeRules { append: &[] });
        let mut diagnostics = loaded.diagnostics;
        let spec: HealthSpec = decode(&loaded.document, &mut diagnostics).unwrap_or_default();
        let configured = spec.configured(&["store"], &mut diagnostics);
        (configured, diagnostics.iter().map(|found| found.message.clone()).collect())
    }

    #[test]
    fn every_kind_is_read_with_its_settings() {
        let text = "
every: 2s
checks:
  inventory: {http: 'http://inventory/ready', status: [200, 204], readiness: false}
  mail: {tcp: '[::1]:25', timeout: 3s, startup: true}
  disk: {path: /var, free: 10%, liveness: true}
  order:
    steps:
      - {url: 'http://a/login', method: POST, headers: {Authorization: Bearer x}, body: '{}', status: 201}
      - {url: 'https://a/orders', contains: '[]'}
  store: {readiness: true, every: 9s}
";
        let (configured, said) = read(text);
        assert_eq!(said, [""; 0]);
        let found: Vec<_> =
            configured.targets().map(|(name, target, settings)| (name, target.clone(), settings)).collect();
        assert_eq!(found.iter().map(|(name, ..)| *name).collect::<Vec<_>>(), ["disk", "inventory", "mail", "order"]);
        let every = |index: usize| (found[index].2.every.as_secs(), found[index].2.timeout.as_secs());
        assert_eq!((every(0), every(2), every(3)), ((2, 1), (2, 3), (60, 10)));
        assert_eq!(found[0].1, Target::Disk("/var".into(), Free::Percent(10)));
        assert_eq!(found[2].1, Target::Tcp("::1".into(), 25));
        let readiness = found.iter().map(|(_, _, settings)| settings.readiness).collect::<Vec<_>>();
        assert_eq!(readiness, [true, false, true, true]);
        assert!(found[0].2.liveness && found[2].2.startup && !found[1].2.startup);
        let Target::Transaction(steps) = &found[3].1 else { panic!("a transaction") };
        assert_eq!((steps[0].statuses.as_slice(), steps[1].contains.as_deref()), ([201].as_slice(), Some("[]")));
        assert!(!format!("{:?}", steps[0]).contains("Bearer"));
        let store = configured.settings("store", CheckSettings::shown());
        assert_eq!((store.readiness, store.every.as_secs()), (true, 9));
        let other = CheckSettings { every: Duration::from_secs(7), ..CheckSettings::shown() };
        assert_eq!(configured.settings("other", other), other, "code says how often");
    }

    #[test]
    fn mistakes_are_told_and_no_secret_with_them() {
        for (text, wanted) in [
            ("checks: {a: {}}", "found nothing to look at"),
            ("checks: {a: {readiness: true}}", "found nothing to look at"),
            ("checks: {store: {tcp: 'a:1'}}", "is given"),
            ("checks: {a: {tcp: 'a:1', path: /}}", "several"),
            ("checks: {a: {tcp: 'a:1', status: 200}}", "'status' belongs to 'http'"),
            ("checks: {a: {tcp: 'a:1', free: 10%}}", "'free' belongs to 'path'"),
            ("checks: {a: {http: 'ftp://a'}}", "no URL"),
            ("checks: {a: {http: 'http://u:hunter2@a/'}}", "no URL"),
            ("checks: {a: {http: /a}}", "no URL"),
            ("checks: {a: {http: 'http://a', status: 99}}", "found 99"),
            ("checks: {a: {http: 'http://a', stauts: 99}}", "stauts"),
            ("checks: {a: {tcp: 'a'}}", "wanted HOST:PORT"),
            ("checks: {a: {tcp: 'a:0'}}", "wanted HOST:PORT"),
            ("checks: {a: {tcp: '::1:25'}}", "wanted HOST:PORT"),
            ("checks: {a: {tcp: '[a]:25'}}", "wanted HOST:PORT"),
            ("checks: {a: {path: /, free: 101%}}", "found '101%'"),
            ("checks: {a: {path: /, free: much}}", "found 'much'"),
            ("checks: {a: {steps: []}}", "found 0 steps"),
            ("checks: {a: {steps: [{url: 'http://a', method: 'A B'}]}}", "wanted a method"),
            ("checks: {a: {steps: [{url: 'http://a', headers: {'a b': x}}]}}", "the name of a header"),
            (r#"checks: {a: {steps: [{url: 'http://a', headers: {a: "hunter2\n"}}]}}"#, "cannot have this value"),
            ("checks: {a/b: {path: /}}", "found the name 'a/b'"),
            ("checks: {readiness: {path: /}}", "no check can be called 'readiness'"),
            ("checks: {process: {path: /}}", "no check can be called 'process'"),
            ("every: 1ms", "wanted 100ms or more"),
            ("timeout: 0", "no check could answer"),
            ("checks: {a: {path: /, every: 0}}", "wanted 100ms or more"),
        ] {
            let (_, said) = read(text);
            assert!(said.iter().any(|message| message.contains(wanted)), "{text}: {said:?}");
            assert!(!said.iter().any(|message| message.contains("hunter2")), "{said:?}");
        }
    }
}
