//! The pure fact that a certificate's signature verifies under a key, remembered across questions.

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use rustmq_pki::read::{CertificateRef, SpkiRef};

/// The most facts that are kept. One is kept for each intermediate that a good path went through;
/// a fleet has a few dozen.
const MOST: usize = 1_024;

/// The SHA-256 of a certificate and a key.
type Fact = [u8; 32];

/// Facts that were established by verifying a signature, and that no time or policy can change.
/// Readers take no lock; a new fact replaces the whole set, which is rare.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    verified: ArcSwap<HashSet<Fact>>,
}

impl Facts {
    /// Whether it is known that `key` verifies the signature of `certificate`.
    pub(crate) fn knows(&self, certificate: &CertificateRef<'_>, key: &SpkiRef<'_>) -> bool {
        let verified = self.verified.load();
        !verified.is_empty() && verified.contains(&fact(certificate, key))
    }

    /// Remembers that it was verified; a full set is begun anew.
    pub(crate) fn learn(&self, certificate: &CertificateRef<'_>, key: &SpkiRef<'_>) {
        let fact = fact(certificate, key);
        self.verified.rcu(|verified| {
            let mut next =
                if verified.len() < MOST { (**verified).clone() } else { HashSet::new() };
            next.insert(fact);
            Arc::new(next)
        });
    }
}

/// The certificate's own length, which its DER begins with, keeps the two apart.
fn fact(certificate: &CertificateRef<'_>, key: &SpkiRef<'_>) -> Fact {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(certificate.der);
    context.update(key.der);
    let mut fact = Fact::default();
    fact.copy_from_slice(context.finish().as_ref());
    fact
}
