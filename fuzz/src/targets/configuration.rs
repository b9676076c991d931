//! Configuration text to plan: never a panic, and a plan or a reason why there is none.

use crate::world::compiled;

/// What names files of this machine, which is nothing to try at random.
const ELSEWHERE: &[&str] = &["file:", "/dev", "/proc", "/sys"];

pub(crate) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if ELSEWHERE.iter().any(|word| text.contains(word)) {
        return;
    }
    let (plan, told) = compiled(text);
    assert!(plan.is_some() || told.contains("error"), "there is no plan, and no reason: {told}");
}
