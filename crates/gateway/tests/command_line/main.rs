//! The command line as people use it: the real binary, with files in a folder of their own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever goes wrong in a test is a failed test"
)]

mod audit;
mod check;
mod examples;
mod explain;
mod filters;
mod messages;
mod new;
mod pipe;
mod roles;
mod routes;
mod schema;
mod test;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A folder with configuration files.
struct Folder(TempDir);

/// How a command ended.
struct Ended {
    code: i32,
    out: String,
    err: String,
}

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// `gwanmun` with `arguments`, ready to start in this folder with nothing in its environment.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gwanmun"));
        command.args(arguments).current_dir(self.path()).env_clear().stdin(Stdio::null());
        command
    }

    fn gwanmun(&self, arguments: &[&str]) -> Ended {
        self.command(arguments).output().unwrap().into()
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// `gwanmun` where no file is needed.
fn gwanmun(arguments: &[&str]) -> Ended {
    Folder::with(&[]).gwanmun(arguments)
}

/// A configuration with a bit of everything.
const SHOP: &str = r#"listeners:
  - address: 127.0.0.1:8080
  - {name: internal, address: "127.0.0.1:8081"}
filters:
  - remove-request-header: X-Forged
default-filters:
  - add-response-header: {name: X-Served-By, value: gateway}
upstreams:
  orders:
    endpoints: http://127.0.0.1:9001
routes:
  - id: login
    predicates: [{path: /login}]
    filters:
      - redirect-to: {status: 302, url: "https://id.example/"}
  - id: orders
    predicates:
      - path: "/shop/orders/{id}"
      - any:
          - method: [GET, PUT]
          - not:
              header: X-Read-Only
    filters:
      - strip-prefix: 1
      - set-request-header:
          name: X-Order
          value: "{id}"
      - remove-response-header: Server
    upstream: orders
  - id: office
    order: 5
    predicates:
      - remote-addr: 198.51.100.0/24
      - listener: internal
    filters:
      - set-request-uri: http://office.example:7000/inside
  - id: pages
    order: 9
    predicates: [{path: /pages/**}, {host: www.example.com}]
    upstream: http://127.0.0.1:9002
"#;
