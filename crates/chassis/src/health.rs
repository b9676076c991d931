//! Checks that a service brings for `/health`, besides those of its configuration and of its database.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use gwanmun_core::{SystemClock, Tallies};
use gwanmun_store::{Address, OnStoreError, Settings, Space, Store};
pub use gwanmun_telemetry::health::{Check, CheckSettings, Outcome, from_fn};
use tokio::runtime::Handle;

/// A key that nobody has written.
const KEY: &str = "any";

/// Whether a Redis answers.
pub struct RedisCheck {
    address: Result<Address, String>,
    /// Opened by the first look, on the runtime that it runs on.
    space: OnceLock<Result<Space, String>>,
}

/// Whether the Redis at `url` answers: `redis://host:6379/0`, `rediss://…`, `redis-sentinel://…`, `redis-cluster://…`, as the
/// gateway's `store` has it. It is asked for the key `gwanmun:health:any`, which a user of its ACL has to be allowed to read.
/// Where `url` is none of these the check is down and says so.
///
/// ```
/// use gwanmun_chassis::Service;
/// use gwanmun_chassis::health::{self, CheckSettings};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Orders {
///     redis: String,
/// }
///
/// let service = Service::new("orders").config::<Orders>();
/// # drop(
/// service.check("redis", CheckSettings::default(), |app| health::redis(&app.config().redis))
/// # );
/// ```
pub fn redis(url: &str) -> RedisCheck {
    let address = match Address::parse(url) {
        Ok(Address::Memory) => Err("found 'memory', wanted the address of a Redis".to_owned()),
        Ok(address) => Ok(address),
        Err(why) => Err(why.to_string()),
    };
    RedisCheck { address, space: OnceLock::new() }
}

impl RedisCheck {
    fn open(&self) -> Result<Space, String> {
        let settings = Settings::at(self.address.clone()?);
        let store = Store::open(settings, &Handle::current(), Arc::new(SystemClock), &Tallies::default());
        store.map(|store| store.space("health", OnStoreError::Deny)).map_err(|why| why.to_string())
    }
}

impl Check for RedisCheck {
    fn check(&self) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
        Box::pin(async {
            match self.space.get_or_init(|| self.open()) {
                Ok(space) => match space.get(KEY).await {
                    Ok(_) => Outcome::up(),
                    Err(error) => Outcome::down(&error.to_string()).with("kind", error.name()),
                },
                Err(why) => Outcome::down(why),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gwanmun_telemetry::health::Status;
    use gwanmun_testkit::{Redis, eventually};

    use super::*;

    async fn status(check: &RedisCheck) -> Status {
        tokio::time::timeout(Duration::from_secs(5), check.check()).await.expect("a look has an end").status
    }

    #[tokio::test]
    async fn a_redis_is_up_gone_stalled_and_back() {
        let mut server = Redis::start_with(&["--requirepass", "hunter2"]).await;
        let check = redis(&format!("redis://:hunter2@127.0.0.1:{}", server.port()));
        let until =
            async |wanted| eventually("another status", async || (status(&check).await == wanted).then_some(())).await;
        until(Status::Up).await;
        server.pause();
        until(Status::Down).await;
        server.resume();
        until(Status::Up).await;
        server.kill();
        until(Status::Down).await;
        assert!(!format!("{:?}", check.check().await).contains("hunter2"));
        server.restart().await;
        until(Status::Up).await;
    }

    #[tokio::test]
    async fn what_is_no_address_is_down_without_telling_its_password() {
        for url in ["memory", "", "localhost", "http://localhost", "redis://ann:hunter2@a:b"] {
            let outcome = redis(url).check().await;
            assert_eq!(outcome.status, Status::Down, "{url}");
            assert!(!format!("{outcome:?}").contains("hunter2"), "{outcome:?}");
        }
    }
}
