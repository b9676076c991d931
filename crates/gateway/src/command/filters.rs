//! filters
use crate::cli::Outcome;
pub(crate) fn run(_: &gwanmun_filters::Registry, _: Option<&str>) -> Outcome { Outcome::Good }
