//! A timer that is rarely set: deadlines move on with every piece of data, the timer is looked at only when it rings. On it
//! stands the bound on silence: how long nothing may move while something is waited for.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

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

/// How long nothing may move; it runs only while something is waited for.
#[derive(Debug)]
pub(crate) struct Silence {
    limit: Duration,
    since: Option<Instant>,
    timer: Patience,
}

impl Silence {
    /// At most so long.
    pub(crate) fn of(limit: Duration) -> Self {
        Self { limit, since: None, timer: Patience::default() }
    }

    /// Something has moved.
    pub(crate) fn broken(&mut self) {
        self.since = None;
    }

    /// Ready when it has lasted too long; it begins when this is asked first.
    pub(crate) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        self.timer.poll_until(cx, since + self.limit)
    }

    /// The same, and ready at `end` whatever moves.
    pub(crate) fn poll_over_or_at(&mut self, cx: &mut Context<'_>, end: Instant) -> Poll<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        self.timer.poll_until(cx, end.min(since + self.limit))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn silence_is_over_when_nothing_moved_for_the_limit_and_waits_for_nobody_who_moves() {
        let limit = Duration::from_millis(20);
        let (begin, mut silence) = (Instant::now(), Silence::of(limit));
        poll_fn(|cx| {
            assert!(silence.poll_over(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        tokio::time::sleep(limit).await;
        silence.broken();
        poll_fn(|cx| silence.poll_over(cx)).await;
        assert!(begin.elapsed() >= limit * 2);
        silence.broken();
        let (begin, end) = (Instant::now(), Instant::now() + limit / 4);
        poll_fn(|cx| silence.poll_over_or_at(cx, end)).await;
        assert!(begin.elapsed() >= limit / 4);
    }

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
