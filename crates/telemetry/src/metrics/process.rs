//! What the kernel knows of this process, under the names that all Prometheus clients use; who it is, and since when.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gwanmun_core::Clock;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::family::{Family, Kind, Source, Value, Word};

/// Fields of `/proc/self/stat` behind the name of the program (proc_pid_stat(5)), counted from the state.
const UTIME: usize = 11;
const STIME: usize = 12;
const NUM_THREADS: usize = 17;
const STARTTIME: usize = 19;
const VSIZE: usize = 20;
const RSS: usize = 21;

/// The numbers of this process, read anew each time. Where the kernel tells nothing, as on anything but Linux, there is
/// nothing but what the clock knows.
pub fn process(clock: Arc<dyn Clock>) -> Source {
    let started = process_start(&*clock);
    Arc::new(move || {
        let mut families = of(Path::new("/proc"));
        families.extend(times(started, clock.wall()));
        families
    })
}

/// When this process was started, as far as the kernel tells; now otherwise.
pub(crate) fn process_start(clock: &dyn Clock) -> SystemTime {
    started(Path::new("/proc")).unwrap_or_else(|| clock.wall())
}

/// That `gwanmun` of this version runs: `gwanmun_build_info`.
pub fn gateway_build(version: &'static str) -> Source {
    let family = Family::new("gwanmun_build_info", Kind::Gauge, "The version of the gateway; always 1.");
    let family = family.sample(vec![("version", version.into())], Value::Count(1));
    Arc::new(move || vec![family.clone()])
}

/// That this version of a service runs: `service_build_info`.
pub fn service_build(service: Arc<str>, version: Arc<str>) -> Source {
    let family = Family::new("service_build_info", Kind::Gauge, "The name and version of the service; always 1.");
    let labels = vec![("service", Word::Shared(service)), ("version", Word::Shared(version))];
    let family = family.sample(labels, Value::Count(1));
    Arc::new(move || vec![family.clone()])
}

/// What `/proc/self/stat` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    /// Both user's and system's, in the kernel's ticks.
    cpu: u64,
    threads: u64,
    /// In ticks since the machine started.
    start: u64,
    /// In bytes.
    virtual_memory: u64,
    /// In pages.
    resident: u64,
}

fn of(proc: &Path) -> Vec<Family> {
    let mut families = Vec::new();
    let stat = fs::read_to_string(proc.join("self/stat")).ok();
    if let Some(Stat { cpu, threads, virtual_memory, resident, .. }) = stat.as_deref().and_then(stat_of) {
        let page = u64::try_from(page_size()).unwrap_or(4096);
        families.extend([
            Family::counter(
                "process_cpu_seconds_total",
                "Time that the process kept processors busy, for itself and in the kernel.",
                Value::Number(ticks(cpu).as_secs_f64()),
            ),
            Family::gauge("process_threads", "Threads of the process.", Value::Count(threads)),
            Family::gauge(
                "process_virtual_memory_bytes",
                "Addresses that the process has reserved.",
                Value::Count(virtual_memory),
            ),
            Family::gauge(
                "process_resident_memory_bytes",
                "Memory that the process has in use.",
                Value::Count(resident.saturating_mul(page)),
            ),
        ]);
    }
    if let Some(open) = open_files(&proc.join("self/fd")) {
        families.push(Family::gauge("process_open_fds", "Open file descriptors.", Value::Count(open)));
    }
    let max = getrlimit(Resource::Nofile).current.map_or(Value::Number(f64::INFINITY), Value::Count);
    families.push(Family::gauge("process_max_fds", "File descriptors that the process may open.", max));
    families
}

fn times(started: SystemTime, now: SystemTime) -> [Family; 2] {
    let seconds = |from, to: SystemTime| Value::Number(to.duration_since(from).unwrap_or_default().as_secs_f64());
    [
        Family::gauge(
            "process_start_time_seconds",
            "When the process was started, in seconds since 1970.",
            seconds(UNIX_EPOCH, started),
        ),
        Family::gauge("process_uptime_seconds", "How long the process has been running.", seconds(started, now)),
    ]
}

/// When the process was started; the kernel counts it from the start of the machine.
fn started(proc: &Path) -> Option<SystemTime> {
    let Stat { start, .. } = stat_of(&fs::read_to_string(proc.join("self/stat")).ok()?)?;
    let machine = boot_of(&fs::read_to_string(proc.join("stat")).ok()?)?;
    UNIX_EPOCH.checked_add(Duration::from_secs(machine))?.checked_add(ticks(start))
}

/// The program's name stands in parentheses and may contain anything, parentheses and spaces too.
fn stat_of(text: &str) -> Option<Stat> {
    let (_, fields) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
    Some(Stat {
        cpu: number(UTIME)?.checked_add(number(STIME)?)?,
        threads: number(NUM_THREADS)?,
        start: number(STARTTIME)?,
        virtual_memory: number(VSIZE)?,
        resident: number(RSS)?,
    })
}

/// When the machine was started, in seconds since 1970.
fn boot_of(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim_end().parse().ok()
}

fn ticks(ticks: u64) -> Duration {
    let per_second = clock_ticks_per_second().max(1);
    Duration::from_secs(ticks / per_second) + Duration::from_nanos(ticks % per_second * 1_000_000_000 / per_second)
}

/// Without the one that counting takes.
fn open_files(folder: &Path) -> Option<u64> {
    let open = fs::read_dir(folder).ok()?.count();
    u64::try_from(open).ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use gwanmun_core::ManualClock;
    use proptest::prelude::*;

    use super::*;

    const STAT: &str =
        "971 (a) b (c) S 1 971 971 0 -1 4194304 98 0 0 0 250 50 7 8 20 0 17 0 4542527 3133440 394 184467 1 2";

    fn value(families: &[Family], name: &str) -> f64 {
        match families.iter().find(|family| family.name == name).map(|family| &family.samples[0].value) {
            Some(Value::Count(count)) => *count as f64,
            Some(Value::Number(number)) => *number,
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn a_stat_is_read_behind_the_name_of_the_program() {
        let stat = Stat { cpu: 300, threads: 17, start: 4_542_527, virtual_memory: 3_133_440, resident: 394 };
        assert_eq!(stat_of(STAT), Some(stat));
    }

    #[test]
    fn a_stat_that_is_short_or_has_other_than_numbers_is_none() {
        let upto = |fields: usize| STAT.split(' ').take(fields).collect::<Vec<_>>().join(" ");
        assert!(stat_of(&upto(26)).is_some());
        assert_eq!(stat_of(&upto(25)), None);
        assert_eq!(stat_of(&STAT.replace("250", "-250")), None);
        assert_eq!(stat_of(&STAT.replace("250", "18446744073709551615")), None);
        assert_eq!(stat_of(""), None);
    }

    #[test]
    fn the_start_of_the_machine_is_one_line_among_others() {
        assert_eq!(boot_of("cpu 1 2\nintr 5\nbtime 1795301012\nprocesses 1\n"), Some(1_795_301_012));
        assert_eq!(boot_of("cpu 1 2\nbtimes 3\nbtime x\n"), None);
    }

    #[test]
    fn the_numbers_are_those_of_this_process() {
        let clock = Arc::new(ManualClock::at(SystemTime::now()));
        let source = process(Arc::clone(&clock) as _);
        let before = source();
        let _files: Vec<File> = (0..50).map(|_| File::open("/proc/self/stat").unwrap()).collect();
        let end = SystemTime::now() + Duration::from_millis(50);
        let mut spun = 0_u64;
        while SystemTime::now() < end {
            spun = std::hint::black_box(spun + 1);
        }
        clock.advance(Duration::from_secs(5));
        let after = source();
        let grown = |name| value(&after, name) - value(&before, name);
        assert!(grown("process_cpu_seconds_total") > 0.0);
        assert!(grown("process_open_fds") > 25.0, "others open and close theirs: {}", grown("process_open_fds"));
        assert!(value(&after, "process_open_fds") < value(&after, "process_max_fds"));
        assert!(value(&after, "process_threads") >= 1.0);
        assert!(value(&after, "process_virtual_memory_bytes") > value(&after, "process_resident_memory_bytes"));
        assert!(value(&after, "process_resident_memory_bytes") > 1e6);
        assert!((grown("process_uptime_seconds") - 5.0).abs() < 0.001);
        let uptime = value(&before, "process_uptime_seconds");
        assert!((0.0..3600.0).contains(&uptime), "{uptime}");
        assert_eq!(grown("process_start_time_seconds"), 0.0);
    }

    #[test]
    fn where_the_kernel_tells_nothing_there_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let families = of(folder.path());
        let names: Vec<_> = families.iter().map(|family| &*family.name).collect();
        assert_eq!(names, ["process_max_fds"]);
        assert_eq!(started(folder.path()), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[0-9a-z() \n-]{0,200}") {
            let _ = (stat_of(&text), boot_of(&text));
        }
    }
}
