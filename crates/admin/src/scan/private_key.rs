//! The public half of a private key of any common form. Nothing else of it leaves this file.

use rustmq_pki::der::{Element, Reader, tag};
use rustmq_pki::encode::Encoder;
use rustmq_pki::key::Signer;
use rustmq_pki::key::software::SoftwareKey;
use rustmq_pki::oid;
use rustmq_pki::read::{AlgorithmRef, SpkiRef};

/// What is known of a private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PrivateKey {
    /// Whether it needs a passphrase.
    pub(crate) encrypted: bool,
    /// The octets of its public key, as a certificate has them; none if it is encrypted or of a kind
    /// that is not known here.
    pub(crate) public: Option<Vec<u8>>,
}

impl PrivateKey {
    /// One that needs a passphrase.
    pub(crate) const ENCRYPTED: Self = Self { encrypted: true, public: None };

    /// Reads PKCS#8, encrypted or not, PKCS#1 or SEC1. None if it is none of these.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(der).sequence().ok()?;
        if fields.peek() == Some(tag::SEQUENCE) {
            fields.any().ok()?;
            return (fields.peek() == Some(tag::OCTET_STRING)).then_some(Self::ENCRYPTED);
        }
        fields.integer().ok()?;
        let public = match fields.peek()? {
            tag::SEQUENCE => pkcs8(der, &mut fields)?,
            tag::OCTET_STRING => sec1(der),
            tag::INTEGER => pkcs1(der),
            _ => return None,
        };
        Some(Self { encrypted: false, public })
    }

    /// Reads whether a key in OpenSSH's own form needs a passphrase: its cipher's name (`PROTOCOL.key` of
    /// OpenSSH) comes after the mark and its length. It is compared with no certificate.
    pub(crate) fn of_openssh(form: &[u8]) -> Self {
        let plain = form.starts_with(b"openssh-key-v1\0\0\0\0\x04none");
        Self { encrypted: !plain, public: None }
    }

    /// Whether it is the key of a certificate; none where that cannot be said.
    pub(crate) fn fits(&self, spki: &SpkiRef<'_>) -> Option<bool> {
        let public = self.public.as_deref()?;
        Some(public == spki.key || is_compressed(spki.key, public))
    }
}

/// Whether `point` is the compressed form of `public`: the parity of y, and x.
fn is_compressed(point: &[u8], public: &[u8]) -> bool {
    match (point, public) {
        ([2 | 3, x @ ..], [4, both @ ..]) => {
            both.len() == 2 * x.len()
                && both.starts_with(x)
                && both.last().is_some_and(|y| 2 + (y & 1) == point[0])
        }
        _ => false,
    }
}

fn pkcs8(der: &[u8], fields: &mut Reader<'_>) -> Option<Option<Vec<u8>>> {
    let algorithm = AlgorithmRef::read(fields).ok()?;
    let inner = fields.octet_string().ok()?;
    if algorithm.oid == oid::RSA_ENCRYPTION || algorithm.oid == oid::RSASSA_PSS {
        return Some(pkcs1(inner));
    }
    if let Ok(key) = SoftwareKey::from_pkcs8(der) {
        return Some(Some(key.public_key().key_octets().to_vec()));
    }
    Some((algorithm.oid == oid::EC_PUBLIC_KEY).then(|| sec1(inner)).flatten())
}

/// RSAPrivateKey (RFC 8017 A.1.2): of its numbers the modulus and the public exponent, as an
/// RSAPublicKey. Keys of every size are read: whether one is weak is another question.
fn pkcs1(der: &[u8]) -> Option<Vec<u8>> {
    let mut fields = Reader::new(der).sequence().ok()?;
    fields.integer().ok()?;
    let (modulus, exponent) = (fields.integer().ok()?, fields.integer().ok()?);
    let mut public = Encoder::default();
    public.nested(tag::SEQUENCE, |key| {
        key.unsigned(modulus.magnitude()).unsigned(exponent.magnitude());
    });
    Some(public.into_bytes())
}

/// ECPrivateKey (RFC 5915 3): its public key, which all common programs write.
fn sec1(der: &[u8]) -> Option<Vec<u8>> {
    let mut fields = Reader::new(der).sequence().ok()?;
    fields.integer().ok()?;
    fields.octet_string().ok()?;
    fields.optional(tag::context_constructed(0)).ok()?;
    let mut public = fields.optional_nested(tag::context_constructed(1)).ok()??;
    Some(public.bit_string().ok()?.octets().ok()?.to_vec())
}

#[cfg(test)]
mod tests {
    use rustmq_pki::key::KeyType;

    use super::*;

    #[test]
    fn the_public_half_is_the_certificates() {
        for key_type in
            [KeyType::P256, KeyType::P521, KeyType::Ed25519, KeyType::Rsa2048, KeyType::MlDsa44]
        {
            let key = SoftwareKey::generate(key_type).unwrap();
            let read = PrivateKey::read(&key.to_pkcs8().unwrap()).unwrap();
            let spki = SpkiRef::from_der(key.public_key().spki()).unwrap();
            assert_eq!(read.fits(&spki), Some(true), "{key_type}");
            let other = SoftwareKey::generate(key_type).unwrap();
            let other = SpkiRef::from_der(other.public_key().spki()).unwrap();
            assert_eq!(read.fits(&other), Some(false), "{key_type}");
        }
    }

    #[test]
    fn an_encrypted_key_is_not_compared() {
        let key = SoftwareKey::generate(KeyType::P256).unwrap();
        let encrypted = key.to_encrypted_pkcs8(&"secret".into()).unwrap();
        let read = PrivateKey::read(&encrypted).unwrap();
        assert_eq!(read, PrivateKey::ENCRYPTED);
        let spki = SpkiRef::from_der(key.public_key().spki()).unwrap();
        assert_eq!(read.fits(&spki), None);
        assert_eq!(PrivateKey::read(key.public_key().spki()), None);
        assert_eq!(PrivateKey::read(b"\x30\x00"), None);
    }

    #[test]
    fn a_compressed_point_is_the_same_key() {
        let public = [4, 7, 7, 9, 9];
        assert!(is_compressed(&[3, 7, 7], &public));
        assert!(!is_compressed(&[2, 7, 7], &public));
        assert!(!is_compressed(&[3, 7, 8], &public));
    }
}
