//! The `tests:` of a configuration: decoded with everything else, so that `check` sees their mistakes too, and run by
//! `gwanmun test` through the real router and filters.

mod case;
mod principal;
mod spec;
mod verdict;

pub(crate) use case::{Case, Known, cases};
pub(crate) use principal::PrincipalSpec;
pub(crate) use spec::TestSpec;
pub(crate) use verdict::{Difference, judge};
