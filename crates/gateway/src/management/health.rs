//! The health of the gateway: the blocks of `gwanmun_telemetry::health`, with a component for each thing that the gateway
//! itself stands on. None of them counts for readiness unless the configuration says so: a gateway without its store or its
//! collectors serves on, as each feature's `on-store-error` says.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::SystemTime;

use gwanmun_client::{CallError, Outbound};
use gwanmun_core::{Stamp, SystemClock, Tallies};
use gwanmun_filters::section::store::SharedStore;
use gwanmun_proxy::Server;
use gwanmun_store::OnStoreError;
use gwanmun_telemetry::health::{Check, CheckSettings, Configured, Health, Outcome, Status, from_fn};
use gwanmun_telemetry::pipeline::Telemetry;

/// The components that are always the same; the configuration may say what they count for.
pub(crate) const COMPONENTS: [&str; 4] = ["collectors", "configuration", "listeners", "store"];

/// The checks of the gateway.
pub(crate) struct GatewayHealth {
    health: Health,
    /// A thread of its own: nothing that fills another can make a check late.
    outbound: Outbound,
    telemetry: Telemetry,
    /// Since when the configuration in force is.
    in_force_since: RefCell<SystemTime>,
    /// The specification of the store that is looked at.
    store: RefCell<Option<String>>,
}

impl GatewayHealth {
    /// That of a gateway that starts.
    ///
    /// # Errors
    /// The thread for checks cannot be started.
    pub(crate) fn new(tallies: Tallies, telemetry: Telemetry) -> Result<Self, CallError> {
        let outbound = Outbound::new(Arc::new(SystemClock), tallies);
        let health = Health::new(outbound.handle()?, outbound.clock(), telemetry.exceptions());
        Ok(Self {
            health,
            outbound,
            telemetry,
            in_force_since: RefCell::new(SystemTime::now()),
            store: RefCell::default(),
        })
    }

    /// What makes pages and numbers.
    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    /// `server` has followed another configuration since `now`.
    pub(crate) fn taken_over(&self, configured: Configured, server: &Server, now: SystemTime) {
        *self.in_force_since.borrow_mut() = now;
        self.health.tell("configuration", self.in_force());
        let listeners = server.listening().into_iter();
        let listeners = listeners.fold(Outcome::up(), |outcome, (name, address)| outcome.with(&name, address));
        self.health.tell("listeners", listeners);
        self.look_at_store(server.plans()().sections.of::<SharedStore>().ok().as_deref());
        let telemetry = self.telemetry.clone();
        self.health.look_at_collectors(move || telemetry.collectors());
        self.health.follow(configured, &self.outbound);
    }

    /// Another configuration could not be taken over. `UNKNOWN` speaks against nothing: the old one serves as before.
    pub(crate) fn not_taken_over(&self, reason: String, now: SystemTime) {
        let failed = Outcome { status: Status::Unknown, ..self.in_force() };
        let failed = failed.with("last-reload", "failure").with("at", written(now)).with("reason", reason);
        self.health.tell("configuration", failed);
    }

    fn in_force(&self) -> Outcome {
        Outcome::up().with("in-force-since", written(*self.in_force_since.borrow()))
    }

    fn look_at_store(&self, store: Option<&SharedStore>) {
        let shared = store.filter(|store| store.is_written_shared());
        let specification = shared.map(|store| store.specification().to_owned());
        if *self.store.borrow() == specification {
            return;
        }
        *self.store.borrow_mut() = specification;
        match shared {
            Some(store) => self.health.add("store", CheckSettings::shown(), store_check(store.clone())),
            None => self.health.remove("store"),
        }
    }
}

/// Whether the store answers: a key is looked up that nobody has written.
fn store_check(store: SharedStore) -> impl Check {
    from_fn(move || {
        let store = store.clone();
        async move {
            match store.store().space("health", OnStoreError::Deny).get("any").await {
                Ok(_) => Outcome::up(),
                Err(error) => Outcome::down(&error.to_string()).with("kind", error.name()),
            }
        }
    })
}

/// RFC 3339, to the second.
fn written(time: SystemTime) -> String {
    let text = Stamp::text(time);
    format!("{}Z", text.split('.').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    #[test]
    fn times_are_written_to_the_second() {
        let time = UNIX_EPOCH + std::time::Duration::from_millis(61_900);
        assert_eq!(super::written(time), "1970-01-01T00:01:01Z");
    }
}
