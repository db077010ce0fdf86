//! The pure fact that a certificate's signature verifies under a key, remembered across questions.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustmq_pki::read::{CertificateRef, SpkiRef};

/// The most facts that are kept. One is kept for each intermediate that a good path went through;
/// a fleet has a few dozen, and looking through 256 costs less than a hash of one certificate.
const MOST: usize = 256;

/// A certificate and the key that its signature was verified under, both as encoded.
#[derive(Debug, PartialEq, Eq)]
struct Fact {
    certificate: Box<[u8]>,
    key: Box<[u8]>,
}

/// Facts that were established by verifying a signature, and that no time or policy can change.
/// Readers take no lock; a new fact replaces the whole list, which is rare.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    verified: ArcSwap<Vec<Arc<Fact>>>,
}

impl Facts {
    /// Whether it is known that `key` verifies the signature of `certificate`.
    pub(crate) fn knows(&self, certificate: &CertificateRef<'_>, key: &SpkiRef<'_>) -> bool {
        self.verified
            .load()
            .iter()
            .any(|fact| *fact.certificate == *certificate.der && *fact.key == *key.der)
    }

    /// Remembers that it was verified; a full list is begun anew.
    pub(crate) fn learn(&self, certificate: &CertificateRef<'_>, key: &SpkiRef<'_>) {
        let fact = Arc::new(Fact { certificate: certificate.der.into(), key: key.der.into() });
        self.verified.rcu(|verified| {
            let mut next = if verified.len() < MOST { (**verified).clone() } else { Vec::new() };
            // Another thread may have learned it meanwhile.
            if !next.iter().any(|held| **held == *fact) {
                next.push(Arc::clone(&fact));
            }
            next
        });
    }
}
