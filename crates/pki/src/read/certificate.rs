//! Certificates (RFC 5280 4.1).

use super::{Extensions, InField, MAX_CERTIFICATE_SIZE, NameRef, ReadError, within};
use crate::der::{DerError, Element, Integer, Reader, Time, Tlv, tag};
use crate::oid::Oid;
use crate::time::UnixTime;

/// An AlgorithmIdentifier (RFC 5280 4.1.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AlgorithmRef<'a> {
    /// The algorithm.
    pub oid: Oid<'a>,
    /// Its parameters, if it has any.
    pub parameters: Option<Tlv<'a>>,
    /// The whole encoding; two identifiers are the same if it is.
    pub der: &'a [u8],
}

impl<'a> Element<'a> for AlgorithmRef<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        let whole = reader.element(tag::SEQUENCE)?;
        let mut fields = Reader::new(whole.contents);
        let oid = fields.oid()?;
        let parameters = if fields.is_empty() { None } else { Some(fields.any()?) };
        fields.finish()?;
        Ok(Self { oid, parameters, der: whole.whole })
    }
}

/// A SubjectPublicKeyInfo (RFC 5280 4.1.2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpkiRef<'a> {
    /// The whole encoding.
    pub der: &'a [u8],
    /// What kind of key it is.
    pub algorithm: AlgorithmRef<'a>,
    /// The key: an RSAPublicKey, an elliptic curve point, or the octets of an Ed25519 or ML-DSA key.
    pub key: &'a [u8],
}

impl<'a> Element<'a> for SpkiRef<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        let whole = reader.element(tag::SEQUENCE)?;
        let mut fields = Reader::new(whole.contents);
        let algorithm = AlgorithmRef::read(&mut fields)?;
        let key = fields.bit_string()?.octets()?;
        fields.finish()?;
        Ok(Self { der: whole.whole, algorithm, key })
    }
}

impl<'a> SpkiRef<'a> {
    /// Reads a SubjectPublicKeyInfo that stands alone.
    pub fn from_der(der: &'a [u8]) -> Result<Self, ReadError> {
        let mut reader = Reader::new(der);
        let spki = Self::read(&mut reader).field("subjectPublicKeyInfo")?;
        reader.finish().field("subjectPublicKeyInfo")?;
        Ok(spki)
    }

    /// The modulus of an RSA key, without leading zeros, and its public exponent.
    pub fn rsa(&self) -> Result<(&'a [u8], Integer<'a>), DerError> {
        let mut reader = Reader::new(self.key);
        let mut key = reader.sequence()?;
        reader.finish()?;
        let (modulus, exponent) = (key.integer()?, key.integer()?);
        key.finish()?;
        if modulus.is_negative() || exponent.is_negative() {
            return Err(DerError::IntegerRange);
        }
        Ok((modulus.magnitude(), exponent))
    }

    /// The bits of the modulus, if this is an RSA key.
    pub fn rsa_bits(&self) -> Option<usize> {
        if self.algorithm.oid != crate::oid::RSA_ENCRYPTION
            && self.algorithm.oid != crate::oid::RSASSA_PSS
        {
            return None;
        }
        let (modulus, _) = self.rsa().ok()?;
        Some(modulus.len() * 8 - modulus.first()?.leading_zeros() as usize)
    }
}

/// A certificate's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// Version 1, without extensions.
    V1,
    /// Version 2, with unique identifiers.
    V2,
    /// Version 3, with extensions.
    V3,
}

/// When a certificate is valid, both ends included (RFC 5280 4.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Validity {
    /// The first second.
    pub not_before: Time,
    /// The last second.
    pub not_after: Time,
}

impl Validity {
    /// Whether `now` lies within.
    pub fn contains(&self, now: UnixTime) -> bool {
        self.not_before.at <= now && now <= self.not_after.at
    }
}

impl<'a> Element<'a> for Validity {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        let mut times = reader.sequence()?;
        let validity = Self { not_before: times.time()?, not_after: times.time()? };
        times.finish()?;
        Ok(validity)
    }
}

/// A certificate.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CertificateRef<'a> {
    /// The whole certificate.
    pub der: &'a [u8],
    /// The TBSCertificate: the bytes that the signature is over.
    pub tbs: &'a [u8],
    /// The version.
    pub version: Version,
    /// The serial number, as it is encoded.
    pub serial: Integer<'a>,
    /// The signature algorithm within the signed bytes; RFC 5280 4.1.1.2 wants it equal to the outer.
    pub tbs_signature_algorithm: AlgorithmRef<'a>,
    /// Who signed.
    pub issuer: NameRef<'a>,
    /// From when until when.
    pub validity: Validity,
    /// Whose it is.
    pub subject: NameRef<'a>,
    /// Whose key it is.
    pub spki: SpkiRef<'a>,
    /// Whether issuerUniqueID or subjectUniqueID is present; RFC 5280 4.1.2.8 forbids CAs to write them.
    pub has_unique_ids: bool,
    /// The extensions; empty before version 3.
    pub extensions: Extensions<'a>,
    /// The signature algorithm outside the signed bytes.
    pub signature_algorithm: AlgorithmRef<'a>,
    /// The signature.
    pub signature: &'a [u8],
}

impl<'a> CertificateRef<'a> {
    /// Reads a certificate of at most [`MAX_CERTIFICATE_SIZE`] bytes; every byte must belong to it.
    ///
    /// Of the extensions only the outer structure is read, and that none occurs twice;
    /// [`Extensions::known`] reads what they hold.
    pub fn read(der: &'a [u8]) -> Result<Self, ReadError> {
        within(der, MAX_CERTIFICATE_SIZE)?;
        let mut outer = Reader::new(der);
        let mut certificate = outer.sequence().field("Certificate")?;
        outer.finish().field("Certificate")?;
        let tbs = certificate.element(tag::SEQUENCE).field("tbsCertificate")?;
        let signature_algorithm =
            AlgorithmRef::read(&mut certificate).field("signatureAlgorithm")?;
        let signature = certificate.bit_string().and_then(|bits| bits.octets());
        let signature = signature.field("signatureValue")?;
        certificate.finish().field("Certificate")?;
        read_tbs(der, tbs, signature_algorithm, signature)
    }

    /// Whether subject and issuer are the same name, as encoded; RFC 5280 calls it self-issued.
    pub fn is_self_issued(&self) -> bool {
        self.subject.der == self.issuer.der
    }
}

fn read_tbs<'a>(
    der: &'a [u8],
    tbs: Tlv<'a>,
    signature_algorithm: AlgorithmRef<'a>,
    signature: &'a [u8],
) -> Result<CertificateRef<'a>, ReadError> {
    let mut fields = Reader::new(tbs.contents);
    let version = read_version(&mut fields)?;
    let certificate = CertificateRef {
        der,
        tbs: tbs.whole,
        version,
        serial: fields.integer().field("serialNumber")?,
        tbs_signature_algorithm: AlgorithmRef::read(&mut fields).field("signature")?,
        issuer: NameRef::read(&mut fields).field("issuer")?,
        validity: Validity::read(&mut fields).field("validity")?,
        subject: NameRef::read(&mut fields).field("subject")?,
        spki: SpkiRef::read(&mut fields).field("subjectPublicKeyInfo")?,
        has_unique_ids: skip_unique_ids(&mut fields, version)?,
        extensions: read_extensions(&mut fields, version)?,
        signature_algorithm,
        signature,
    };
    fields.finish().field("tbsCertificate")?;
    Ok(certificate)
}

fn read_version(fields: &mut Reader<'_>) -> Result<Version, ReadError> {
    let explicit = fields.optional_nested(tag::context_constructed(0)).field("version")?;
    let Some(mut explicit) = explicit else {
        return Ok(Version::V1);
    };
    let number = explicit.integer().field("version")?;
    explicit.finish().field("version")?;
    match number.to_u64() {
        Some(0) => Ok(Version::V1),
        Some(1) => Ok(Version::V2),
        Some(2) => Ok(Version::V3),
        other => Err(ReadError::Version { found: other.unwrap_or(u64::MAX) }),
    }
}

/// The unique identifiers, which nothing uses; version 1 has none (RFC 5280 4.1.2.8).
fn skip_unique_ids(fields: &mut Reader<'_>, version: Version) -> Result<bool, ReadError> {
    if version == Version::V1 {
        return Ok(false);
    }
    let issuer = fields.optional(tag::context(1)).field("issuerUniqueID")?;
    let subject = fields.optional(tag::context(2)).field("subjectUniqueID")?;
    Ok(issuer.is_some() || subject.is_some())
}

/// Only version 3 has extensions (RFC 5280 4.1.2.9).
fn read_extensions<'a>(
    fields: &mut Reader<'a>,
    version: Version,
) -> Result<Extensions<'a>, ReadError> {
    if version < Version::V3 {
        return Ok(Extensions::none());
    }
    let explicit = fields.optional_nested(tag::context_constructed(3)).field("extensions")?;
    let Some(mut explicit) = explicit else {
        return Ok(Extensions::none());
    };
    let extensions = explicit.contents(tag::SEQUENCE).field("extensions")?;
    explicit.finish().field("extensions")?;
    Extensions::from_contents(extensions)
}
