//! How clients reach the gateway: who could read what they say, and who may say who they are.

use std::net::IpAddr;

use gwanmun_config::Spanned;
use gwanmun_proxy::role::{Rules, Written};
use gwanmun_proxy::spec::{ClientAuth, ListenerSpec};
use ipnet::IpNet;

/// Whoever connects to a unix socket, in `trusted-proxies`; and how an address of one begins.
const UNIX: &str = "unix:";

/// Networks that are wider than these are no lists of proxies: of IPv4, and of IPv6 where it is routed.
const WIDEST_IPV4: u8 = 8;
const WIDEST_IPV6: u8 = 16;
/// `fc00::/7` (RFC 4193).
const UNIQUE_LOCAL: u8 = 7;

/// Refuses listeners where others could read along: without TLS, and no proxy in front that may speak TLS for us. `danger` is
/// what would be read.
pub(super) fn refuse_cleartext(danger: &str, here: Here, written: &Written<'_>, rules: &mut Rules<'_>) {
    for listener in unproxied(written) {
        if listener.tls.is_none() && !(here == Here::Good && is_on_this_machine(listener)) {
            let message = format!("this listener speaks no TLS, and no trusted proxy does it instead: {danger}");
            let hint = "add `tls: {certificates: [{certificate: FILE, key: FILE}]}`, or name the proxy that speaks TLS in \
                        `trusted-proxies`";
            rules.refuse(listener.address.span, message, hint);
        }
    }
}

/// Whether cleartext will do where only this machine reaches a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Here {
    /// It will: nobody is on the way.
    Good,
    /// It will not: whoever comes there stands in front of others, and has to be named.
    NoBetter,
}

/// Refuses listeners where no client could show a certificate, neither itself nor through a trusted proxy.
pub(super) fn refuse_without_certificates(written: &Written<'_>, rules: &mut Rules<'_>) {
    for listener in unproxied(written) {
        let asks = listener.tls.as_ref().map(|tls| tls.client_auth != ClientAuth::None);
        let (message, hint) = match asks {
            Some(true) => continue,
            Some(false) => (
                "this listener asks for no certificate, and no trusted proxy brings one",
                "add `client-ca: FILE` and `client-auth: required` to its `tls`",
            ),
            None => (
                "no certificate can be shown here: this listener speaks no TLS, and no trusted proxy brings one",
                "add `tls` with `client-auth: required`, or name the proxy that checks certificates in `trusted-proxies`",
            ),
        };
        rules.refuse(listener.address.span, message, hint);
    }
}

/// Refuses to trust whole continents: whoever is trusted may say that it is anybody.
pub(super) fn refuse_trust_in_everybody(written: &Written<'_>, rules: &mut Rules<'_>) {
    for proxy in &written.spec.trusted_proxies {
        if proxy.parse().is_ok_and(is_everybody) {
            let message =
                format!("'{}' is not a network of proxies: whoever is in it may say that it is anybody", proxy.value);
            rules.refuse(proxy.span, message, "name the proxies, or the network that only they are in");
        }
    }
}

/// Whether `network` is too wide for the proxies of one operator.
fn is_everybody(network: IpNet) -> bool {
    match network {
        IpNet::V4(network) => network.prefix_len() < WIDEST_IPV4,
        IpNet::V6(network) => {
            let first = network.network();
            let is_private = first.is_unique_local() || first.is_unicast_link_local();
            network.prefix_len() < if is_private { UNIQUE_LOCAL } else { WIDEST_IPV6 }
        }
    }
}

/// The listeners that no trusted proxy can come by.
fn unproxied<'a>(written: &Written<'a>) -> impl Iterator<Item = &'a Spanned<ListenerSpec>> {
    let spec = written.spec;
    let comes_by = |listener: &ListenerSpec, proxy: &str| (proxy == UNIX) == is_unix(listener);
    let is_proxied = move |listener: &ListenerSpec| spec.trusted_proxies.iter().any(|proxy| comes_by(listener, proxy));
    spec.listeners.iter().filter(move |listener| !is_proxied(listener))
}

/// Whether only this machine reaches `listener`.
fn is_on_this_machine(listener: &ListenerSpec) -> bool {
    let address = listener.address.as_str();
    if is_unix(listener) {
        return true;
    }
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

fn is_unix(listener: &ListenerSpec) -> bool {
    listener.address.starts_with(UNIX)
}
