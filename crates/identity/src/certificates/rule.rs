//! From the names in a certificate to a user: rules like `uri:spiffe://corp/user/{user}`, of which the first that fits
//! decides.

use std::fmt;
use std::str::FromStr;

use gwanmun_core::Reason;

use super::name::{San, SanKind};
use crate::refusal::Refusal;

/// Where the user stands in a rule.
const USER: &str = "{user}";

/// The longest name of a user, bytes.
const LONGEST: usize = 128;

/// Where in a name of a certificate the user stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SanRule {
    kind: SanKind,
    before: String,
    after: String,
}

/// A text that is no [`SanRule`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoRule {
    /// It does not begin with a kind of name.
    NoKind,
    /// It does not have `{user}` once, or other braces.
    NoUser,
    /// It is about addresses of electronic mail, and `{user}` is not what stands before the `@`.
    NotTheLocalPart,
    /// It has a byte that no name has.
    NoName,
}

impl SanRule {
    /// The user that stands in `name`, if the rule fits: one segment of a URI, one label of a DNS name, or what stands
    /// before the `@`.
    pub fn user<'n>(&self, name: &'n San) -> Option<&'n str> {
        if name.kind() != self.kind {
            return None;
        }
        let user = name.text().strip_prefix(&*self.before)?.strip_suffix(&*self.after)?;
        let is_good = user.len() <= LONGEST
            && !matches!(user, "" | "." | "..")
            && user.bytes().all(|byte| self.may_stand_in_a_user(byte));
        is_good.then_some(user)
    }

    fn may_stand_in_a_user(&self, byte: u8) -> bool {
        match byte {
            b'.' => self.kind != SanKind::Dns,
            b'@' => self.kind == SanKind::Uri,
            b'-' | b'_' | b'~' | b'+' => true,
            _ => byte.is_ascii_alphanumeric(),
        }
    }
}

/// The user by the first rule that fits one of the names.
///
/// # Errors
/// None fits, or the first that fits finds two users.
pub(super) fn user_of<'n>(rules: &[SanRule], names: &'n [San]) -> Result<&'n str, Refusal> {
    for rule in rules {
        let mut users = names.iter().filter_map(|name| rule.user(name));
        let Some(user) = users.next() else { continue };
        if users.any(|other| other != user) {
            let detail = format!("the names in the certificate are of two users by the rule '{rule}'");
            return Err(Refusal::invalid(Reason::ClientCertificateUnnamed, detail));
        }
        return Ok(user);
    }
    Err(Refusal::invalid(Reason::ClientCertificateUnnamed, "no rule of 'user-from' fits a name in the certificate"))
}

impl FromStr for SanRule {
    type Err = NoRule;

    fn from_str(text: &str) -> Result<Self, NoRule> {
        let (kind, rest) = SanKind::split(text).ok_or(NoRule::NoKind)?;
        let (before, after) = rest.split_once(USER).ok_or(NoRule::NoUser)?;
        if [before, after].iter().any(|part| part.contains(['{', '}'])) {
            return Err(NoRule::NoUser);
        }
        if kind == SanKind::Email && (before.contains('@') || !after.contains('@')) {
            return Err(NoRule::NotTheLocalPart);
        }
        if !before.bytes().chain(after.bytes()).all(|byte| byte.is_ascii_graphic()) {
            return Err(NoRule::NoName);
        }
        Ok(Self { kind, before: kind.comparable(before), after: kind.comparable(after) })
    }
}

impl fmt::Display for SanRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}{USER}{}", self.kind.as_str(), self.before, self.after)
    }
}

impl fmt::Display for NoRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoKind => "wanted uri:, dns: or email: and a name with {user} in it",
            Self::NoUser => "wanted {user} once where the user stands, and no other braces",
            Self::NotTheLocalPart => "wanted {user} before the @ of an address",
            Self::NoName => "wanted a name of printable ASCII without spaces",
        })
    }
}

impl std::error::Error for NoRule {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(texts: &[&str]) -> Vec<San> {
        let name = |text: &&str| {
            let (kind, rest) = SanKind::split(text).unwrap();
            San::new(kind, rest.as_bytes()).unwrap()
        };
        texts.iter().map(name).collect()
    }

    fn user(rules: &[&str], texts: &[&str]) -> Option<String> {
        let rules: Vec<SanRule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        user_of(&rules, &names(texts)).ok().map(str::to_owned)
    }

    const RULES: [&str; 3] = ["uri:spiffe://corp/user/{user}", "dns:{user}.people.corp", "email:{user}@corp"];

    #[test]
    fn the_first_rule_that_fits_decides() {
        let all = ["email:e@corp", "dns:d.people.corp", "uri:spiffe://corp/user/u"];
        assert_eq!(user(&RULES, &all).as_deref(), Some("u"));
        assert_eq!(user(&RULES, &all[..2]).as_deref(), Some("d"));
        assert_eq!(user(&RULES, &all[..1]).as_deref(), Some("e"));
        assert_eq!(user(&["email:{user}@corp", RULES[0]], &all).as_deref(), Some("e"));
        assert_eq!(user(&RULES, &[]), None);
    }

    #[test]
    fn case_of_dns_names_and_domains_does_not_count() {
        assert_eq!(user(&["dns:{user}.People.Corp"], &["dns:Ann.PEOPLE.corp"]).as_deref(), Some("ann"));
        assert_eq!(user(&["email:{user}@Corp"], &["email:Ann@CORP"]).as_deref(), Some("Ann"));
        assert_eq!(user(&["uri:spiffe://corp/user/{user}"], &["uri:spiffe://Corp/user/ann"]), None);
    }

    #[test]
    fn a_user_is_one_part_of_a_name() {
        for name in [
            "uri:spiffe://corp/user/",
            "uri:spiffe://corp/user/a/b",
            "uri:spiffe://corp/user/..",
            "uri:spiffe://corp/user/a%2Fb",
            "uri:spiffe://corp/user/a?b",
            "uri:spiffe://corp/user/a#b",
            "uri:spiffe://corp/user/a,b",
            "uri:spiffe://corp/user/a:b",
            "uri:spiffe://corp/admin/ann",
            "uri:spiffe://corp.evil/user/ann",
            "uri:xspiffe://corp/user/ann",
            "dns:.people.corp",
            "dns:a.b.people.corp",
            "dns:*.people.corp",
            "dns:ann.people.corp.evil",
            "dns:people.corp",
            "dns:spiffe://corp/user/ann",
            "email:@corp",
            "email:a@b@corp",
            "email:ann@corp.evil",
            "email:\"ann\"@corp",
            "email:ann@evil@corp",
        ] {
            assert_eq!(user(&RULES, &[name]), None, "{name}");
        }
        assert_eq!(user(&RULES, &[&format!("uri:spiffe://corp/user/{}", "a".repeat(LONGEST))]).unwrap().len(), LONGEST);
        assert_eq!(user(&RULES, &[&format!("uri:spiffe://corp/user/{}", "a".repeat(LONGEST + 1))]), None);
    }

    #[test]
    fn two_users_by_one_rule_are_nobody() {
        let two = ["uri:spiffe://corp/user/a", "uri:spiffe://corp/user/b", "dns:c.people.corp"];
        assert_eq!(user(&RULES, &two), None);
        assert_eq!(user(&RULES, &[two[0], two[0], two[2]]).as_deref(), Some("a"));
        // What the rule does not fit does not count.
        assert_eq!(user(&RULES, &[two[0], "uri:spiffe://corp/admin/b"]).as_deref(), Some("a"));
    }

    #[test]
    fn what_could_never_fit_is_no_rule() {
        for (text, wanted) in [
            ("spiffe://corp/{user}", NoRule::NoKind),
            ("cn:{user}", NoRule::NoKind),
            ("{user}", NoRule::NoKind),
            ("dns:people.corp", NoRule::NoUser),
            ("dns:{user}.{user}.corp", NoRule::NoUser),
            ("dns:{name}.corp", NoRule::NoUser),
            ("email:{user}", NoRule::NotTheLocalPart),
            ("email:ann@{user}", NoRule::NotTheLocalPart),
            ("uri:spiffe://corp/a b/{user}", NoRule::NoName),
        ] {
            assert_eq!(text.parse::<SanRule>(), Err(wanted), "{text}");
        }
        assert_eq!(RULES[1].parse::<SanRule>().unwrap().to_string(), RULES[1]);
    }

    proptest! {
        #[test]
        fn a_user_never_reaches_over_a_separator(text in "(spiffe://corp/user/)?[!-~]{0,40}") {
            for rule in RULES {
                let rule: SanRule = rule.parse().unwrap();
                for kind in SanKind::ALL {
                    let Ok(name) = San::new(kind, text.as_bytes()) else { continue };
                    if let Some(user) = rule.user(&name) {
                        prop_assert!(!user.is_empty() && !user.contains(kind.separator()));
                        let whole = format!("{}{user}{}", rule.before, rule.after);
                        prop_assert_eq!(&whole, name.text());
                    }
                }
            }
        }
    }
}
