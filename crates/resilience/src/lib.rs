//! What keeps calls from making a failure worse, and callers from asking too often. Pure: the clock is given.

mod breaker;
mod bucket;
mod buckets;
mod retry_budget;

pub use breaker::{Breaker, BreakerOpen, BreakerSettings, BreakerState, Permit};
pub use bucket::{Allowance, Bucket, Exhausted, Left};
pub use buckets::{Buckets, Judged, Whose};
pub use retry_budget::{RetryBudget, RetryBudgetSettings};
