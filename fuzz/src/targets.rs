//! One file per target.

pub(crate) mod answer;
pub(crate) mod authz;
pub(crate) mod certificate;
pub(crate) mod client_address;
pub(crate) mod configuration;
pub(crate) mod filters;
pub(crate) mod frames;
pub(crate) mod gateway_h1;
pub(crate) mod gateway_h2;
pub(crate) mod gateway_upstream;
pub(crate) mod json;
pub(crate) mod key_set;
pub(crate) mod path;
pub(crate) mod proxy_header;
pub(crate) mod request;
pub(crate) mod routes;
pub(crate) mod token;
pub(crate) mod trace;
