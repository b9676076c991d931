//! JSON Web Signatures, keys and key sets (RFC 7515, 7517, 7518): small and typed; a key carries its one algorithm.
