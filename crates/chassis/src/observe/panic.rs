//! A panic in a handler is an answer and an exception, not the end of a connection.

use std::pin::pin;
use std::task::Poll;

use gwanmun_telemetry::exceptions::{Exceptions, Panicked};

/// The future that `begin` makes. A panic in either is an error; what panicked is not touched again but dropped.
pub(crate) async fn caught<F: Future>(
    exceptions: &Exceptions,
    begin: impl FnOnce() -> F,
) -> Result<F::Output, Panicked> {
    let mut begin = Some(begin);
    let mut running = pin!(None);
    std::future::poll_fn(|context| {
        let polled = exceptions.catch(|| {
            if let Some(begin) = begin.take() {
                running.set(Some(begin()));
            }
            match running.as_mut().as_pin_mut() {
                Some(running) => running.poll(context),
                None => Poll::Pending,
            }
        });
        match polled {
            Ok(polled) => polled.map(Ok),
            Err(panicked) => {
                // A destructor that panics in its turn is an exception of its own.
                drop(exceptions.catch(|| running.set(None)));
                Poll::Ready(Err(panicked))
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_wherever_it_happens() {
        let here = Exceptions::default();
        assert_eq!(caught(&here, || async { 7 }).await.unwrap(), 7);
        let begin: fn() -> std::future::Ready<()> = || panic!("at once");
        assert_eq!(caught(&here, begin).await.unwrap_err().message(), "at once");
        let later = caught(&here, || async {
            tokio::task::yield_now().await;
            panic!("number {}", 7)
        });
        let later: Result<(), _> = later.await;
        assert_eq!(later.unwrap_err().message(), "number 7");
    }

    #[tokio::test]
    async fn a_destructor_that_panics_too_changes_nothing() {
        let here = Exceptions::default();
        struct Bad;
        impl Drop for Bad {
            fn drop(&mut self) {
                if !std::thread::panicking() {
                    panic!("again");
                }
            }
        }
        let outcome: Result<(), _> = caught(&here, || {
            let bad = Bad;
            std::future::poll_fn(move |_| {
                let _ = &bad;
                panic!("first")
            })
        })
        .await;
        assert_eq!(outcome.unwrap_err().message(), "first");
    }
}
