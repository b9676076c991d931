//! The tasks that a connection consists of: they end soon after nobody here has the connection any more, whatever the
//! other side does. One that reads nothing, or grants no room, would keep them and what they have to say for ever.

use std::time::Duration;

use hyper::rt::Executor;
use tokio::sync::watch;

/// How long a connection that nobody has any more may take to say so.
const FAREWELL: Duration = Duration::from_millis(500);

/// The tasks of one connection. Dropped, it ends them.
pub(crate) struct Tasks {
    /// Each task has a receiver. Nothing is ever sent.
    end: watch::Sender<()>,
    /// How many receivers there are while nothing is on its way.
    at_rest: usize,
}

/// Begins the tasks of one connection.
#[derive(Clone)]
pub(crate) struct Spawner(watch::Receiver<()>);

impl Tasks {
    /// None yet, and what begins them.
    pub(crate) fn new() -> (Self, Spawner) {
        let (end, ends) = watch::channel(());
        (Self { end, at_rest: 0 }, Spawner(ends))
    }

    /// Those of a connection that was made and has not been used. Whoever else begins tasks has to have gone before.
    pub(crate) fn at_rest(self) -> Self {
        Self { at_rest: self.end.receiver_count(), ..self }
    }

    /// Whether nothing is on its way: a body that the other side answered without reading it still may be.
    pub(crate) fn are_at_rest(&self) -> bool {
        self.end.receiver_count() <= self.at_rest
    }
}

impl Spawner {
    /// Begins one.
    pub(crate) fn spawn(&self, task: impl Future + Send + 'static) {
        let mut ends = self.0.clone();
        tokio::spawn(async move {
            let overdue = async {
                while ends.changed().await.is_ok() {}
                tokio::time::sleep(FAREWELL).await;
            };
            tokio::select! {
                _ = task => {}
                () = overdue => {}
            }
        });
    }
}

impl<F: Future + Send + 'static> Executor<F> for Spawner {
    fn execute(&self, task: F) {
        self.spawn(task);
    }
}
