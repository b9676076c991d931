//! The one certificate every proxy serves: ECDSA P-256, made by the `openssl` command.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::steps;

/// Files in PEM.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    /// The certificate.
    pub(crate) chain: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
}

/// Makes a self-signed certificate for `localhost` in a folder.
pub(crate) fn make(folder: &Path) -> Result<Certificate, Failure> {
    let certificate = Certificate { chain: folder.join("certificate.pem"), key: folder.join("key.pem") };
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    command.args(["-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
    command.arg("-keyout").arg(&certificate.key).arg("-out").arg(&certificate.chain);
    steps::output(command)?;
    Ok(certificate)
}
