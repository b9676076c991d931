//! A principal and an action become a decision, with the rule that decided it.
