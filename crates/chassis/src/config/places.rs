//! Where a configuration is looked for, and in which order.

use std::path::{Path, PathBuf};

use gwanmun_config::{Diagnostic, Layers, did_you_mean};

use super::profiles::{self, Profile};
use super::start::Start;

/// Kinds of places.
enum Place {
    /// What is read whichever profile is active.
    Files,
    /// What each active profile adds, profile by profile.
    ProfileFiles,
    /// `GWANMUN__…`.
    Environment,
    /// `--a.b-c=value`.
    Arguments,
}

/// From the weakest to the strongest; the defaults of the code are weaker than all of them. What is fetched from elsewhere
/// has its place between files and environment.
const ORDER: [Place; 4] = [Place::Files, Place::ProfileFiles, Place::Environment, Place::Arguments];

/// The file that is looked for in each of [`FOLDERS`].
const FILE: &str = "application.yaml";

/// What many are used to; it is not read, which is said.
const OTHER_FILES: [&str; 2] = ["application.yml", "application.properties"];

/// The folders of files, the weaker first.
const FOLDERS: [&str; 2] = ["", "config"];

/// Everything that is found, and the active profiles in their order.
pub(super) fn gather(start: &Start) -> (Layers, Vec<String>) {
    let mut layers = Layers::new();
    let mut active = Vec::new();
    let mut files = 0;
    for place in ORDER {
        match place {
            Place::Files => {
                if let Some(text) = &start.text {
                    layers.text(FILE, text);
                    continue;
                }
                for path in paths(start) {
                    if start.files.is_empty() {
                        layers.file_if_there(&path);
                    } else {
                        layers.file(&path);
                    }
                }
                warn_about_others(start, &mut layers);
                files = layers.layers().len();
            }
            Place::ProfileFiles => {
                active = profiles::active(start, &mut layers);
                for profile in &active {
                    read_profile(profile, start, &mut layers);
                }
            }
            Place::Environment => layers.environment(start.environment()),
            Place::Arguments => layers.arguments(&start.arguments),
        }
    }
    profiles::refuse_in_others(files, &mut layers);
    (layers, active.into_iter().map(|profile| profile.value).collect())
}

/// What is read whichever profile is active.
fn paths(start: &Start) -> Vec<PathBuf> {
    if start.files.is_empty() {
        FOLDERS.iter().map(|folder| start.folder().join(folder).join(FILE)).collect()
    } else {
        start.files.iter().map(|file| start.folder().join(file)).collect()
    }
}

fn read_profile(profile: &Profile, start: &Start, layers: &mut Layers) {
    let mut found = false;
    for path in paths(start) {
        found |= layers.file_if_there(&of_profile(&path, &profile.value));
    }
    if found {
        return;
    }
    let message = format!("no file is there for the profile '{}'", profile.value);
    let others = profiles_beside(start);
    let hint = match did_you_mean(&profile.value, others.iter().map(String::as_str)) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("looked for {}", shown(start, &profile.value)),
    };
    layers.push(Diagnostic::warning(message, profile.span).with_hint(hint));
}

/// `application-production.yaml` for `application.yaml`.
fn of_profile(path: &Path, profile: &str) -> PathBuf {
    let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let extension = path.extension().map_or_else(String::new, |name| format!(".{}", name.to_string_lossy()));
    path.with_file_name(format!("{stem}-{profile}{extension}"))
}

fn shown(start: &Start, profile: &str) -> String {
    let paths: Vec<String> = paths(start).iter().map(|path| of_profile(path, profile).display().to_string()).collect();
    paths.join(" and ")
}

/// The profiles that have a file.
fn profiles_beside(start: &Start) -> Vec<String> {
    let mut names = Vec::new();
    for path in paths(start) {
        let template = of_profile(&path, "\0");
        let Some((before, after)) = template.file_name().and_then(|name| name.to_str()?.split_once('\0')) else {
            continue;
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        names.extend(entries.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some(name.strip_prefix(before)?.strip_suffix(after)?.to_owned())
        }));
    }
    names
}

fn warn_about_others(start: &Start, layers: &mut Layers) {
    if !start.files.is_empty() {
        return;
    }
    for folder in FOLDERS {
        for name in OTHER_FILES {
            let path = start.folder().join(folder).join(name);
            if path.is_file() {
                let source = layers.source(&path.display().to_string(), "");
                let span = gwanmun_config::Span { source, start: 0, end: 0 };
                let mistake = Diagnostic::warning(format!("{name} is not read"), span);
                layers.push(mistake.with_hint(format!("call it {FILE}, or name it by --config")));
            }
        }
    }
}
