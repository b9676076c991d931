//! Work that blocks, such as asking a file system or the platform's resolver, on a thread of its own. While one piece
//! hangs no other begins, so that a dead network drive costs one thread and not one per look.

use tokio::sync::{Mutex, oneshot};

/// A place for one piece of work at a time.
#[derive(Debug)]
pub(super) struct Aside<T>(Mutex<Option<oneshot::Receiver<T>>>);

impl<T: Send + 'static> Aside<T> {
    /// What `work` comes to, or what an earlier piece comes to that nobody waited for. May be dropped at any time: then the
    /// work goes on, and the next to ask waits for it.
    pub(super) async fn run(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
        let mut place = self.0.lock().await;
        let under_way = match &mut *place {
            Some(under_way) => under_way,
            none => {
                let (tell, told) = oneshot::channel();
                let thread = std::thread::Builder::new().name("health".to_owned());
                let begun = thread.spawn(move || drop(tell.send(work())));
                begun.map_err(|error| format!("no thread can be started: {error}"))?;
                none.insert(told)
            }
        };
        let done = under_way.await;
        *place = None;
        done.map_err(|_| "it panicked".to_owned())
    }
}

impl<T> Default for Aside<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn work_that_hangs_is_not_begun_twice() {
        Builder::new_current_thread().build().unwrap().block_on(async {
            let aside = Aside::default();
            let (go, gone) = mpsc::channel();
            let mut first = Box::pin(aside.run(move || gone.recv().unwrap()));
            std::future::poll_fn(|context| {
                assert!(first.as_mut().poll(context).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            drop(first);
            go.send("the first").unwrap();
            assert_eq!(aside.run(|| "the second").await, Ok("the first"));
            assert_eq!(aside.run(|| "the third").await, Ok("the third"));
        });
    }

    #[test]
    fn work_that_panics_says_so_and_makes_room() {
        Builder::new_current_thread().build().unwrap().block_on(async {
            let aside = Aside::default();
            assert_eq!(aside.run(|| panic!("no")).await, Err::<(), _>("it panicked".to_owned()));
            assert_eq!(aside.run(|| ()).await, Ok(()));
        });
    }
}
