//! Who did what, in lines that hold each other by their hashes and are signed now and then.
//!
//! A [`Record`] is handed to an [`AuditLog`], which answers when the line is in the file. [`verify`] reads files back and
//! finds the first line that is not what was written.

mod chain;
mod flaw;
mod head;
mod key;
mod ledger;
mod line;
mod log;
mod record;
mod resume;
mod stamp;
mod storage;
mod text;
mod verify;
mod walk;
mod writer;

pub use flaw::Flaw;
pub use key::{PublicKey, UnusableKey};
pub use log::{AuditLog, OnSinkError, Settings, Unavailable, Unopened};
pub use record::{Decision, Event, Record};
pub use verify::{Progress, Summary, Unverified, verify};
