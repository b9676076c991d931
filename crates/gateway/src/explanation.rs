//! What happens to one request and why, seen while the real engine carries it: `journey` looks on, `change` compares what
//! it saw before and after each filter, `miss` ranks the routes that did not take it, `story` puts it in words.

mod change;
mod journey;
mod miss;
mod story;

pub(crate) use journey::Journey;
pub(crate) use story::tell;
