//! Who signed a certificate, asked of one certificate and one key: for surveys of certificates that
//! nobody has put into paths.

use rustmq_pki::read::{AlgorithmRef, CertificateRef, NameRef, SpkiRef};

use crate::error::Refusal;
use crate::path::names;
use crate::signature::{self, Dsa};

/// Verifies the signature of `certificate` with the key `spki`, and nothing else: neither names nor
/// dates nor whether the key's owner may issue.
///
/// # Errors
///
/// [`Rule::SignatureInvalid`](crate::Rule::SignatureInvalid), or that the algorithm is weak, unknown
/// or does not fit the key.
pub fn verify_signature(
    certificate: &CertificateRef<'_>,
    spki: &SpkiRef<'_>,
) -> Result<(), Refusal> {
    let algorithm = &certificate.signature_algorithm;
    let (tbs, value) = (certificate.tbs, certificate.signature);
    signature::verify(algorithm, spki, tbs, value, Dsa::Refused, None)
}

/// Whether signatures of this algorithm rest on a hash for which collisions are known (MD2, MD5,
/// SHA-1).
pub fn is_weak_signature(algorithm: &AlgorithmRef<'_>) -> bool {
    signature::is_weak(algorithm)
}

/// Whether two names are the same by RFC 5280 7.1, however each is encoded.
pub fn same_name(one: &NameRef<'_>, other: &NameRef<'_>) -> bool {
    names::same_name(one, other)
}
