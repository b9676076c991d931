//! Filters that answer by themselves: whoever they answer must be known before, and let in.

use gwanmun_proxy::role::{Rules, Written, WrittenFilter};

/// Refuses filters that answer before every one of `needed`, which the role adds to routes without them.
pub(super) fn refuse_early(needed: &[&str], written: &Written<'_>, rules: &mut Rules<'_>) {
    // Nothing that the role adds to routes stands before what is at the door.
    for (place, filter) in answering(&written.door) {
        let before = written.door.get(..place).unwrap_or_default();
        if let Some(missing) = needed.iter().find(|name| !has(before.iter(), name)) {
            refuse(filter, missing, "at the door it answers every request; a route can have it", rules);
        }
    }
    for route in written.routes.iter().filter(|route| route.is_whole) {
        let own: Vec<&WrittenFilter<'_>> = written.on(route).skip(written.door.len()).collect();
        for (place, filter) in own.iter().enumerate().filter(|(_, filter)| filter.answers) {
            let (before, behind) = own.split_at(place);
            let is_before = |name: &str| has(written.door.iter(), name) || has(before.iter().copied(), name);
            let is_behind = |name: &str| has(behind.iter().copied(), name);
            // What is added stands behind the last of what is needed before it.
            let mut waits = false;
            for name in needed {
                let is_late = is_behind(name) && !is_before(name);
                let is_added = !is_behind(name) && !is_before(name);
                if is_late || (is_added && waits) {
                    refuse(filter, name, &format!("put it behind '{name}'"), rules);
                    break;
                }
                waits |= is_behind(name);
            }
        }
    }
}

fn refuse(filter: &WrittenFilter<'_>, missing: &str, hint: &str, rules: &mut Rules<'_>) {
    let message = format!("'{}' answers before '{missing}' has seen the request", filter.name);
    rules.refuse(filter.span, message, hint);
}

fn answering<'w, 'a>(filters: &'w [WrittenFilter<'a>]) -> impl Iterator<Item = (usize, &'w WrittenFilter<'a>)> {
    filters.iter().enumerate().filter(|(_, filter)| filter.answers)
}

fn has<'w, 'a: 'w>(mut filters: impl Iterator<Item = &'w WrittenFilter<'a>>, name: &str) -> bool {
    filters.any(|filter| filter.name == name)
}
