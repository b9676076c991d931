//! A timer that is rarely set: deadlines move on with every piece of data, the timer is looked at only when it rings.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// Waits until deadlines that keep moving.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Ready at `deadline`. Asked with a later one, the timer stays where it is and is set anew when it rings.
    pub(crate) fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= deadline || Instant::now() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn it_rings_at_the_latest_deadline_and_not_before() {
        let begin = Instant::now();
        let mut patience = Patience::default();
        let mut asked = 0;
        poll_fn(|cx| {
            asked += 1;
            let deadline = begin + Duration::from_millis(if asked == 1 { 5 } else { 30 });
            patience.poll_until(cx, deadline)
        })
        .await;
        assert!(begin.elapsed() >= Duration::from_millis(30));
        let sooner = Instant::now();
        let mut patience = Patience::default();
        let long = Instant::now() + Duration::from_secs(3600);
        poll_fn(|cx| {
            let _ = patience.poll_until(cx, long);
            patience.poll_until(cx, sooner)
        })
        .await;
    }
}
