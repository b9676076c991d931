//! The Passport: one signed statement about the caller of a request (a profile of OAuth Transaction Tokens).
