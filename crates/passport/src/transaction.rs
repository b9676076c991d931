//! Names of transactions: 128 random bits that nobody can guess, as text.

use gwanmun_jose::base64url;

/// The name of a transaction (`txn`): 22 letters of base64url.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Transaction(String);

impl Transaction {
    /// One that has never been; `None` if there is no randomness.
    pub fn unique() -> Option<Self> {
        let mut bits = [0; 16];
        aws_lc_rs::rand::fill(&mut bits).ok()?;
        Some(Self(base64url::encode(&bits)))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn none_is_like_another() {
        let names: HashSet<_> = (0..1_000).map(|_| Transaction::unique().unwrap()).collect();
        assert_eq!(names.len(), 1_000);
        assert!(names.iter().all(|name| name.as_str().len() == 22));
    }
}
