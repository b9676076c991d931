//! Roles by name.

use gwanmun_config::{Diagnostic, Diagnostics, Node, Spanned, did_you_mean};

use super::Catalog;
use crate::role::{Role, Rules, Written};
use crate::section::Sections;

/// One role, known by what it asks for only.
pub struct RoleItem {
    /// The word behind `role`.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    pub(crate) sections: fn(&Written<'_>) -> Vec<(&'static str, Node)>,
    pub(crate) impose: fn(&Written<'_>, &Sections, &mut Rules<'_>),
}

impl Catalog {
    /// Adds a role; a later one of the same name replaces it.
    pub fn add_role<R: Role>(&mut self) {
        let item = RoleItem { name: R::NAME, purpose: R::PURPOSE, sections: R::sections, impose: R::impose };
        self.roles.insert(R::NAME, item);
    }

    /// All roles, by name.
    pub fn roles(&self) -> impl Iterator<Item = &RoleItem> {
        self.roles.values()
    }

    /// The role that is chosen, or a diagnostic that lists those there are.
    pub(crate) fn role(&self, chosen: &Spanned<String>, diagnostics: &mut Diagnostics) -> Option<&RoleItem> {
        self.roles.get(chosen.as_str()).or_else(|| {
            let names = || self.roles.keys().copied();
            let known = names().collect::<Vec<_>>().join(", ");
            let hint = match did_you_mean(chosen, names()) {
                Some(close) => format!("did you mean '{close}'? there are {known}"),
                None if known.is_empty() => "there are none in this gateway".to_owned(),
                None => format!("there are {known}"),
            };
            diagnostics
                .push(Diagnostic::error(format!("unknown role '{}'", chosen.value), chosen.span).with_hint(hint));
            None
        })
    }
}
