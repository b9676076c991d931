//! The claims as they are written, in the order of the documentation, and the sections as they are read.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::content::{Content, Device, Requester, User, is_scope};

/// What is written.
#[derive(Serialize)]
pub(crate) struct Claims<'a> {
    pub(crate) iss: &'a str,
    pub(crate) aud: &'a str,
    pub(crate) iat: u64,
    pub(crate) exp: u64,
    pub(crate) txn: &'a str,
    pub(crate) sub: &'a str,
    pub(crate) scope: Scope<'a>,
    pub(crate) req_wl: &'a str,
    pub(crate) tctx: Transaction<'a>,
    pub(crate) rctx: &'a Requester<'a>,
}

/// `tctx` as it is written.
#[derive(Serialize)]
pub(crate) struct Transaction<'a> {
    user: &'a User<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'a Device<'a>>,
    act: Act<'a>,
}

impl<'a> Transaction<'a> {
    pub(crate) fn of(content: &'a Content<'_>) -> Self {
        let sub = content.actor.as_deref().map(Cow::Borrowed);
        Self { user: &content.user, device: content.device.as_ref(), act: Act { sub } }
    }
}

/// Scopes as one text (RFC 6749 section 3.3).
pub(crate) struct Scope<'a>(pub(crate) &'a [String]);

impl Serialize for Scope<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for scope in self.0.iter().filter(|scope| is_scope(scope)) {
            f.write_str(between)?;
            f.write_str(scope)?;
            between = " ";
        }
        Ok(())
    }
}

/// Whoever acts for the user; only the outermost counts (RFC 8693 section 4.1).
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Act<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sub: Option<Cow<'a, str>>,
}

/// What is read besides what every token has. An auth server's own Txn-Token may lack the sections.
#[derive(Deserialize)]
pub(crate) struct Sections {
    pub(crate) txn: String,
    pub(crate) scope: String,
    pub(crate) req_wl: String,
    #[serde(default)]
    pub(crate) tctx: TransactionRead,
    #[serde(default)]
    pub(crate) rctx: Requester<'static>,
}

/// `tctx` as it is read.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct TransactionRead {
    pub(crate) user: User<'static>,
    pub(crate) device: Option<Device<'static>>,
    pub(crate) act: Act<'static>,
}
