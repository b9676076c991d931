//! What `application.yaml` of each service says is good, as it stands there.

#![allow(clippy::unwrap_used, reason = "whatever goes wrong in a test is a failed test")]

use std::fs;
use std::path::Path;
use std::process::Command;

use gwanmun_testkit::Authority;

#[test]
fn every_service_takes_its_configuration() {
    let (certificates, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let write = |name: &str, text: String| fs::write(certificates.path().join(name), text).unwrap();
    write("ca.pem", authority.pem());
    for name in ["kitchen", "orders"] {
        let identity = authority.issue(&[name]);
        write(&format!("{name}.pem"), identity.pem());
        write(&format!("{name}.key"), identity.key());
    }
    for (name, program) in [
        ("orders", env!("CARGO_BIN_EXE_orders")),
        ("consumers", env!("CARGO_BIN_EXE_consumers")),
        ("kitchen", env!("CARGO_BIN_EXE_kitchen")),
    ] {
        let mut check = Command::new(program);
        check.arg("--check").current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(name));
        let output = check.env_clear().env("CERTIFICATES", certificates.path()).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
