//! What the pages about services show of Rust compiles: each block is a part of a file here, but for white space.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    clippy::redundant_closure,
    clippy::redundant_closure_for_method_calls,
    reason = "what is shown stands for more than is here"
)]

mod calls;
mod configuration;
mod first;
mod identity;
mod observability;
mod service;
mod sql;
mod tests;

use std::path::{Path, PathBuf};

/// All of it without white space, and without the commas that a formatter adds before what closes a list.
fn dense(text: &str) -> String {
    let text: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    [")", "]", "}"].iter().fold(text, |text, end| text.replace(&format!(",{end}"), end))
}

fn documents() -> Vec<PathBuf> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let folders = ["chassis", "observability"].map(|folder| std::fs::read_dir(docs.join(folder)).unwrap());
    let pages = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    pages.chain([docs.join("chassis.md")]).collect()
}

#[test]
fn what_the_pages_show_compiles() {
    let sources = [
        include_str!("calls.rs"),
        include_str!("configuration.rs"),
        include_str!("first.rs"),
        include_str!("identity.rs"),
        include_str!("observability.rs"),
        include_str!("service.rs"),
        include_str!("sql.rs"),
        include_str!("tests.rs"),
    ];
    let sources = sources.map(dense);
    let mut shown = 0;
    for path in documents() {
        let text = std::fs::read_to_string(&path).unwrap();
        for block in text.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            // What stands between empty lines, or beside what is left out, may come from several places.
            for part in block.split("\n\n").flat_map(|part| part.split('…')).map(dense).filter(|part| !part.is_empty())
            {
                let compiles = sources.iter().any(|source| source.contains(&part));
                assert!(compiles, "{} shows what is not in this test: {part}", path.display());
            }
            shown += 1;
        }
    }
    assert!(shown > 10, "the blocks are found: {shown}");
}
