//! What is built from the keys that every service has, before it runs: identity and clients, with every mistake at once.

use std::sync::Arc;

use gwanmun_config::{Diagnostics, Files, Sources};
use gwanmun_core::{Clock, SystemClock, Tallies};
use tokio::runtime::Handle;

use crate::ground::Ground;
use crate::identity::{Identity, IdentitySpecs, Sink};
use crate::outgoing::{Clients, Told};
use crate::settings::ServiceSpec;

/// Identity and clients of a service.
pub(crate) struct Blocks {
    pub(crate) identity: Identity,
    pub(crate) clients: Clients,
}

impl Blocks {
    /// From `spec`, for the runtime that this is called on. Every mistake goes to `diagnostics`, every file that is read to
    /// `files`.
    pub(crate) fn build(
        spec: &ServiceSpec,
        sink: Sink,
        told: &Told,
        tallies: &Tallies,
        sources: &Sources,
        files: &mut Files,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let runtime = Handle::current();
        let mut ground = Ground { clock: &clock, tallies, runtime: &runtime, sources, files, diagnostics };
        let clients = Clients::build(&spec.clients, told, &mut ground);
        let identity = Identity::build(specs(spec), sink, &mut ground);
        Some(Self { identity: identity?, clients: clients? })
    }
}

/// What of `spec` is identity's.
pub(crate) fn specs(spec: &ServiceSpec) -> IdentitySpecs<'_> {
    IdentitySpecs {
        passport: spec.passport.as_ref(),
        authorization: spec.authorization.as_ref(),
        audit: spec.audit.as_ref(),
    }
}
