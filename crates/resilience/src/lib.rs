//! What keeps calls from making a failure worse. Pure: the clock is given.

mod breaker;

pub use breaker::{Breaker, BreakerOpen, BreakerSettings, BreakerState, Permit};
