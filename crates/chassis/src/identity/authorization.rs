//! The section `authorization`: what an operator says about routes and resources, without a build. Every rule that fits
//! must let the request pass, so that a refusal always wins. May change while the service runs.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::SystemTime;

use gwanmun_authz::{Action, Argument, Cause, Decision, LineSpec, Policy, PolicySpec};
use gwanmun_config::{OneOrMany, Span, Spanned, decode, load_list};
use gwanmun_core::{Code, Fault, Level, Reason};
use http::{HeaderMap, uri};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::caller::Caller;
use super::pattern::{Pattern, otherwise};
use super::proof;
use crate::ground::{Ground, path_of};

/// So many rules there may be of each kind: all of them are looked at for each request.
const MOST_RULES: usize = 1_000;

/// The longest name of a resource that is asked about, bytes.
const LONGEST_RESOURCE: usize = 2_048;

/// What would do for who lacks a scope (RFC 6750 section 3.1).
const CHALLENGE: &str = r#"Txn-Token realm="gwanmun", error="insufficient_scope""#;

/// Who may do what. A rule's `authorize` has the arguments of the gateway's filter of that name.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct AuthorizationSpec {
    /// What is recorded in the audit log.
    pub audit: Extent,
    /// About routes. All that fit a request must let it pass.
    pub routes: Vec<Spanned<RouteRuleSpec>>,
    /// What becomes of requests with a Passport that no rule of `routes` is about.
    pub unlisted: Unlisted,
    /// What `may` in the service's code is answered. All that fit must let it pass, and one must fit.
    pub resources: Vec<Spanned<ResourceRuleSpec>>,
}

/// What is recorded in the audit log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Extent {
    /// Refusals.
    #[default]
    Denied,
    /// Grants, too.
    All,
}

/// What becomes of requests that no rule is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unlisted {
    /// They pass: the service's code decides.
    #[default]
    Allow,
    /// They are refused (403).
    Deny,
}

/// About a route.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RouteRuleSpec {
    /// The route as the service writes it, or a path: `/orders/{id}`, `/orders/**`.
    pub path: Spanned<String>,
    /// Methods; without them every method.
    #[serde(default, deserialize_with = "given")]
    pub methods: Option<OneOrMany<Spanned<String>>>,
    /// What must hold.
    pub authorize: Spanned<AuthorizeSpec>,
}

/// About resources that the service's code asks for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ResourceRuleSpec {
    /// `order/{id}`, `order/**`.
    pub resource: Spanned<String>,
    /// Names of actions, as the code has them; without them every action.
    #[serde(default, deserialize_with = "given")]
    pub actions: Option<OneOrMany<Spanned<String>>>,
    /// What must hold. `request.method` is the action in capitals, `request.path` the resource after a slash.
    pub authorize: Spanned<AuthorizeSpec>,
}

/// What must hold, all of it. With nothing given, somebody must be there.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AuthorizeSpec {
    /// One of these roles is needed.
    #[serde(default, deserialize_with = "given")]
    pub roles: Option<OneOrMany<String>>,
    /// All of these scopes are needed.
    #[serde(default, deserialize_with = "given")]
    pub scopes: Option<OneOrMany<String>>,
    /// How sure it must be who calls.
    #[serde(default, deserialize_with = "given")]
    pub level: Option<LevelSpec>,
    /// An expression (CEL) over `principal` and `request` that must be true; one that cannot be computed refuses.
    #[serde(default, deserialize_with = "given")]
    pub rule: Option<Spanned<String>>,
    /// An access list, of which one line must be for the caller and the request: `file:PATH`, or the lines.
    #[serde(default, deserialize_with = "given")]
    pub acl: Option<Spanned<AclSpec>>,
}

/// How sure it must be who calls.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LevelSpec {
    /// Asserted.
    Low,
    /// Proven by a token, a session or a signature.
    High,
    /// Proven by credentials, a certificate or an app in the request that came to the gateway.
    Highest,
}

/// An access list, as people write it.
#[derive(Debug)]
pub enum AclSpec {
    /// `file:PATH`.
    File(String),
    /// The lines.
    Lines(Vec<Spanned<AclLineSpec>>),
}

/// One line: who may do what.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AclLineSpec {
    /// `user:SUBJECT`, `group:ROLE`, or `*` for everybody who is authenticated.
    pub who: String,
    /// A host, `*.example` for the names one label below, or `*`; without it every host.
    #[serde(default, deserialize_with = "given")]
    pub host: Option<String>,
    /// A path: segments `*` and `{name}` are any one, `/**` at the end is everything below; without it every path.
    #[serde(default, deserialize_with = "given")]
    pub path: Option<String>,
    /// Methods; without them every method.
    #[serde(default, deserialize_with = "given")]
    pub methods: Option<OneOrMany<String>>,
}

/// A key without a value is a slip, not a condition left out: it would let everybody pass.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Decides about routes and resources.
#[derive(Debug, Default)]
pub(super) struct Authorization {
    audit: Extent,
    unlisted: Unlisted,
    routes: Vec<Rule>,
    resources: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    /// Methods, or actions in capitals; none is every one.
    methods: Option<Vec<String>>,
    policy: Policy,
    /// What would do for who lacks a scope.
    challenge: Option<Box<str>>,
}

/// What was decided, and by which rule.
pub(super) struct Decided {
    pub(super) rule: Option<String>,
    pub(super) outcome: Result<(), Fault>,
}

impl Authorization {
    /// Checks what is written and reads access lists.
    pub(super) fn build(spec: &AuthorizationSpec, ground: &mut Ground<'_>) -> Option<Self> {
        for (name, rules) in [("routes", spec.routes.len()), ("resources", spec.resources.len())] {
            if rules > MOST_RULES {
                let span = spec.routes.first().map(|rule| rule.span);
                let span = span.or_else(|| spec.resources.first().map(|rule| rule.span)).unwrap_or(Span::NOWHERE);
                ground.refuse(span, format!("found {rules} '{name}', wanted at most {MOST_RULES}"));
                return None;
            }
        }
        let mut routes = Vec::new();
        for rule in &spec.routes {
            let methods = names(rule.methods.as_ref(), "methods", ground);
            if let Some(wrong) = rule.methods.iter().flat_map(|all| all.iter()).find(|one| !is_method(one)) {
                ground
                    .refuse(wrong.span, format!("found '{}', wanted a method in capitals", wrong.value.escape_debug()));
            }
            routes.push(Rule::build(&rule.path, methods, &rule.authorize, ground));
        }
        let mut resources = Vec::new();
        for rule in &spec.resources {
            let actions = names(rule.actions.as_ref(), "actions", ground);
            resources.push(Rule::build(&rule.resource, actions, &rule.authorize, ground));
        }
        let (routes, resources): (Option<_>, Option<_>) =
            (routes.into_iter().collect(), resources.into_iter().collect());
        Some(Self { audit: spec.audit, unlisted: spec.unlisted, routes: routes?, resources: resources? })
    }

    /// Whether grants are recorded.
    pub(super) fn records_grants(&self) -> bool {
        self.audit == Extent::All
    }

    /// What is decided about a request; `None` where nothing is said about its route.
    pub(super) fn of_route(&self, caller: &Caller, headers: &HeaderMap, now: SystemTime) -> Option<Decided> {
        let asked = caller.asked();
        let (path, method) = (asked.uri.path(), asked.method.as_str());
        let host = name_of(asked.host());
        let action = Action {
            method,
            scheme: "https",
            host,
            path,
            query: asked.uri.query(),
            headers,
            client: client_of(caller),
            route: asked.route(),
            time: now,
        };
        // Who may not GET may not ask for the head of it either: the same handler answers.
        let is_about = |rule: &Rule| rule.is_about(method) || (method == "HEAD" && rule.is_about("GET"));
        let names = |rule: &Rule| rule.pattern.is_for(path) || rule.pattern.is_for(asked.route());
        let other = otherwise(path);
        let reads = |rule: &Rule| other.as_ref().is_some_and(|path| rule.pattern.is_for(path));
        let fits = |rule: &&Rule| is_about(rule) && (names(rule) || reads(rule));
        let decided = decide(self.routes.iter().filter(fits), caller, &action);
        // What is named only by who reads the path otherwise can be refused by that, not let in.
        let is_listed = || self.routes.iter().any(|rule| is_about(rule) && names(rule));
        match decided {
            Some(Decided { outcome: Err(_), .. }) => decided,
            _ if self.unlisted == Unlisted::Deny && caller.principal().is_some() && !is_listed() => {
                Some(Decided::refused("unlisted", "no rule is about this route", Reason::NotInAcl))
            }
            decided => decided,
        }
    }

    /// What is decided about an action of business code.
    pub(super) fn of_resource(&self, caller: &Caller, action: &str, resource: &str, now: SystemTime) -> Decided {
        let path = format!("/{}", resource.strip_prefix('/').unwrap_or(resource));
        let method = action.to_ascii_uppercase();
        let is_dot = |segment: &str| matches!(segment, "." | "..");
        if path.len() > LONGEST_RESOURCE || path.split('/').any(is_dot) || path.chars().any(char::is_control) {
            return Decided::refused("resources", "the resource's name could be read in two ways", Reason::NotInAcl);
        }
        let nothing = HeaderMap::new();
        let asked = Action {
            method: &method,
            scheme: "https",
            host: "",
            path: &path,
            query: None,
            headers: &nothing,
            client: client_of(caller),
            route: caller.asked().route(),
            time: now,
        };
        let fits = |rule: &&Rule| rule.is_about(&method) && rule.pattern.is_for(&path);
        decide(self.resources.iter().filter(fits), caller, &asked)
            .unwrap_or_else(|| Decided::refused("resources", "no rule is about this resource", Reason::NotInAcl))
    }
}

impl Decided {
    fn refused(rule: &'static str, why: &'static str, reason: Reason) -> Self {
        let fault = Fault::new(Code::Forbidden, format!("{rule}: {why}")).because(reason);
        Self { rule: Some(rule.to_owned()), outcome: Err(fault) }
    }
}

/// All of `rules` must let it pass; `None` where there is none.
fn decide<'r>(rules: impl Iterator<Item = &'r Rule>, caller: &Caller, action: &Action<'_>) -> Option<Decided> {
    let principal = caller.principal();
    let level = principal.map_or(Level::Low, |principal| principal.level);
    let mut held: Option<Cow<'_, str>> = None;
    for rule in rules {
        match rule.policy.decide(principal, level, action) {
            Decision::Allow { rule } => {
                held = Some(match held {
                    None => rule,
                    Some(before) => Cow::Owned(format!("{before}; {rule}")),
                });
            }
            Decision::NotAuthenticated => return Some(Decided { rule: None, outcome: Err(proof::missing()) }),
            Decision::Deny { cause, rule: label, why } => {
                let fault = Fault::new(Code::Forbidden, format!("{label}: {why}")).because(cause.reason());
                let fault = match &rule.challenge {
                    Some(challenge) if cause == Cause::Scope => fault.with_challenge(challenge.clone()),
                    _ => fault,
                };
                return Some(Decided { rule: Some(label.into_owned()), outcome: Err(fault) });
            }
        }
    }
    held.map(|rule| Decided { rule: Some(rule.into_owned()), outcome: Ok(()) })
}

impl Rule {
    fn build(
        pattern: &Spanned<String>,
        methods: Option<Vec<String>>,
        authorize: &Spanned<AuthorizeSpec>,
        ground: &mut Ground<'_>,
    ) -> Option<Self> {
        let parsed = Pattern::parse(pattern);
        let parsed = parsed.map_err(|why| ground.refuse(pattern.span, why.to_string())).ok();
        let spec = &authorize.value;
        let lines = match &spec.acl {
            Some(acl) => Some(acl_lines(acl, ground)?),
            None => None,
        };
        let scopes = spec.scopes.as_ref().map(|scopes| scopes.0.clone());
        let challenge =
            scopes.as_ref().map(|scopes| format!(r#"{CHALLENGE}, scope="{}""#, scopes.join(" ")).into_boxed_str());
        let written = PolicySpec {
            roles: spec.roles.as_ref().map(|roles| roles.0.clone()),
            scopes,
            level: spec.level.map(LevelSpec::level),
            rule: spec.rule.as_ref().map(|rule| rule.value.clone()),
            acl: lines.as_ref().map(|lines| lines.iter().map(|(line, _)| line.clone()).collect()),
        };
        let policy = Policy::new(&written).map_err(|mistakes| {
            for mistake in mistakes {
                let (span, message) = match mistake.argument {
                    Argument::Rule { column: Some(column) } => (
                        spec.rule.as_ref().map(|rule| rule.span),
                        format!("at character {column} of the rule: {}", mistake.message),
                    ),
                    Argument::Rule { column: None } => (spec.rule.as_ref().map(|rule| rule.span), mistake.message),
                    Argument::Acl { line } => {
                        let at = line.checked_sub(1).and_then(|place| lines.as_ref()?.get(place));
                        (at.map(|(_, span)| *span), format!("line {line} of the access list: {}", mistake.message))
                    }
                    argument => (None, format!("{}: {}", argument.name(), mistake.message)),
                };
                let span = span.unwrap_or(authorize.span);
                match mistake.hint {
                    Some(hint) => ground.refuse_with_hint(span, message, hint),
                    None => ground.refuse(span, message),
                }
            }
        });
        Some(Self { pattern: parsed?, methods, policy: policy.ok()?, challenge })
    }

    fn is_about(&self, method: &str) -> bool {
        self.methods.as_ref().is_none_or(|methods| methods.iter().any(|mine| mine == method))
    }
}

impl LevelSpec {
    fn level(self) -> Level {
        match self {
            Self::Low => Level::Low,
            Self::High => Level::High,
            Self::Highest => Level::Highest,
        }
    }
}

/// Names in capitals; an empty list is a slip.
fn names(written: Option<&OneOrMany<Spanned<String>>>, what: &str, ground: &mut Ground<'_>) -> Option<Vec<String>> {
    let written = written?;
    if written.is_empty() {
        ground.diagnostics.push(gwanmun_config::Diagnostic::error(
            format!("found an empty list, wanted at least one of '{what}', or none of the key"),
            None,
        ));
    }
    Some(written.iter().map(|name| name.to_ascii_uppercase()).collect())
}

fn is_method(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
}

/// The host's name without its port.
fn name_of(host: &str) -> &str {
    host.parse::<uri::Authority>().ok().map_or("", |authority| {
        let name = authority.host().len();
        host.get(..name).unwrap_or_default()
    })
}

fn client_of(caller: &Caller) -> Option<IpAddr> {
    caller.passport().and_then(|passport| passport.content.requester.address)
}

#[derive(Deserialize)]
struct Whole {
    list: Vec<Spanned<AclLineSpec>>,
}

/// The lines of an access list with the place where each is told of.
fn acl_lines(acl: &Spanned<AclSpec>, ground: &mut Ground<'_>) -> Option<Vec<(LineSpec, Span)>> {
    match &acl.value {
        AclSpec::Lines(lines) => Some(lines.iter().map(|line| (line.value.line(), line.span)).collect()),
        AclSpec::File(file) => {
            let file = Spanned::new(file.clone(), acl.span);
            let name = path_of(&file).map(|path| ground.resolve(&path, acl.span).display().to_string());
            let bytes = ground.read(&file)?;
            let Ok(text) = String::from_utf8(bytes) else {
                ground.refuse(acl.span, "the file is not UTF-8");
                return None;
            };
            let mut loaded = load_list(&name.unwrap_or_default(), &text);
            let whole: Option<Whole> = decode(&loaded.document, &mut loaded.diagnostics);
            loaded.diagnostics.sort();
            for mistake in loaded.diagnostics.iter() {
                let (file, line, column) = loaded.sources.location(mistake.span.unwrap_or(Span::NOWHERE));
                ground.refuse(acl.span, format!("{file}:{line}:{column}: {}", mistake.message));
            }
            let list = whole.filter(|_| !loaded.diagnostics.has_errors())?.list;
            Some(list.iter().map(|line| (line.value.line(), acl.span)).collect())
        }
    }
}

impl AclLineSpec {
    fn line(&self) -> LineSpec {
        LineSpec {
            who: self.who.clone(),
            host: self.host.clone(),
            path: self.path.clone(),
            methods: self.methods.as_ref().map(|methods| methods.to_vec()).unwrap_or_default(),
        }
    }
}

impl JsonSchema for AclSpec {
    fn schema_name() -> Cow<'static, str> {
        "ServiceAccessList".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let line = generator.subschema_for::<AclLineSpec>();
        json_schema!({ "anyOf": [{ "type": "string", "pattern": "^file:." }, { "type": "array", "items": line }] })
    }
}

impl<'de> Deserialize<'de> for AclSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = AclSpec;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("file:PATH or a list of lines")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<AclSpec, E> {
                Ok(AclSpec::File(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<AclSpec, A::Error> {
                let mut lines = Vec::new();
                while let Some(line) = access.next_element()? {
                    lines.push(line);
                }
                Ok(AclSpec::Lines(lines))
            }
        }
        deserializer.deserialize_any(Either)
    }
}
