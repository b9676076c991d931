//! What the tests of the gateway stand on: the real binary as a process ([`Gateway`]), services behind it ([`Upstream`],
//! [`Script`]), authorization servers ([`Issuer`], [`OidcProvider`], [`Glewlwyd`]), clients in front of it ([`Connection`],
//! [`Http2`], [`Chromium`]) and certificates ([`Authority`]). Development only: a failure here is a panic with the reason in it, and every
//! wait ends at [`PATIENCE`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever goes wrong in a test is a failed test"
)]

mod base64url;
mod body;
mod browser;
mod bugsink;
mod certificates;
mod chromium;
mod claims;
mod connection;
mod detour;
mod endpoints;
mod exposition;
mod form;
pub mod frames;
mod free_port;
mod gateway;
mod glewlwyd;
mod http2;
mod issuer;
mod jws;
mod load;
mod log;
mod message;
mod node;
mod node_script;
mod oidc_provider;
mod openid_provider;
mod otlp_receiver;
mod patience;
mod postgres;
mod process;
mod prometheus;
mod python;
mod receivers;
mod redis;
mod rotel;
mod rsyslog;
mod script;
mod token_key;
mod tool;
mod tracker;
mod upstream;
mod web_client;

pub use body::{Feed, Reply};
pub use browser::{Browser, Page};
pub use bugsink::Bugsink;
pub use certificates::{Authority, Draft, Identity};
pub use chromium::{Chromium, Person, Tab};
pub use connection::Connection;
pub use detour::Detour;
pub use endpoints::{Answer, Endpoints, Held};
pub use exposition::Exposition;
pub use gateway::{Gateway, Refusal, Setup};
pub use glewlwyd::Glewlwyd;
pub use http2::Http2;
pub use issuer::Issuer;
pub use jws::{Jws, with_loose_bits};
pub use load::Load;
pub use log::Log;
pub use message::Message;
pub use node::node_with;
pub use oidc_provider::OidcProvider;
pub use openid_provider::{Forgery, Manners, OpenIdProvider};
pub use otlp_receiver::{Manner, OtlpReceiver, OtlpRequest, ReceivedSpan};
pub use patience::{PATIENCE, eventually, eventually_within, patiently};
pub use postgres::Postgres;
pub use process::peak_memory;
pub use prometheus::{Prometheus, promtool, promtool_has_no_complaint};
pub use python::python_with;
pub use receivers::Receivers;
pub use redis::{Redis, RedisCluster, RedisSentinels};
pub use rotel::{Rotel, RotelSpan};
pub use rsyslog::Rsyslog;
pub use script::Script;
pub use token_key::TokenKey;
pub use tool::Tool;
pub use tracker::Tracker;
pub use upstream::{Speaks, Upstream};
pub use web_client::WebClient;
