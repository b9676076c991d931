//! What holds for every store, and what happens when Redis is lost, tried against real servers.

mod conformance;
mod losses;
mod topologies;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use gwanmun_core::{ManualClock, SystemClock, Tallies};
use tokio::runtime::Handle;

use crate::{Address, Bounds, OnStoreError, Settings, Space, Store, StoreError};

const MINUTE: Duration = Duration::from_secs(60);

/// A store at `url` whose connections live on the test's runtime.
fn redis(url: &str) -> Store {
    redis_with(url, |_| {})
}

fn redis_with(url: &str, change: impl FnOnce(&mut Settings)) -> Store {
    let mut settings = Settings::at(Address::parse(url).unwrap());
    change(&mut settings);
    Store::open(settings, &Handle::current(), Arc::new(SystemClock), &Tallies::default()).unwrap()
}

fn memory() -> (Store, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(SystemTime::now()));
    (Store::memory(Bounds::default(), Arc::clone(&clock) as _, &Tallies::default()), clock)
}

fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// How an operation ended, and how long it took.
async fn timed<T>(operation: impl Future<Output = Result<T, StoreError>>) -> (Result<T, &'static str>, Duration) {
    let begin = Instant::now();
    let outcome = operation.await.map_err(|error| error.name());
    (outcome, begin.elapsed())
}

/// Waits until operations succeed again, and returns how long that took.
async fn recovered(space: &Space) -> Duration {
    let begin = Instant::now();
    gwanmun_testkit::eventually("the store to be back", async || space.put("back", text(""), MINUTE).await.ok()).await;
    begin.elapsed()
}
