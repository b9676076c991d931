//! The row `attack`: few genuine clients on our gateway, alone and beside one attacker after the other: slow ones
//! (slowhttptest) and ones that flood HTTP/2 (see `flood.rs`). Client, origin and attacker share a core, so that a part of
//! what genuine requests lose is lost there and not in the gateway; the row shows an order of magnitude.

use std::fmt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::contest::Pace;
use super::duties;
use super::flood::{FLOOD_COMMAND, Flood};
use super::load::{self, Seen};
use super::pinned::{Core, pinned};
use super::place::Place;
use super::product::{Product, Setup};
use super::row::{Door, Routes, Row};
use super::running::RunningProxy;
use crate::failure::{Failure, While};
use crate::signals;

/// Who attacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attack {
    /// Nobody: what the others are compared with.
    Nobody,
    /// Clients that never finish the head of a request.
    SlowHeaders,
    /// Clients that send the body of a request a few bytes at a time.
    SlowBody,
    /// Clients that read a large answer a few bytes at a time.
    SlowRead,
    /// Frames that cost the sender less than the receiver.
    Flood(Flood),
}

/// Genuine requests beside an attack.
pub(crate) struct Attacked {
    /// Who attacked.
    pub(crate) attack: Attack,
    /// What the genuine clients saw.
    pub(crate) seen: Seen,
    /// The gateway's memory at the end, KiB.
    pub(crate) resident_kib: u64,
}

/// Connections of a slow attacker, and how many it opens in a second: not so many that the origin, which has a thread for
/// each, falls behind with accepting them.
const SLOW_CONNECTIONS: &str = "500";
const SLOW_RATE: &str = "200";
/// Connections that read slowly: what waits for each fills the kernel's buffer, of 4 MiB, and some of the gateway's.
const SLOW_READERS: &str = "100";
/// Until an attack is under way.
const RAMP: Duration = Duration::from_secs(3);

/// Loads our gateway beside every attacker in turn.
pub(crate) fn run(products: &[Product], pace: Pace, place: &Place, attacks: &mut Vec<Attacked>) -> Result<(), Failure> {
    if !products.contains(&Product::Gwanmun) {
        println!("    ours is not there");
        return Ok(());
    }
    for attack in Attack::all() {
        // A gateway of its own for each: no attack inherits another's connections.
        let proxy = RunningProxy::start(Product::Gwanmun, place.setup(Product::Gwanmun, Door::H1, Routes::One)?)?;
        duties::check(&proxy)?;
        load::run(Row::Attack, &proxy.setup, 1, place.folder())?;
        let attacker = attack.begin(&proxy.setup, pace.seconds + 6)?;
        if attacker.is_some() {
            std::thread::sleep(RAMP);
        }
        let seen = load::run(Row::Attack, &proxy.setup, pace.seconds.max(2), place.folder())?;
        let resident_kib = proxy.memory()?.resident_kib;
        if let Some(mut attacker) = attacker {
            if !matches!(attacker.try_wait(), Ok(None)) {
                return Err(Failure::new(format!("the attacker ended before the end of `{attack}`")));
            }
            signals::stop(&mut attacker);
        }
        println!("    {attack}: {:.0} requests per second, p99 {:.2} ms", seen.rate, seen.p99 / 1000.0);
        attacks.push(Attacked { attack, seen, resident_kib });
    }
    Ok(())
}

impl Attack {
    fn all() -> impl Iterator<Item = Self> {
        [Self::Nobody, Self::SlowHeaders, Self::SlowBody, Self::SlowRead]
            .into_iter()
            .chain(Flood::ALL.into_iter().map(Self::Flood))
    }

    /// Starts the attacker, who ends by himself after so many seconds.
    fn begin(self, setup: &Setup, seconds: u32) -> Result<Option<Child>, Failure> {
        let mut command = match self {
            Self::Nobody => return Ok(None),
            Self::SlowHeaders => slow(SLOW_CONNECTIONS, &["-H", "-i", "1"], setup, "items/7", seconds),
            Self::SlowBody => slow(SLOW_CONNECTIONS, &["-B", "-i", "1", "-s", "1000000"], setup, "items/7", seconds),
            Self::SlowRead => slow(
                SLOW_READERS,
                &["-X", "-w", "512", "-y", "1024", "-n", "1", "-z", "32"],
                setup,
                "bytes/8388608",
                seconds,
            ),
            Self::Flood(flood) => {
                let program = std::env::current_exe().while_doing("finding this program")?;
                let mut command = pinned(Core::Around, program);
                command.args([FLOOD_COMMAND, flood.name(), &setup.address.to_string(), &seconds.to_string()]);
                command
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().while_doing(format_args!("starting the attacker of `{self}`"))?;
        Ok(Some(child))
    }
}

fn slow(connections: &str, kind: &[&str], setup: &Setup, path: &str, seconds: u32) -> Command {
    let mut command = pinned(Core::Around, "slowhttptest");
    command.args(kind).args(["-c", connections, "-r", SLOW_RATE, "-l", &seconds.to_string()]);
    command.arg("-u").arg(format!("http://{}/{path}", setup.address));
    command
}

impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("none"),
            Self::SlowHeaders => write!(f, "slow headers, {SLOW_CONNECTIONS} connections"),
            Self::SlowBody => write!(f, "slow bodies, {SLOW_CONNECTIONS} connections"),
            Self::SlowRead => write!(f, "slow reading, {SLOW_READERS} connections"),
            Self::Flood(flood) => write!(f, "HTTP/2 flood: {}", flood.name()),
        }
    }
}
