//! `request-rate-limiter`: how often a client may ask. A token bucket for every client address, which all workers of this
//! process share and which goes on over reloads.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gwanmun_core::{Code, Fault, Reason, Tallies};
use gwanmun_proxy::route::Outcome;
use gwanmun_proxy::{Exchange, Filter, FilterSpec, Invalid, Parts, Response, Step, Verdict};
use gwanmun_resilience::{Allowance, Buckets, Exhausted, Left, Whose};
use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

/// Clients with a bucket of their own, for each filter: some 6 MB when all are there.
const MOST_CLIENTS: usize = 100_000;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Refuses requests (429) of a client that asks too often. Every client has a bucket of tokens: `replenish-rate` of them
/// come back in a second, at most `burst-capacity` lie there, and a request takes `requested-tokens`. For fewer than one
/// request in a second let a request take more: `{replenish-rate: 1, burst-capacity: 60, requested-tokens: 60}` is one in a
/// minute.
///
/// A client is an address, as the door has resolved it; of IPv6 a network of 64 bits, which is what one subscriber has.
/// Each place in the configuration counts for itself, a default filter for each route. What is counted stays over reloads
/// where the place and the arguments stay. Every replica counts for itself.
///
/// Refusals have `Retry-After`, `RateLimit-Policy` and `RateLimit`. For 100,000 clients there is room; buckets that are full
/// again are forgotten when it is needed. Clients that come while every bucket is in use share a few, so that nobody gets rid
/// of an empty bucket by sending others.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RequestRateLimiterSpec {
    /// Tokens that come back in a second.
    replenish_rate: NonZeroU32,
    /// Tokens that may lie there, and so be used at once; by default as many as come back in a second.
    #[serde(default)]
    burst_capacity: Option<NonZeroU32>,
    /// Tokens that a request takes (1).
    #[serde(default = "one")]
    requested_tokens: NonZeroU32,
    /// Whether answers to requests that were let through have `RateLimit-Policy` and `RateLimit` too. Not by default, since
    /// it takes another look at the bucket and some 80 bytes in every answer.
    #[serde(default)]
    include_headers: bool,
    /// Whether clients without an address, on unix sockets, are refused (403). By default they have one bucket together:
    /// whoever reaches a socket is on this machine.
    #[serde(default)]
    deny_empty_key: bool,
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

struct RequestRateLimiter {
    buckets: Arc<Buckets<Client>>,
    /// What the fields call it.
    name: &'static str,
    policy: HeaderValue,
    include_headers: bool,
    deny_empty_key: bool,
    refused: Arc<AtomicU64>,
    refused_of_shared: Arc<AtomicU64>,
}

/// Who has a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Client {
    V4(Ipv4Addr),
    /// The first 64 bits of an IPv6 address.
    V6(u64),
    /// On a unix socket, or behind a balancer that could not say who it is.
    WithoutAddress,
}

impl FilterSpec for RequestRateLimiterSpec {
    const NAME: &'static str = "request-rate-limiter";
    const REMEMBERS: bool = true;
    const EXAMPLE: &'static str = r#"
listeners:
  - address: 127.0.0.1:8080
routes:
  - id: codes
    predicates:
      - path: /codes/**
    filters:
      - request-rate-limiter: {replenish-rate: 1, burst-capacity: 60, requested-tokens: 60}
    upstream: http://127.0.0.1:9001
tests:
  - name: the first in a minute
    request: {path: /codes/1, from: 203.0.113.7}
    expect: {route: codes, status: 200}
  - name: the second
    request: {path: /codes/2, from: 203.0.113.7}
    expect: {status: 429, headers: {retry-after: "60", ratelimit-policy: '"route";q=1;w=60'}}
  - name: somebody else
    request: {path: /codes/2, from: 203.0.113.8}
    expect: {route: codes, status: 200}
"#;

    fn build(self, parts: &Parts<'_>) -> Result<Box<dyn Filter>, Invalid> {
        let capacity = self.burst_capacity.unwrap_or(self.replenish_rate);
        let Some(allowance) = Allowance::new(self.replenish_rate, capacity, self.requested_tokens) else {
            let message = format!(
                "found {} tokens for a request, where there are never more than {capacity}",
                self.requested_tokens
            );
            return Err(
                Invalid::at("requested-tokens", message).with_hint("no request would ever pass: raise burst-capacity")
            );
        };
        let (place, clock) = (parts.place, Arc::clone(parts.clock));
        let specification = format!("{} {place:?} {allowance:?}", Self::NAME);
        let buckets = parts.lasting.shared(specification, || Buckets::new(allowance, MOST_CLIENTS, clock));
        let refused = parts.lasting.of(Tallies::default).tally(
            "gwanmun_rate_limited_total",
            "Requests refused since their client asked too often.",
            &["route", "bucket"],
        );
        let route = place.route.unwrap_or_default();
        let name = if place.route.is_some() { "route" } else { "client" };
        Ok(Box::new(RequestRateLimiter {
            policy: field(format_args!("\"{name}\";q={};w={}", allowance.requests(), seconds(allowance.window()))),
            buckets,
            name,
            include_headers: self.include_headers,
            deny_empty_key: self.deny_empty_key,
            refused: refused.cell(&[route, "own"]),
            refused_of_shared: refused.cell(&[route, "shared"]),
        }))
    }
}

impl Filter for RequestRateLimiter {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Verdict<'a> {
        let client = Client::of(exchange.client);
        if client == Client::WithoutAddress && self.deny_empty_key {
            return Err(Fault::new(Code::Forbidden, "the client has no address to count its requests by"));
        }
        let judged = self.buckets.take(client);
        let Err(exhausted) = judged.outcome else { return Ok(Step::Next) };
        Err(self.refuse(exhausted, judged.whose))
    }

    fn response<'a>(&'a self, exchange: &'a mut Exchange, response: &'a mut Response) -> Verdict<'a> {
        if self.include_headers {
            let Left { requests, full_in } = self.buckets.left(&Client::of(exchange.client));
            response.headers_mut().append(RATE_LIMIT_POLICY, self.policy.clone());
            response.headers_mut().append(RATE_LIMIT, self.limit(requests, full_in));
        }
        Ok(Step::Next)
    }

    fn weighed(&self, exchange: &Exchange) -> Vec<Outcome> {
        let Left { requests, .. } = self.buckets.left(&Client::of(exchange.client));
        let text = format!("{requests} of {} requests are left", self.buckets.allowance().requests());
        vec![Outcome { text, held: true, children: Vec::new() }]
    }
}

impl RequestRateLimiter {
    fn refuse(&self, Exhausted { retry_after }: Exhausted, whose: Whose) -> Fault {
        let (counter, detail) = match whose {
            Whose::Own => (&self.refused, "the client has used up what it may ask"),
            Whose::Shared => (
                &self.refused_of_shared,
                "every bucket is in use, and the clients for whom there is no room have used up what they may ask together",
            ),
        };
        counter.fetch_add(1, Ordering::Relaxed);
        // Whole seconds, and never too early.
        let wait = Duration::from_secs(seconds(retry_after));
        Fault::new(Code::RateLimited, detail)
            .because(Reason::ClientRate)
            .with_retry_after(wait)
            .with_field(RATE_LIMIT_POLICY, self.policy.clone())
            .with_field(RATE_LIMIT, self.limit(0, wait))
    }

    /// The field `RateLimit`: how many requests are left, and when there are more.
    fn limit(&self, requests: u32, more_in: Duration) -> HeaderValue {
        field(format_args!("\"{}\";r={requests};t={}", self.name, seconds(more_in)))
    }
}

impl Client {
    fn of(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            None => Self::WithoutAddress,
            Some(IpAddr::V4(address)) => Self::V4(address),
            Some(IpAddr::V6(address)) => match address.segments() {
                // Translated from IPv4 (RFC 6052 section 2.1): all of it is in one network.
                [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
                    Self::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
                }
                [a, b, c, d, ..] => {
                    Self::V6([a, b, c, d].iter().fold(0, |network, &segment| network << 16 | u64::from(segment)))
                }
            },
        }
    }
}

/// Whole seconds, rounded up.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// A value out of our own words and numbers.
fn field(text: fmt::Arguments<'_>) -> HeaderValue {
    HeaderValue::try_from(text.to_string()).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use gwanmun_core::ManualClock;

    use super::*;
    use crate::fixture::{Fixture, exchange, pass, pass_back, refusal, response, values};

    fn limiter(arguments: &str) -> (Box<dyn Filter>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(1_000_000)));
        let fixture = Fixture::new().with_clock(Arc::clone(&clock) as _);
        (fixture.filter::<RequestRateLimiterSpec>(arguments).unwrap(), clock)
    }

    fn ask(filter: &dyn Filter, client: &str) -> Result<(), Fault> {
        let mut exchange = exchange("/");
        exchange.client = client.parse().ok();
        pass(filter, &mut exchange)
    }

    #[test]
    fn a_client_may_ask_so_often_and_then_at_the_rate() {
        let (filter, clock) = limiter("{replenish-rate: 2, burst-capacity: 3}");
        for _ in 0..3 {
            ask(&*filter, "203.0.113.7").unwrap();
        }
        let fault = ask(&*filter, "203.0.113.7").unwrap_err();
        assert_eq!((fault.code(), fault.reason()), (Code::RateLimited, Some(Reason::ClientRate)));
        assert!(ask(&*filter, "203.0.113.8").is_ok());
        clock.advance(Duration::from_millis(500));
        assert!(ask(&*filter, "203.0.113.7").is_ok());
        assert!(ask(&*filter, "203.0.113.7").is_err());
    }

    #[test]
    fn refusals_say_when_to_come_back_and_never_too_early() {
        let (filter, clock) = limiter("{replenish-rate: 2, burst-capacity: 5, requested-tokens: 5}");
        ask(&*filter, "203.0.113.7").unwrap();
        let fault = ask(&*filter, "203.0.113.7").unwrap_err();
        let fields: Vec<_> =
            fault.fields().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(fields, [("ratelimit-policy", r#""client";q=1;w=3"#), ("ratelimit", r#""client";r=0;t=3"#)]);
        let wait = fault.retry_after().unwrap();
        assert_eq!(wait, Duration::from_secs(3));
        clock.advance(wait);
        assert!(ask(&*filter, "203.0.113.7").is_ok());
    }

    #[test]
    fn answers_tell_what_is_left_where_it_is_asked_for() {
        let (filter, _) = limiter("{replenish-rate: 100, burst-capacity: 200, include-headers: true}");
        let mut exchange = exchange("/");
        pass(&*filter, &mut exchange).unwrap();
        let mut answer = response(&[("ratelimit", r#""upstream";r=1;t=1"#)]);
        pass_back(&*filter, &mut exchange, &mut answer).unwrap();
        assert_eq!(values(answer.headers(), "ratelimit-policy"), [r#""client";q=200;w=2"#]);
        assert_eq!(values(answer.headers(), "ratelimit"), [r#""upstream";r=1;t=1"#, r#""client";r=199;t=1"#]);
        let (filter, _) = limiter("{replenish-rate: 100}");
        let mut answer = response(&[]);
        pass_back(&*filter, &mut exchange, &mut answer).unwrap();
        assert!(answer.headers().is_empty());
    }

    #[test]
    fn one_subscriber_is_one_client() {
        let (filter, _) = limiter("1");
        for (first, same) in [
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff"),
            ("203.0.113.7", "::ffff:203.0.113.7"),
            ("203.0.113.9", "64:ff9b::203.0.113.9"),
            ("64:ff9b:1::203.0.113.9", "64:ff9b:1::203.0.113.10"),
            ("no address", "none either"),
        ] {
            assert!(ask(&*filter, first).is_ok(), "{first}");
            assert!(ask(&*filter, same).is_err(), "{same}");
        }
        assert!(ask(&*filter, "2001:db8:0:2::1").is_ok());
        assert!(ask(&*filter, "::203.0.113.7").is_ok());
    }

    #[test]
    fn clients_without_an_address_can_be_refused() {
        let (filter, _) = limiter("{replenish-rate: 1, deny-empty-key: true}");
        assert_eq!(ask(&*filter, "none").unwrap_err().code(), Code::Forbidden);
        assert!(ask(&*filter, "::1").is_ok());
    }

    #[test]
    fn what_was_counted_stays_where_place_and_arguments_stay() {
        let fixture = Fixture::new();
        let build = |arguments: &str| fixture.filter::<RequestRateLimiterSpec>(arguments).unwrap();
        let before = build("{replenish-rate: 1, burst-capacity: 9, requested-tokens: 9}");
        ask(&*before, "203.0.113.7").unwrap();
        let after = build("{requested-tokens: 9, replenish-rate: 1, burst-capacity: 9, include-headers: true}");
        drop(before);
        assert!(ask(&*after, "203.0.113.7").is_err());
        assert!(ask(&*build("{replenish-rate: 1, burst-capacity: 9, requested-tokens: 8}"), "203.0.113.7").is_ok());
    }

    #[test]
    fn bad_arguments_are_refused() {
        assert!(refusal::<RequestRateLimiterSpec>("0").contains("whole number from 1"));
        assert!(refusal::<RequestRateLimiterSpec>("").contains("replenish-rate"));
        let message = refusal::<RequestRateLimiterSpec>("{replenish-rate: 1, requested-tokens: 2}");
        assert!(message.contains("never more than 1") && message.contains("burst-capacity"), "{message}");
        assert!(refusal::<RequestRateLimiterSpec>("{replenish-rate: 5000000000}").contains("5000000000"));
    }
}
