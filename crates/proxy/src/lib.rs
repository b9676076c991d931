//! The engine: a Plan carries each request as an Exchange through door filters, route, route filters and upstream, and
//! back in reverse order. It knows no filter by name.

mod admit;
pub mod body;
pub mod catalog;
mod client_address;
mod client_chain;
pub mod compile;
mod drain;
pub mod exchange;
pub mod filter;
mod finish;
mod forward;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod grpc;
mod h1;
pub mod handle;
mod inbox;
mod listen;
mod outbox;
mod own_cookies;
pub mod parts;
pub mod path;
mod patience;
pub mod plan;
pub mod record;
pub mod rehearse;
mod reply;
pub mod role;
pub mod route;
pub mod sanitize;
pub mod section;
mod serve;
pub mod server;
pub mod spec;
mod steps;
pub mod template;
mod tunnel;
pub mod upstream;
mod worker;

pub use body::Body;
pub use catalog::Catalog;
pub use client_chain::ClientChain;
pub use compile::{Context, Reader, compile};
pub use exchange::{Connection, Exchange, Request, Scheme, UpstreamHost};
pub use filter::{Filter, FilterSpec, LocalBoxFuture, Response, Step, Verdict};
pub use own_cookies::{OwnCookie, OwnCookies};
pub use parts::{Invalid, Parts, Place};
pub use plan::Plan;
pub use role::Role;
pub use route::{Condition, Predicate, PredicateSpec, Variables};
pub use section::{Ground, Lasting, Network, NoSection, SectionSpec, Sections};
pub use server::{Server, StartError, Tellers};
pub use spec::GatewaySpec;
pub use template::{HeaderTemplate, Template};
