//! What is pure fact about signatures, remembered across questions: that a certificate's verifies under
//! a key, and how a key is read.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustmq_pki::read::{AlgorithmRef, CertificateRef, SpkiRef};

use crate::error::Refusal;
use crate::signature::ReadyKey;

/// The most facts that are kept. One is kept for each intermediate that a good path went through;
/// a fleet has a few dozen, and looking through 256 costs less than a hash of one certificate.
const MOST: usize = 256;

/// A certificate and the key that its signature was verified under, both as encoded.
#[derive(Debug, PartialEq, Eq)]
struct Fact {
    certificate: Box<[u8]>,
    key: Box<[u8]>,
}

/// A key that signed the leaf of a good path, made ready for other signatures of the algorithm.
#[derive(Debug)]
struct IssuerKey {
    algorithm: Box<[u8]>,
    spki: Box<[u8]>,
    ready: ReadyKey,
}

impl IssuerKey {
    fn is(&self, algorithm: &AlgorithmRef<'_>, spki: &SpkiRef<'_>) -> bool {
        *self.algorithm == *algorithm.der && *self.spki == *spki.der
    }
}

/// Facts that were established by verifying a signature, and that no time or policy can change.
/// Readers take no lock; a new fact replaces the whole list, which is rare.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    verified: ArcSwap<Vec<Arc<Fact>>>,
    /// Of the CAs that issue leaves; bounded as the facts are.
    keys: ArcSwap<Vec<Arc<IssuerKey>>>,
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

    /// Verifies the signature of a certificate, if the key was made ready before.
    pub(crate) fn verify(
        &self,
        certificate: &CertificateRef<'_>,
        key: &SpkiRef<'_>,
    ) -> Option<Result<(), Refusal>> {
        let keys = self.keys.load();
        let held = keys.iter().find(|held| held.is(&certificate.signature_algorithm, key))?;
        Some(held.ready.verify(certificate.tbs, certificate.signature))
    }

    /// Makes ready the key under which the signature of a certificate was verified.
    pub(crate) fn learn_key(&self, certificate: &CertificateRef<'_>, key: &SpkiRef<'_>) {
        let algorithm = &certificate.signature_algorithm;
        if self.keys.load().iter().any(|held| held.is(algorithm, key)) {
            return;
        }
        let Some(ready) = ReadyKey::new(algorithm, key) else { return };
        let key = IssuerKey { algorithm: algorithm.der.into(), spki: key.der.into(), ready };
        let key = Arc::new(key);
        self.keys.rcu(|keys| {
            let mut next = if keys.len() < MOST { (**keys).clone() } else { Vec::new() };
            next.push(Arc::clone(&key));
            next
        });
    }
}
