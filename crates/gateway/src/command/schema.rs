//! `gwanmun schema`: for editors and validators.

use gwanmun_filters::Registry;

use crate::cli::Outcome;
use crate::schema::schema;
use crate::terminal::say;

/// Prints the schema.
pub(crate) fn run(registry: &Registry) -> Outcome {
    // The alternate form is indented.
    say(format_args!("{:#}", schema(registry)));
    Outcome::Good
}
