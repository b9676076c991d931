//! `principal` of an issuer: where in the claims of its tokens the parts of a principal stand.

use std::collections::BTreeMap;

use gwanmun_config::Spanned;
use gwanmun_identity::{Pointer, PrincipalMap};
use gwanmun_proxy::Ground;
use schemars::JsonSchema;
use serde::Deserialize;

/// Where in the claims of a token the parts of a principal stand: JSON pointers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct PrincipalMapSpec {
    /// Who it is: text or a whole number.
    subject: Option<Spanned<String>>,
    /// What it may act as: a list, or a text with spaces or commas.
    roles: Option<Spanned<String>>,
    /// What the token was given for: a text with spaces, or a list.
    scope: Option<Spanned<String>>,
    /// What else rules and headers may read, by name; by default every claim.
    claims: Option<BTreeMap<String, Spanned<String>>>,
}

impl PrincipalMapSpec {
    /// The map; mistakes go to `ground`.
    pub(super) fn build(&self, ground: &mut Ground<'_>) -> Option<PrincipalMap> {
        self.build_from(PrincipalMap::default(), ground)
    }

    /// The map, where what is not written is as usual for people.
    pub(super) fn build_for_people(&self, ground: &mut Ground<'_>) -> Option<PrincipalMap> {
        self.build_from(PrincipalMap::of_people(), ground)
    }

    fn build_from(&self, usual: PrincipalMap, ground: &mut Ground<'_>) -> Option<PrincipalMap> {
        let subject = pointer(self.subject.as_ref(), usual.subject, ground);
        let roles = pointer(self.roles.as_ref(), usual.roles, ground);
        let scope = pointer(self.scope.as_ref(), usual.scope, ground);
        let claims = self.claims.as_ref().map(|named| {
            let pointers: Vec<_> =
                named.iter().map(|(name, text)| Some((name.clone(), read_pointer(text, ground)?))).collect();
            pointers.into_iter().collect::<Option<Vec<_>>>()
        });
        let claims = match claims {
            Some(named) => Some(named?),
            None => None,
        };
        Some(PrincipalMap { subject: subject?, roles: roles?, scope: scope?, claims })
    }
}

fn pointer(text: Option<&Spanned<String>>, usual: Pointer, ground: &mut Ground<'_>) -> Option<Pointer> {
    match text {
        Some(text) => read_pointer(text, ground),
        None => Some(usual),
    }
}

fn read_pointer(text: &Spanned<String>, ground: &mut Ground<'_>) -> Option<Pointer> {
    match text.parse() {
        Ok(pointer) => Some(pointer),
        Err(why) => {
            let hint = format!("did you mean '/{}'?", text.replace('.', "/"));
            ground.refuse_with_hint(text.span, format!("found '{}', {why}", text.value), hint);
            None
        }
    }
}
