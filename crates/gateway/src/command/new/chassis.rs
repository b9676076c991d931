//! How a new service names the chassis that it is built with: by path where a checkout of Gwanmun is at hand, else by
//! version.

use std::path::{Component, Path, PathBuf};

/// Where the chassis stands in a checkout.
const CRATE: &str = "crates/chassis";

/// Where the chassis comes from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chassis {
    /// From the checkout that the service stands in: the way to its top, and the way back.
    Around { up: String, back: String },
    /// From a checkout somewhere else.
    At(PathBuf),
    /// From a registry.
    Published,
}

impl Chassis {
    /// For a service in `folder`, which is absolute.
    pub(super) fn of(folder: &Path, checkout: Option<&Path>) -> Result<Self, String> {
        let Some(checkout) = checkout else {
            let around = folder.ancestors().skip(1).find(|folder| is_checkout(folder));
            return Ok(around.and_then(|top| Self::around(folder, top)).unwrap_or(Self::Published));
        };
        let top = std::fs::canonicalize(checkout).unwrap_or_else(|_| checkout.to_path_buf());
        if !is_checkout(&top) {
            return Err(format!("'{}' is no checkout of Gwanmun: it has no {CRATE}", checkout.display()));
        }
        Ok(Self::around(folder, &top).unwrap_or(Self::At(top)))
    }

    fn around(folder: &Path, top: &Path) -> Option<Self> {
        let back = folder.strip_prefix(top).ok()?;
        let steps = back.components().filter(|step| matches!(step, Component::Normal(_))).count();
        Some(Self::Around { up: vec![".."; steps].join("/"), back: back.to_str()?.to_owned() })
    }

    /// What stands behind `gwanmun-chassis =` in `Cargo.toml`.
    pub(super) fn dependency(&self) -> String {
        match self {
            Self::Around { up, .. } => format!(r#"{{ path = "{up}/{CRATE}" }}"#),
            Self::At(top) => format!("{{ path = {:?} }}", top.join(CRATE).display().to_string()),
            Self::Published => format!("\"{}\"", env!("CARGO_PKG_VERSION")),
        }
    }

    /// The lines of the Dockerfile that bring it, and the folder in which the service is built.
    pub(super) fn in_docker(&self) -> (String, String) {
        let note = "# The checkout of Gwanmun, as the build context that is called so.";
        match self {
            Self::Around { back, .. } => (format!("{note}\nCOPY --from=gwanmun . /build\n"), format!("/build/{back}")),
            Self::At(top) => {
                (format!("{note}\nCOPY --from=gwanmun . {}\n", top.display()), "/build/service".to_owned())
            }
            Self::Published => (String::new(), "/build/service".to_owned()),
        }
    }

    /// The command that makes the image.
    pub(super) fn docker_build(&self, name: &str) -> String {
        match self {
            Self::Around { up, .. } => format!("docker build --build-context gwanmun={up} -t {name} ."),
            Self::At(top) => format!("docker build --build-context gwanmun={} -t {name} .", top.display()),
            Self::Published => format!("docker build -t {name} ."),
        }
    }
}

fn is_checkout(folder: &Path) -> bool {
    let manifest = std::fs::read_to_string(folder.join(CRATE).join("Cargo.toml"));
    manifest.is_ok_and(|text| text.contains("name = \"gwanmun-chassis\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkout() -> tempfile::TempDir {
        let top = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(top.path().join(CRATE)).unwrap();
        std::fs::write(top.path().join(CRATE).join("Cargo.toml"), "[package]\nname = \"gwanmun-chassis\"\n").unwrap();
        top
    }

    #[test]
    fn a_checkout_around_is_named_by_the_way_to_it() {
        let top = checkout();
        let folder = std::fs::canonicalize(top.path()).unwrap().join("a/orders");
        for named in [None, Some(top.path())] {
            let chassis = Chassis::of(&folder, named).unwrap();
            assert_eq!(chassis.dependency(), r#"{ path = "../../crates/chassis" }"#);
            assert_eq!(chassis.in_docker().1, "/build/a/orders");
        }
    }

    #[test]
    fn without_a_checkout_it_is_a_version_and_elsewhere_an_absolute_path() {
        let (top, folder) = (checkout(), tempfile::tempdir().unwrap());
        let folder = folder.path().join("orders");
        assert_eq!(Chassis::of(&folder, None), Ok(Chassis::Published));
        let chassis = Chassis::of(&folder, Some(top.path())).unwrap();
        assert!(chassis.dependency().starts_with("{ path = \"/"), "{}", chassis.dependency());
        assert!(Chassis::of(&folder, Some(&folder)).is_err());
    }
}
