//! The files of a new service. Nothing that is there is overwritten: its folder must not be there.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};

use super::chassis::Chassis;
use super::{Refused, ServiceArguments, name};

/// The files by their paths; in them `@WORDS@` are replaced.
const FILES: [(&str, &str); 13] = [
    ("Cargo.toml", include_str!("service/Cargo.toml.in")),
    ("src/main.rs", include_str!("service/main.rs.in")),
    ("src/tests.rs", include_str!("service/tests.rs.in")),
    ("application.yaml", include_str!("service/application.yaml.in")),
    ("application-production.yaml", include_str!("service/application-production.yaml.in")),
    ("Dockerfile", include_str!("service/Dockerfile.in")),
    (".dockerignore", include_str!("service/dockerignore.in")),
    (".gitignore", include_str!("service/gitignore.in")),
    ("README.md", include_str!("service/README.md.in")),
    ("gateway/gateway.yaml", include_str!("service/gateway.yaml.in")),
    ("gateway/keys.yaml", include_str!("service/keys.yaml.in")),
    (DEVELOPER_KEY, "@KEY@"),
    ("rustfmt.toml", "max_width = 120\nuse_small_heuristics = \"Max\"\n"),
];

/// The key that a developer calls the gateway with; nobody else may read it.
const DEVELOPER_KEY: &str = "gateway/developer.key";

/// Writes everything; what to do next.
pub(super) fn write(arguments: &ServiceArguments) -> Result<String, Refused> {
    let name = arguments.name.as_str();
    name::check(name).map_err(Refused::Usage)?;
    let parent = fs::canonicalize(&arguments.directory).map_err(|error| {
        Refused::Usage(format!("the folder '{}' cannot be used: {error}", arguments.directory.display()))
    })?;
    let folder = parent.join(name);
    let chassis = Chassis::of(&folder, arguments.checkout.as_deref()).map_err(Refused::Usage)?;
    match fs::create_dir(&folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(Refused::Usage(format!("'{}' is there already; nothing was written", folder.display())));
        }
        Err(error) => return Err(Refused::Write(folder, error)),
        Ok(()) => {}
    }
    let key = random_key().map_err(|error| Refused::Write(folder.join(DEVELOPER_KEY), error))?;
    let words = words(name, &chassis, &key);
    for (path, template) in FILES {
        let text = words.iter().fold(template.to_owned(), |text, (word, value)| text.replace(word, value));
        let path = folder.join(path);
        write_new(&path, &text).map_err(|error| Refused::Write(path, error))?;
    }
    Ok(next(&arguments.directory.join(name), &chassis))
}

fn words(name: &str, chassis: &Chassis, key: &str) -> [(&'static str, String); 9] {
    let (chassis_copy, docker_folder) = chassis.in_docker();
    [
        ("@NAME@", name.to_owned()),
        ("@TYPE@", type_name(name)),
        ("@CHASSIS@", chassis.dependency()),
        ("@CHASSIS_COPY@\n", chassis_copy),
        ("@DOCKER_FOLDER@", docker_folder),
        ("@DOCKER_BUILD@", chassis.docker_build(name)),
        ("@VARIABLE@", name.to_ascii_uppercase().replace('-', "_")),
        ("@HASH@", hex(digest(&SHA256, key.as_bytes()).as_ref())),
        ("@KEY@", key.to_owned()),
    ]
}

/// `OrderHistory` for `order-history`.
fn type_name(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    name.split('-').map(capital).collect()
}

/// What cannot be guessed, in hexadecimal digits.
fn random_key() -> std::io::Result<String> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| std::io::Error::other("there is no randomness"))?;
    Ok(hex(&bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mode = if path.ends_with(DEVELOPER_KEY) { 0o600 } else { 0o644 };
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(text.as_bytes())
}

fn next(folder: &Path, chassis: &Chassis) -> String {
    let folder = folder.display();
    let published = match chassis {
        Chassis::Published => {
            "\nCargo.toml names the chassis by its version. Where no registry has it, say where a checkout is:\n\
             gwanmun new service … --checkout PATH\n"
        }
        _ => "",
    };
    format!(
        "{folder} is written. Next:\n\n  cd {folder}\n  cargo test\n  cargo run\n  gwanmun run gateway/gateway.yaml\n\n\
         README.md says what is where.\n{published}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_names_of_types() {
        assert_eq!([type_name("orders"), type_name("order-history-2")], ["Orders", "OrderHistory2"]);
    }
}
