//! Calls that the gateway makes for itself: bounded in time and number, made once for all who wait, remembered.
//! [`Outbound`] is the thread on which they run, [`Client`] makes them, [`Lookups`] remembers what they found.

mod call_error;
mod client;
#[cfg(test)]
mod fixture;
mod lookups;
mod outbound;

pub use call_error::CallError;
pub use client::{Called, Client, Protocol, Settings, Tls, Trailers, Watch};
pub use lookups::{Fetched, Found, LookupSettings, Lookups, State};
pub use outbound::Outbound;
