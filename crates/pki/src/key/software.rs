//! Private keys in this process's memory, and their forms at rest.

use std::fmt;

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::encoding::{AsBigEndian, AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, ML_DSA_44_SIGNING,
    ML_DSA_65_SIGNING, ML_DSA_87_SIGNING, PqdsaKeyPair, PqdsaSigningAlgorithm, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA512, RsaKeyPair,
};
use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::der::Encode;
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::pkcs5::{EncryptionScheme, pbes2};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{Fingerprint, KeyError, KeyType, PublicKey, SignError, Signer, spki};

/// PEM label of an unencrypted PKCS#8 key.
const PRIVATE_KEY: &str = "PRIVATE KEY";

/// A private key held by the cryptographic library, which clears its memory when dropped.
pub struct SoftwareKey {
    pair: Pair,
    public_key: PublicKey,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
    MlDsa(PqdsaKeyPair),
}

/// How the library makes a key of a type.
enum Recipe {
    Ecdsa(&'static EcdsaSigningAlgorithm),
    Ed25519,
    Rsa(aws_lc_rs::rsa::KeySize),
    MlDsa(&'static PqdsaSigningAlgorithm),
}

const fn recipe(key_type: KeyType) -> Recipe {
    use aws_lc_rs::rsa::KeySize;
    match key_type {
        KeyType::P256 => Recipe::Ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
        KeyType::P384 => Recipe::Ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING),
        KeyType::P521 => Recipe::Ecdsa(&ECDSA_P521_SHA512_ASN1_SIGNING),
        KeyType::Ed25519 => Recipe::Ed25519,
        KeyType::Rsa2048 => Recipe::Rsa(KeySize::Rsa2048),
        KeyType::Rsa3072 => Recipe::Rsa(KeySize::Rsa3072),
        KeyType::Rsa4096 => Recipe::Rsa(KeySize::Rsa4096),
        KeyType::MlDsa44 => Recipe::MlDsa(&ML_DSA_44_SIGNING),
        KeyType::MlDsa65 => Recipe::MlDsa(&ML_DSA_65_SIGNING),
        KeyType::MlDsa87 => Recipe::MlDsa(&ML_DSA_87_SIGNING),
    }
}

impl SoftwareKey {
    /// A new key from the library's CSPRNG. RSA takes from tens of milliseconds to seconds.
    pub fn generate(key_type: KeyType) -> Result<Self, KeyError> {
        let refused = |_| KeyError::Crypto;
        let pair = match recipe(key_type) {
            Recipe::Ecdsa(algorithm) => {
                Pair::Ecdsa(EcdsaKeyPair::generate(algorithm).map_err(refused)?)
            }
            Recipe::Ed25519 => Pair::Ed25519(Ed25519KeyPair::generate().map_err(refused)?),
            Recipe::Rsa(size) => Pair::Rsa(RsaKeyPair::generate(size).map_err(refused)?),
            Recipe::MlDsa(algorithm) => {
                Pair::MlDsa(PqdsaKeyPair::generate(algorithm).map_err(refused)?)
            }
        };
        Ok(Self::new(key_type, pair))
    }

    /// Reads an unencrypted DER PKCS#8 key of any supported type.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        for key_type in KeyType::ALL {
            let pair = match recipe(key_type) {
                Recipe::Ecdsa(algorithm) => {
                    EcdsaKeyPair::from_pkcs8(algorithm, der).ok().map(Pair::Ecdsa)
                }
                Recipe::Ed25519 => {
                    Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok().map(Pair::Ed25519)
                }
                Recipe::Rsa(size) => RsaKeyPair::from_pkcs8(der)
                    .ok()
                    .filter(|pair| pair.public_modulus_len() == size.len())
                    .map(Pair::Rsa),
                Recipe::MlDsa(algorithm) => {
                    PqdsaKeyPair::from_pkcs8(algorithm, der).ok().map(Pair::MlDsa)
                }
            };
            if let Some(pair) = pair {
                return Ok(Self::new(key_type, pair));
            }
        }
        Err(KeyError::Malformed)
    }

    /// Reads an unencrypted PEM PKCS#8 key (`PRIVATE KEY`).
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, KeyError> {
        let (label, der) =
            pem_rfc7468::decode_vec(pem.as_bytes()).map_err(|_| KeyError::Malformed)?;
        let der = Zeroizing::new(der);
        if label == PRIVATE_KEY { Self::from_pkcs8(&der) } else { Err(KeyError::Malformed) }
    }

    /// Opens a DER EncryptedPrivateKeyInfo (PKCS#8 with PBES2, RFC 8018).
    pub fn from_encrypted_pkcs8(der: &[u8], passphrase: &SecretString) -> Result<Self, KeyError> {
        let encrypted =
            EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| KeyError::Malformed)?;
        check_cost(&encrypted.encryption_algorithm)?;
        let plain =
            encrypted.decrypt(passphrase.expose_secret()).map_err(|_| KeyError::WrongPassphrase)?;
        Self::from_pkcs8(plain.as_bytes()).map_err(|_| KeyError::WrongPassphrase)
    }

    fn new(key_type: KeyType, pair: Pair) -> Self {
        let public_key = match &pair {
            Pair::Ecdsa(pair) => spki::of_own_key(key_type, pair.public_key().as_ref()),
            Pair::Ed25519(pair) => spki::of_own_key(key_type, pair.public_key().as_ref()),
            Pair::Rsa(pair) => spki::of_own_key(key_type, pair.public_key().as_ref()),
            Pair::MlDsa(pair) => spki::of_own_key(key_type, pair.public_key().as_ref()),
        };
        Self { pair, public_key }
    }

    /// The public half alone.
    pub fn into_public_key(self) -> PublicKey {
        self.public_key
    }

    /// The unencrypted DER PKCS#8 form.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let refused = |_| KeyError::Crypto;
        let document = match &self.pair {
            Pair::Ecdsa(pair) if self.key_type() == KeyType::P256 => return p256_pkcs8(pair),
            Pair::Ecdsa(pair) => pair.to_pkcs8v1().map_err(refused)?.as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.to_pkcs8v1().map_err(refused)?.as_ref().to_vec(),
            Pair::Rsa(pair) => {
                AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map_err(refused)?.as_ref().to_vec()
            }
            Pair::MlDsa(pair) => pair.to_pkcs8v1().map_err(refused)?.as_ref().to_vec(),
        };
        Ok(Zeroizing::new(document))
    }

    /// The unencrypted PEM PKCS#8 form, which every broker reads.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        let der = self.to_pkcs8()?;
        pem_rfc7468::encode_string(PRIVATE_KEY, pem_rfc7468::LineEnding::LF, &der)
            .map(Zeroizing::new)
            .map_err(|_| KeyError::Crypto)
    }

    /// The DER EncryptedPrivateKeyInfo under `passphrase`: PBES2 with AES-256-CBC and scrypt.
    ///
    /// N = 2^14, r = 8, p = 5: 16 MiB a try, and the most that OpenSSL opens without being told to
    /// use more memory.
    pub fn to_encrypted_pkcs8(&self, passphrase: &SecretString) -> Result<Vec<u8>, KeyError> {
        let mut salt = [0; 16];
        let mut iv = [0; 16];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| KeyError::Crypto)?;
        aws_lc_rs::rand::fill(&mut iv).map_err(|_| KeyError::Crypto)?;
        let scrypt = pkcs8::pkcs5::scrypt::Params::new(14, 8, 5).map_err(|_| KeyError::Crypto)?;
        let parameters = pbes2::Parameters::generate_scrypt_aes256cbc(scrypt, &salt, iv)
            .map_err(|_| KeyError::Crypto)?;
        let plain = self.to_pkcs8()?;
        let encrypted =
            parameters.encrypt(passphrase.expose_secret(), &plain).map_err(|_| KeyError::Crypto)?;
        EncryptedPrivateKeyInfoRef {
            encryption_algorithm: parameters.into(),
            encrypted_data: OctetStringRef::new(&encrypted).map_err(|_| KeyError::Crypto)?,
        }
        .to_der()
        .map_err(|_| KeyError::Crypto)
    }
}

/// The PKCS#8 form of a P-256 key (RFC 5208, RFC 5915), byte for byte what the library writes.
///
/// The library computes the affine public key anew for it, a tenth of a signature's work; the pair
/// has it already.
fn p256_pkcs8(pair: &EcdsaKeyPair) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    // Version 0, id-ecPublicKey with prime256v1, and an ECPrivateKey of version 1 with 32 octets.
    const BEFORE_PRIVATE: [u8; 36] = [
        0x30, 0x81, 0x87, 2, 1, 0, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8,
        0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7, 4, 0x6d, 0x30, 0x6b, 2, 1, 1, 4, 0x20,
    ];
    // [1] BIT STRING of 65 octets.
    const BEFORE_PUBLIC: [u8; 5] = [0xa1, 0x44, 3, 0x42, 0];
    let private = pair.private_key().as_be_bytes().map_err(|_| KeyError::Crypto)?;
    let public = pair.public_key().as_ref();
    if private.as_ref().len() != 32 || public.len() != 65 {
        return Err(KeyError::Crypto);
    }
    let mut der = Zeroizing::new(Vec::with_capacity(138));
    for part in [&BEFORE_PRIVATE, private.as_ref(), &BEFORE_PUBLIC, public] {
        der.extend_from_slice(part);
    }
    Ok(der)
}

/// What a key that was tampered with may cost: some GiB of memory, some seconds.
fn check_cost(scheme: &EncryptionScheme) -> Result<(), KeyError> {
    let EncryptionScheme::Pbes2(parameters) = scheme else {
        return Err(KeyError::UnsupportedEncryption);
    };
    let bearable = match &parameters.kdf {
        pbes2::Kdf::Scrypt(scrypt) => {
            let cost = scrypt.cost_parameter;
            cost.is_power_of_two()
                && (2..=1 << 20).contains(&cost)
                && (1..=16).contains(&scrypt.block_size)
                && (1..=16).contains(&scrypt.parallelization)
        }
        pbes2::Kdf::Pbkdf2(pbkdf2) => (1..=10_000_000).contains(&pbkdf2.iteration_count),
        _ => false,
    };
    if bearable { Ok(()) } else { Err(KeyError::UnsupportedEncryption) }
}

impl Signer for SoftwareKey {
    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn sign_hashed(&self, message: &[u8], digest: &Fingerprint) -> Result<Vec<u8>, SignError> {
        let Pair::Ecdsa(pair) = &self.pair else { return self.sign(message) };
        if self.key_type() != KeyType::P256 {
            return self.sign(message);
        }
        Digest::import_less_safe(digest.as_bytes(), &SHA256)
            .and_then(|digest| pair.sign_digest(&digest))
            .map(|signature| signature.as_ref().to_vec())
            .map_err(|_| SignError::Crypto)
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let refused = |_| SignError::Crypto;
        match &self.pair {
            Pair::Ecdsa(pair) => pair
                .sign(&SystemRandom::new(), message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(refused),
            Pair::Ed25519(pair) => {
                pair.try_sign(message).map(|signature| signature.as_ref().to_vec()).map_err(refused)
            }
            Pair::Rsa(pair) => {
                let padding = match self.key_type() {
                    KeyType::Rsa4096 => &RSA_PKCS1_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &SystemRandom::new(), message, &mut signature)
                    .map_err(refused)?;
                Ok(signature)
            }
            Pair::MlDsa(pair) => {
                let mut signature = vec![0; pair.algorithm().signature_len()];
                let length = pair.sign(message, &mut signature).map_err(refused)?;
                signature.truncate(length);
                Ok(signature)
            }
        }
    }
}

impl fmt::Debug for SoftwareKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoftwareKey({:?})", self.public_key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_their_forms_at_rest() {
        let passphrase = SecretString::from("correct horse");
        for key_type in KeyType::ALL {
            if matches!(key_type, KeyType::Rsa3072 | KeyType::Rsa4096) {
                continue; // Seconds each to make; RSA-2048 walks the same lines.
            }
            let key = SoftwareKey::generate(key_type).unwrap();
            let pem = key.to_pkcs8_pem().unwrap();
            let read = SoftwareKey::from_pkcs8_pem(&pem).unwrap();
            assert_eq!(read.public_key(), key.public_key(), "{key_type}");
            let encrypted = key.to_encrypted_pkcs8(&passphrase).unwrap();
            let opened = SoftwareKey::from_encrypted_pkcs8(&encrypted, &passphrase).unwrap();
            assert_eq!(opened.public_key(), key.public_key(), "{key_type}");
        }
    }

    #[test]
    fn a_message_whose_digest_is_known_is_signed_as_any_other() {
        let message = b"what is signed";
        let digest = Fingerprint::of(message);
        for key_type in [KeyType::P256, KeyType::P384, KeyType::Ed25519, KeyType::MlDsa44] {
            let key = SoftwareKey::generate(key_type).unwrap();
            let signature = key.sign_hashed(message, &digest).unwrap();
            let algorithm = key_type.signature_algorithm();
            assert!(key.public_key().verifies(algorithm, message, &signature), "{key_type}");
            assert!(!key.public_key().verifies(algorithm, b"another", &signature), "{key_type}");
        }
    }

    #[test]
    fn a_p256_key_is_written_as_the_library_writes_it() {
        for _ in 0..50 {
            let key = SoftwareKey::generate(KeyType::P256).unwrap();
            let Pair::Ecdsa(pair) = &key.pair else { panic!("P-256 is ECDSA") };
            assert_eq!(key.to_pkcs8().unwrap().as_slice(), pair.to_pkcs8v1().unwrap().as_ref());
        }
    }

    #[test]
    fn a_wrong_passphrase_says_so_and_debug_says_nothing() {
        let key = SoftwareKey::generate(KeyType::P256).unwrap();
        let encrypted = key.to_encrypted_pkcs8(&SecretString::from("right")).unwrap();
        let error = SoftwareKey::from_encrypted_pkcs8(&encrypted, &SecretString::from("wrong"));
        assert_eq!(error.unwrap_err(), KeyError::WrongPassphrase);
        let hex: String = key.to_pkcs8().unwrap().iter().map(|b| format!("{b:02x}")).collect();
        let debug = format!("{key:?}");
        assert!(!hex.as_bytes().windows(16).any(|w| debug.as_bytes().windows(16).any(|d| d == w)));
    }

    #[test]
    fn encryption_that_would_cost_the_machine_is_not_tried() {
        let key = SoftwareKey::generate(KeyType::P256).unwrap();
        let passphrase = SecretString::from("right");
        let encrypted = key.to_encrypted_pkcs8(&passphrase).unwrap();
        // INTEGER 2^14, the cost parameter.
        let at = encrypted.windows(4).position(|w| w == [2, 2, 0x40, 0]).unwrap();
        for cost in [[2, 2, 0, 0], [2, 2, 0x40, 1], [2, 2, 0, 1]] {
            let mut changed = encrypted.clone();
            changed[at..at + 4].copy_from_slice(&cost);
            let opened = SoftwareKey::from_encrypted_pkcs8(&changed, &passphrase);
            assert!(matches!(
                opened.unwrap_err(),
                KeyError::UnsupportedEncryption | KeyError::Malformed
            ));
        }
    }
}
