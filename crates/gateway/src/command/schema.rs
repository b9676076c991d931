//! schema
use crate::cli::Outcome;
use crate::terminal::say;
pub(crate) fn run(registry: &gwanmun_filters::Registry) -> Outcome {
    let mut generator = schemars::SchemaGenerator::default();
    registry.catalog().filters().for_each(|item| drop(item.schema(&mut generator)));
    registry.catalog().predicates().for_each(|item| drop(item.schema(&mut generator)));
    let s = generator.root_schema_for::<gwanmun_proxy::GatewaySpec>();
    say(serde_json::to_string_pretty(&s).unwrap());
    Outcome::Good }
