//! Which profiles are active: those of `--profile`, else of the environment, else of the files.

use gwanmun_config::{Diagnostic, Diagnostics, Layers, OneOrMany, Span, Spanned, decode};

use super::start::Start;

/// The variable that names profiles.
const VARIABLE: &str = "GWANMUN_PROFILE";

/// What many are used to, and a slip; they are not read, which is said.
const OTHER_VARIABLES: [&str; 2] = ["GWANMUN_PROFILES", "SPRING_PROFILES_ACTIVE"];

/// The key that names profiles, in files that are no profile's.
pub(super) const KEY: &str = "profiles";

/// A profile and where it was asked for.
pub(super) type Profile = Spanned<String>;

/// The active profiles in their order. `layers` are the files that every profile has.
pub(super) fn active(start: &Start, layers: &mut Layers) -> Vec<Profile> {
    if let Some(pinned) = &start.pinned {
        return pinned.iter().cloned().map(Profile::from).collect();
    }
    warn_about_others(start, layers);
    let said = match (&start.profiles, start.environment().variable(VARIABLE)) {
        (Some(names), _) => named(names, "command line", &format!("--profile={names}"), layers),
        (None, Some(names)) if !names.trim().is_empty() => {
            named(names, &format!("environment {VARIABLE}"), names, layers)
        }
        _ => from_files(layers),
    };
    let mut profiles: Vec<Profile> = Vec::new();
    for profile in said {
        if profiles.iter().any(|other| other.value == profile.value) {
            continue;
        }
        // A name becomes a part of a path.
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
        if profile.value.is_empty() || !profile.value.chars().all(is_letter) {
            let message = format!("'{}' is not the name of a profile", profile.value.escape_debug());
            layers.push(Diagnostic::error(message, profile.span).with_hint("letters, digits, '-' and '_'"));
            continue;
        }
        profiles.push(profile);
    }
    profiles
}

/// Says of every layer after the first `files` that it is too late to choose profiles.
pub(super) fn refuse_in_others(files: usize, layers: &mut Layers) {
    let late = layers.layers().iter().skip(files).filter_map(|layer| layer.document.entry(KEY));
    let late: Vec<Span> = late.map(|entry| entry.key_span).collect();
    for span in late {
        let hint = format!("write them in application.yaml, or start with --profile or {VARIABLE}");
        layers.push(Diagnostic::error("profiles are chosen before this is read", span).with_hint(hint));
    }
}

fn warn_about_others(start: &Start, layers: &mut Layers) {
    for name in OTHER_VARIABLES.into_iter().filter(|name| start.environment().variable(name).is_some()) {
        let source = layers.source(&format!("environment {name}"), "***");
        let mistake = Diagnostic::warning(format!("{name} is not read"), Span { source, start: 0, end: 3 });
        layers.push(mistake.with_hint(format!("profiles are named by {VARIABLE}")));
    }
}

fn named(names: &str, source: &str, text: &str, layers: &mut Layers) -> Vec<Profile> {
    let source = layers.source(source, text);
    let span = Span { source, start: text.len() - names.len(), end: text.len() };
    names.split(',').map(|name| Spanned::new(name.trim().to_owned(), span)).collect()
}

/// What the strongest file says. That it is a list of words is looked at when everything is decoded.
fn from_files(layers: &Layers) -> Vec<Profile> {
    let said = layers.layers().iter().rev().find_map(|layer| layer.document.entry(KEY));
    let decoded = said.and_then(|entry| decode::<OneOrMany<Profile>>(&entry.node, &mut Diagnostics::new()));
    decoded.map_or_else(Vec::new, |profiles| profiles.0)
}
