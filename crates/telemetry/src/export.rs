//! What leaves the process for collectors: batches on a background thread, out of queues that are bounded. A collector that
//! is down, slow or lying costs what did not fit, which is counted; nobody waits for it.

mod answer;
mod numbers;
pub(crate) mod otlp;
pub(crate) mod protobuf;
mod shipper;
mod spans;
mod zipkin;

pub(crate) use numbers::{NumberTarget, Push, Pushed};
pub(crate) use shipper::{Attempt, Ends, Shipper, ShipperSettings};
pub use shipper::{Collector, CollectorState};
pub(crate) use spans::SpanTarget;
