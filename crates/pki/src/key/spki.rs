//! SubjectPublicKeyInfo: which keys are taken, and how each is verified with.

use aws_lc_rs::signature as aws;

use super::{KeyError, KeyType, PublicKey};
use crate::der::{Reader, tag};
use crate::encode::Encoder;
use crate::oid;

/// Types whose SubjectPublicKeyInfo is one fixed header and a key of one length.
const FIXED: [(KeyType, &[u8], usize); 7] = [
    (
        KeyType::P256,
        b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\
          \x07\x03\x42\x00",
        65,
    ),
    (
        KeyType::P384,
        b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\
          \x00",
        97,
    ),
    (
        KeyType::P521,
        b"\x30\x81\x9b\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23\x03\
          \x81\x86\x00",
        133,
    ),
    (KeyType::Ed25519, b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", 32),
    (
        KeyType::MlDsa44,
        b"\x30\x82\x05\x32\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x11\x03\x82\x05\x21\x00",
        1312,
    ),
    (
        KeyType::MlDsa65,
        b"\x30\x82\x07\xb2\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x12\x03\x82\x07\xa1\x00",
        1952,
    ),
    (
        KeyType::MlDsa87,
        b"\x30\x82\x0a\x32\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x13\x03\x82\x0a\x21\x00",
        2592,
    ),
];

/// rsaEncryption with its NULL parameters (RFC 4055 1.2).
const RSA_ALGORITHM: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";

/// The SubjectPublicKeyInfo of a key that the library made itself, so that nothing is checked again.
pub(super) fn of_own_key(key_type: KeyType, key_octets: &[u8]) -> PublicKey {
    let fixed = FIXED.iter().find(|(fixed, _, _)| *fixed == key_type);
    let spki = if let Some((_, header, _)) = fixed {
        let mut spki = Vec::with_capacity(header.len() + key_octets.len());
        spki.extend_from_slice(header);
        spki.extend_from_slice(key_octets);
        spki
    } else {
        let mut spki = Encoder::with_capacity(key_octets.len() + 32);
        spki.nested(tag::SEQUENCE, |info| {
            info.raw(RSA_ALGORITHM).nested_bit_string(|bits| _ = bits.raw(key_octets));
        });
        spki.into_bytes()
    };
    PublicKey { key_type, key_at: spki.len() - key_octets.len(), spki }
}

pub(super) fn parse(spki: &[u8]) -> Result<PublicKey, KeyError> {
    let key = parse_form(spki)?;
    check_point(key.key_type, key.key_octets())?;
    Ok(key)
}

/// [`parse`] without the check that the point of a NIST curve is on it: who verifies with the key
/// finds that out.
pub(super) fn parse_form(spki: &[u8]) -> Result<PublicKey, KeyError> {
    for (key_type, header, length) in FIXED {
        if let Some(key) = spki.strip_prefix(header)
            && key.len() == length
        {
            if key_type == KeyType::Ed25519 && is_weak_ed25519(key) {
                return Err(KeyError::InvalidPoint);
            }
            return Ok(PublicKey { key_type, spki: spki.to_vec(), key_at: header.len() });
        }
    }
    let (algorithm, key) = split(spki).ok_or(KeyError::Malformed)?;
    if algorithm == RSA_ALGORITHM {
        let key_type = rsa_key_type(key)?;
        return Ok(PublicKey { key_type, spki: spki.to_vec(), key_at: spki.len() - key.len() });
    }
    // An algorithm of ours whose key did not have its one form: compressed, short or long.
    if FIXED.iter().any(|(_, header, _)| windows_contain(header, algorithm)) {
        return Err(KeyError::InvalidPoint);
    }
    if has_explicit_curve(algorithm) {
        return Err(KeyError::ExplicitCurve);
    }
    Err(KeyError::UnsupportedAlgorithm(algorithm_name(algorithm)))
}

/// AlgorithmIdentifier and subjectPublicKey octets of a well-formed SubjectPublicKeyInfo.
fn split(spki: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut outer = Reader::new(spki);
    let mut info = outer.nested(tag::SEQUENCE).ok()?;
    outer.finish().ok()?;
    let algorithm = info.element(tag::SEQUENCE).ok()?.whole;
    let key = info.bit_string().ok()?.octets().ok()?;
    info.finish().ok()?;
    Some((algorithm, key))
}

fn windows_contain(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Whether id-ecPublicKey is followed by ECParameters that are a SEQUENCE (ANSI X9.62 `specifiedCurve`).
fn has_explicit_curve(algorithm: &[u8]) -> bool {
    let mut outer = Reader::new(algorithm);
    let Ok(mut identifier) = outer.nested(tag::SEQUENCE) else { return false };
    identifier.oid().is_ok_and(|oid| oid.as_bytes() == oid::EC_PUBLIC_KEY)
        && identifier.element(tag::SEQUENCE).is_ok()
}

fn algorithm_name(algorithm: &[u8]) -> String {
    let name = || {
        let mut outer = Reader::new(algorithm);
        let mut identifier = outer.nested(tag::SEQUENCE).ok()?;
        let algorithm = identifier.oid().ok()?;
        if algorithm.as_bytes() == oid::EC_PUBLIC_KEY
            && let Ok(curve) = identifier.oid()
        {
            return Some(format!("{algorithm} with curve {curve}"));
        }
        Some(algorithm.to_string())
    };
    name().unwrap_or_else(|| "of unknown form".to_owned())
}

fn check_point(key_type: KeyType, key: &[u8]) -> Result<(), KeyError> {
    let algorithm =
        verification_algorithm(key_type, key_type.signature_algorithm()).ok_or(KeyError::Crypto)?;
    aws::ParsedPublicKey::new(algorithm, key).map(drop).map_err(|_| KeyError::InvalidPoint)
}

/// Points of small order, under which a signature made without any private key verifies, and
/// encodings of y that are not reduced modulo 2^255 - 19 (RFC 8032 5.1.3): whether the octets of an Ed25519
/// key are one of these. The sign bit is ignored.
pub fn is_weak_ed25519(key: &[u8]) -> bool {
    const ORDER_8: [&[u8; 31]; 2] = [
        b"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\
          \x33\x39\xb1\x38\x02\x88\x6d\x53\xfc",
        b"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\
          \xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03",
    ];
    let Some((last, low)) = key.split_last() else { return true };
    let last = last & 0x7f;
    let of_order_8 = (last == 0x05 && low == ORDER_8[0]) || (last == 0x7a && low == ORDER_8[1]);
    let zero_or_one = last == 0 && low[0] <= 1 && low[1..].iter().all(|octet| *octet == 0);
    // p - 1 has order 2; p and above are not reduced.
    let from_p_minus_1 =
        last == 0x7f && low[0] >= 0xec && low[1..].iter().all(|octet| *octet == 0xff);
    of_order_8 || zero_or_one || from_p_minus_1
}

fn rsa_key_type(key: &[u8]) -> Result<KeyType, KeyError> {
    let read = || {
        let mut outer = Reader::new(key);
        let mut sequence = outer.nested(tag::SEQUENCE).ok()?;
        outer.finish().ok()?;
        let modulus = sequence.integer().ok().filter(|n| !n.is_negative())?;
        let exponent = sequence.integer().ok().filter(|n| !n.is_negative())?;
        sequence.finish().ok()?;
        Some((modulus.magnitude(), exponent.magnitude()))
    };
    let (modulus, exponent) = read().ok_or(KeyError::Malformed)?;
    let top = modulus.first().ok_or(KeyError::Malformed)?;
    let bits = modulus.len() * 8 - top.leading_zeros() as usize;
    // One exponent only: with another, the same modulus would pass for a key never seen before.
    if exponent != [1, 0, 1] {
        return Err(KeyError::RsaExponent);
    }
    if modulus.last().is_none_or(|last| last & 1 == 0) {
        return Err(KeyError::RsaModulus);
    }
    match bits {
        2048 => Ok(KeyType::Rsa2048),
        3072 => Ok(KeyType::Rsa3072),
        4096 => Ok(KeyType::Rsa4096),
        bits => Err(KeyError::RsaSize { bits }),
    }
}

/// How a signature with this AlgorithmIdentifier is verified under a key of this type.
pub(super) fn verification_algorithm(
    key_type: KeyType,
    algorithm: &[u8],
) -> Option<&'static dyn aws::VerificationAlgorithm> {
    let rsa = |oid_end: u8| match oid_end {
        0x0b => Some(&aws::RSA_PKCS1_2048_8192_SHA256 as &'static dyn aws::VerificationAlgorithm),
        0x0c => Some(&aws::RSA_PKCS1_2048_8192_SHA384 as _),
        0x0d => Some(&aws::RSA_PKCS1_2048_8192_SHA512 as _),
        _ => None,
    };
    let ecdsa = |[sha256, sha384, sha512]: [&'static dyn aws::VerificationAlgorithm; 3]| {
        [(KeyType::P256, sha256), (KeyType::P384, sha384), (KeyType::P521, sha512)]
            .into_iter()
            .find(|(hash_of, _)| hash_of.signature_algorithm() == algorithm)
            .map(|(_, verification)| verification)
    };
    match key_type {
        KeyType::P256 => ecdsa([
            &aws::ECDSA_P256_SHA256_ASN1,
            &aws::ECDSA_P256_SHA384_ASN1,
            &aws::ECDSA_P256_SHA512_ASN1,
        ]),
        KeyType::P384 => ecdsa([
            &aws::ECDSA_P384_SHA256_ASN1,
            &aws::ECDSA_P384_SHA384_ASN1,
            &aws::ECDSA_P384_SHA512_ASN1,
        ]),
        KeyType::P521 => ecdsa([
            &aws::ECDSA_P521_SHA256_ASN1,
            &aws::ECDSA_P521_SHA384_ASN1,
            &aws::ECDSA_P521_SHA512_ASN1,
        ]),
        KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => {
            // sha256, sha384 and sha512WithRSAEncryption differ in the OID's last octet.
            let prefix = &KeyType::Rsa2048.signature_algorithm()[..12];
            match algorithm.strip_prefix(prefix) {
                Some([oid_end, 0x05, 0x00]) => rsa(*oid_end),
                _ => pss_algorithm(algorithm),
            }
        }
        fixed if fixed.signature_algorithm() == algorithm => match fixed {
            KeyType::Ed25519 => Some(&aws::ED25519),
            KeyType::MlDsa44 => Some(&aws::ML_DSA_44),
            KeyType::MlDsa65 => Some(&aws::ML_DSA_65),
            KeyType::MlDsa87 => Some(&aws::ML_DSA_87),
            _ => None,
        },
        _ => None,
    }
}

/// RSASSA-PSS with SHA-2 throughout and a salt as long as the hash (RFC 4055 3.1), in the one DER
/// form that tools write.
fn pss_algorithm(algorithm: &[u8]) -> Option<&'static dyn aws::VerificationAlgorithm> {
    let hashes: [(u8, u8, &'static dyn aws::VerificationAlgorithm); 3] = [
        (1, 32, &aws::RSA_PSS_2048_8192_SHA256),
        (2, 48, &aws::RSA_PSS_2048_8192_SHA384),
        (3, 64, &aws::RSA_PSS_2048_8192_SHA512),
    ];
    hashes
        .into_iter()
        .find(|(hash, salt, _)| pss_identifier(*hash, *salt) == algorithm)
        .map(|(_, _, verification)| verification)
}

fn pss_identifier(hash: u8, salt: u8) -> Vec<u8> {
    let hash = [0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, hash, 5, 0];
    let mut identifier = Encoder::default();
    identifier.nested(tag::SEQUENCE, |sequence| {
        sequence.oid(oid::RSASSA_PSS).nested(tag::SEQUENCE, |parameters| {
            parameters.nested(tag::context_constructed(0), |e| _ = e.raw(&hash));
            parameters.nested(tag::context_constructed(1), |e| {
                e.nested(tag::SEQUENCE, |mgf| _ = mgf.oid(oid::MGF1).raw(&hash));
            });
            parameters.nested(tag::context_constructed(2), |e| _ = e.unsigned(&[salt]));
        });
    });
    identifier.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::software::SoftwareKey;
    use crate::key::{KeyType, Signer};

    #[test]
    fn own_keys_read_back_as_themselves() {
        for key_type in [KeyType::P256, KeyType::P384, KeyType::P521, KeyType::Ed25519]
            .into_iter()
            .chain([KeyType::Rsa2048, KeyType::MlDsa44, KeyType::MlDsa65, KeyType::MlDsa87])
        {
            let key = SoftwareKey::generate(key_type).unwrap();
            let parsed = PublicKey::from_spki(key.public_key().spki()).unwrap();
            assert_eq!(&parsed, key.public_key());
            assert_eq!(parsed.key_type(), key_type);
            let signature = key.sign(b"message").unwrap();
            let algorithm = key_type.signature_algorithm();
            assert!(parsed.verifies(algorithm, b"message", &signature), "{key_type}");
            assert!(!parsed.verifies(algorithm, b"another", &signature), "{key_type}");
        }
    }

    #[test]
    fn what_is_not_taken() {
        let key = SoftwareKey::generate(KeyType::P256).unwrap();
        let spki = key.public_key().spki().to_vec();
        let mut trailing = spki.clone();
        trailing.push(0);
        assert_eq!(PublicKey::from_spki(&trailing), Err(KeyError::Malformed));
        let mut off_curve = spki.clone();
        *off_curve.last_mut().unwrap() ^= 1;
        assert_eq!(PublicKey::from_spki(&off_curve), Err(KeyError::InvalidPoint));
        assert_eq!(PublicKey::from_spki(&[]), Err(KeyError::Malformed));
        // secp256k1 in place of P-256: 1.3.132.0.10.
        let mut curve = Encoder::default();
        curve.nested(0x30, |info| {
            info.nested(0x30, |a| {
                a.oid(oid::EC_PUBLIC_KEY).oid(&[0x2b, 0x81, 0x04, 0x00, 0x0a]);
            });
            info.nested_bit_string(|bits| _ = bits.raw(&spki[26..]));
        });
        let error = PublicKey::from_spki(&curve.into_bytes()).unwrap_err();
        assert!(error.to_string().contains("1.3.132.0.10"), "{error}");
    }

    #[test]
    fn a_curve_that_is_spelled_out_is_named_as_such() {
        let mut explicit = Encoder::default();
        explicit.nested(tag::SEQUENCE, |info| {
            info.nested(tag::SEQUENCE, |algorithm| {
                algorithm.oid(oid::EC_PUBLIC_KEY);
                algorithm.nested(tag::SEQUENCE, |parameters| _ = parameters.unsigned(&[1]));
            });
            info.nested_bit_string(|bits| _ = bits.raw(&[4; 65]));
        });
        let error = PublicKey::from_spki(&explicit.into_bytes()).unwrap_err();
        assert_eq!(error, KeyError::ExplicitCurve);
    }

    #[test]
    fn weak_rsa_is_refused() {
        let rsa = |bits: usize, exponent: &[u8]| {
            let mut modulus = vec![0xff; bits / 8];
            modulus[0] = 0x80;
            let mut key = Encoder::default();
            key.nested(0x30, |k| _ = k.unsigned(&modulus).unsigned(exponent));
            PublicKey::from_spki(of_own_key(KeyType::Rsa2048, &key.into_bytes()).spki())
        };
        assert_eq!(rsa(1024, &[1, 0, 1]), Err(KeyError::RsaSize { bits: 1024 }));
        assert_eq!(rsa(8192, &[1, 0, 1]), Err(KeyError::RsaSize { bits: 8192 }));
        assert_eq!(rsa(2048, &[3]), Err(KeyError::RsaExponent));
        assert_eq!(rsa(2048, &[1, 0, 2]), Err(KeyError::RsaExponent));
        assert_eq!(rsa(2048, &[1, 0, 3]), Err(KeyError::RsaExponent));
        assert_eq!(rsa(3072, &[1, 0, 1]).unwrap().key_type(), KeyType::Rsa3072);
    }

    #[test]
    fn even_moduli_and_points_of_small_order_are_refused() {
        let mut key = Encoder::default();
        let mut modulus = vec![0; 256];
        modulus[0] = 0x80;
        key.nested(0x30, |k| _ = k.unsigned(&modulus).unsigned(&[1, 0, 1]));
        let even = of_own_key(KeyType::Rsa2048, &key.into_bytes());
        assert_eq!(PublicKey::from_spki(even.spki()), Err(KeyError::RsaModulus));
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut unreduced = [0xff; 32];
        unreduced[0] = 0xee;
        for (point, sign) in [(identity, 0), (identity, 0x80), (unreduced, 0), ([0; 32], 0)] {
            let mut point = point;
            point[31] |= sign;
            let weak = of_own_key(KeyType::Ed25519, &point);
            assert_eq!(PublicKey::from_spki(weak.spki()), Err(KeyError::InvalidPoint));
        }
    }
}
