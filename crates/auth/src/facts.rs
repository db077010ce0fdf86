//! The pure fact that a certificate's signature verifies under a key, remembered across questions.

use std::collections::HashSet;

use rustmq_pki::read::{CertificateRef, SpkiRef};

/// Facts that were established by verifying a signature, and that no time or policy can change.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    verified: HashSet<(Box<[u8]>, Box<[u8]>)>,
}

impl Facts {
    /// Whether it is known that `key` verifies the signature of `certificate`. The whole encodings
    /// are compared, so that the answer holds for these bytes and no others.
    pub(crate) fn knows(&self, certificate: &CertificateRef<'_>, key: &SpkiRef<'_>) -> bool {
        if self.verified.is_empty() {
            return false;
        }
        self.verified.contains(&(certificate.der.into(), key.der.into()))
    }
}
