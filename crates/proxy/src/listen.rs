//! Where connections come from: sockets, TLS, and the streams that the HTTP codecs read.

pub(crate) mod accept;
pub(crate) mod bind;
pub(crate) mod bound;
pub(crate) mod deferred;
pub(crate) mod frames;
pub(crate) mod guard;
pub(crate) mod idle;
pub(crate) mod proxied;
pub(crate) mod proxy_protocol;
pub(crate) mod seldom;
pub(crate) mod stream;
pub(crate) mod tls;
pub(crate) mod unproven;
pub(crate) mod unverified;
