//! A revocation list, loaded: its header and the serial numbers that it lists.

use std::cmp::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use aws_lc_rs::digest::{self, Digest};
use rustmq_pki::der::{Element, Reader};
use rustmq_pki::oid;
use rustmq_pki::read::{
    AlgorithmRef, CrlEntry, CrlRef, IssuingDistributionPoint, NameRef, ReadError, RevocationReason,
    SpkiRef,
};
use rustmq_pki::time::UnixTime;

use super::revoked::{Reading, Revoked};
use crate::path::names::same_name;
use crate::signature::{self, Dsa};

/// The bytes are no CRL that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CrlError {
    /// They are not a CRL.
    #[error("not a CRL: {0}")]
    Malformed(#[from] ReadError),
    /// An entry does not name its certificate's issuer by a directory name.
    #[error("an entry's certificateIssuer is not a directory name (RFC 5280 5.3.3)")]
    CertificateIssuer,
    /// An entry gives its certificate's issuer more than 16 names.
    #[error("an entry's certificateIssuer has more than 16 directory names, where a CA has one")]
    ManyIssuerNames,
}

/// A CRL whose entries are kept as sets of serial numbers.
///
/// Its signature is verified once for a key, and remembered. A clone shares all of it.
#[derive(Clone, Debug)]
pub struct Crl(Arc<Loaded>);

#[derive(Debug)]
struct Loaded {
    /// The list without its entries.
    header: Box<[u8]>,
    /// What is known of its signer.
    signer: Mutex<Signer>,
    /// The name of the signer, as encoded.
    issuer: Box<[u8]>,
    this_update: UnixTime,
    next_update: Option<UnixTime>,
    /// The magnitudes of the number, and of that of the base if it is a delta.
    number: Option<Box<[u8]>>,
    delta_base: Option<Box<[u8]>>,
    /// The identifier of the key that signed.
    key_id: Option<Box<[u8]>>,
    /// The extensions that lists of one series share: the scope and the signing key.
    series: [Option<Box<[u8]>>; 2],
    /// What of RFC 5280 section 5 it does not keep to.
    fault: Option<&'static str>,
    /// Whether its number or that of its base is negative: no rule set takes that.
    is_negative: bool,
    revoked: Revoked,
    /// Whether an entry has a critical extension that is unknown: the list cannot be used then.
    unknown_critical: bool,
    /// The SubjectPublicKeyInfo of the signer, once it is settled.
    settled: OnceLock<Box<[u8]>>,
}

/// Under which keys the signature verifies. Whoever has a list can make other keys for which it does,
/// so that none takes it from the others.
#[derive(Debug)]
struct Signer {
    signed: Signed,
    verified: Vec<Arc<[u8]>>,
    refused: Vec<Box<[u8]>>,
}

/// What the signature is over.
#[derive(Debug)]
enum Signed {
    /// The hash that the algorithm begins with.
    Digest(Digest),
    /// The whole list: the algorithm has no such hash.
    Whole(Box<[u8]>),
    /// Nobody asks any more.
    Settled,
}

/// The most keys of each kind that are remembered: CAs of one name that are in use at a time are two.
const MOST_KEYS: usize = 8;

/// How many octets are hashed in the time of a signature's verification.
const OCTETS_OF_A_SIGNATURE: usize = 40_000;

impl Crl {
    /// Loads a CRL; its signature is verified when it is first used.
    pub fn from_der(der: &[u8]) -> Result<Self, CrlError> {
        let crl = CrlRef::read(der)?;
        let mut unknown_critical = crl.known.unknown_critical.is_some();
        let mut revoked = Reading::default();
        let mut fault = header_fault(&crl);
        for entry in crl.entries() {
            let entry = entry?;
            fault = fault.or_else(|| entry_fault(&entry, &crl));
            unknown_critical |= entry.unknown_critical.is_some();
            revoked.take(&entry)?;
        }
        let number = crl.known.number.map(|(number, _)| number);
        let is_negative = [number, crl.known.delta_base].iter().flatten().any(|n| n.is_negative());
        let number = number.filter(|number| !number.is_negative());
        let key_id = crl.known.authority_key_id.and_then(|aki| aki.key_id);
        let series = [oid::ISSUING_DISTRIBUTION_POINT, oid::AUTHORITY_KEY_IDENTIFIER]
            .map(|oid| crl.extensions.find(oid).map(|extension| Box::from(extension.value)));
        let signed = match signature::digest_of(&crl.signature_algorithm) {
            Some(algorithm) => Signed::Digest(digest::digest(algorithm, crl.tbs)),
            None => Signed::Whole(der.into()),
        };
        Ok(Self(Arc::new(Loaded {
            header: crl.without_entries().into(),
            signer: Mutex::new(Signer { signed, verified: Vec::new(), refused: Vec::new() }),
            issuer: crl.issuer.der.into(),
            this_update: crl.this_update.at,
            next_update: crl.next_update.map(|time| time.at),
            number: number.map(|number| number.magnitude().into()),
            delta_base: crl.known.delta_base.map(|base| base.magnitude().into()),
            key_id: key_id.map(Box::from),
            series,
            fault,
            is_negative,
            revoked: revoked.finish(),
            unknown_critical,
            settled: OnceLock::new(),
        })))
    }

    /// How many certificates it lists.
    pub fn len(&self) -> usize {
        self.0.revoked.len()
    }

    /// Whether it lists none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The header. It was read when the list was loaded, so that reading it again cannot fail.
    pub(crate) fn view(&self) -> Option<CrlRef<'_>> {
        CrlRef::read(&self.0.header).ok()
    }

    /// Whether it is the same loaded list, not just an equal one.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The name of its signer, as RFC 4514.
    pub(crate) fn issuer(&self) -> String {
        NameRef::from_der(&self.0.issuer).map_or_else(|_| String::new(), |name| name.to_string())
    }

    /// When it was made.
    pub(crate) fn this_update(&self) -> UnixTime {
        self.0.this_update
    }

    /// By when the next will be made.
    pub(crate) fn next_update(&self) -> Option<UnixTime> {
        self.0.next_update
    }

    /// The magnitude of its number, if it has one.
    pub(crate) fn number(&self) -> Option<&[u8]> {
        self.0.number.as_deref()
    }

    /// The magnitude of the number of its base, if it is a delta CRL.
    pub(crate) fn delta_base(&self) -> Option<&[u8]> {
        self.0.delta_base.as_deref()
    }

    /// The identifier of the key that signed, if it has one.
    pub(crate) fn key_id(&self) -> Option<&[u8]> {
        self.0.key_id.as_deref()
    }

    /// Whether it covers everything that its issuer issues: it has no issuingDistributionPoint.
    pub(crate) fn is_unlimited(&self) -> bool {
        self.0.series[0].is_none()
    }

    /// What it covers, where it says so. It was read when the list was loaded, so that reading it again
    /// cannot fail.
    pub(crate) fn scope(&self) -> Option<IssuingDistributionPoint<'_>> {
        IssuingDistributionPoint::read(&mut Reader::new(self.0.series[0].as_deref()?)).ok()
    }

    /// The name of its signer.
    pub(crate) fn signer_name(&self) -> Option<NameRef<'_>> {
        NameRef::from_der(&self.0.issuer).ok()
    }

    /// Whether two lists have the same issuer, and cover the same by the same key, as they say.
    pub(crate) fn has_scope_of(&self, other: &Self) -> bool {
        self.0.series == other.0.series
            && NameRef::from_der(&other.0.issuer).is_ok_and(|issuer| self.is_by(&issuer))
    }

    /// Whether another list has the same issuer, scope and key. The key is known once both signatures
    /// were verified: a key identifier is what a list says of itself.
    pub(crate) fn is_of_series(&self, other: &Self) -> bool {
        self.0.issuer == other.0.issuer
            && self.0.series == other.0.series
            && self.0.delta_base.is_some() == other.0.delta_base.is_some()
            && self.has_key_of(other)
    }

    /// Whether another list by the same key, which covers what this one covers, was made later.
    pub(crate) fn is_outlived_by(&self, other: &Self) -> bool {
        self.0.this_update < other.0.this_update
            && self.has_key_of(other)
            && (other.is_unlimited() || self.0.series[0] == other.0.series[0])
    }

    /// Whether another list by the same key, which covers what this one covers, has all that this one
    /// has: its number is as high, or without numbers, it is as young.
    pub(crate) fn is_outdated_by(&self, other: &Self) -> bool {
        // Numbers rise for each scope apart (RFC 5280 5.2.3).
        let same_scope = self.0.series[0] == other.0.series[0];
        let is_older = match (self.number(), other.number()) {
            (Some(number), Some(other)) if same_scope => number_order(number, other).is_le(),
            _ => self.this_update() <= other.this_update(),
        };
        is_older && self.has_key_of(other) && (other.is_unlimited() || same_scope)
    }

    /// Whether the signatures of both lists were verified under one key.
    pub(crate) fn has_key_of(&self, other: &Self) -> bool {
        if let (Some(one), Some(other)) = (self.0.settled.get(), other.0.settled.get()) {
            return one == other;
        }
        let others = other.verified_keys();
        self.verified_keys().iter().any(|key| others.contains(key))
    }

    /// Whether another list of the same issuer, scope and key is newer. Of a list with a number and one
    /// without neither is known to have all that the other has.
    pub(crate) fn is_superseded_by(&self, other: &Self) -> bool {
        self.number().is_some() == other.number().is_some()
            && self.by_age(other).is_lt()
            && self.is_of_series(other)
    }

    /// Whether it has no number, and was made after another, which has.
    pub(crate) fn is_unnumbered_after(&self, other: &Self) -> bool {
        self.number().is_none()
            && other.number().is_some()
            && other.this_update() < self.this_update()
    }

    /// Compares two lists, the newer one being the greater: by number, where there is one, then by
    /// date.
    pub(crate) fn by_age(&self, other: &Self) -> Ordering {
        number_order(self.number().unwrap_or(&[]), other.number().unwrap_or(&[]))
            .then_with(|| self.0.this_update.cmp(&other.0.this_update))
    }

    /// What of RFC 5280 section 5 it does not keep to; nothing of it makes the list unreadable.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        self.0.fault
    }

    /// Whether its number or that of its base is below zero.
    pub(crate) fn is_negative(&self) -> bool {
        self.0.is_negative
    }

    /// Whether its signer has this name, octet by octet.
    pub(crate) fn names(&self, issuer: &NameRef<'_>) -> bool {
        *self.0.issuer == *issuer.der
    }

    /// Whether its signer has this name.
    pub(crate) fn is_by(&self, name: &NameRef<'_>) -> bool {
        self.names(name)
            || NameRef::from_der(&self.0.issuer).is_ok_and(|issuer| same_name(&issuer, name))
    }

    pub(crate) fn has_unknown_critical(&self) -> bool {
        self.0.unknown_critical
    }

    /// Whether the list holds this serial number, of whichever issuer: a quick first look.
    pub(crate) fn lists(&self, serial: &[u8]) -> bool {
        self.0.revoked.lists(serial)
    }

    /// Why the list revokes the certificate with this issuer and serial number, if it does.
    pub(crate) fn find(&self, issuer: &NameRef<'_>, serial: &[u8]) -> Option<RevocationReason> {
        self.0.revoked.find(issuer, serial, || self.is_by(issuer))
    }

    /// Whether the signature was verified under `key`, so that checking it costs nothing.
    pub(crate) fn is_verified_under(&self, key: &SpkiRef<'_>) -> bool {
        self.is_known_to_verify(key) == Some(true)
    }

    /// Whether the signature verifies under `key`, if that was found out before.
    pub(crate) fn is_known_to_verify(&self, key: &SpkiRef<'_>) -> Option<bool> {
        if let Some(settled) = self.0.settled.get() {
            return Some(**settled == *key.der);
        }
        self.signer().knows(key)
    }

    /// Whether the signature was verified under any key.
    pub(crate) fn is_verified(&self) -> bool {
        self.0.settled.get().is_some() || !self.signer().verified.is_empty()
    }

    /// Whether the signer is known for good.
    pub(crate) fn is_settled(&self) -> bool {
        self.0.settled.get().is_some()
    }

    /// The keys, as SubjectPublicKeyInfo, under which the signature was verified.
    pub(crate) fn verified_keys(&self) -> Vec<Arc<[u8]>> {
        match self.0.settled.get() {
            Some(settled) => vec![Arc::from(&**settled)],
            None => self.signer().verified.clone(),
        }
    }

    /// What verifying under `key` takes, in verifications under a P-256 key.
    pub(crate) fn cost(&self, key: &SpkiRef<'_>) -> usize {
        let hashed = match &self.signer().signed {
            Signed::Whole(der) => der.len() / OCTETS_OF_A_SIGNATURE,
            Signed::Digest(_) | Signed::Settled => 0,
        };
        signature::cost(key) + hashed
    }

    /// Whether the signature verifies under `key`; a DSA key may take its parameters from another.
    pub(crate) fn verify(
        &self,
        key: &SpkiRef<'_>,
        dsa: Dsa,
        parameters: Option<&SpkiRef<'_>>,
    ) -> bool {
        if let Some(known) = self.is_known_to_verify(key) {
            return known;
        }
        let mut signer = self.signer();
        // Another thread may have been faster.
        if let Some(known) = signer.knows(key) {
            return known;
        }
        let valid = match &signer.signed {
            Signed::Digest(digest) => {
                self.view().is_some_and(|crl| is_hash_signed(&crl, key, digest))
            }
            Signed::Whole(der) => is_signed_by(der, key, dsa, parameters),
            Signed::Settled => return self.is_verified_under(key),
        };
        // What a DSA key says depends on more than the key.
        if key.algorithm.oid != oid::DSA {
            signer.remember(key, valid);
        }
        valid
    }

    /// Takes `key`, under which the signature verifies, as the signer's for good: that of a CA that one's
    /// own configuration names. No other is tried any more.
    pub(crate) fn settle(&self, key: &SpkiRef<'_>) {
        let mut signer = self.signer();
        // Another thread may have been faster.
        if self.0.settled.set(Box::from(key.der)).is_ok() {
            *signer = Signer { signed: Signed::Settled, verified: Vec::new(), refused: Vec::new() };
        }
    }

    fn signer(&self) -> MutexGuard<'_, Signer> {
        self.0.signer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Signer {
    fn knows(&self, key: &SpkiRef<'_>) -> Option<bool> {
        if self.verified.iter().any(|verified| **verified == *key.der) {
            return Some(true);
        }
        self.refused.iter().any(|refused| **refused == *key.der).then_some(false)
    }

    fn remember(&mut self, key: &SpkiRef<'_>, valid: bool) {
        if valid && self.verified.len() < MOST_KEYS {
            self.verified.push(Arc::from(key.der));
        }
        if !valid {
            self.refused.truncate(MOST_KEYS - 1);
            self.refused.insert(0, Box::from(key.der));
        }
    }
}

/// The algorithm that a list names outside of what is signed, if it names the same within.
fn one_algorithm<'c, 'a>(crl: &'c CrlRef<'a>) -> Option<&'c AlgorithmRef<'a>> {
    let algorithm = &crl.signature_algorithm;
    (*algorithm == crl.tbs_signature_algorithm).then_some(algorithm)
}

fn is_hash_signed(crl: &CrlRef<'_>, key: &SpkiRef<'_>, digest: &Digest) -> bool {
    one_algorithm(crl).is_some_and(|algorithm| {
        signature::verify_digest(algorithm, key, digest, crl.signature).is_ok()
    })
}

fn is_signed_by(der: &[u8], key: &SpkiRef<'_>, dsa: Dsa, parameters: Option<&SpkiRef<'_>>) -> bool {
    let Ok(crl) = CrlRef::read(der) else { return false };
    one_algorithm(&crl).is_some_and(|algorithm| {
        signature::verify(algorithm, key, crl.tbs, crl.signature, dsa, parameters).is_ok()
    })
}

/// Compares the magnitudes of CRL numbers, which have up to 20 octets (RFC 5280 5.2.3) and no leading
/// zeros.
pub(crate) fn number_order(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// What RFC 5280 5.1 and 5.2 ask of a list's header and extensions.
fn header_fault(crl: &CrlRef<'_>) -> Option<&'static str> {
    let critical = |oid| crl.extensions.find(oid).is_some_and(|extension| extension.critical);
    let known = &crl.known;
    let number_fits = known.number.is_some_and(|(number, critical)| {
        !critical && !number.is_negative() && number.magnitude().len() <= 20
    });
    if !number_fits {
        return Some("cRLNumber must be there, not critical, and up to 20 octets (RFC 5280 5.2.3)");
    }
    if known.authority_key_id.is_none() || critical(oid::AUTHORITY_KEY_IDENTIFIER) {
        return Some("authorityKeyIdentifier must be there and not critical (RFC 5280 5.2.1)");
    }
    let scope = known.distribution_point?;
    if !critical(oid::ISSUING_DISTRIBUTION_POINT) {
        return Some("issuingDistributionPoint must be critical (RFC 5280 5.2.5)");
    }
    let says_nothing = scope.name.is_none()
        && scope.only_some_reasons.is_none()
        && !(scope.only_user_certs || scope.only_ca_certs || scope.indirect)
        && !scope.only_attribute_certs;
    says_nothing.then_some("issuingDistributionPoint must not be empty (RFC 5280 5.2.5)")
}

/// What RFC 5280 5.3 asks of an entry.
fn entry_fault(entry: &CrlEntry<'_>, crl: &CrlRef<'_>) -> Option<&'static str> {
    if entry.has_critical_reason {
        return Some("reasonCode must not be critical (RFC 5280 5.3.1)");
    }
    let released = entry.reason == Some(RevocationReason::RemoveFromCrl);
    (released && crl.known.delta_base.is_none())
        .then_some("removeFromCRL belongs in delta CRLs only (RFC 5280 5.3.1)")
}

#[cfg(test)]
mod tests {
    use rustmq_pki::read::CertificateRef;

    use super::*;

    const CRL: &[u8] = include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fuzz/corpus/crl/TrustAnchorRootCRL"
    ));
    const SIGNER: &[u8] = include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fuzz/corpus/certificate/TrustAnchorRootCertificate"
    ));
    const OTHER: &[u8] = include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fuzz/corpus/certificate/pathLenConstraint6CACert"
    ));

    fn key(certificate: &'static [u8]) -> SpkiRef<'static> {
        CertificateRef::read(certificate).unwrap().spki
    }

    /// A thread may find the list settled when it has the lock.
    #[test]
    fn a_settled_list_is_of_its_signer_and_of_nobody_else() {
        let crl = Crl::from_der(CRL).unwrap();
        let (signer, other) = (key(SIGNER), key(OTHER));
        let verify = |key| crl.verify(key, Dsa::Refused, None);
        assert_eq!(crl.is_known_to_verify(&other), None);
        assert!(verify(&signer) && !verify(&other));
        assert_eq!(crl.is_known_to_verify(&other), Some(false));
        crl.settle(&signer);
        assert!(verify(&signer) && !verify(&other));
        assert_eq!(crl.is_known_to_verify(&signer), Some(true));
        assert_eq!(crl.is_known_to_verify(&other), Some(false));
        crl.settle(&other);
        assert!(verify(&signer) && !verify(&other), "a signer is for good");
    }
}
