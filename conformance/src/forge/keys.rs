//! A pool of keys: making an RSA key takes as long as a thousand signatures.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use rustmq_pki::key::software::SoftwareKey;
use rustmq_pki::key::{KeyType, Signer};

/// A kind of key that the pool has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// ECDSA on P-256.
    P256,
    /// Ed25519.
    Ed25519,
    /// RSA with 2048 bits; the pool has four, so that numbers four apart are one key.
    Rsa2048,
}

/// A key of the pool.
pub struct Key {
    signer: SoftwareKey,
}

/// How many RSA keys are made at most.
const RSA_KEYS: usize = 4;

/// The key of this kind with this number, the same for the life of the process.
///
/// # Panics
/// If the cryptographic library makes no key.
pub fn key(kind: KeyKind, number: usize) -> &'static Key {
    static POOL: Mutex<BTreeMap<(KeyKind, usize), &'static Key>> = Mutex::new(BTreeMap::new());
    let (key_type, number) = match kind {
        KeyKind::P256 => (KeyType::P256, number),
        KeyKind::Ed25519 => (KeyType::Ed25519, number),
        KeyKind::Rsa2048 => (KeyType::Rsa2048, number % RSA_KEYS),
    };
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    pool.entry((kind, number)).or_insert_with(|| {
        let signer = SoftwareKey::generate(key_type).expect("the library makes keys");
        // A pool lives as long as the process, and so do its keys.
        Box::leak(Box::new(Key { signer }))
    })
}

impl Key {
    /// The SubjectPublicKeyInfo.
    pub fn spki(&self) -> Vec<u8> {
        self.signer.public_key().spki().to_vec()
    }

    /// The SHA-1 of the key, as key identifiers have it (RFC 5280 4.2.1.2).
    pub fn id(&self) -> Vec<u8> {
        self.signer.public_key().key_id().to_vec()
    }

    /// The AlgorithmIdentifier of the signatures that it makes.
    pub fn algorithm(&self) -> Vec<u8> {
        self.signer.key_type().signature_algorithm().to_vec()
    }

    /// Signs a message with the algorithm of the key.
    ///
    /// # Panics
    /// If the cryptographic library does not sign.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.signer.sign(message).expect("the library signs")
    }

    /// The octets of the public key, as the SHA-1 of an OCSP CertID wants them.
    pub fn octets(&self) -> Vec<u8> {
        self.signer.public_key().key_octets().to_vec()
    }
}

/// AlgorithmIdentifiers that a forged certificate can claim.
pub mod algorithm {
    /// sha1WithRSAEncryption.
    pub const SHA1_WITH_RSA: &[u8] =
        b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05\x05\x00";
    /// md5WithRSAEncryption.
    pub const MD5_WITH_RSA: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04\x05\x00";
    /// ecdsa-with-SHA1.
    pub const ECDSA_WITH_SHA1: &[u8] = b"\x30\x09\x06\x07\x2a\x86\x48\xce\x3d\x04\x01";
    /// An algorithm that nobody knows: 1.3.6.1.4.1.99999.1.
    pub const UNKNOWN: &[u8] = b"\x30\x0b\x06\x09\x2b\x06\x01\x04\x01\x86\x8d\x1f\x01";
}
