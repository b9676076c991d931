//! State that outlives a request and may be shared by replicas: sessions, locks, replay records, caches. In memory, or in
//! Redis (one server, Sentinel, Cluster). A feature opens a [`Space`] of the [`Store`] and works on its keys; nothing here
//! waits longer than a limit, and what a feature does while Redis is lost is its [`OnStoreError`].

mod address;
mod error;
mod memory;
mod on_store_error;
mod operation;
mod redis;
mod space;
mod store;

pub use address::{Address, AddressError, Credentials, Server};
pub use error::StoreError;
pub use on_store_error::{OnStoreError, UnknownPolicy};
pub use redis::{TlsError, TlsSettings};
pub use space::{Lock, MAX_KEY, MAX_MEMBERS, MAX_VALUE, Space};
pub use store::{Bounds, Settings, Store};

#[cfg(test)]
mod tests;
