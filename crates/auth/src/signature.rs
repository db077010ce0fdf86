//! Verification of a signature by a SubjectPublicKeyInfo.

use aws_lc_rs::{digest, signature as lc};
use dsa::signature::hazmat::PrehashVerifier;
use rustmq_pki::der::Reader;
use rustmq_pki::oid;
use rustmq_pki::read::{AlgorithmRef, SpkiRef};

use crate::error::{Detail, Refusal, Rule};
use crate::key_form::key_fault;

/// Whether id-dsa-with-sha1 is verified. NIST's PKITS has two valid paths with it; nothing that is
/// issued today does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dsa {
    /// It is refused.
    Refused,
    /// It is verified, with these inherited parameters if the key has none (RFC 3279 2.3.2).
    Verified,
}

/// The kinds of RSA and EC verification, by signature algorithm.
fn algorithm(
    algorithm: &AlgorithmRef<'_>,
    spki: &SpkiRef<'_>,
) -> Option<&'static dyn lc::VerificationAlgorithm> {
    let key = spki.algorithm.oid;
    if key_fault(spki).is_some() {
        return None;
    }
    match algorithm.oid.as_bytes() {
        oid::SHA256_WITH_RSA | oid::SHA384_WITH_RSA | oid::SHA512_WITH_RSA
            if key == oid::RSA_ENCRYPTION && null_or_absent(algorithm) =>
        {
            rsa_pkcs1(algorithm.oid.as_bytes())
        }
        oid::RSASSA_PSS if key == oid::RSA_ENCRYPTION => rsa_pss(algorithm),
        oid::RSASSA_PSS if key == oid::RSASSA_PSS && key_allows(&spki.algorithm, algorithm) => {
            rsa_pss(algorithm)
        }
        oid::ECDSA_WITH_SHA256 | oid::ECDSA_WITH_SHA384 | oid::ECDSA_WITH_SHA512
            if key == oid::EC_PUBLIC_KEY && algorithm.parameters.is_none() =>
        {
            ecdsa(algorithm.oid.as_bytes(), named_curve(spki)?)
        }
        same if key == same && bare(algorithm) => bare_algorithm(same),
        _ => None,
    }
}

fn bare(algorithm: &AlgorithmRef<'_>) -> bool {
    algorithm.parameters.is_none()
}

fn null_or_absent(algorithm: &AlgorithmRef<'_>) -> bool {
    algorithm.parameters.is_none_or(|parameters| parameters.whole == [0x05, 0x00])
}

/// RSA keys of 1024 bits verify with SHA-256 and SHA-512: how large a key must be is a rule of its
/// own, which names the key.
fn rsa_pkcs1(hash: &[u8]) -> Option<&'static dyn lc::VerificationAlgorithm> {
    Some(match hash {
        oid::SHA256_WITH_RSA => &lc::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        oid::SHA384_WITH_RSA => &lc::RSA_PKCS1_2048_8192_SHA384,
        oid::SHA512_WITH_RSA => &lc::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        _ => return None,
    })
}

fn ecdsa(hash: &[u8], curve: &[u8]) -> Option<&'static dyn lc::VerificationAlgorithm> {
    Some(match (curve, hash) {
        (oid::SECP256R1, oid::ECDSA_WITH_SHA256) => &lc::ECDSA_P256_SHA256_ASN1,
        (oid::SECP256R1, oid::ECDSA_WITH_SHA384) => &lc::ECDSA_P256_SHA384_ASN1,
        (oid::SECP256R1, oid::ECDSA_WITH_SHA512) => &lc::ECDSA_P256_SHA512_ASN1,
        (oid::SECP384R1, oid::ECDSA_WITH_SHA256) => &lc::ECDSA_P384_SHA256_ASN1,
        (oid::SECP384R1, oid::ECDSA_WITH_SHA384) => &lc::ECDSA_P384_SHA384_ASN1,
        (oid::SECP384R1, oid::ECDSA_WITH_SHA512) => &lc::ECDSA_P384_SHA512_ASN1,
        (oid::SECP521R1, oid::ECDSA_WITH_SHA256) => &lc::ECDSA_P521_SHA256_ASN1,
        (oid::SECP521R1, oid::ECDSA_WITH_SHA384) => &lc::ECDSA_P521_SHA384_ASN1,
        (oid::SECP521R1, oid::ECDSA_WITH_SHA512) => &lc::ECDSA_P521_SHA512_ASN1,
        _ => return None,
    })
}

/// Algorithms whose identifier stands for key and signature alike (RFC 8410, RFC 9881).
fn bare_algorithm(algorithm: &[u8]) -> Option<&'static dyn lc::VerificationAlgorithm> {
    Some(match algorithm {
        oid::ED25519 => &lc::ED25519,
        oid::ML_DSA_44 => &lc::ML_DSA_44,
        oid::ML_DSA_65 => &lc::ML_DSA_65,
        oid::ML_DSA_87 => &lc::ML_DSA_87,
        _ => return None,
    })
}

/// The curve of an EC key; `None` where it is given by explicit parameters (RFC 5480 2.1.1 forbids).
pub(crate) fn named_curve<'a>(spki: &SpkiRef<'a>) -> Option<&'a [u8]> {
    let parameters = spki.algorithm.parameters?;
    (parameters.tag == rustmq_pki::der::tag::OID).then_some(parameters.contents)
}

/// RFC 4055 3.1, in the only form that is used: one hash for both, the salt as long as it.
fn rsa_pss(algorithm: &AlgorithmRef<'_>) -> Option<&'static dyn lc::VerificationAlgorithm> {
    let (hash, salt) = pss_parameters(algorithm)?;
    Some(match (hash, salt) {
        (oid::SHA256, 32) => &lc::RSA_PSS_2048_8192_SHA256,
        (oid::SHA384, 48) => &lc::RSA_PSS_2048_8192_SHA384,
        (oid::SHA512, 64) => &lc::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

/// A key for PSS alone may say with which hash, mask and least salt (RFC 4055 3.3).
fn key_allows(key: &AlgorithmRef<'_>, signature: &AlgorithmRef<'_>) -> bool {
    if key.parameters.is_none() {
        return true;
    }
    match (pss_parameters(key), pss_parameters(signature)) {
        (Some((wanted, least)), Some((hash, salt))) => wanted == hash && least <= salt,
        _ => false,
    }
}

/// What verifying under a key takes, in verifications under a P-256 key (some 38 us).
pub(crate) fn cost(spki: &SpkiRef<'_>) -> usize {
    match spki.algorithm.oid.as_bytes() {
        oid::EC_PUBLIC_KEY => match named_curve(spki) {
            Some(oid::SECP384R1) => 4,
            Some(oid::SECP521R1) => 6,
            _ => 1,
        },
        // A quarter at 2048 bits, and four times as much for twice the bits.
        oid::RSA_ENCRYPTION | oid::RSASSA_PSS => {
            let units = spki.rsa_bits().unwrap_or(0).min(16_384) / 2_048;
            (units * units / 4).max(1)
        }
        oid::ML_DSA_87 => 2,
        // Three exponentiations modulo 1024 bits in portable code: 1.9 ms where P-256 takes 62 us.
        oid::DSA => 32,
        _ => 1,
    }
}

fn pss_parameters<'a>(algorithm: &AlgorithmRef<'a>) -> Option<(&'a [u8], u64)> {
    let mut outer = Reader::new(algorithm.parameters?.whole);
    let mut fields = outer.sequence().ok()?;
    let mut hash = fields.optional_nested(0xa0).ok()??;
    let hash = hash_identifier(&mut hash)?;
    let mut mask = fields.optional_nested(0xa1).ok()??.sequence().ok()?;
    if mask.oid().ok()? != oid::MGF1 || hash_identifier(&mut mask)? != hash {
        return None;
    }
    let salt = fields.optional_nested(0xa2).ok()??.integer().ok()?.to_u64()?;
    fields.finish().ok()?;
    Some((hash, salt))
}

fn hash_identifier<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let mut fields = reader.sequence().ok()?;
    let hash = fields.oid().ok()?.as_bytes();
    if !fields.is_empty() {
        fields.null().ok()?;
    }
    (fields.is_empty() && reader.is_empty()).then_some(hash)
}

/// Whether the algorithm uses a hash for which collisions are known.
pub(crate) fn is_weak(algorithm: &AlgorithmRef<'_>) -> bool {
    matches!(
        algorithm.oid.as_bytes(),
        oid::MD2_WITH_RSA
            | oid::MD5_WITH_RSA
            | oid::SHA1_WITH_RSA
            | oid::ECDSA_WITH_SHA1
            | oid::DSA_WITH_SHA1
    )
}

/// Verifies `signature` over `message` with the key `spki`. A DSA key without parameters takes
/// those of `inherited`, the key that issued its certificate (RFC 3279 2.3.2).
pub(crate) fn verify(
    algorithm_id: &AlgorithmRef<'_>,
    spki: &SpkiRef<'_>,
    message: &[u8],
    signature: &[u8],
    dsa: Dsa,
    inherited: Option<&SpkiRef<'_>>,
) -> Result<(), Refusal> {
    if algorithm_id.oid == oid::DSA_WITH_SHA1 && dsa == Dsa::Verified {
        return verify_dsa(spki, message, signature, inherited)
            .ok_or(Refusal::from(Rule::SignatureInvalid));
    }
    let unsupported = || {
        if is_for_another_key(algorithm_id, spki) {
            return Refusal::from(Rule::SignatureInvalid);
        }
        let weak = is_weak(algorithm_id);
        let rule =
            if weak { Rule::SignatureAlgorithmWeak } else { Rule::SignatureAlgorithmUnsupported };
        Refusal::new(rule, Detail::Oid(algorithm_id.oid.to_string()))
    };
    let algorithm = algorithm(algorithm_id, spki).ok_or_else(unsupported)?;
    verify_with(algorithm, spki, message, signature)
}

/// The hash with which signatures of an algorithm begin, where what they sign can be given by its hash.
pub(crate) fn digest_of(algorithm: &AlgorithmRef<'_>) -> Option<&'static digest::Algorithm> {
    let hash = match algorithm.oid.as_bytes() {
        oid::RSASSA_PSS => pss_parameters(algorithm)?.0,
        other => other,
    };
    Some(match hash {
        oid::SHA256 | oid::SHA256_WITH_RSA | oid::ECDSA_WITH_SHA256 => &digest::SHA256,
        oid::SHA384 | oid::SHA384_WITH_RSA | oid::ECDSA_WITH_SHA384 => &digest::SHA384,
        oid::SHA512 | oid::SHA512_WITH_RSA | oid::ECDSA_WITH_SHA512 => &digest::SHA512,
        _ => return None,
    })
}

/// Verifies `signature` over the message with this hash, which is that of [`digest_of`].
pub(crate) fn verify_digest(
    algorithm_id: &AlgorithmRef<'_>,
    spki: &SpkiRef<'_>,
    digest: &digest::Digest,
    signature: &[u8],
) -> Result<(), Refusal> {
    let algorithm = algorithm(algorithm_id, spki).ok_or(Rule::SignatureAlgorithmUnsupported)?;
    lc::UnparsedPublicKey::new(algorithm, spki.key)
        .verify_digest(digest, signature)
        .map_err(|_| Rule::SignatureInvalid.into())
}

/// Whether a supported algorithm belongs to a key of another kind: then this key cannot have signed,
/// and there is nothing wrong with the algorithm. A namesake of the issuer looks like that.
fn is_for_another_key(algorithm: &AlgorithmRef<'_>, spki: &SpkiRef<'_>) -> bool {
    let kinds: &[&[u8]] = match algorithm.oid.as_bytes() {
        oid::SHA256_WITH_RSA | oid::SHA384_WITH_RSA | oid::SHA512_WITH_RSA => {
            &[oid::RSA_ENCRYPTION]
        }
        oid::RSASSA_PSS => &[oid::RSA_ENCRYPTION, oid::RSASSA_PSS],
        oid::ECDSA_WITH_SHA256 | oid::ECDSA_WITH_SHA384 | oid::ECDSA_WITH_SHA512 => {
            &[oid::EC_PUBLIC_KEY]
        }
        oid::ED25519 => &[oid::ED25519],
        oid::ML_DSA_44 => &[oid::ML_DSA_44],
        oid::ML_DSA_65 => &[oid::ML_DSA_65],
        oid::ML_DSA_87 => &[oid::ML_DSA_87],
        _ => return false,
    };
    !kinds.iter().any(|kind| spki.algorithm.oid == *kind)
}

/// A key made ready for signatures of one algorithm: reading it from its encoding, which checks that a
/// point lies on its curve, takes some twentieth of a verification.
#[derive(Debug)]
pub(crate) struct ReadyKey(lc::ParsedPublicKey);

impl ReadyKey {
    /// Makes a key ready, if signatures of this algorithm are verified under it at all.
    pub(crate) fn new(algorithm_id: &AlgorithmRef<'_>, spki: &SpkiRef<'_>) -> Option<Self> {
        let algorithm = algorithm(algorithm_id, spki)?;
        lc::ParsedPublicKey::new(algorithm, spki.key).ok().map(Self)
    }

    /// Verifies a signature.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Refusal> {
        self.0.verify_sig(message, signature).map_err(|_| Rule::SignatureInvalid.into())
    }
}

/// Verifies with an algorithm that was found to fit the key.
pub(crate) fn verify_with(
    algorithm: &'static dyn lc::VerificationAlgorithm,
    spki: &SpkiRef<'_>,
    message: &[u8],
    signature: &[u8],
) -> Result<(), Refusal> {
    lc::UnparsedPublicKey::new(algorithm, spki.key)
        .verify(message, signature)
        .map_err(|_| Rule::SignatureInvalid.into())
}

/// Which version of TLS a handshake's signature is from.
#[cfg(feature = "rustls")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handshake {
    /// TLS 1.2: an ECDSA scheme names the hash only, and PKCS#1 is allowed.
    Tls12,
    /// TLS 1.3: an ECDSA scheme names the curve too (RFC 8446 4.2.3).
    Tls13,
}

/// The algorithm of a TLS signature scheme, if it fits the key and the version.
#[cfg(feature = "rustls")]
pub(crate) fn handshake_algorithm(
    scheme: u16,
    spki: &SpkiRef<'_>,
    version: Handshake,
) -> Option<&'static dyn lc::VerificationAlgorithm> {
    if key_fault(spki).is_some() {
        return None;
    }
    let key = spki.algorithm.oid;
    let rsa = key == oid::RSA_ENCRYPTION;
    let tls13 = version == Handshake::Tls13;
    let ec = |hash, curve| {
        let held = named_curve(spki).filter(|_| key == oid::EC_PUBLIC_KEY)?;
        if tls13 && held != curve { None } else { ecdsa(hash, held) }
    };
    let bare = |same: &'static [u8]| if key == same { bare_algorithm(same) } else { None };
    match scheme {
        0x0403 => ec(oid::ECDSA_WITH_SHA256, oid::SECP256R1),
        0x0503 => ec(oid::ECDSA_WITH_SHA384, oid::SECP384R1),
        0x0603 => ec(oid::ECDSA_WITH_SHA512, oid::SECP521R1),
        0x0804 if rsa => Some(&lc::RSA_PSS_2048_8192_SHA256),
        0x0805 if rsa => Some(&lc::RSA_PSS_2048_8192_SHA384),
        0x0806 if rsa => Some(&lc::RSA_PSS_2048_8192_SHA512),
        0x0401 if rsa && !tls13 => Some(&lc::RSA_PKCS1_2048_8192_SHA256),
        0x0501 if rsa && !tls13 => Some(&lc::RSA_PKCS1_2048_8192_SHA384),
        0x0601 if rsa && !tls13 => Some(&lc::RSA_PKCS1_2048_8192_SHA512),
        0x0807 => bare(oid::ED25519),
        0x0904 if tls13 => bare(oid::ML_DSA_44),
        0x0905 if tls13 => bare(oid::ML_DSA_65),
        0x0906 if tls13 => bare(oid::ML_DSA_87),
        _ => None,
    }
}

/// Whether a DSA key leaves its parameters to the certificate that signed its own.
pub(crate) fn inherits_parameters(spki: &SpkiRef<'_>) -> bool {
    spki.algorithm.oid == oid::DSA
        && spki.algorithm.parameters.is_none_or(|parameters| parameters.whole == [0x05, 0x00])
}

/// The largest DSA modulus, in octets: DSA with SHA-1 has 1024 bits (FIPS 186-2), and one of 3072 bits
/// would cost as much as a whole question may.
const DSA_MODULUS: usize = 128;

fn verify_dsa(
    spki: &SpkiRef<'_>,
    message: &[u8],
    signature: &[u8],
    inherited: Option<&SpkiRef<'_>>,
) -> Option<()> {
    let source = if inherits_parameters(spki) { inherited? } else { spki };
    if spki.algorithm.oid != oid::DSA || source.algorithm.oid != oid::DSA {
        return None;
    }
    let mut parameters = Reader::new(source.algorithm.parameters?.contents);
    let (p, q) = (uint(octets(&mut parameters)?), uint(octets(&mut parameters)?));
    // The library multiplies numbers of one width modulo `p`, and panics at others.
    let wide = |octets| {
        let number = dsa::BoxedUint::from_be_slice(octets, p.bits_precision()).ok()?;
        (number < p).then_some(number)
    };
    let g = wide(octets(&mut parameters)?)?;
    let y = wide(octets(&mut Reader::new(spki.key))?)?;
    let components = dsa::Components::from_components(p, q, g).ok()?;
    let key = dsa::VerifyingKey::from_components(components, y).ok()?;
    let mut pair = Reader::new(signature).sequence().ok()?;
    let (r, s) = (uint(octets(&mut pair)?), uint(octets(&mut pair)?));
    let signature = dsa::Signature::from_components(r, s)?;
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, message);
    key.verify_prehash(hash.as_ref(), &signature).ok()
}

/// The octets of the next number, which must not be negative and of a size that DSA has.
fn octets<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let value = reader.integer().ok()?;
    let fits = !value.is_negative() && value.magnitude().len() <= DSA_MODULUS;
    fits.then(|| value.magnitude())
}

fn uint(octets: &[u8]) -> dsa::BoxedUint {
    dsa::BoxedUint::from_be_slice_vartime(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustmq_pki::der::{self, Element};

    fn algorithm_der(oid: &[u8], parameters: &[u8]) -> Vec<u8> {
        let oid = der::constructed(der::tag::OID, &[oid]);
        der::constructed(der::tag::SEQUENCE, &[&oid, parameters])
    }

    fn refusal(algorithm: &[u8], parameters: &[u8]) -> Rule {
        let key = der::constructed(der::tag::BIT_STRING, &[&[0; 33]]);
        let spki = algorithm_der(oid::ED25519, &[]);
        let spki = der::constructed(der::tag::SEQUENCE, &[&spki, &key]);
        let algorithm = algorithm_der(algorithm, parameters);
        let algorithm = AlgorithmRef::read(&mut Reader::new(&algorithm)).unwrap();
        let spki = SpkiRef::from_der(&spki).unwrap();
        verify(&algorithm, &spki, b"message", &[0; 64], Dsa::Refused, None).unwrap_err().rule
    }

    #[test]
    fn a_key_of_another_kind_has_not_signed() {
        assert_eq!(refusal(oid::ECDSA_WITH_SHA256, &[]), Rule::SignatureInvalid);
        assert_eq!(refusal(oid::SHA256_WITH_RSA, &[5, 0]), Rule::SignatureInvalid);
        assert_eq!(refusal(oid::ED25519, &[5, 0]), Rule::SignatureAlgorithmUnsupported);
        assert_eq!(refusal(oid::MD5_WITH_RSA, &[5, 0]), Rule::SignatureAlgorithmWeak);
        assert_eq!(refusal(&[0x2a, 3], &[]), Rule::SignatureAlgorithmUnsupported);
    }

    fn pss(hash: &[u8], salt: u8) -> Vec<u8> {
        let hash = algorithm_der(hash, &[0x05, 0x00]);
        let mask = algorithm_der(oid::MGF1, &hash);
        let parameters = [
            der::constructed(0xa0, &[&hash]),
            der::constructed(0xa1, &[&mask]),
            der::constructed(0xa2, &[&[0x02, 0x01, salt]]),
        ]
        .concat();
        algorithm_der(oid::RSASSA_PSS, &der::constructed(der::tag::SEQUENCE, &[&parameters]))
    }

    fn spki(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
        let bits = der::constructed(der::tag::BIT_STRING, &[&[0], key]);
        der::constructed(der::tag::SEQUENCE, &[algorithm, &bits])
    }

    /// Whether a key may have made signatures of an algorithm.
    fn fits(spki: &[u8], signature: &[u8]) -> bool {
        let signature = AlgorithmRef::read(&mut Reader::new(signature)).unwrap();
        algorithm(&signature, &SpkiRef::from_der(spki).unwrap()).is_some()
    }

    #[test]
    fn a_key_for_pss_limits_its_signatures() {
        let small = pss(oid::SHA256, 32);
        let (bare, rsa) =
            (algorithm_der(oid::RSASSA_PSS, &[]), algorithm_der(oid::RSA_ENCRYPTION, &[5, 0]));
        for key in [&bare, &rsa, &small, &pss(oid::SHA256, 20)] {
            assert!(fits(&spki(key, &[0x30, 0x00]), &small));
        }
        for key in [pss(oid::SHA512, 64), pss(oid::SHA256, 33)] {
            assert!(!fits(&spki(&key, &[0x30, 0x00]), &small));
        }
    }

    fn ec(curve: &[u8], first: u8) -> Vec<u8> {
        let curve = der::constructed(der::tag::OID, &[curve]);
        spki(&algorithm_der(oid::EC_PUBLIC_KEY, &curve), &[&[first][..], &[7; 64]].concat())
    }

    #[test]
    fn hybrid_points_are_no_keys() {
        let signature = algorithm_der(oid::ECDSA_WITH_SHA256, &[]);
        let good = |first| fits(&ec(oid::SECP256R1, first), &signature);
        assert_eq!([0x04, 0x06, 0x07].map(good), [true, false, false]);
        #[cfg(feature = "rustls")]
        for (first, fits) in [(0x04, true), (0x06, false), (0x07, false)] {
            let key = ec(oid::SECP256R1, first);
            let key = SpkiRef::from_der(&key).unwrap();
            assert_eq!(handshake_algorithm(0x0403, &key, Handshake::Tls13).is_some(), fits);
        }
    }

    #[test]
    fn slow_keys_cost_more() {
        let cost = |der: &[u8]| cost(&SpkiRef::from_der(der).unwrap());
        let curves = [oid::SECP256R1, oid::SECP384R1, oid::SECP521R1];
        assert_eq!(curves.map(|curve| cost(&ec(curve, 4))), [1, 4, 6]);
        let rsa = |octets: usize| {
            let modulus = der::constructed(der::tag::INTEGER, &[&[0], &vec![0x80; octets]]);
            let key = [&modulus, &[0x02, 0x03, 0x01, 0x00, 0x01][..]].concat();
            let key = der::constructed(der::tag::SEQUENCE, &[&key]);
            cost(&spki(&algorithm_der(oid::RSA_ENCRYPTION, &[]), &key))
        };
        assert_eq!([128, 256, 512, 1_024].map(rsa), [1, 1, 1, 4]);
    }

    /// Numbers of every width in every place: no library that works with them may panic.
    #[test]
    fn numbers_of_a_dsa_key_may_be_of_any_width() {
        let integer = |octets: &[u8]| der::constructed(der::tag::INTEGER, &[octets]);
        let (p, q) =
            ([&[0, 0xff][..], &[0xf1; 127]].concat(), [&[0, 0xfb][..], &[0xa7; 19]].concat());
        let widths: [Vec<u8>; 5] =
            [vec![2], vec![5], vec![0x11; 9], vec![0x11; 128], [&[0][..], &[0xff; 128]].concat()];
        let hash = algorithm_der(oid::DSA_WITH_SHA1, &[]);
        let algorithm = AlgorithmRef::read(&mut Reader::new(&hash)).unwrap();
        for (g, y) in widths.iter().flat_map(|g| widths.iter().map(move |y| (g, y))) {
            for (r, s) in widths.iter().flat_map(|r| widths.iter().map(move |s| (r, s))) {
                let parameters = [integer(&p), integer(&q), integer(g)].concat();
                let parameters = der::constructed(der::tag::SEQUENCE, &[&parameters]);
                let key = spki(&algorithm_der(oid::DSA, &parameters), &integer(y));
                let pair = der::constructed(der::tag::SEQUENCE, &[&integer(r), &integer(s)]);
                let key = SpkiRef::from_der(&key).unwrap();
                assert!(verify(&algorithm, &key, b"", &pair, Dsa::Verified, None).is_err());
            }
        }
    }
}
