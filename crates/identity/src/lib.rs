//! Credentials become principals: tokens, clients with a secret, keys, Passports of a gateway in front.
