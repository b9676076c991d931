//! libFuzzer over one target, chosen by `GWANMUN_FUZZ_TARGET`; `GWANMUN_FUZZ_LIST` prints what there is to choose from.
//! Started by `cargo xtask fuzz`.
#![no_main]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the task runner reads it")]

use std::process::exit;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use gwanmun_fuzz::{TARGETS, Target};

/// What one input may make the process grow by, in KiB.
const GROWTH: u64 = 64 * 1024;

/// What the process had after the input before.
static RESIDENT: AtomicU64 = AtomicU64::new(0);

static CHOSEN: OnceLock<&Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        if std::env::var_os("GWANMUN_FUZZ_LIST").is_some() {
            for target in TARGETS {
                let dictionary = target.dictionary.unwrap_or("-");
                println!("{} {} {} {dictionary}", target.name, target.share, target.longest);
            }
            exit(0);
        }
        let wanted = std::env::var("GWANMUN_FUZZ_TARGET").unwrap_or_default();
        match TARGETS.iter().find(|target| target.name == wanted) {
            Some(target) => _ = CHOSEN.set(target),
            None => {
                eprintln!("no target is called '{wanted}'");
                exit(2);
            }
        }
    },
    |data: &[u8]| {
        let Some(target) = CHOSEN.get() else { return };
        (target.run)(data);
        if target.heavy {
            let now = resident();
            let before = RESIDENT.swap(now, Ordering::Relaxed);
            let grown = if before == 0 { 0 } else { now.saturating_sub(before) };
            assert!(grown < GROWTH, "one input made the process grow by {grown} KiB");
        }
    }
);

/// Resident memory of this process in KiB, where the system tells.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    pages.and_then(|pages| pages.split(' ').nth(1)?.parse::<u64>().ok()).map_or(0, |pages| pages * 4)
}
