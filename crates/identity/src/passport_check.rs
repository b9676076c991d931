//! Passports of a gateway in front: who can check them, as the section `passport` provides it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use gwanmun_core::Principal;

use crate::refusal::Refusal;

/// Checks a Passport that a trusted peer sent.
pub trait PassportCheck: Send + Sync + 'static {
    /// The principal that the Passport tells of; its credential is `passport`.
    ///
    /// # Errors
    /// It is not to be believed.
    fn check(&self, passport: &str, now: SystemTime) -> Result<Principal, Refusal>;

    /// What has to be waited for before [`Self::check`] can tell: keys that are fetched. Usually nothing.
    fn prepare<'a>(&'a self, passport: &str) -> Option<Pin<Box<dyn Future<Output = ()> + 'a>>> {
        let _ = passport;
        None
    }
}

/// Who checks Passports.
#[derive(Clone)]
pub struct Passports(pub Arc<dyn PassportCheck>);

impl fmt::Debug for Passports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passports")
    }
}
