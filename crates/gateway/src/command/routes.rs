//! routes
use std::path::PathBuf;
use gwanmun_filters::Registry;
use crate::cli::Outcome;
pub(crate) fn run(_: &Registry, _: &[PathBuf]) -> Outcome { Outcome::Good }
