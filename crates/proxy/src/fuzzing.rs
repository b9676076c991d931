//! Ways into private rooms for the fuzz targets (feature `fuzzing`): single steps of the engine as plain functions, and a
//! door without a listening socket. Nothing here is part of how the engine runs.

mod door;
mod frames;
mod messages;
mod proxy_header;

use std::net::IpAddr;

use gwanmun_core::Fault;
use http::HeaderMap;
use http::uri::PathAndQuery;

use crate::client_address;
use crate::path::PathPolicy;
use crate::plan::AddressSet;
use crate::spec::PathsSpec;

pub use door::Door;
pub use frames::{FrameHead, frame_heads};
pub use messages::{Ending, Message, Reading, read_answers, read_requests};
pub use proxy_header::{ProxyHeader, proxy_header};

/// The canonical form of a request target, as the door makes it where paths are read by `choices`.
///
/// # Errors
/// The target is refused.
pub fn canonical_target(target: &PathAndQuery, choices: PathsSpec) -> Result<PathAndQuery, Fault> {
    Ok(PathPolicy::new(choices).canonical(target)?.unwrap_or_else(|| target.clone()))
}

/// Who the client of a request from `peer` is, where the proxies in `trusted` may say so.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &AddressSet) -> Option<IpAddr> {
    client_address::resolve(Some(peer), trusted.contains(peer), headers, trusted).address
}
