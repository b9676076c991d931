//! Certificates for calls between services: an authority for this example, and one certificate for each who calls the
//! kitchen or is it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::failure::{Failure, While};
use crate::steps;

/// Who gets one.
const NAMES: [&str; 3] = ["kitchen", "orders", "gateway"];

/// Makes `ca.pem`, and `NAME.pem` with `NAME.key` for each.
pub(crate) fn make(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).while_doing(folder.display())?;
    let subject = |name: &str| format!("/CN={name}");
    openssl(
        folder,
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "30",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-subj",
            &subject("shop example authority"),
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
        ],
    )?;
    for name in NAMES {
        let (key, request, certificate) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
        openssl(
            folder,
            &[
                "req",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-keyout",
                &key,
                "-out",
                &request,
                "-subj",
                &subject(name),
            ],
        )?;
        let extensions = format!(
            "subjectAltName=DNS:{name}.shop.example,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=CA:FALSE\n"
        );
        let file = folder.join(format!("{name}.ext"));
        fs::write(&file, extensions).while_doing(file.display())?;
        let extensions = format!("{name}.ext");
        openssl(
            folder,
            &[
                "x509",
                "-req",
                "-in",
                &request,
                "-CA",
                "ca.pem",
                "-CAkey",
                "ca.key",
                "-CAcreateserial",
                "-days",
                "30",
                "-extfile",
                &extensions,
                "-out",
                &certificate,
            ],
        )?;
    }
    Ok(())
}

fn openssl(folder: &Path, arguments: &[&str]) -> Result<(), Failure> {
    let mut command = Command::new("openssl");
    command.args(arguments).current_dir(folder);
    steps::output(command).map(drop)
}
