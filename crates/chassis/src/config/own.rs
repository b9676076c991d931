//! The service's own section: under the key of its name, beside the keys that every service has.

use std::any::TypeId;
use std::collections::BTreeSet;

use gwanmun_config::{Diagnostic, Diagnostics, Entry, Node, Span, Value, decode_strictly, did_you_mean};
use schemars::schema_for;

use super::Configuration;
use crate::settings::ServiceSpec;

/// Says what is wrong with a name that no service can have.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let is_letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let is_name = name.starts_with(|letter: char| letter.is_ascii_lowercase()) && !name.ends_with('-');
    if !is_name || !name.chars().all(is_letter) {
        return Err(format!(
            "a service cannot be called '{}': small letters, digits and '-' make a name",
            name.escape_debug()
        ));
    }
    if common_keys().contains(name) {
        return Err(format!("a service cannot be called '{name}': every service has this key in its configuration"));
    }
    Ok(())
}

/// The document without what stands under the service's name, and that. Keys that are neither its own nor common are told
/// here, where both are known, unless they are a slip of a common one.
pub(super) fn set_aside<C: Configuration>(
    name: &str,
    document: &Node,
    diagnostics: &mut Diagnostics,
) -> (Node, Option<Entry>) {
    let common = common_keys();
    let has_section = TypeId::of::<C>() != TypeId::of::<()>();
    let known = || common.iter().map(String::as_str).chain(has_section.then_some(name));
    let mut section = None;
    let mut rest = Vec::new();
    let Value::Map(entries) = &document.value else { return (document.clone(), None) };
    for entry in entries {
        let near = did_you_mean(&entry.key, known());
        if has_section && entry.key == name {
            section = Some(entry.clone());
        } else if common.contains(&entry.key) || near.is_some_and(|near| common.contains(near)) {
            rest.push(entry.clone());
        } else {
            let hint = match near {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("the keys are {}", known().collect::<Vec<_>>().join(", ")),
            };
            diagnostics.push(Diagnostic::error(format!("unknown key '{}'", entry.key), entry.key_span).with_hint(hint));
        }
    }
    (Node::new(Value::Map(rest), document.span), section)
}

/// What the section says, or nothing at all, for a type that asks for nothing.
pub(super) fn decode<C: Configuration>(name: &str, section: Option<Entry>, diagnostics: &mut Diagnostics) -> Option<C> {
    let before = diagnostics.iter().count();
    let own = match &section {
        Some(entry) => decode_strictly(&entry.node, diagnostics),
        // It may well be in what could not be read.
        None if diagnostics.is_incomplete() => None,
        None => decode_strictly(&Node::new(Value::Null, Span::NOWHERE), diagnostics),
    };
    diagnostics.amend_since(before, |mistake| {
        if section.is_none() {
            mistake.message = format!("{} in the section '{name}', which is not there", mistake.message);
            mistake.hint = Some(format!("write '{name}:' and the keys below it"));
        }
    });
    own
}

/// The keys that every service has.
pub(super) fn common_keys() -> BTreeSet<String> {
    let schema = schema_for!(ServiceSpec);
    let properties = schema.get("properties").and_then(|properties| properties.as_object());
    properties.map_or_else(BTreeSet::new, |properties| properties.keys().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_keys_of_every_service_or_no_keys_at_all_are_refused() {
        for name in ["server", "telemetry", "profiles", "", "Orders", "my_orders", "-a", "a-", "a.b", "1st"] {
            assert!(check_name(name).is_err(), "{name}");
        }
        for name in ["orders", "order-history", "a1"] {
            assert_eq!(check_name(name), Ok(()));
        }
    }
}
