//! The example of every predicate and filter is a whole configuration that works, as `gwanmun filters NAME` shows it.

use std::thread;

use gwanmun::Registry;

use crate::{Folder, gwanmun};

#[test]
fn every_example_is_good_and_its_tests_hold() {
    let registry = Registry::standard();
    let own = registry.catalog().predicates().map(|item| (item.name, item.example));
    let own = own.chain(registry.catalog().filters().map(|item| (item.name, item.example)));
    let all: Vec<_> = own.chain(["all", "any", "not"].map(|name| (name, "routes:"))).collect();
    // Processes one after the other leave a core idle.
    let wrong: Vec<_> = thread::scope(|scope| {
        let check = |part| scope.spawn(move || wrong_in(part));
        let parts: Vec<_> = all.chunks(all.len().div_ceil(4)).map(check).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn wrong_in(examples: &[(&str, &str)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, example) in examples {
        let page = gwanmun(&["filters", name]).out;
        let shown = page.split_once("\nExample\n").map_or("", |(_, shown)| shown);
        if example.trim().is_empty() || !shown.contains(example.trim()) {
            wrong.push(format!("{name}: its page does not show its example"));
        }
        if !shown.contains(name) {
            wrong.push(format!("{name}: its example does without it"));
        }
        // An example that does without a listener gets one: to have none is a warning.
        let door = if shown.contains("listeners:") { "" } else { "listeners: [{address: '127.0.0.1:8080'}]\n" };
        let folder = Folder::with(&[("example.yaml", shown), ("door.yaml", door)]);
        let check = folder.gwanmun(&["check", "example.yaml", "door.yaml"]);
        // Keys would be in files: without, one is made, which is told.
        let is_told = *name == "passport" && check.err.starts_with("warning: there are no 'keys'");
        if check.code != 0 || !(check.err.is_empty() || is_told) {
            wrong.push(format!("{name}: {}", check.err));
            continue;
        }
        let test = folder.gwanmun(&["test", "example.yaml"]);
        if test.code != 0 || !test.out.ends_with("all good\n") {
            wrong.push(format!("{name}: {}", test.out));
        }
    }
    wrong
}
