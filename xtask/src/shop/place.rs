//! Where the shop runs: a folder with its configurations, and addresses for every part.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::certificates;
use crate::failure::{Failure, While};
use crate::free_port::free_address;
use crate::steps;
use crate::workspace;

/// Which ports the parts take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ports {
    /// Those that the README speaks of.
    Documented,
    /// Any that are free.
    Free,
}

/// Names of all addresses and the documented port of each.
const ADDRESSES: &[(&str, u16)] = &[
    ("PUBLIC", 8080),
    ("INTERNAL", 8081),
    ("LOGIN", 9100),
    ("ORDERS", 9101),
    ("CONSUMERS", 9102),
    ("KITCHEN", 9103),
    ("RECEIPTS", 9104),
    ("PUBLIC_MANAGEMENT", 9901),
    ("INTERNAL_MANAGEMENT", 9902),
    ("ORDERS_MANAGEMENT", 9911),
    ("CONSUMERS_MANAGEMENT", 9912),
    ("KITCHEN_MANAGEMENT", 9913),
    ("OTLP", 4318),
    ("OTLP_GRPC", 4317),
];

/// A prepared folder under `target/`, and the addresses.
pub(crate) struct Place {
    /// Everything that the shop writes is in here.
    pub(crate) folder: PathBuf,
    addresses: Vec<(&'static str, SocketAddr)>,
}

impl Place {
    /// Copies the example into an empty folder, makes certificates and chooses addresses.
    pub(crate) fn prepare(ports: Ports) -> Result<Self, Failure> {
        let folder = workspace::target().join(if ports == Ports::Free { "shop-check" } else { "shop" });
        for part in ["orders", "consumers", "kitchen", "receipts", "login", "gateways", "logs", "certificates"] {
            let _ = fs::remove_dir_all(folder.join(part));
        }
        fs::create_dir_all(folder.join("logs")).while_doing(folder.display())?;
        copy(&workspace::root().join("examples/shop"), &folder)?;
        certificates::make(&folder.join("certificates"))?;
        let mut addresses = Vec::new();
        for (name, port) in ADDRESSES {
            let address = match ports {
                Ports::Documented => SocketAddr::from(([127, 0, 0, 1], *port)),
                Ports::Free => free_address()?,
            };
            addresses.push((*name, address));
        }
        println!("    {}", folder.display());
        Ok(Self { folder, addresses })
    }

    /// The address called so.
    pub(crate) fn address(&self, name: &str) -> SocketAddr {
        let found = self.addresses.iter().find(|(known, _)| *known == name);
        found.map_or(SocketAddr::from(([127, 0, 0, 1], 0)), |(_, address)| *address)
    }

    /// `text` with addresses and programs in place of their names in braces.
    pub(crate) fn fill(&self, text: &str) -> String {
        let program = workspace::target().join("debug/gwanmun").display().to_string();
        let addresses = self.addresses.iter().map(|(name, address)| (*name, address.to_string()));
        filled(text, addresses.chain([("GWANMUN", program)]))
    }

    /// A Python with what `receipts` and the login need, and the OTLP receiver; made once.
    pub(crate) fn python(&self) -> Result<PathBuf, Failure> {
        let wanted = fs::read_to_string(workspace::root().join("examples/shop/receipts/requirements.txt"));
        python("shop-python", &(wanted.while_doing("reading requirements.txt")? + ROTEL))
    }

    /// What an app of somebody's has after the login.
    pub(crate) fn token(&self, name: &str) -> Result<String, Failure> {
        let mut ask = Command::new("curl");
        ask.args(["-sf", &self.fill(&format!("http://{{LOGIN}}/token-for?name={name}"))]);
        steps::output(ask)
    }
}

/// A Python under `target/` that has the packages `wanted`, one a line; made once.
pub(crate) fn python(name: &str, wanted: &str) -> Result<PathBuf, Failure> {
    let environment = workspace::target().join(name);
    let (python, done) = (environment.join("bin/python"), environment.join("installed"));
    if fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(&environment);
    steps::run(make)?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(wanted.split_whitespace());
    steps::run(install)?;
    fs::write(&done, wanted).while_doing(done.display())?;
    Ok(python)
}

/// The OTLP receiver that shows the traces.
const ROTEL: &str = "rotel==0.0.1a15\n";

/// `text` as the README has it: with the documented addresses.
#[cfg(test)]
pub(crate) fn documented(text: &str) -> String {
    let addresses = ADDRESSES.iter().map(|(name, port)| (*name, format!("127.0.0.1:{port}")));
    filled(text, addresses.chain([("GWANMUN", "gwanmun".to_owned())]))
}

fn filled(text: &str, names: impl Iterator<Item = (&'static str, String)>) -> String {
    names.fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), &value))
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir_all(to).while_doing(to.display())?;
    for entry in fs::read_dir(from).while_doing(from.display())? {
        let entry = entry.while_doing(from.display())?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to)?;
        } else {
            fs::copy(&from, &to).while_doing(from.display())?;
        }
    }
    Ok(())
}
