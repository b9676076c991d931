//! A database by one setting, with its check for `/health`.
