//! explain
use gwanmun_filters::Registry;
use crate::cli::Outcome;
#[derive(clap::Args)]
pub(crate) struct Arguments {}
pub(crate) fn run(_: &Registry, _: &Arguments) -> Outcome { Outcome::Good }
