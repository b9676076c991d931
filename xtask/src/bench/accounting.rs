//! What the kernel's books say about a proxy: processor time and memory, of the process and of all its children.
//!
//! The time comes from `schedstat` (nanoseconds) and is split into user and system by the shares in `stat` (clock
//! ticks), because the kernel keeps only the sum exactly.

use std::collections::BTreeMap;
use std::fs;

use crate::failure::{Failure, While};

/// Processor time a process tree has used since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CpuTime {
    nanoseconds: u64,
    user_ticks: u64,
    system_ticks: u64,
}

/// Processor time spent between two looks, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CpuSpent {
    /// In user mode.
    pub(crate) user: f64,
    /// In the kernel.
    pub(crate) system: f64,
}

/// Clock ticks are hundredths of a second on every Linux there is.
const NANOSECONDS_PER_TICK: u64 = 10_000_000;

impl CpuTime {
    /// The time of a process, its threads and all processes below it.
    pub(crate) fn of(process: u32) -> Result<Self, Failure> {
        let mut sum = Self::default();
        for process in process_tree(process)? {
            let path = format!("/proc/{process}/stat");
            let stat = Stat::parse(&fs::read_to_string(&path).while_doing(&path)?)
                .ok_or_else(|| Failure::new(format!("{path}: not understood")))?;
            sum.user_ticks += stat.user_ticks;
            sum.system_ticks += stat.system_ticks;
            sum.nanoseconds += scheduled(process)
                .filter(|nanoseconds| *nanoseconds > 0)
                .unwrap_or((stat.user_ticks + stat.system_ticks) * NANOSECONDS_PER_TICK);
        }
        Ok(sum)
    }

    /// What was spent since an earlier look.
    pub(crate) fn since(self, earlier: Self) -> CpuSpent {
        let total = self.nanoseconds.saturating_sub(earlier.nanoseconds) as f64 / 1000.0;
        let user = self.user_ticks.saturating_sub(earlier.user_ticks) as f64;
        let system = self.system_ticks.saturating_sub(earlier.system_ticks) as f64;
        let share = if user + system > 0.0 { user / (user + system) } else { 0.5 };
        CpuSpent { user: total * share, system: total * (1.0 - share) }
    }
}

/// Memory of a process tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Resident set size in KiB, the sum over the processes.
    pub(crate) resident_kib: u64,
    /// Proportional set size in KiB: pages that processes share are counted once.
    pub(crate) proportional_kib: u64,
}

impl Memory {
    /// The memory of a process and of all processes below it, now.
    pub(crate) fn of(process: u32) -> Result<Self, Failure> {
        let mut sum = Self::default();
        for process in process_tree(process)? {
            let path = format!("/proc/{process}/smaps_rollup");
            let text = fs::read_to_string(&path).while_doing(&path)?;
            sum.resident_kib += kib(&text, "Rss:");
            sum.proportional_kib += kib(&text, "Pss:");
        }
        Ok(sum)
    }
}

fn kib(text: &str, field: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(field));
    value.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// A process and all below it.
pub(crate) fn process_tree(root: u32) -> Result<Vec<u32>, Failure> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").while_doing("/proc")?.flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process may have gone since the folder was listed.
        let Ok(text) = fs::read_to_string(entry.path().join("stat")) else { continue };
        if let Some(stat) = Stat::parse(&text) {
            children.entry(stat.parent).or_default().push(process);
        }
    }
    let mut all = vec![root];
    let mut open = vec![root];
    while let Some(process) = open.pop() {
        let below = children.remove(&process).unwrap_or_default();
        all.extend(&below);
        open.extend(below);
    }
    Ok(all)
}

/// Nanoseconds on a processor, over all threads of a process that live now.
fn scheduled(process: u32) -> Option<u64> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let times = threads.flatten().filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Some(times.sum())
}

/// The fields of `/proc/PID/stat` that matter here (proc(5)).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    user_ticks: u64,
    system_ticks: u64,
}

impl Stat {
    /// The command's name in parentheses may itself have spaces and parentheses, so the fields are counted after it.
    fn parse(text: &str) -> Option<Self> {
        let (_, fields) = text.rsplit_once(')')?;
        let mut fields = fields.split_whitespace();
        let parent = fields.nth(1)?.parse().ok()?;
        let user_ticks = fields.nth(9)?.parse().ok()?;
        let system_ticks = fields.next()?.parse().ok()?;
        Some(Self { parent, user_ticks, system_ticks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn a_stat_line_is_read_past_a_name_with_parentheses() {
        let line = "42 (a b) c) S 7 42 42 0 -1 4194560 1 2 3 4 150 60 0 0 20 0 1 0 100";
        assert_eq!(Stat::parse(line), Some(Stat { parent: 7, user_ticks: 150, system_ticks: 60 }));
    }

    #[test]
    fn work_is_seen_in_the_books() {
        let before = CpuTime::of(std::process::id()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut sum = 0u64;
        loop {
            for _ in 0..1_000_000 {
                sum = std::hint::black_box(sum.wrapping_add(1));
            }
            let spent = CpuTime::of(std::process::id()).unwrap().since(before);
            if spent.user + spent.system > 10_000.0 {
                break;
            }
            assert!(Instant::now() < deadline, "{spent:?}");
        }
    }

    #[test]
    fn the_time_is_split_by_the_ticks() {
        let earlier = CpuTime { nanoseconds: 1_000, user_ticks: 10, system_ticks: 10 };
        let later = CpuTime { nanoseconds: 401_000, user_ticks: 11, system_ticks: 13 };
        assert_eq!(later.since(earlier), CpuSpent { user: 100.0, system: 300.0 });
    }

    #[test]
    fn the_memory_of_this_process_is_not_nothing() {
        let memory = Memory::of(std::process::id()).unwrap();
        assert!(memory.resident_kib > 500 && memory.proportional_kib > 100, "{memory:?}");
    }
}
