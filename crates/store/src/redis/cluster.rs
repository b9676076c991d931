//! A Redis Cluster: which node has which slot, a link to each, and what to do when a slot has moved. Every node has its own
//! link, so that one that is down costs nothing to the slots of the others.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::Value;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::address::Server;
use crate::error::StoreError;
use crate::redis::command::Request;
use crate::redis::link::Link;
use crate::redis::place::{Place, text};
use crate::redis::setback::Setback;
use crate::redis::wire::Wire;

/// How often a request is sent on or sent again.
const HOPS: usize = 8;

/// How long to wait where a node says that it cannot just now.
const NOT_NOW: Duration = Duration::from_millis(20);

/// The longest one node is asked for the map.
const ASK: Duration = Duration::from_millis(500);

/// The time between two looks at the map, so that trouble does not become a flood of questions.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// A cluster.
pub(crate) struct Cluster(Arc<Inner>);

struct Inner {
    seeds: Vec<Server>,
    wire: Arc<Wire>,
    outbound: Handle,
    links: Mutex<HashMap<Server, Arc<Link>>>,
    map: watch::Sender<Map>,
    looking: AtomicBool,
}

/// Which node has which slots; empty until the first answer.
#[derive(Clone, Default)]
struct Map {
    ranges: Arc<[Range]>,
    /// Why there is no answer, where there is none yet.
    failure: Option<StoreError>,
}

struct Range {
    first: u16,
    last: u16,
    master: Server,
}

impl Cluster {
    /// The cluster that some of `seeds` belong to.
    pub(crate) fn new(seeds: Vec<Server>, wire: Arc<Wire>, outbound: &Handle) -> Self {
        let (map, _) = watch::channel(Map::default());
        let (links, looking, outbound) = (Mutex::default(), AtomicBool::new(false), outbound.clone());
        let cluster = Self(Arc::new(Inner { seeds, wire, outbound, links, map, looking }));
        cluster.look();
        cluster
    }

    /// The answer to a request, before `deadline`, from whoever has its slot.
    pub(crate) async fn call(&self, request: &Request, deadline: Instant) -> Result<Value, Setback> {
        let mut server = self.master(request.slot, deadline).await?;
        let mut asked = false;
        let mut last = Setback::Timeout;
        for _ in 0..HOPS {
            let link = self.0.link(&server);
            let outcome = match asked {
                true => link.call_asking(request, deadline).await,
                false => link.call(request, deadline).await,
            };
            asked = false;
            match outcome {
                Err(Setback::Moved(to)) => {
                    self.look();
                    last = Setback::Moved(to.clone());
                    server = to;
                }
                Err(Setback::Ask(to)) => {
                    last = Setback::Ask(to.clone());
                    server = to;
                    asked = true;
                }
                Err(setback @ Setback::NotNow { .. }) => {
                    self.look();
                    last = setback;
                    if timeout_at(deadline, tokio::time::sleep(NOT_NOW)).await.is_err() {
                        break;
                    }
                    server = self.master(request.slot, deadline).await?;
                }
                Err(setback @ (Setback::Down(_) | Setback::Lost { .. } | Setback::NoMaster { .. })) => {
                    self.look();
                    return Err(setback);
                }
                outcome => return outcome,
            }
        }
        Err(last)
    }

    /// Who has a slot. Waits for the first map.
    async fn master(&self, slot: u16, deadline: Instant) -> Result<Server, Setback> {
        let mut map = self.0.map.subscribe();
        let known = map.wait_for(|map| !map.ranges.is_empty() || map.failure.is_some());
        let map = match timeout_at(deadline, known).await {
            Ok(Ok(map)) => map.clone(),
            Ok(Err(_)) | Err(_) => return Err(Setback::Timeout),
        };
        match map.ranges.iter().find(|range| (range.first..=range.last).contains(&slot)) {
            Some(range) => Ok(range.master.clone()),
            None => {
                self.look();
                let nobody = || StoreError::Failed { detail: format!("no node of the cluster has the slot {slot}") };
                Err(Setback::Down(map.failure.unwrap_or_else(nobody)))
            }
        }
    }

    /// Asks for the map in the background, unless somebody is asking.
    fn look(&self) {
        if !self.0.looking.swap(true, Ordering::AcqRel) {
            self.0.outbound.spawn(Arc::clone(&self.0).look());
        }
    }
}

impl Inner {
    async fn look(self: Arc<Self>) {
        let mut failure = StoreError::Unreachable { detail: "the cluster has no nodes".to_owned() };
        for server in self.known() {
            let asked = self.link(&server).ask(question(), Instant::now() + ASK).await;
            match asked.map(|answer| ranges(answer, &server)) {
                Ok(ranges) if !ranges.is_empty() => {
                    self.forget_others(&ranges);
                    self.map.send_replace(Map { ranges: ranges.into(), failure: None });
                    tokio::time::sleep(BETWEEN_LOOKS).await;
                    self.looking.store(false, Ordering::Release);
                    return;
                }
                Ok(_) => failure = StoreError::Failed { detail: format!("{server} knows no slots") },
                Err(setback) => failure = setback.into_error(ASK),
            }
        }
        self.map.send_modify(|map| map.failure = Some(failure));
        tokio::time::sleep(BETWEEN_LOOKS).await;
        self.looking.store(false, Ordering::Release);
    }

    /// Whom to ask: those on the map, then those we were told.
    fn known(&self) -> Vec<Server> {
        let mut servers: Vec<Server> = Vec::new();
        let map = self.map.borrow().clone();
        for server in map.ranges.iter().map(|range| &range.master).chain(&self.seeds) {
            if !servers.contains(server) {
                servers.push(server.clone());
            }
        }
        servers
    }

    fn link(&self, server: &Server) -> Arc<Link> {
        let open = || Arc::new(Link::open(Place::Fixed(server.clone()), Arc::clone(&self.wire), &self.outbound));
        Arc::clone(self.links().entry(server.clone()).or_insert_with(open))
    }

    /// Links to nodes that have no slots any more end, when nobody uses them.
    fn forget_others(&self, ranges: &[Range]) {
        self.links().retain(|server, _| ranges.iter().any(|range| range.master == *server));
    }

    fn links(&self) -> MutexGuard<'_, HashMap<Server, Arc<Link>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn question() -> redis::Cmd {
    let mut question = redis::cmd("CLUSTER");
    question.arg("SLOTS");
    question
}

/// `CLUSTER SLOTS`: first, last, then nodes as host, port and more, the master first. A node that does not know its own name
/// is the one that was asked.
fn ranges(answer: Value, asked: &Server) -> Vec<Range> {
    let Value::Array(entries) = answer else { return Vec::new() };
    let range = |entry: Value| {
        let Value::Array(parts) = entry else { return None };
        let [Value::Int(first), Value::Int(last), Value::Array(node), ..] = &parts[..] else { return None };
        let [host, Value::Int(port), ..] = &node[..] else { return None };
        let host = text(host).filter(|host| !host.is_empty()).unwrap_or_else(|| asked.host());
        let master = Server::at(host, u16::try_from(*port).ok()?);
        Some(Range { first: u16::try_from(*first).ok()?, last: u16::try_from(*last).ok()?, master })
    };
    entries.into_iter().filter_map(range).collect()
}
