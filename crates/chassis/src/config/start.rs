//! What a process is started with: its arguments, its environment, its folder.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use gwanmun_config::{Environment, Style, did_you_mean};

/// The arguments that are no keys.
const OPTIONS: [&str; 5] = ["--config", "--profile", "--check", "--help", "--version"];

const HELP: &str = "\
Options:
  --config FILE     reads FILE in place of application.yaml; may be repeated, the last is the strongest
  --profile NAMES   reads the files of these profiles too, such as application-NAME.yaml; commas divide names
  --a.b-c=VALUE     sets the key b-c of the section a, over everything else
  --check           only looks whether the configuration is good: 0 if it is, 1 if not
  --help            shows this
  --version         shows the version

The configuration, from the weakest to the strongest: the defaults of the code, application.yaml and
config/application.yaml, the files of the active profiles in their order, the environment (GWANMUN__A__B_C=VALUE sets
a.b-c), arguments. Profiles are those of --profile, else of GWANMUN_PROFILE, else of the key `profiles` in a file.
In values, ${NAME}, ${NAME:-default} and ${file:/path} are replaced.
";

/// What somebody wants of the process.
#[derive(Debug)]
pub(crate) enum Asked {
    /// A service that runs.
    Run(Start),
    /// Only to be told whether the configuration is good.
    Check(Start),
    /// Something to read, or to be told what is wrong with the arguments.
    Nothing(Ended),
}

/// Where a configuration is read from; kept, so that it can be read again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Start {
    /// Files in place of `application.yaml`.
    pub(super) files: Vec<PathBuf>,
    /// What `--profile` said.
    pub(super) profiles: Option<String>,
    /// What is active whatever is said, since it was when the process started.
    pub(super) pinned: Option<Vec<String>>,
    /// `--a.b-c=value`.
    pub(super) arguments: Vec<String>,
    /// In place of any file.
    pub(super) text: Option<String>,
    environment: Environment,
    folder: PathBuf,
}

/// Why the process ends before it served.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// The exit code: 0 good, 1 the configuration is at fault, 2 wrong usage, 3 could not start.
    pub(crate) code: u8,
    /// For standard output.
    pub(crate) said: String,
    /// For standard error.
    pub(crate) complaint: String,
}

impl Asked {
    /// From arguments (without the program's name); `folder` is where files are looked for.
    pub(crate) fn of(
        name: &str,
        version: &str,
        arguments: impl IntoIterator<Item = OsString>,
        environment: Environment,
        folder: PathBuf,
    ) -> Self {
        let mut start = Start { environment, folder, ..Start::default() };
        let mut only_check = false;
        let mut profiles: Vec<String> = Vec::new();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let Ok(argument) = argument.into_string() else {
                return Self::wrong("an argument is not UTF-8", "");
            };
            let (option, value) = match argument.split_once('=') {
                Some((option, value)) => (option, Some(OsString::from(value))),
                None => (argument.as_str(), None),
            };
            match option {
                "--config" | "--profile" => {
                    let Some(value) = value.or_else(|| arguments.next()).filter(|value| !value.is_empty()) else {
                        return Self::wrong(&format!("{option} needs a value"), "");
                    };
                    if option == "--config" {
                        start.files.push(PathBuf::from(value));
                    } else {
                        profiles.push(value.to_string_lossy().into_owned());
                    }
                }
                "--check" if value.is_none() => only_check = true,
                "--help" | "-h" if value.is_none() => {
                    return Self::Nothing(Ended::said(format!(
                        "{name} {version}\n\nUsage: {name} [OPTIONS]\n\n{HELP}"
                    )));
                }
                "--version" | "-V" if value.is_none() => {
                    return Self::Nothing(Ended::said(format!("{name} {version}\n")));
                }
                _ if option.starts_with("--") && value.is_some() => start.arguments.push(argument),
                _ => return Self::Nothing(unknown(option)),
            }
        }
        start.profiles = (!profiles.is_empty()).then(|| profiles.join(","));
        if only_check { Self::Check(start) } else { Self::Run(start) }
    }

    fn wrong(what: &str, hint: &str) -> Self {
        Self::Nothing(Ended::wrong_usage(what, hint))
    }
}

fn unknown(argument: &str) -> Ended {
    let hint = match did_you_mean(argument, OPTIONS.into_iter()) {
        Some(near) => format!("did you mean '{near}'?"),
        None if argument.starts_with("--") => format!("a key is set by {argument}=VALUE, without a space"),
        None => "--help shows what there is".to_owned(),
    };
    Ended::wrong_usage(&format!("unknown argument '{}'", argument.escape_debug()), &hint)
}

impl Start {
    /// From the text of an `application.yaml` and from nothing else.
    pub(crate) fn of_text(text: &str) -> Self {
        Self { text: Some(text.to_owned()), ..Self::default() }
    }

    /// The same with these profiles for good.
    pub(super) fn with_profiles(mut self, profiles: Vec<String>) -> Self {
        self.pinned = Some(profiles);
        self
    }

    /// What `${NAME}` is looked up in, and `GWANMUN__…`.
    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Where files are looked for.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Ended {
    /// Somebody wanted to read something.
    pub(crate) fn said(text: String) -> Self {
        Self { code: 0, said: text, complaint: String::new() }
    }

    /// The configuration is at fault.
    pub(crate) fn with_mistakes(complaint: String) -> Self {
        Self { code: 1, said: String::new(), complaint }
    }

    /// The arguments are at fault.
    pub(crate) fn wrong_usage(what: &str, hint: &str) -> Self {
        let hint = if hint.is_empty() { String::new() } else { format!("  help: {hint}\n") };
        Self { code: 2, said: String::new(), complaint: format!("error: {what}\n{hint}") }
    }

    /// Neither is at fault.
    pub(crate) fn could_not_start(what: String) -> Self {
        Self { code: 3, said: String::new(), complaint: format!("error: {what}\n") }
    }
}

/// How standard error wants to be written to.
pub(super) fn stderr_style() -> Style {
    let coloured = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if coloured { Style::Coloured } else { Style::Plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(arguments: &[&str]) -> Asked {
        let arguments = arguments.iter().map(OsString::from);
        Asked::of("orders", "1.2.3", arguments, Environment::default(), PathBuf::new())
    }

    fn ended(arguments: &[&str]) -> Ended {
        match asked(arguments) {
            Asked::Nothing(ended) => ended,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn files_profiles_and_keys_are_taken() {
        let arguments = ["--config", "a.yaml", "--config=b.yaml", "--profile", "x,y", "--profile=z", "--a.b-c=1=2"];
        let Asked::Run(start) = asked(&arguments) else { panic!("it runs") };
        assert_eq!(start.files, [Path::new("a.yaml"), Path::new("b.yaml")]);
        assert_eq!(start.profiles.as_deref(), Some("x,y,z"));
        assert_eq!(start.arguments, ["--a.b-c=1=2"]);
        assert!(matches!(asked(&["--check", "--a=1"]), Asked::Check(_)));
    }

    #[test]
    fn help_and_version_are_shown_on_standard_output() {
        assert_eq!(ended(&["--version"]), Ended::said("orders 1.2.3\n".to_owned()));
        let help = ended(&["--check", "--help"]);
        assert!(help.code == 0 && help.said.contains("--profile") && help.complaint.is_empty());
    }

    #[test]
    fn wrong_arguments_say_what_is_meant() {
        for (arguments, words) in [
            (&["--chekc"][..], "did you mean '--check'?"),
            (&["--server.address", "x"], "--server.address=VALUE"),
            (&["run"], "--help"),
            (&["--config"], "--config needs a value"),
            (&["--profile="], "--profile needs a value"),
        ] {
            let ended = ended(arguments);
            assert!(ended.code == 2 && ended.complaint.contains(words), "{arguments:?}: {}", ended.complaint);
        }
    }
}
