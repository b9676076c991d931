//! Conditions on who does what: all that are given must hold. What is cheap is asked first.

use std::borrow::Cow;

use gwanmun_core::{Level, Principal};

use crate::acl::{Acl, LineSpec};
use crate::action::Action;
use crate::decision::{Cause, Decision, Explanation, Part, shortened};
use crate::invalid::{Argument, Invalid, Mistake};
use crate::rule::{Facts, Rule};

/// How many roles or scopes a policy may name.
const MOST_NAMES: usize = 1000;

/// What people write. `None` everywhere: whoever is authenticated may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicySpec {
    /// One of these must be there.
    pub roles: Option<Vec<String>>,
    /// All of these must be there.
    pub scopes: Option<Vec<String>>,
    /// At least this.
    pub level: Option<Level>,
    /// An expression (Common Expression Language) that must be true; what cannot be computed refuses. It names
    ///
    /// - `principal.subject`, `.roles`, `.scopes`, `.level` (of this request), `.credential`, `.claims.NAME`,
    /// - `request.method`, `.scheme`, `.host` (lower case, without a port), `.path` (canonical), `.query.NAME` (a parameter that
    ///   is there once), `.headers['name']` (lower case; several fields joined with a comma), `.client` (a text), `.time`
    ///   (seconds since 1970),
    ///
    /// with the operators of the language, `has`, `size`, `contains`, `startsWith`, `endsWith`, `matches` (a literal regular
    /// expression), `lowerAscii`, `int`, `uint`, `double`, `string`, `bool`, and the loops `all`, `exists`, `exists_one` and
    /// `filter`. Its length, its depth and what an evaluation may take are bound.
    pub rule: Option<String>,
    /// A list of which one line must be for the principal and the action. An empty list is for nobody.
    pub acl: Option<Vec<LineSpec>>,
}

/// Decides. Made once, shared by all requests.
#[derive(Debug)]
pub struct Policy {
    roles: Option<Roles>,
    scopes: Vec<Scope>,
    level: Option<(Level, Box<str>)>,
    acl: Option<Acl>,
    rule: Option<Rule>,
    /// What an allowed action is told to hold, but for the line of the list.
    held: Box<str>,
}

#[derive(Debug)]
struct Roles {
    any: Box<[Box<str>]>,
    label: Box<str>,
}

#[derive(Debug)]
struct Scope {
    name: Box<str>,
    label: Box<str>,
}

/// A part that did not hold.
struct Refusal<'p> {
    cause: Cause,
    rule: &'p str,
    why: Cow<'p, str>,
}

impl Policy {
    /// The policy that `spec` describes.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn new(spec: &PolicySpec) -> Result<Self, Vec<Invalid>> {
        let mut mistakes = Vec::new();
        let roles = spec.roles.as_deref().map(|roles| {
            check_names(roles, Argument::Roles, &mut mistakes);
            let label = format!("role {}", shortened(&roles.join("|"), 100));
            Roles { any: roles.iter().map(|role| role.as_str().into()).collect(), label: label.into() }
        });
        let scopes = spec.scopes.as_deref().unwrap_or_default();
        if spec.scopes.is_some() {
            check_names(scopes, Argument::Scopes, &mut mistakes);
            check_scopes(scopes, &mut mistakes);
        }
        let scopes = scopes.iter().map(|name| Scope { name: name.as_str().into(), label: scope_label(name) });
        let level = spec.level.map(|level| (level, format!("level {level}").into()));
        let rule = spec.rule.as_deref().and_then(|text| Rule::new(text).map_err(|found| mistakes.extend(found)).ok());
        let acl = spec.acl.as_deref().map(|lines| Acl::new(lines, &mut mistakes));
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let mut policy = Self { roles, scopes: scopes.collect(), level, acl, rule, held: Box::default() };
        policy.held = policy.all_held().into();
        Ok(policy)
    }

    /// Whether `principal` may do `action`. `level` is the one that holds for this request, which may be less than the
    /// principal's own.
    pub fn decide(&self, principal: Option<&Principal>, level: Level, action: &Action<'_>) -> Decision<'_> {
        let Some(principal) = principal else { return Decision::NotAuthenticated };
        match self.refusal(&Facts { principal, level, action }) {
            Ok(rule) => Decision::Allow { rule },
            Err(Refusal { cause, rule, why }) => Decision::Deny { cause, rule: Cow::Borrowed(rule), why },
        }
    }

    /// What every part says, also behind the one that decides.
    pub fn explain(&self, principal: Option<&Principal>, level: Level, action: &Action<'_>) -> Explanation<'_> {
        let decision = self.decide(principal, level, action);
        let Some(principal) = principal else { return Explanation { decision, parts: Vec::new() } };
        let facts = Facts { principal, level, action };
        let mut parts = Vec::new();
        if let Some(roles) = &self.roles {
            let shown = vec![("principal.roles".to_owned(), shortened(&format!("{:?}", principal.roles), 200))];
            parts.push(part(&roles.label, roles.check(&facts), shown));
        }
        for scope in &self.scopes {
            let shown = vec![("principal.scopes".to_owned(), shortened(&format!("{:?}", principal.scopes), 200))];
            parts.push(part(&scope.label, scope.check(&facts), shown));
        }
        if let Some((wanted, label)) = &self.level {
            let shown = vec![("principal.level".to_owned(), level.to_string())];
            parts.push(part(label, check_level(*wanted, label, &facts), shown));
        }
        if let Some(acl) = &self.acl {
            let granted = check_acl(acl, &facts);
            let label = granted.as_ref().map_or("acl", |granted| granted.rule).to_owned();
            let line = granted.as_ref().ok().map(|granted| ("acl line".to_owned(), granted.line.to_string()));
            let asked = [
                ("principal.subject", principal.subject.as_str()),
                ("request.method", action.method),
                ("request.host", action.host),
                ("request.path", action.path),
            ];
            let asked = asked.into_iter().map(|(name, value)| (name.to_owned(), shortened(value, 120)));
            parts.push(part(&label, granted.map(|_| ()), line.into_iter().chain(asked).collect()));
        }
        if let Some(rule) = &self.rule {
            parts.push(part(rule.label(), check_rule(rule, &facts), rule.values(&facts)));
        }
        Explanation { decision, parts }
    }

    /// The words for what held, or the first that did not.
    fn refusal(&self, facts: &Facts<'_>) -> Result<Cow<'_, str>, Refusal<'_>> {
        if let Some(roles) = &self.roles {
            roles.check(facts)?;
        }
        for scope in &self.scopes {
            scope.check(facts)?;
        }
        if let Some((wanted, label)) = &self.level {
            check_level(*wanted, label, facts)?;
        }
        let granted = self.acl.as_ref().map(|acl| check_acl(acl, facts)).transpose()?;
        if let Some(rule) = &self.rule {
            check_rule(rule, facts)?;
        }
        Ok(match granted {
            None => Cow::Borrowed(&self.held),
            Some(granted) if self.held.is_empty() => Cow::Borrowed(granted.rule),
            Some(granted) => Cow::Owned(format!("{}, {}", self.held, granted.rule)),
        })
    }

    fn all_held(&self) -> String {
        let roles = self.roles.iter().map(|roles| &*roles.label);
        let scopes = self.scopes.iter().map(|scope| &*scope.label);
        let level = self.level.iter().map(|(_, label)| &**label);
        let rule = self.rule.iter().map(Rule::label);
        let held: Vec<_> = roles.chain(scopes).chain(level).chain(rule).collect();
        match held.is_empty() && self.acl.is_none() {
            true => "authenticated".to_owned(),
            false => shortened(&held.join(", "), 300),
        }
    }
}

impl Roles {
    fn check(&self, facts: &Facts<'_>) -> Result<(), Refusal<'_>> {
        let held = self.any.iter().any(|role| facts.principal.has_role(role));
        refuse_unless(held, Cause::Role, &self.label, "the principal has none of these roles")
    }
}

impl Scope {
    fn check(&self, facts: &Facts<'_>) -> Result<(), Refusal<'_>> {
        let held = facts.principal.has_scope(&self.name);
        refuse_unless(held, Cause::Scope, &self.label, "the credential does not hold this scope")
    }
}

fn check_level<'p>(wanted: Level, label: &'p str, facts: &Facts<'_>) -> Result<(), Refusal<'p>> {
    let why = match facts.level {
        Level::Low => "the level is low",
        Level::High => "the level is high",
        Level::Highest => "the level is highest",
    };
    refuse_unless(facts.level >= wanted, Cause::Level, label, why)
}

fn check_acl<'p>(acl: &'p Acl, facts: &Facts<'_>) -> Result<crate::acl::Granted<'p>, Refusal<'p>> {
    let refused = |why| Refusal { cause: Cause::Acl, rule: "acl", why: Cow::Borrowed(why) };
    if !facts.action.has_clear_path() {
        return Err(refused("the path is not canonical"));
    }
    acl.granted(facts.principal, facts.action).ok_or(refused("no line is for this principal and action"))
}

fn check_rule<'p>(rule: &'p Rule, facts: &Facts<'_>) -> Result<(), Refusal<'p>> {
    match rule.holds(facts) {
        Ok(held) => refuse_unless(held, Cause::Rule, rule.label(), "it is false"),
        Err(why) => Err(Refusal { cause: Cause::Failure, rule: rule.label(), why: Cow::Owned(why) }),
    }
}

fn refuse_unless<'p>(held: bool, cause: Cause, rule: &'p str, why: &'static str) -> Result<(), Refusal<'p>> {
    if held { Ok(()) } else { Err(Refusal { cause, rule, why: Cow::Borrowed(why) }) }
}

fn part(rule: &str, outcome: Result<(), Refusal<'_>>, values: Vec<(String, String)>) -> Part {
    let why = outcome.err().map(|refusal| refusal.why.into_owned());
    Part { rule: rule.to_owned(), held: why.is_none(), why, values }
}

fn scope_label(name: &str) -> Box<str> {
    format!("scope {}", shortened(name, 100)).into()
}

fn check_names(names: &[String], argument: Argument, mistakes: &mut Vec<Invalid>) {
    let mut refuse = |message: String| mistakes.push(Mistake::new(message).at(argument));
    if names.is_empty() {
        let mistake = Mistake::new("found an empty list, wanted at least one");
        mistakes.push(mistake.with_hint(format!("leave {} out if any will do", argument.name())).at(argument));
        return;
    }
    if names.len() > MOST_NAMES {
        refuse(format!("found {}, wanted at most {MOST_NAMES}", names.len()));
        return;
    }
    for (place, name) in names.iter().enumerate() {
        let shown = shortened(name, 60);
        if name.trim().is_empty() || name.trim() != name || name.chars().any(char::is_control) {
            refuse(format!("found '{shown}', wanted a name without blanks around it"));
        } else if names.iter().take(place).any(|before| before == name) {
            refuse(format!("found '{shown}' twice"));
        }
    }
}

/// RFC 6749 section 3.3: what could be no scope would hold for nobody.
fn check_scopes(scopes: &[String], mistakes: &mut Vec<Invalid>) {
    for scope in scopes.iter().filter(|scope| scope.trim() == *scope && scope.contains(' ')) {
        let mistake = Mistake::new(format!("found '{}', wanted one scope each", shortened(scope, 60)));
        let list = scope.split(' ').filter(|scope| !scope.is_empty()).collect::<Vec<_>>().join(", ");
        mistakes.push(mistake.with_hint(format!("write [{}]", shortened(&list, 100))).at(Argument::Scopes));
    }
    let is_odd = |character: char| {
        matches!(character, '"' | '\\') || !(character.is_ascii_graphic() || character == ' ' || character.is_control())
    };
    for scope in scopes.iter().filter(|scope| scope.chars().any(is_odd)) {
        let found = shortened(scope, 60);
        let message = format!("found '{found}', wanted printable ASCII without quotes and backslashes (RFC 6749)");
        mistakes.push(Mistake::new(message).at(Argument::Scopes));
    }
}

#[cfg(test)]
mod tests;
