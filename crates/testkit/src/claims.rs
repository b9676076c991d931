//! What claims are made of: seconds, and texts that come once.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::base64url;

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A text that nobody guesses, in letters of base64url.
pub(crate) fn unique() -> String {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    base64url::encode(&bytes)
}
