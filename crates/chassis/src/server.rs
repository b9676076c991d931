//! Listeners of a service: TCP or TLS, HTTP/1.1 and HTTP/2, bounded.
