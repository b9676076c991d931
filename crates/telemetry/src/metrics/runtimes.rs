//! How busy tokio's runtimes are: what its stable metrics tell.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeMetrics};

use super::family::{Family, Kind, Source, Value, Word};

/// The runtimes of a process. Clones are the same.
#[derive(Clone, Default)]
pub struct Runtimes(Arc<Mutex<Vec<Runtime>>>);

#[derive(Clone)]
struct Runtime {
    name: Arc<str>,
    metrics: RuntimeMetrics,
}

impl Runtimes {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows this runtime too, as `name`, in place of an earlier one of that name. It may end.
    pub fn add(&self, name: &str, runtime: &Handle) {
        let mut runtimes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        runtimes.retain(|known| *known.name != *name);
        runtimes.push(Runtime { name: name.into(), metrics: runtime.metrics() });
    }

    /// How busy they are.
    pub fn families(&self) -> Vec<Family> {
        let runtimes = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if runtimes.is_empty() {
            return Vec::new();
        }
        let family = |name, kind, help, value: fn(&RuntimeMetrics) -> Value| {
            runtimes.iter().fold(Family::new(name, kind, help), |family, runtime| {
                family.sample(vec![("runtime", Word::Shared(Arc::clone(&runtime.name)))], value(&runtime.metrics))
            })
        };
        vec![
            family("tokio_workers", Kind::Gauge, "Threads that run the tasks of a runtime.", |runtime| {
                count(runtime.num_workers())
            }),
            family(
                "tokio_busy_seconds_total",
                Kind::Counter,
                "Time that the threads of a runtime spent on tasks rather than waiting.",
                |runtime| {
                    let busy = (0..runtime.num_workers()).map(|worker| runtime.worker_total_busy_duration(worker));
                    Value::Number(busy.sum::<Duration>().as_secs_f64())
                },
            ),
            family("tokio_alive_tasks", Kind::Gauge, "Tasks of a runtime that have not ended.", |runtime| {
                count(runtime.num_alive_tasks())
            }),
            family(
                "tokio_global_queue_depth",
                Kind::Gauge,
                "Tasks of a runtime that wait in the queue that its threads share.",
                |runtime| count(runtime.global_queue_depth()),
            ),
        ]
    }

    /// The same for who shows and exports it.
    pub fn source(&self) -> Source {
        let runtimes = self.clone();
        Arc::new(move || runtimes.families())
    }
}

impl fmt::Debug for Runtimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtimes").finish_non_exhaustive()
    }
}

fn count(count: usize) -> Value {
    Value::Count(u64::try_from(count).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use super::*;

    fn value(runtimes: &Runtimes, name: &str) -> Vec<(String, Value)> {
        let family = runtimes.families().into_iter().find(|family| family.name == name).unwrap();
        family.samples.into_iter().map(|sample| (sample.labels[0].1.to_string(), sample.value)).collect()
    }

    #[test]
    fn runtimes_are_shown_by_name_even_when_they_have_ended() {
        let runtimes = Runtimes::new();
        assert!(runtimes.families().is_empty());
        let runtime = Builder::new_current_thread().build().unwrap();
        runtimes.add("main", runtime.handle());
        runtimes.add("main", runtime.handle());
        let tasks: Vec<_> = (0..3).map(|_| runtime.spawn(std::future::pending::<()>())).collect();
        assert_eq!(value(&runtimes, "tokio_workers"), [("main".to_owned(), Value::Count(1))]);
        assert_eq!(value(&runtimes, "tokio_alive_tasks"), [("main".to_owned(), Value::Count(3))]);
        assert_eq!(value(&runtimes, "tokio_global_queue_depth"), [("main".to_owned(), Value::Count(3))]);
        drop((runtime, tasks));
        assert_eq!(value(&runtimes, "tokio_alive_tasks"), [("main".to_owned(), Value::Count(0))]);
    }

    #[test]
    fn time_spent_on_tasks_counts() {
        let runtimes = Runtimes::new();
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        runtimes.add("main", runtime.handle());
        runtime.block_on(async {
            std::thread::sleep(Duration::from_millis(20));
            // The time is told when there is nothing left to do.
            tokio::time::sleep(Duration::from_millis(1)).await;
        });
        let Value::Number(busy) = value(&runtimes, "tokio_busy_seconds_total")[0].1 else { panic!() };
        assert!(busy >= 0.02, "{busy}");
    }
}
