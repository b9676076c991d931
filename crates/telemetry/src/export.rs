//! What leaves the process for collectors: batches on a background thread, out of queues that are bounded. A collector that
//! is down, slow or lying costs what did not fit, which is counted; nobody waits for it.

mod answer;
pub(crate) mod otlp;
pub(crate) mod protobuf;
mod shipper;

pub(crate) use shipper::{Attempt, Shipper, ShipperSettings};
pub use shipper::{Collector, CollectorState};
