//! The same handler on the chassis, for the bench. `mint FOLDER` writes `jwks.json` there and prints a Passport by its key.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the bench reads what it says")]

use std::borrow::Cow;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use gwanmun_chassis::Service;
use gwanmun_chassis::axum::{Router, routing::get};
use gwanmun_core::{Level, Principal};
use gwanmun_jose::{Algorithm, SigningKey};
use gwanmun_passport::{Content, LONGEST_LIFE, Mint, MintSpec};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [command, folder] = words.as_slice()
        && command == "mint"
    {
        return match mint(Path::new(folder)) {
            Ok(passport) => {
                println!("{passport}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let routes = Router::new().route("/items/{id}", get(async || "an item"));
    Service::new("items").version(env!("CARGO_PKG_VERSION")).routes(routes).run()
}

fn mint(folder: &Path) -> Result<String, Box<dyn Error>> {
    let active = Arc::new(SigningKey::generate(Algorithm::EdDsa)?.with_kid("bench"));
    let mint = Mint::new(MintSpec {
        issuer: "https://gateway.example".to_owned(),
        trust_domain: "example.internal".to_owned(),
        lifetime: LONGEST_LIFE,
        active,
        published: Vec::new(),
    })?;
    std::fs::write(folder.join("jwks.json"), mint.jwks().to_string())?;
    let principal = Principal::new("u1", "jwt:corp", Level::High);
    let content = Content { scopes: Cow::Owned(vec!["items.read".to_owned()]), ..Content::of(&principal, "t1") };
    Ok(mint.mint(&content, SystemTime::now())?)
}
