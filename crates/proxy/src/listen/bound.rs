//! Listeners that are bound: what outlives a plan. A reload keeps the sockets of those that are still wanted, since closing
//! one socket of a SO_REUSEPORT group resets the connections that wait in its queue.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio_rustls::rustls::ServerConfig;

use crate::listen::bind::{Neighbours, Socketed, bind};
use crate::plan::{ListenAddress, Listener};
use crate::server::StartError;

/// A listener with its sockets.
pub(crate) struct BoundListener {
    /// Its own as long as it is bound or a connection of it is open: its place in metrics.
    pub(crate) number: usize,
    /// What the latest plan says of it: holds for new connections.
    pub(crate) listener: ArcSwap<Listener>,
    /// Open connections, over all workers.
    pub(crate) connections: AtomicUsize,
    /// Where it turned out to be: port 0 is replaced.
    pub(crate) place: String,
    /// Whether another one is bound where this was, so that nobody has to be turned away when it closes.
    heir: AtomicBool,
    /// One for each worker, which takes its own.
    sockets: Mutex<Vec<Option<Socketed>>>,
}

/// The listeners of a plan, all of them bound.
pub(crate) struct Bound {
    /// In the order of the plan.
    pub(crate) listeners: Vec<Arc<BoundListener>>,
    /// What each is now. Nothing has changed before this is put in force.
    wanted: Vec<Arc<Listener>>,
}

impl BoundListener {
    /// A listener without sockets: somebody else hands it connections.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn unbound(listener: Listener) -> Self {
        Self {
            number: 0,
            listener: ArcSwap::from_pointee(listener),
            connections: AtomicUsize::new(0),
            place: String::new(),
            heir: AtomicBool::new(false),
            sockets: Mutex::default(),
        }
    }

    /// The socket of worker number `worker`, once.
    pub(crate) fn take_socket(&self, worker: usize) -> Option<Socketed> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.get_mut(worker).and_then(Option::take)
    }

    /// Removes the file of a unix socket that nobody is served on any more.
    pub(crate) fn clear_away(&self) {
        if let ListenAddress::Unix(path) = &self.listener.load().address {
            // Somebody else may have cleared it away.
            let _ = std::fs::remove_file(path);
        }
    }

    /// Whether clients find somebody else where it was.
    pub(crate) fn has_heir(&self) -> bool {
        self.heir.load(Ordering::Relaxed)
    }

    /// To be called before it is closed: `others` are open.
    pub(crate) fn look_for_heirs(&self, others: &[Arc<Self>]) {
        let places: Vec<SocketAddr> = others.iter().filter_map(|other| other.place.parse().ok()).collect();
        let found = self.place.parse().is_ok_and(|own| Neighbours(&places).overlap(own));
        self.heir.store(found, Ordering::Relaxed);
    }

    fn is_at(&self, listener: &Listener) -> bool {
        self.listener.load().address == listener.address
    }
}

impl Bound {
    /// Sockets for every listener of `wanted`: those in `present` where the address is the same, new ones elsewhere.
    /// `leaving` were removed, and still have sockets or connections.
    ///
    /// # Errors
    /// One that cannot be bound; then nothing has changed.
    pub(crate) fn of(
        wanted: &[Listener],
        present: &[Arc<BoundListener>],
        leaving: &[Arc<BoundListener>],
        workers: usize,
    ) -> Result<Self, StartError> {
        let mut left: Vec<&Arc<BoundListener>> = present.iter().collect();
        let mut found: Vec<Option<Arc<BoundListener>>> = vec![None; wanted.len()];
        // First those that have kept their names, so that of two at port 0 each keeps its own.
        for same_name in [true, false] {
            for (listener, found) in wanted.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
                let fits = |bound: &&Arc<BoundListener>| {
                    let name = &bound.listener.load().name;
                    bound.is_at(listener) && (*name == listener.name || !same_name && !listener.address.is_any_port())
                };
                if let Some(place) = left.iter().position(fits) {
                    *found = Some(Arc::clone(left.swap_remove(place)));
                }
            }
        }
        let others = || present.iter().chain(leaving);
        let own: Vec<SocketAddr> = others().filter_map(|bound| bound.place.parse().ok()).collect();
        let mut taken: Vec<usize> = others().map(|bound| bound.number).collect();
        let mut listeners: Vec<Arc<BoundListener>> = Vec::with_capacity(wanted.len());
        let mut fresh: Vec<Arc<BoundListener>> = Vec::new();
        for (listener, found) in wanted.iter().zip(found) {
            if let Some(found) = found {
                listeners.push(found);
                continue;
            }
            match bind(&listener.address, workers, &Neighbours(&own)) {
                Ok((sockets, place)) => {
                    let number = (0..).find(|number| !taken.contains(number)).unwrap_or(usize::MAX);
                    taken.push(number);
                    let bound = Arc::new(BoundListener {
                        number,
                        listener: ArcSwap::from_pointee(listener.clone()),
                        connections: AtomicUsize::new(0),
                        place,
                        heir: AtomicBool::new(false),
                        sockets: Mutex::new(sockets.into_iter().map(Some).collect()),
                    });
                    fresh.push(Arc::clone(&bound));
                    listeners.push(bound);
                }
                Err(why) => {
                    fresh.iter().for_each(|bound| bound.clear_away());
                    return Err(StartError { what: format!("{} cannot be bound", described(listener)), why });
                }
            }
        }
        let wanted = wanted.iter().zip(&listeners);
        let wanted = wanted.map(|(listener, bound)| Arc::new(continued(listener, &bound.listener.load()))).collect();
        Ok(Self { listeners, wanted })
    }

    /// New connections are what the plan says from now on.
    pub(crate) fn put_in_force(&self) {
        for (bound, wanted) in self.listeners.iter().zip(&self.wanted) {
            bound.listener.store(Arc::clone(wanted));
        }
    }

    /// Names by number, for metrics; `others` are there besides.
    pub(crate) fn names(&self, others: &[Arc<BoundListener>]) -> Vec<Arc<str>> {
        let own =
            self.listeners.iter().zip(&self.wanted).map(|(bound, wanted)| (bound.number, Arc::clone(&wanted.name)));
        let others = others.iter().map(|bound| (bound.number, Arc::clone(&bound.listener.load().name)));
        let mut names: Vec<Arc<str>> = Vec::new();
        for (number, name) in others.chain(own) {
            while names.len() <= number {
                names.push(Arc::from(""));
            }
            if let Some(slot) = names.get_mut(number) {
                *slot = name;
            }
        }
        names
    }
}

/// `new` in the place of `old`: who has a ticket of the old one does not need a full handshake, unless it might be
/// another client than the ones that are let in now.
fn continued(new: &Listener, old: &Listener) -> Listener {
    let mut listener = new.clone();
    if let (Some(tls), Some(before)) = (&mut listener.tls, &old.tls)
        && new.clients == old.clients
    {
        let mut config = ServerConfig::clone(tls);
        config.ticketer = Arc::clone(&before.ticketer);
        config.session_storage = Arc::clone(&before.session_storage);
        *tls = Arc::new(config);
    }
    listener
}

/// What a listener is called, and where it is if that does not say so.
fn described(listener: &Listener) -> String {
    let address = match &listener.address {
        ListenAddress::Tcp(text) => text.clone(),
        ListenAddress::Unix(path) => format!("unix:{}", path.display()),
    };
    if *listener.name == *address {
        format!("listener {address}")
    } else {
        format!("listener {} at {address}", listener.name)
    }
}

impl ListenAddress {
    /// Whether the system chooses the port.
    fn is_any_port(&self) -> bool {
        matches!(self, Self::Tcp(text) if text.ends_with(":0"))
    }

    /// The addresses it leads to.
    pub(crate) fn resolved(text: &str) -> std::io::Result<SocketAddr> {
        let none = || std::io::Error::new(std::io::ErrorKind::NotFound, format!("'{text}' has no address"));
        text.to_socket_addrs()?.next().ok_or_else(none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Limits;

    fn listener(name: &str, address: &str) -> Listener {
        let address = match address.strip_prefix("unix:") {
            Some(path) => ListenAddress::Unix(path.into()),
            None => ListenAddress::Tcp(address.to_owned()),
        };
        Listener { name: name.into(), address, proxy_protocol: false, tls: None, clients: 0, limits: Limits::default() }
    }

    fn bound(wanted: &[Listener], present: &[Arc<BoundListener>]) -> Vec<Arc<BoundListener>> {
        let bound = Bound::of(wanted, present, &[], 2).unwrap_or_else(|error| panic!("{error}"));
        bound.put_in_force();
        bound.listeners
    }

    /// An address that was free a moment ago.
    fn free() -> String {
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
    }

    #[test]
    fn who_stays_keeps_sockets_and_number_wherever_it_stands_in_the_file() {
        let any = "127.0.0.1:0";
        let before = bound(&[listener("a", any), listener("b", any), listener("c", any)], &[]);
        let after = bound(&[listener("d", any), listener("c", any), listener("a", any)], &before);
        assert!(Arc::ptr_eq(&after[1], &before[2]) && Arc::ptr_eq(&after[2], &before[0]));
        assert_eq!(after.iter().map(|bound| bound.number).collect::<Vec<_>>(), [3, 2, 0]);
        assert_ne!(after[0].place, before[1].place);
    }

    #[test]
    fn another_name_at_the_same_address_is_the_same_sockets() {
        let address = free();
        let before = bound(&[listener("a", &address)], &[]);
        let after = bound(&[listener("b", &address)], &before);
        assert!(Arc::ptr_eq(&after[0], &before[0]));
        assert_eq!(&*after[0].listener.load().name, "b");
    }

    #[test]
    fn listeners_may_swap_their_addresses() {
        let (one, two) = (free(), free());
        let before = bound(&[listener("a", &one), listener("b", &two)], &[]);
        let after = bound(&[listener("a", &two), listener("b", &one)], &before);
        assert_eq!((&after[0].place, &after[1].place), (&two, &one));
    }

    #[test]
    fn an_address_that_overlaps_with_our_own_can_be_bound_and_with_somebody_elses_cannot() {
        let address = free();
        let everywhere = address.replace("127.0.0.1", "0.0.0.0");
        let before = bound(&[listener("a", &address)], &[]);
        let after = bound(&[listener("a", &everywhere)], &before);
        before[0].look_for_heirs(&before[..0]);
        assert!(!before[0].has_heir());
        before[0].look_for_heirs(&after);
        assert!(before[0].has_heir());
        assert!(Bound::of(&[listener("a", &everywhere)], &[], &[], 1).is_err());
        assert!(Bound::of(&[listener("a", &address)], &[], &[], 1).is_err());
    }

    #[test]
    fn one_that_cannot_be_bound_leaves_nothing_behind() {
        let folder = std::env::temp_dir().join(format!("gwanmun-bound-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("door.sock");
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let wanted = [
            listener("a", &format!("unix:{}", path.display())),
            listener("b", &taken.local_addr().unwrap().to_string()),
        ];
        let error = Bound::of(&wanted, &[], &[], 1).err().unwrap();
        assert!(error.what.starts_with("listener b at 127.0.0.1:"), "{error}");
        assert!(!path.exists());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn numbers_of_who_still_has_connections_are_not_given_again() {
        let leaving = bound(&[listener("gone", "127.0.0.1:0"), listener("old", "127.0.0.1:0")], &[]);
        let wanted = [listener("new", "127.0.0.1:0")];
        let bound = Bound::of(&wanted, &[], &leaving[1..], 1).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(bound.listeners[0].number, 0);
        assert_eq!(bound.names(&leaving[1..]), ["new".into(), "old".into()]);
        let bound = Bound::of(&wanted, &[], &leaving, 1).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(bound.listeners[0].number, 2);
    }
}
