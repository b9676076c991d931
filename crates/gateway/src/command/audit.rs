//! `gwanmun audit verify`: whether an audit log is what the gateway wrote, and how much of it is signed.

use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Subcommand;
use gwanmun_audit::{Progress, PublicKey, Summary, verify};

use crate::cli::Outcome;
use crate::paint::Paint;
use crate::terminal::{complain, say, stdout_style};

/// How often progress is shown, and after how long for the first time.
const SHOW_EVERY: Duration = Duration::from_millis(200);

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Check that no line of an audit log was changed, removed, added or moved, and who signed it
    Verify {
        /// The files of the log, oldest first
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// A key that must have signed: PEM or JWK. Without one, the key that the log names is used, which whoever
        /// rewrites a whole log can replace. May be given several times
        #[arg(long = "key", value_name = "FILE")]
        keys: Vec<PathBuf>,
    },
}

/// Runs the command.
pub(crate) fn run(command: &Command) -> Outcome {
    match command {
        Command::Verify { files, keys } => check(files, keys),
    }
}

fn check(files: &[PathBuf], keys: &[PathBuf]) -> Outcome {
    let mut accepted = Vec::new();
    for file in keys {
        match read_key(file) {
            Ok(key) => accepted.push(key),
            Err(why) => {
                complain(format_args!("{}: {why}", file.display()));
                return Outcome::AtFault;
            }
        }
    }
    let mut show = Show::new();
    let verified = verify(files, &accepted, |progress| show.update(progress));
    show.clear();
    match verified {
        Ok(summary) => {
            say(Paint::new(stdout_style()).good("The log is good."));
            tell(&summary, keys).iter().for_each(say);
            Outcome::Good
        }
        Err(why) => {
            complain(why);
            Outcome::AtFault
        }
    }
}

fn read_key(file: &Path) -> Result<PublicKey, String> {
    let text = std::fs::read(file).map_err(|error| error.to_string())?;
    PublicKey::read(&text).map_err(|error| error.to_string())
}

fn tell(summary: &Summary, keys: &[PathBuf]) -> Vec<String> {
    let mut lines = Vec::new();
    let Summary { heads, last, signed_up_to, unsigned_tail, lost, torn, .. } = *summary;
    if let Some((before, hash)) = &summary.follows {
        lines.push(format!("It begins after line {before} of its chain, whose hash is {hash}."));
    }
    let others = of(summary.lines - heads, "record");
    lines.push(format!("{others} and {}, up to line {last} of the chain.", of(heads, "head")));
    lines.push(match (heads, unsigned_tail) {
        (0, _) => "Nothing is signed.".to_owned(),
        (_, 0) => format!("Signed up to line {signed_up_to}, the last."),
        (_, tail) => format!("Signed up to line {signed_up_to}; not signed: {} after it.", of(tail, "line")),
    });
    for (kid, times) in &summary.keys {
        lines.push(format!("Signed by {kid}: {}.", of(*times, "head")));
    }
    if heads > 0 && keys.is_empty() {
        lines.push("The keys are those that the log names: check one that you know with --key.".to_owned());
    }
    if lost > 0 {
        lines.push(format!("Missing, as the log itself says: {} that could not be written.", of(lost, "record")));
    }
    if torn > 0 {
        lines.push(format!("Cut by a crash, as the log itself says: {}.", of(torn, "line")));
    }
    if !summary.is_closed {
        lines.push("It does not end in order: the gateway runs, or has crashed, or the end was cut off.".to_owned());
    }
    lines
}

fn of(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Progress on a terminal, for logs that take long.
struct Show {
    since: Option<Instant>,
    is_shown: bool,
}

impl Show {
    fn new() -> Self {
        Self { since: std::io::stderr().is_terminal().then(Instant::now), is_shown: false }
    }

    fn update(&mut self, progress: Progress) {
        if self.since.is_none_or(|since| since.elapsed() < SHOW_EVERY) {
            return;
        }
        self.since = Some(Instant::now());
        self.is_shown = true;
        let percent = (progress.bytes.saturating_mul(100)).checked_div(progress.of).unwrap_or(100).min(100);
        // A terminal that cannot be written to shows no progress.
        let _ = write!(std::io::stderr(), "\r{percent} % ({} lines)\u{1b}[K", progress.lines);
    }

    fn clear(&mut self) {
        if self.is_shown {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}
