//! Where calls run: on one background thread, or on a runtime that is there already. Who gives up a request therefore
//! cancels nothing that others wait for. The thread starts with the first call and ends when the last handle is dropped.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;

use gwanmun_core::{Clock, Tallies};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::call_error::CallError;
use crate::client::Watch;

/// Threads that look up names, since the platform's resolver blocks.
const RESOLVERS: usize = 8;

/// Where calls run, what time it is for them and where they are counted. Clones are the same.
#[derive(Clone)]
pub struct Outbound(Arc<Shared>);

struct Shared {
    clock: Arc<dyn Clock>,
    tallies: Tallies,
    place: Place,
    watch: OnceLock<Arc<dyn Watch>>,
}

enum Place {
    /// A thread of its own.
    Thread(OnceLock<Result<Thread, CallError>>),
    /// Somebody else's runtime.
    Runtime(Handle),
    /// The network is not touched.
    Nowhere,
}

struct Thread {
    handle: Handle,
    /// Dropped, it ends the thread.
    _end: oneshot::Sender<Infallible>,
}

impl Outbound {
    /// A thread that starts with the first call.
    pub fn new(clock: Arc<dyn Clock>, tallies: Tallies) -> Self {
        Self(Arc::new(Shared { clock, tallies, place: Place::Thread(OnceLock::new()), watch: OnceLock::new() }))
    }

    /// On a runtime that is there already: a service's calls are spread over its threads. It must have I/O and time.
    pub fn on(runtime: Handle, clock: Arc<dyn Clock>, tallies: Tallies) -> Self {
        Self(Arc::new(Shared { clock, tallies, place: Place::Runtime(runtime), watch: OnceLock::new() }))
    }

    /// No thread at all: every call fails at once with [`CallError::Offline`]. For commands that only explain.
    pub fn offline(clock: Arc<dyn Clock>, tallies: Tallies) -> Self {
        Self(Arc::new(Shared { clock, tallies, place: Place::Nowhere, watch: OnceLock::new() }))
    }

    /// Runs `future` there. The handle may be awaited on any runtime; dropping it cancels nothing.
    ///
    /// # Errors
    /// [`CallError::Offline`], or the thread cannot be started.
    pub fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<JoinHandle<T>, CallError> {
        Ok(self.handle()?.spawn(future))
    }

    /// The runtime, for who makes connections of another kind. It does not keep a thread alive.
    ///
    /// # Errors
    /// [`CallError::Offline`], or the thread cannot be started.
    pub fn handle(&self) -> Result<Handle, CallError> {
        match &self.0.place {
            Place::Nowhere => Err(CallError::Offline),
            Place::Runtime(handle) => Ok(handle.clone()),
            Place::Thread(thread) => match thread.get_or_init(start) {
                Ok(thread) => Ok(thread.handle.clone()),
                Err(error) => Err(error.clone()),
            },
        }
    }

    /// Whether the network is not touched.
    pub fn is_offline(&self) -> bool {
        matches!(self.0.place, Place::Nowhere)
    }

    /// The clock for everything that is remembered of calls.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.0.clock)
    }

    /// Tells `watch` of calls for sampled traces from now on. The first call decides.
    pub fn watch_by(&self, watch: Arc<dyn Watch>) {
        let _ = self.0.watch.set(watch);
    }

    pub(crate) fn watch(&self) -> Option<Arc<dyn Watch>> {
        self.0.watch.get().cloned()
    }

    /// Where calls are counted.
    pub fn tallies(&self) -> &Tallies {
        &self.0.tallies
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").field("is_offline", &self.is_offline()).finish_non_exhaustive()
    }
}

fn start() -> Result<Thread, CallError> {
    let failed =
        |error: io::Error| CallError::Invalid(format!("the thread for calls cannot be started: {error}").into());
    let (tell, told) = mpsc::sync_channel(1);
    let (end, ended) = oneshot::channel();
    thread::Builder::new().name("outbound".to_owned()).spawn(move || run(&tell, ended)).map_err(failed)?;
    let handle = told.recv().unwrap_or_else(|_| Err(io::Error::other("it ended at once"))).map_err(failed)?;
    Ok(Thread { handle, _end: end })
}

/// The thread's whole life. The runtime is made here, since it must not be dropped where somebody awaits.
fn run(tell: &mpsc::SyncSender<io::Result<Handle>>, ended: oneshot::Receiver<Infallible>) {
    match runtime() {
        Err(error) => drop(tell.send(Err(error))),
        Ok(runtime) => {
            drop(tell.send(Ok(runtime.handle().clone())));
            drop(runtime.block_on(ended));
            runtime.shutdown_background();
        }
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_io().enable_time().max_blocking_threads(RESOLVERS).build()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use gwanmun_core::SystemClock;

    use super::*;
    use crate::fixture::{alone, online};

    #[test]
    fn everything_runs_on_one_thread_whoever_asks() {
        let outbound = online();
        let seen = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let task = outbound.clone().spawn(async { thread::current().id() }).unwrap();
                    seen.lock().unwrap().push(alone(task).unwrap());
                });
            }
        });
        let mut seen = seen.into_inner().unwrap();
        seen.dedup();
        assert_eq!(seen.len(), 1);
        assert_ne!(seen[0], thread::current().id());
    }

    #[test]
    fn it_does_not_start_before_the_first_call() {
        let outbound = online();
        let Place::Thread(thread) = &outbound.0.place else { panic!("it has a thread of its own") };
        assert!(thread.get().is_none());
        outbound.handle().unwrap();
        assert!(thread.get().is_some());
    }

    #[test]
    fn on_a_runtime_calls_run_on_its_threads() {
        let ran_on = alone(async {
            let outbound = Outbound::on(Handle::current(), Arc::new(SystemClock), Tallies::default());
            assert!(!outbound.is_offline());
            outbound.spawn(async { thread::current().id() }).unwrap().await.unwrap()
        });
        assert_eq!(ran_on, thread::current().id());
    }

    #[test]
    fn offline_nothing_runs() {
        let outbound = Outbound::offline(Arc::new(SystemClock), Tallies::default());
        assert_eq!(outbound.spawn(async { panic!("must not run") }).unwrap_err(), CallError::Offline);
    }

    #[test]
    fn who_drops_the_last_handle_ends_the_thread_and_what_runs_on_it() {
        let outbound = online();
        let (alive, gone) = oneshot::channel::<Infallible>();
        let task = outbound.spawn(async move {
            let _alive = alive;
            std::future::pending::<()>().await;
        });
        drop(outbound.clone());
        assert!(!task.as_ref().unwrap().is_finished());
        drop(outbound);
        assert!(alone(gone).is_err());
        assert!(alone(task.unwrap()).unwrap_err().is_cancelled());
    }

    #[test]
    fn a_call_may_drop_the_last_handle() {
        let outbound = online();
        let (tell, told) = oneshot::channel();
        let (alive, gone) = oneshot::channel::<Infallible>();
        let inside = outbound.clone();
        outbound
            .spawn(async move {
                let _alive = alive;
                let _: () = told.await.unwrap();
                drop(inside);
                std::future::pending::<()>().await;
            })
            .unwrap();
        drop(outbound);
        tell.send(()).unwrap();
        assert!(alone(gone).is_err());
    }
}
