//! Who calls a service, and whether they may: the Passport is proven once for each request, handlers take it or what it
//! says as arguments, and layers refuse who lacks a role, a scope or a level.
