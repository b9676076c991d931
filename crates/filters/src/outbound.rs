//! Where filters make calls of their own: one thread for all of them, over reloads; none at all where a configuration is
//! only looked at.

use std::sync::Arc;

use gwanmun_client::Outbound;
use gwanmun_core::{Clock, Tallies};
use gwanmun_proxy::{Lasting, Network};

/// The thread for outbound calls.
pub fn outbound(lasting: &Lasting, clock: &Arc<dyn Clock>) -> Outbound {
    let tallies = Tallies::clone(&lasting.of(Tallies::default));
    let clock = Arc::clone(clock);
    let outbound = lasting.of(|| match lasting.network() {
        Network::Online => Outbound::new(clock, tallies),
        Network::Offline => Outbound::offline(clock, tallies),
    });
    Outbound::clone(&outbound)
}
