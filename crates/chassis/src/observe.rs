//! What surrounds every request: its trace, its line in the log, its numbers, its deadline, and what becomes of a panic.
