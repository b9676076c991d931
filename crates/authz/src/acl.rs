//! Access control lists: if one line is for this principal and action, it may be done. Lines are kept by who, then by
//! host, then in a tree of path segments, so that thousands of them cost no more than a few.

mod host;
mod path;

use std::collections::{BTreeMap, HashMap};

use gwanmun_core::Principal;

use crate::acl::host::{Host, Hosts};
use crate::acl::path::{PathPattern, PathTree};
use crate::action::Action;
use crate::decision::shortened;
use crate::invalid::{Argument, Invalid, Mistake, did_you_mean};

/// The longest word of a line, bytes.
const LONGEST: usize = 2048;

/// One line of an access control list, as people write it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineSpec {
    /// `user:SUBJECT`, `group:ROLE`, or `*` for everybody who is authenticated.
    pub who: String,
    /// A host's name, `*.example` for those one label below, or `*`. None: every host.
    pub host: Option<String>,
    /// A path, percent-encoded; segments `*` and `{name}` are any one, `/**` at the end is everything below and the path
    /// itself. None or `*`: every path.
    pub path: Option<String>,
    /// Methods; none: every method.
    pub methods: Vec<String>,
}

/// A list that decides.
#[derive(Debug)]
pub(crate) struct Acl {
    users: HashMap<Box<str>, Grants>,
    groups: HashMap<Box<str>, Grants>,
    everybody: Grants,
}

/// The line that allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Granted<'a> {
    /// `acl group:ops`.
    pub(crate) rule: &'a str,
    /// Its place in the list, from 1.
    pub(crate) line: usize,
}

/// What one `who` may do.
#[derive(Debug, Default)]
struct Grants {
    rule: Box<str>,
    hosts: Hosts<PathTree<Methods>>,
}

/// The lines of one who, host and path, by method.
#[derive(Debug, Default)]
struct Methods {
    every: Option<usize>,
    some: BTreeMap<Box<str>, usize>,
}

impl Acl {
    /// Reads `lines`; every mistake goes to `mistakes`.
    pub(crate) fn new(lines: &[LineSpec], mistakes: &mut Vec<Invalid>) -> Self {
        let mut acl = Self { users: HashMap::new(), groups: HashMap::new(), everybody: Grants::new("*") };
        for (line, spec) in (1..).zip(lines) {
            if let Err(mistake) = acl.add(line, spec) {
                mistakes.push(mistake.at(Argument::Acl { line }));
            }
        }
        acl
    }

    /// A line that allows: the user's own before those of its roles, in their order, before everybody's.
    pub(crate) fn granted(&self, principal: &Principal, action: &Action<'_>) -> Option<Granted<'_>> {
        let user = self.users.get(principal.subject.as_str());
        let groups = principal.roles.iter().filter_map(|role| self.groups.get(role.as_str()));
        user.into_iter().chain(groups).chain([&self.everybody]).find_map(|grants| grants.granted(action))
    }

    fn add(&mut self, line: usize, spec: &LineSpec) -> Result<(), Mistake> {
        let host = spec.host.as_deref().map_or(Ok(Host::Every), Host::parse)?;
        let path = spec.path.as_deref().map_or(Ok(PathPattern::every()), PathPattern::parse)?;
        let methods = spec.methods.iter().map(|method| self::method(method)).collect::<Result<Vec<_>, _>>()?;
        let grants = match who(&spec.who)? {
            Who::User(name) => self.users.entry(name.into()).or_insert_with(|| Grants::new(&spec.who)),
            Who::Group(name) => self.groups.entry(name.into()).or_insert_with(|| Grants::new(&spec.who)),
            Who::Everybody => &mut self.everybody,
        };
        grants.hosts.entry(host).leaf(&path).add(line, &methods);
        Ok(())
    }
}

impl Grants {
    fn new(who: &str) -> Self {
        Self { rule: format!("acl {}", shortened(who, 100)).into(), hosts: Hosts::default() }
    }

    fn granted(&self, action: &Action<'_>) -> Option<Granted<'_>> {
        let line = self
            .hosts
            .of(action.host)
            .filter_map(|paths| paths.find(action.path, |methods| methods.line(action.method)));
        line.min().map(|line| Granted { rule: &self.rule, line })
    }
}

impl Methods {
    fn add(&mut self, line: usize, methods: &[&str]) {
        if methods.is_empty() {
            self.every.get_or_insert(line);
        }
        for method in methods {
            self.some.entry((*method).into()).or_insert(line);
        }
    }

    fn line(&self, method: &str) -> Option<usize> {
        let one = self.some.get(method).copied();
        one.into_iter().chain(self.every).min()
    }
}

enum Who<'a> {
    User(&'a str),
    Group(&'a str),
    Everybody,
}

fn who(text: &str) -> Result<Who<'_>, Mistake> {
    if text == "*" {
        return Ok(Who::Everybody);
    }
    let wanted = || format!("found who '{}', wanted 'user:NAME', 'group:ROLE' or '*'", shortened(text, 60));
    let Some((kind, name)) = text.split_once(':') else {
        let mistake = Mistake::new(wanted());
        let may_be = !text.is_empty() && text.len() < 60 && !text.chars().any(char::is_control);
        return Err(if may_be { mistake.with_hint(format!("write 'user:{text}' or 'group:{text}'")) } else { mistake });
    };
    if name.is_empty() || name.len() > LONGEST || name.chars().any(char::is_control) || name.trim() != name {
        return Err(Mistake::new(wanted()));
    }
    match kind {
        "user" => Ok(Who::User(name)),
        "group" => Ok(Who::Group(name)),
        "role" => Err(Mistake::new(wanted()).with_hint(format!("write 'group:{}'", shortened(name, 60)))),
        _ => {
            let mistake = Mistake::new(wanted());
            Err(Mistake { hint: did_you_mean(kind, ["user", "group"]), ..mistake })
        }
    }
}

/// A method as requests write it (RFC 9110 section 9.1: case matters).
fn method(text: &str) -> Result<&str, Mistake> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let found = || Mistake::new(format!("found method '{}', wanted one like 'GET'", shortened(text, 30)));
    match text {
        "*" => Err(found().with_hint("leave methods out for all of them")),
        _ if text.is_empty() || text.len() > 64 || !text.bytes().all(is_token) => Err(found()),
        _ if text.bytes().any(|byte| byte.is_ascii_lowercase()) => {
            Err(found().with_hint(format!("write '{}'", text.to_ascii_uppercase())))
        }
        _ => Ok(text),
    }
}

#[cfg(test)]
mod tests;
