//! Everybody who may say who a caller is, by the names that the configuration gives them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::issuer::Issuer;

/// Who may say who a caller is.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Identity {
    /// Issuers of tokens.
    pub issuers: BTreeMap<String, Arc<Issuer>>,
}

impl Identity {
    /// These issuers.
    pub fn new(issuers: BTreeMap<String, Arc<Issuer>>) -> Self {
        Self { issuers }
    }
}
