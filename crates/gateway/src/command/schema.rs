//! schema
use gwanmun_filters::Registry;
use crate::cli::Outcome;
pub(crate) fn run(_: &Registry) -> Outcome { Outcome::Good }
