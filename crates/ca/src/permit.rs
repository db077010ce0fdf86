//! Who may ask for what.

use rustmq_pki::request::CertificateRequest;

use crate::Actor;

/// A request that its actor may make. The gate takes nothing else.
#[derive(Debug)]
pub(crate) struct Permit {
    request: CertificateRequest,
    actor: Actor,
}

impl Permit {
    /// The operator of the data directory: whoever can open the store and its keys may ask for
    /// anything that the profiles give.
    pub(crate) fn local_operator(request: CertificateRequest, actor: Actor) -> Self {
        Self { request, actor }
    }

    /// The request, and who answers for it.
    pub(crate) fn redeem(self) -> (CertificateRequest, Actor) {
        (self.request, self.actor)
    }
}
