//! schemathesis reads the OpenAPI description of `orders` and tries, through the public gateway, what it allows and what it
//! does not allow: whatever comes, nothing is answered as the server's own mistake.

use std::process::Command;

use super::place::{self, Place};
use crate::failure::Failure;
use crate::steps;

const PACKAGE: &str = "schemathesis==4.32.5\n";

/// Goes on until everything was tried, about a minute.
pub(crate) fn check(place: &Place) -> Result<(), Failure> {
    let python = place::python("shop-schemathesis", PACKAGE)?;
    let mut attack = Command::new(python.with_file_name("schemathesis"));
    attack.args(["run", &place.fill("http://{ORDERS}/openapi.json"), "--url", &place.fill("http://{PUBLIC}")]);
    attack.args(["--header", &format!("Authorization: Bearer {}", place.token("ann")?)]);
    attack.args(["--checks", "not_a_server_error", "--max-examples", "150", "--continue-on-failure", "--no-color"]);
    attack.current_dir(&place.folder);
    let said = steps::output(attack)?;
    let summary = said.lines().skip_while(|line| !line.contains(" SUMMARY "));
    println!("    {}", summary.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n    "));
    Ok(())
}
