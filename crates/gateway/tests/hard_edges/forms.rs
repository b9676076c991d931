//! The forms, by subject.

pub(crate) mod chunks;
pub(crate) mod clients;
pub(crate) mod codings;
pub(crate) mod connections;
pub(crate) mod fields;
pub(crate) mod hosts;
pub(crate) mod lengths;
pub(crate) mod limits;
pub(crate) mod lines;
pub(crate) mod request_lines;
pub(crate) mod targets;
pub(crate) mod trailers;
