//! The configuration of a service, from the weakest to the strongest: defaults, `application.yaml`, the files of profiles,
//! the environment, the command line. Every mistake is told at once, with its place.

use serde::de::DeserializeOwned;

/// A service's own section. Whatever serde can read.
pub trait Configuration: DeserializeOwned + Send + Sync + 'static {}

impl<T: DeserializeOwned + Send + Sync + 'static> Configuration for T {}
