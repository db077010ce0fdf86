//! Whether a SubjectPublicKeyInfo is of the form that its algorithm has.

use aws_lc_rs::signature as lc;
use rustmq_pki::key::is_weak_ed25519;
use rustmq_pki::oid;
use rustmq_pki::read::SpkiRef;

use crate::signature::named_curve;

/// Why a public key is not of the form that its algorithm has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// rsaEncryption without the parameters NULL.
    #[error("the parameters of an RSA key must be NULL (RFC 3279 2.3.1)")]
    RsaParameters,
    /// Parameters where the algorithm has none.
    #[error("the parameters of the key must be absent (RFC 8410 3, RFC 9881 2)")]
    Parameters,
    /// A point that is neither compressed nor uncompressed, or has not the length of its curve's.
    #[error(
        "the point is neither an uncompressed nor a compressed one of its curve (RFC 5480 2.2)"
    )]
    PointForm,
    /// Coordinates that no point of the curve has.
    #[error("the point is not on its curve (RFC 5480 2.2)")]
    OffCurve,
    /// Too few octets, or too many.
    #[error("the key has not the length of its algorithm's (RFC 8032 5.1.5, RFC 9881 4)")]
    Length,
    /// A point under which anyone can sign, or one that is not encoded as it must be.
    #[error("the Ed25519 key is a point of small order or not reduced (RFC 8032 5.1.3)")]
    SmallOrder,
}

/// What is wrong with the form of a key, if it is of an algorithm that is known. It looks at the
/// parameters, the length and the first octet: that a point is on its curve is found by whoever uses it.
pub(crate) fn key_fault(spki: &SpkiRef<'_>) -> Option<KeyFault> {
    match spki.algorithm.oid.as_bytes() {
        oid::EC_PUBLIC_KEY => point_fault(spki),
        oid::RSA_ENCRYPTION => {
            let null = spki.algorithm.parameters.is_some_and(|given| given.whole == [0x05, 0x00]);
            (!null).then_some(KeyFault::RsaParameters)
        }
        oid::ED25519 => bare_fault(spki, 32)
            .or_else(|| is_weak_ed25519(spki.key).then_some(KeyFault::SmallOrder)),
        oid::ML_DSA_44 => bare_fault(spki, 1_312),
        oid::ML_DSA_65 => bare_fault(spki, 1_952),
        oid::ML_DSA_87 => bare_fault(spki, 2_592),
        _ => None,
    }
}

/// Other curves are not judged: nothing is verified on them.
fn point_fault(spki: &SpkiRef<'_>) -> Option<KeyFault> {
    let coordinate = match named_curve(spki)? {
        oid::SECP256R1 => 32,
        oid::SECP384R1 => 48,
        oid::SECP521R1 => 66,
        _ => return None,
    };
    let right = match spki.key {
        [0x04, rest @ ..] => rest.len() == 2 * coordinate,
        // The hybrid form, 6 and 7, must be refused.
        [0x02 | 0x03, rest @ ..] => rest.len() == coordinate,
        _ => false,
    };
    (!right).then_some(KeyFault::PointForm)
}

/// Algorithms whose identifier says everything.
fn bare_fault(spki: &SpkiRef<'_>, length: usize) -> Option<KeyFault> {
    if spki.algorithm.parameters.is_some() {
        return Some(KeyFault::Parameters);
    }
    (spki.key.len() != length).then_some(KeyFault::Length)
}

/// Whether a key is no point off its curve. It takes some twentieth of a verification, and several times
/// that for a compressed point.
pub(crate) fn is_on_curve(spki: &SpkiRef<'_>) -> bool {
    let algorithm: &'static dyn lc::VerificationAlgorithm = match named_curve(spki) {
        Some(oid::SECP256R1) => &lc::ECDSA_P256_SHA256_ASN1,
        Some(oid::SECP384R1) => &lc::ECDSA_P384_SHA384_ASN1,
        Some(oid::SECP521R1) => &lc::ECDSA_P521_SHA512_ASN1,
        _ => return true,
    };
    lc::ParsedPublicKey::new(algorithm, spki.key).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustmq_pki::der::{constructed, tag};

    fn fault(algorithm: &[u8], parameters: &[u8], key: &[u8]) -> Option<KeyFault> {
        let algorithm =
            constructed(tag::SEQUENCE, &[&constructed(tag::OID, &[algorithm]), parameters]);
        let key = constructed(tag::BIT_STRING, &[&[0], key]);
        let spki = constructed(tag::SEQUENCE, &[&algorithm, &key]);
        key_fault(&SpkiRef::from_der(&spki).unwrap())
    }

    #[test]
    fn points_are_of_their_curve_and_not_hybrid() {
        for (curve, octets) in [(oid::SECP256R1, 32), (oid::SECP384R1, 48), (oid::SECP521R1, 66)] {
            let curve = constructed(tag::OID, &[curve]);
            let point = |first: u8, octets| [&[first][..], &vec![7; octets]].concat();
            let fault = |key: Vec<u8>| fault(oid::EC_PUBLIC_KEY, &curve, &key);
            for good in [point(4, 2 * octets), point(2, octets), point(3, octets)] {
                assert_eq!(fault(good), None);
            }
            let bad = [point(6, 2 * octets), point(7, 2 * octets), point(4, octets), point(0, 0)];
            for bad in bad.into_iter().chain([Vec::new(), point(4, 2 * octets + 1)]) {
                assert_eq!(fault(bad), Some(KeyFault::PointForm));
            }
        }
    }

    #[test]
    fn parameters_are_those_of_the_algorithm() {
        let absent_or_not = [&[][..], &[5, 0], &[6, 1, 42]];
        let rsa = absent_or_not.map(|given| fault(oid::RSA_ENCRYPTION, given, &[0x30, 0]));
        let wrong = Some(KeyFault::RsaParameters);
        assert_eq!(rsa, [wrong, None, wrong]);
        let wrong = Some(KeyFault::Parameters);
        let ed25519 = absent_or_not.map(|given| fault(oid::ED25519, given, &[9; 32]));
        assert_eq!(ed25519, [None, wrong, wrong]);
        let ml_dsa = absent_or_not.map(|given| fault(oid::ML_DSA_44, given, &[9; 1_312]));
        assert_eq!(ml_dsa, [None, wrong, wrong]);
        assert_eq!(fault(oid::ML_DSA_65, &[], &[9; 1_312]), Some(KeyFault::Length));
    }

    #[test]
    fn no_one_signs_under_a_point_of_small_order() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(fault(oid::ED25519, &[], &identity), Some(KeyFault::SmallOrder));
        assert_eq!(fault(oid::ED25519, &[], &[0; 32]), Some(KeyFault::SmallOrder));
        assert_eq!(fault(oid::ED25519, &[], &[9; 31]), Some(KeyFault::Length));
    }
}
