//! Public keys, the algorithms they belong to, and the seam behind which private keys stay.

pub mod software;
mod spki;

pub use spki::is_weak_ed25519;

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use crate::hex;

/// A key algorithm with its size. Hash and signature algorithm follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KeyType {
    /// ECDSA on NIST P-256 with SHA-256.
    #[serde(rename = "p256")]
    P256,
    /// ECDSA on NIST P-384 with SHA-384.
    #[serde(rename = "p384")]
    P384,
    /// ECDSA on NIST P-521 with SHA-512.
    #[serde(rename = "p521")]
    P521,
    /// Ed25519 (RFC 8410).
    #[serde(rename = "ed25519")]
    Ed25519,
    /// RSA with 2048 bits, PKCS#1 v1.5 with SHA-256.
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    /// RSA with 3072 bits, PKCS#1 v1.5 with SHA-256.
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    /// RSA with 4096 bits, PKCS#1 v1.5 with SHA-512.
    #[serde(rename = "rsa-4096")]
    Rsa4096,
    /// ML-DSA-44 (FIPS 204, RFC 9881).
    #[serde(rename = "ml-dsa-44")]
    MlDsa44,
    /// ML-DSA-65 (FIPS 204, RFC 9881).
    #[serde(rename = "ml-dsa-65")]
    MlDsa65,
    /// ML-DSA-87 (FIPS 204, RFC 9881).
    #[serde(rename = "ml-dsa-87")]
    MlDsa87,
}

impl KeyType {
    /// Every key type.
    pub const ALL: [Self; 10] = [
        Self::P256,
        Self::P384,
        Self::P521,
        Self::Ed25519,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
    ];

    /// The name that is typed and shown, such as `p256` or `rsa-3072`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::P521 => "p521",
            Self::Ed25519 => "ed25519",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
            Self::MlDsa44 => "ml-dsa-44",
            Self::MlDsa65 => "ml-dsa-65",
            Self::MlDsa87 => "ml-dsa-87",
        }
    }

    /// The AlgorithmIdentifier (DER) of the signatures that a key of this type makes.
    pub const fn signature_algorithm(self) -> &'static [u8] {
        match self {
            Self::P256 => b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02",
            Self::P384 => b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03",
            Self::P521 => b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04",
            Self::Ed25519 => b"\x30\x05\x06\x03\x2b\x65\x70",
            Self::Rsa2048 | Self::Rsa3072 => {
                b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00"
            }
            Self::Rsa4096 => b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d\x05\x00",
            Self::MlDsa44 => b"\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x11",
            Self::MlDsa65 => b"\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x12",
            Self::MlDsa87 => b"\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x13",
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// No key type has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no key type {0:?}: a key type is p256, p384, p521, ed25519, rsa-2048, rsa-3072, \
     rsa-4096, ml-dsa-44, ml-dsa-65 or ml-dsa-87"
)]
pub struct UnknownKeyType(pub String);

impl FromStr for KeyType {
    type Err = UnknownKeyType;

    /// Case, `-` and `_` do not matter: `P-256`, `rsa2048` and `ML-DSA-65` are understood, and so are
    /// the curves' names in SEC 2 and ANSI X9.62 (RFC 5480 2.1.1.1).
    fn from_str(text: &str) -> Result<Self, UnknownKeyType> {
        let plain = |name: &str| name.replace(['-', '_'], "").to_ascii_lowercase();
        let curve = match plain(text).as_str() {
            "secp256r1" | "prime256v1" | "nistp256" => Some(Self::P256),
            "secp384r1" | "nistp384" => Some(Self::P384),
            "secp521r1" | "nistp521" => Some(Self::P521),
            _ => None,
        };
        let named = || Self::ALL.into_iter().find(|known| plain(known.as_str()) == plain(text));
        curve.or_else(named).ok_or_else(|| UnknownKeyType(text.to_owned()))
    }
}

/// Why a key is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The SubjectPublicKeyInfo or PKCS#8 structure is broken, or bytes follow it.
    #[error("the key is not well-formed DER, or bytes follow it")]
    Malformed,
    /// An algorithm that this authority does not certify.
    #[error(
        "the key's algorithm {0} is not supported: use P-256, P-384, P-521, Ed25519, RSA or ML-DSA"
    )]
    UnsupportedAlgorithm(String),
    /// An elliptic curve that is spelled out in place of its name.
    #[error(
        "the key spells its elliptic curve out (explicit parameters), and RFC 5480 2.1.1 allows \
         named curves only: use P-256, P-384 or P-521"
    )]
    ExplicitCurve,
    /// An RSA modulus of another size.
    #[error("an RSA key of {bits} bits is not accepted: use 2048, 3072 or 4096 bits")]
    RsaSize {
        /// Bits of the modulus.
        bits: usize,
    },
    /// An even RSA modulus.
    #[error("the RSA modulus is even, so it is no product of two primes")]
    RsaModulus,
    /// An RSA exponent other than 65537.
    #[error("the RSA public exponent is not accepted: use 65537")]
    RsaExponent,
    /// An elliptic-curve point that is compressed or not on the curve, or a key of wrong length.
    #[error("the public key is not a valid uncompressed point, or not of the right length")]
    InvalidPoint,
    /// Encrypted in a way that is not opened: parameters that no sane key has, or another scheme.
    #[error(
        "the key's encryption is not supported: it needs PBES2 with scrypt (N up to 2^20) or PBKDF2 (up \
         to 10,000,000 rounds)"
    )]
    UnsupportedEncryption,
    /// Decryption gave no key: in all likelihood the passphrase.
    #[error("the passphrase does not open the key")]
    WrongPassphrase,
    /// The library could not make or use the key.
    #[error("the cryptographic library refused the operation")]
    Crypto,
}

/// SHA-256 of something public; displays and parses as lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// The SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut octets = [0; 32];
        octets.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
        Self(octets)
    }

    /// The 32 octets.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(f, &self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// A public key of a supported type, as its SubjectPublicKeyInfo (RFC 5280 4.1.2.7).
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    key_type: KeyType,
    spki: Vec<u8>,
    /// Where the subjectPublicKey's octets start in `spki`; they run to its end.
    key_at: usize,
}

impl PublicKey {
    /// Reads a DER SubjectPublicKeyInfo, and checks size and exponent, that a point of a NIST curve is
    /// on it, and that an Ed25519 point is not one of small order.
    pub fn from_spki(spki: &[u8]) -> Result<Self, KeyError> {
        spki::parse(spki)
    }

    /// [`Self::from_spki`] for a key that comes with a signature of its own over `message`; `None`
    /// where that does not verify. The point is read once, by the verification.
    pub(crate) fn proven(
        spki: &[u8],
        algorithm: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<Option<Self>, KeyError> {
        let key = spki::parse_form(spki)?;
        if key.verifies(algorithm, message, signature) {
            return Ok(Some(key));
        }
        // A point that is not on its curve is told as such.
        Self::from_spki(spki).map(|_| None)
    }

    /// The DER of the SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The octets of the subjectPublicKey BIT STRING.
    pub fn key_octets(&self) -> &[u8] {
        &self.spki[self.key_at..]
    }

    /// Algorithm and size.
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// SHA-256 of the SubjectPublicKeyInfo.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.spki)
    }

    /// The key identifier of our certificates: the leftmost 160 bits of the SHA-256 of the
    /// subjectPublicKey (RFC 7093 2, method 1).
    pub fn key_id(&self) -> [u8; 20] {
        let mut id = [0; 20];
        id.copy_from_slice(&Fingerprint::of(self.key_octets()).0[..20]);
        id
    }

    /// Whether signatures with `algorithm` (the DER of an AlgorithmIdentifier) are looked at under this
    /// key.
    pub fn accepts(&self, algorithm: &[u8]) -> bool {
        spki::verification_algorithm(self.key_type, algorithm).is_some()
    }

    /// Whether `signature` over `message`, made with `algorithm` (the DER of an
    /// AlgorithmIdentifier), verifies under this key. SHA-1 and MD5 never do.
    pub fn verifies(&self, algorithm: &[u8], message: &[u8], signature: &[u8]) -> bool {
        spki::verification_algorithm(self.key_type, algorithm).is_some_and(|algorithm| {
            aws_lc_rs::signature::UnparsedPublicKey::new(algorithm, self.key_octets())
                .verify(message, signature)
                .is_ok()
        })
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.key_type, self.fingerprint())
    }
}

/// A signature could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The software key's library refused.
    #[error("the cryptographic library could not sign")]
    Crypto,
    /// A signer outside the process (a token, a network service) failed.
    #[error("the signer failed: {0}")]
    Device(Box<dyn std::error::Error + Send + Sync>),
}

/// A private key that can sign, wherever it lives: the seam for hardware.
pub trait Signer: Send + Sync {
    /// Algorithm and size; the signature algorithm follows from it.
    fn key_type(&self) -> KeyType {
        self.public_key().key_type()
    }

    /// The public half.
    fn public_key(&self) -> &PublicKey;

    /// Signs `message` (hashed here as the algorithm wants it), and returns the octets of the
    /// certificate's signatureValue.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;

    /// [`Self::sign`] for a message whose SHA-256 is known: a signer that hashes with it, and takes the
    /// digest alone, need not read the message again. `digest` is that of `message`.
    fn sign_hashed(&self, message: &[u8], _digest: &Fingerprint) -> Result<Vec<u8>, SignError> {
        self.sign(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_spellings_are_forgiven() {
        for key_type in KeyType::ALL {
            assert_eq!(key_type.as_str().parse(), Ok(key_type));
            let json = serde_json::to_string(&key_type).unwrap();
            assert_eq!(json, format!("\"{key_type}\""));
        }
        assert_eq!("P-256".parse(), Ok(KeyType::P256));
        assert_eq!("RSA4096".parse(), Ok(KeyType::Rsa4096));
        assert!("rsa-1024".parse::<KeyType>().is_err());
        assert!("secp256k1".parse::<KeyType>().is_err());
    }
}
