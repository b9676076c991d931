//! Sections: what stands under a key of its own at the top of the configuration and is made for filters.

pub mod audit;
pub mod identity;
pub mod passport;
pub mod store;
