//! Fuzz targets: plain functions over bytes, network-facing rooms first. `cargo xtask fuzz` runs them under a
//! coverage-guided engine; the corpus in `fuzz/corpus` is what it found worth keeping, replayed by an ordinary test.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a finding is a panic, and nothing here ships"
)]

mod pieces;
mod reader;
mod targets;
mod world;

use targets::{
    answer, authz, certificate, client_address, configuration, filters, frames, gateway_h1, gateway_h2,
    gateway_upstream, json, key_set, path, proxy_header, request, routes, token, trace,
};

/// One thing to fuzz.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and the folder of its corpus.
    pub name: &'static str,
    /// Its part of the time: 2 for what faces the network, 1 for what operators write.
    pub share: u32,
    /// The longest input worth trying, bytes.
    pub longest: usize,
    /// Whether an input sets much in motion, so that the memory it takes is looked at each time.
    pub heavy: bool,
    /// The file in `fuzz/dictionaries`, without its ending.
    pub dictionary: Option<&'static str>,
    /// Panics when something that must hold does not.
    pub run: fn(&[u8]),
}

/// All targets, in the order they run.
pub const TARGETS: &[Target] = &[
    Target {
        name: "gateway-h1",
        share: 2,
        heavy: true,
        longest: 4096,
        dictionary: Some("http1"),
        run: gateway_h1::run,
    },
    Target {
        name: "gateway-h2",
        share: 2,
        heavy: true,
        longest: 4096,
        dictionary: Some("http2"),
        run: gateway_h2::run,
    },
    Target {
        name: "gateway-upstream",
        share: 2,
        heavy: true,
        longest: 4096,
        dictionary: Some("http1"),
        run: gateway_upstream::run,
    },
    Target { name: "request", share: 2, heavy: false, longest: 2048, dictionary: Some("http1"), run: request::run },
    Target { name: "answer", share: 2, heavy: false, longest: 2048, dictionary: Some("http1"), run: answer::run },
    Target { name: "frames", share: 2, heavy: false, longest: 1024, dictionary: Some("http2"), run: frames::run },
    Target {
        name: "proxy-header",
        share: 2,
        heavy: false,
        longest: 4200,
        dictionary: Some("proxy"),
        run: proxy_header::run,
    },
    Target { name: "path", share: 2, heavy: false, longest: 512, dictionary: Some("path"), run: path::run },
    Target {
        name: "client-address",
        share: 2,
        heavy: false,
        longest: 512,
        dictionary: Some("forwarded"),
        run: client_address::run,
    },
    Target { name: "trace", share: 2, heavy: false, longest: 512, dictionary: Some("trace"), run: trace::run },
    Target { name: "token", share: 2, heavy: false, longest: 1024, dictionary: Some("jose"), run: token::run },
    Target {
        name: "certificate",
        share: 2,
        heavy: false,
        longest: 2048,
        dictionary: Some("certificate"),
        run: certificate::run,
    },
    Target { name: "key-set", share: 2, heavy: false, longest: 2048, dictionary: Some("jose"), run: key_set::run },
    Target { name: "json", share: 2, heavy: false, longest: 512, dictionary: Some("jose"), run: json::run },
    Target { name: "routes", share: 1, heavy: false, longest: 1024, dictionary: Some("path"), run: routes::run },
    Target { name: "filters", share: 1, heavy: false, longest: 1024, dictionary: Some("path"), run: filters::run },
    Target { name: "authz", share: 1, heavy: false, longest: 1024, dictionary: Some("rule"), run: authz::run },
    Target {
        name: "configuration",
        share: 1,
        heavy: true,
        longest: 8192,
        dictionary: Some("yaml"),
        run: configuration::run,
    },
];
