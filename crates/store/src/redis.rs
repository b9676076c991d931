//! The store in Redis. Operations run on the outbound runtime, so that a caller may await them from anywhere and one that
//! goes away takes nothing with it. A bounded number is under way at a time.

mod cluster;
mod command;
mod link;
mod place;
mod setback;
mod tls;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::address::Address;
use crate::error::StoreError;
use crate::operation::{Answer, Operation};
use crate::store::Settings;
use cluster::Cluster;
use command::Request;
use link::Link;
use place::{Place, Sentinels};
pub use tls::{TlsError, TlsSettings};
use wire::Wire;

/// A Redis of any form.
pub(crate) struct Redis {
    outbound: Handle,
    limit: Duration,
    waiting: usize,
    permits: Arc<Semaphore>,
    topology: Arc<Topology>,
}

enum Topology {
    /// One server, or the one that sentinels name.
    One(Link),
    Cluster(Cluster),
}

impl Redis {
    /// The Redis of `settings`, if that is where the store is.
    pub(crate) fn open(settings: Settings, outbound: &Handle) -> Result<Option<Self>, TlsError> {
        let Settings { address, tls: tls_settings, sentinel, limit, waiting, bounds: _ } = settings;
        let connector = |tls: bool| tls.then(|| tls_settings.connector()).transpose();
        let topology = match address {
            Address::Memory => return Ok(None),
            Address::Redis { server, credentials, database, tls } => {
                let wire = Wire::new(&credentials, database, connector(tls)?, limit);
                Topology::One(Link::open(Place::Fixed(server), Arc::new(wire), outbound))
            }
            Address::Sentinel { sentinels, service, credentials, database, tls } => {
                let connector = connector(tls)?;
                let ask = Wire::new(&sentinel, 0, connector.clone(), limit);
                let wire = Wire::new(&credentials, database, connector, limit);
                let place = Place::Sentinels(Sentinels::new(sentinels, service, ask));
                Topology::One(Link::open(place, Arc::new(wire), outbound))
            }
            Address::Cluster { nodes, credentials, tls } => {
                let wire = Wire::new(&credentials, 0, connector(tls)?, limit);
                Topology::Cluster(Cluster::new(nodes, Arc::new(wire), outbound))
            }
        };
        let (outbound, permits) = (outbound.clone(), Arc::new(Semaphore::new(waiting)));
        Ok(Some(Self { outbound, limit, waiting, permits, topology: Arc::new(topology) }))
    }

    /// Does it, within the limit.
    pub(crate) async fn perform(&self, key: &str, operation: &Operation) -> Result<Answer, StoreError> {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            return Err(StoreError::Overloaded { waiting: self.waiting });
        };
        let request = Request::of(key, operation);
        let (topology, limit) = (Arc::clone(&self.topology), self.limit);
        let task = self.outbound.spawn(async move {
            let _permit = permit;
            let deadline = Instant::now() + limit;
            match &*topology {
                Topology::One(link) => link.call(&request, deadline).await,
                Topology::Cluster(cluster) => cluster.call(&request, deadline).await,
            }
        });
        let value = match task.await {
            Ok(outcome) => outcome.map_err(|setback| setback.into_error(self.limit))?,
            Err(_) => return Err(StoreError::Unreachable { detail: "the outbound runtime has ended".to_owned() }),
        };
        command::answer(operation, value)
    }
}
