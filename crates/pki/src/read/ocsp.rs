//! OCSP responses (RFC 6960 4.2).

use super::{
    AlgorithmRef, CertificateRef, Extensions, InField, NameRef, ReadError, RevocationReason,
};
use crate::der::{DerError, Element, Integer, List, Reader, Tlv, tag};
use crate::oid;
use crate::time::UnixTime;

/// An OCSP response that says something: responseStatus successful, of the basic type.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OcspRef<'a> {
    /// The ResponseData: the bytes that the signature is over.
    pub tbs: &'a [u8],
    /// Who signed.
    pub responder: ResponderId<'a>,
    /// When it was signed.
    pub produced_at: UnixTime,
    /// The status of each certificate that it speaks of.
    pub responses: List<'a, SingleResponse<'a>>,
    /// responseExtensions.
    pub extensions: Extensions<'a>,
    /// The signature algorithm.
    pub signature_algorithm: AlgorithmRef<'a>,
    /// The signature.
    pub signature: &'a [u8],
    certificates: List<'a, Tlv<'a>>,
}

impl<'a> OcspRef<'a> {
    /// Reads an OCSPResponse; one that is not successful is an error that tells its status.
    pub fn read(der: &'a [u8]) -> Result<Self, ReadError> {
        let mut outer = Reader::new(der);
        let mut response = outer.sequence().field("OCSPResponse")?;
        outer.finish().field("OCSPResponse")?;
        let status = response.enumerated().field("responseStatus")?;
        if status != 0 {
            return Err(ReadError::OcspStatus { status });
        }
        let mut bytes = response.nested(tag::context_constructed(0)).field("responseBytes")?;
        response.finish().field("OCSPResponse")?;
        let mut bytes = bytes.sequence().field("responseBytes")?;
        if bytes.oid().field("responseType")? != oid::OCSP_BASIC {
            return Err(DerError::Oid).field("responseType");
        }
        let basic = bytes.octet_string().field("response")?;
        bytes.finish().field("responseBytes")?;
        read_basic(basic)
    }

    /// The certificates that the responder sent along; those that cannot be read are left out.
    pub fn certificates(&self) -> impl Iterator<Item = CertificateRef<'a>> + use<'a> {
        self.certificates.iter().filter_map(|tlv| CertificateRef::read(tlv.whole).ok())
    }

    /// The nonce of the request that this answers, as its extension's value (RFC 9654).
    pub fn nonce(&self) -> Option<&'a [u8]> {
        self.extensions.find(oid::OCSP_NONCE).map(|extension| extension.value)
    }
}

fn read_basic(der: &[u8]) -> Result<OcspRef<'_>, ReadError> {
    let mut outer = Reader::new(der);
    let mut basic = outer.sequence().field("BasicOCSPResponse")?;
    outer.finish().field("BasicOCSPResponse")?;
    let tbs = basic.element(tag::SEQUENCE).field("tbsResponseData")?;
    let signature_algorithm = AlgorithmRef::read(&mut basic).field("signatureAlgorithm")?;
    let signature = basic.bit_string().and_then(|bits| bits.octets()).field("signature")?;
    let certificates = match basic.optional_nested(tag::context_constructed(0)).field("certs")? {
        Some(mut explicit) => explicit.contents(tag::SEQUENCE).field("certs")?,
        None => &[],
    };
    basic.finish().field("BasicOCSPResponse")?;
    let mut data = Reader::new(tbs.contents);
    skip_version(&mut data)?;
    let response = OcspRef {
        tbs: tbs.whole,
        responder: ResponderId::read(&mut data).field("responderID")?,
        produced_at: data.time().field("producedAt")?.at,
        responses: List::from_contents_or_empty(data.contents(tag::SEQUENCE).field("responses")?)
            .field("responses")?,
        extensions: read_extensions(&mut data, 1)?,
        signature_algorithm,
        signature,
        certificates: List::from_contents_or_empty(certificates).field("certs")?,
    };
    data.finish().field("tbsResponseData")?;
    Ok(response)
}

/// There is only version 1, which is the default.
fn skip_version(data: &mut Reader<'_>) -> Result<(), ReadError> {
    let explicit = data.optional_nested(tag::context_constructed(0)).field("version")?;
    let Some(mut explicit) = explicit else { return Ok(()) };
    match explicit.integer().field("version")?.to_u64() {
        Some(0) => Ok(()),
        other => Err(ReadError::Version { found: other.unwrap_or(u64::MAX) }),
    }
}

fn read_extensions<'a>(fields: &mut Reader<'a>, number: u8) -> Result<Extensions<'a>, ReadError> {
    let explicit = fields.optional_nested(tag::context_constructed(number)).field("extensions")?;
    let Some(mut explicit) = explicit else { return Ok(Extensions::none()) };
    let contents = explicit.contents(tag::SEQUENCE).field("extensions")?;
    explicit.finish().field("extensions")?;
    Extensions::from_contents(contents)
}

/// Who signed a response.
#[derive(Clone, Copy, Debug)]
pub enum ResponderId<'a> {
    /// By name.
    Name(NameRef<'a>),
    /// By the SHA-1 of the key.
    KeyHash(&'a [u8]),
}

impl<'a> Element<'a> for ResponderId<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        let tlv = reader.any()?;
        let mut explicit = Reader::new(tlv.contents);
        let id = match tlv.tag {
            0xa1 => Self::Name(NameRef::read(&mut explicit)?),
            0xa2 => Self::KeyHash(explicit.octet_string()?),
            found => return Err(DerError::Choice { found }),
        };
        explicit.finish()?;
        Ok(id)
    }
}

/// What a response says of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertStatus {
    /// It is not revoked.
    Good,
    /// It is revoked.
    Revoked {
        /// Since when.
        at: UnixTime,
        /// Why, if that is said.
        reason: Option<RevocationReason>,
    },
    /// The responder does not know it.
    Unknown,
}

/// The status of one certificate.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SingleResponse<'a> {
    /// The hash algorithm of the two hashes.
    pub hash: AlgorithmRef<'a>,
    /// The hash of the issuer's name, as encoded in the certificate.
    pub issuer_name_hash: &'a [u8],
    /// The hash of the issuer's key: the octets of its BIT STRING.
    pub issuer_key_hash: &'a [u8],
    /// The certificate's serial number.
    pub serial: Integer<'a>,
    /// What is said of it.
    pub status: CertStatus,
    /// Since when this is known.
    pub this_update: UnixTime,
    /// By when more will be known.
    pub next_update: Option<UnixTime>,
    /// Whether an extension is critical: none that is defined changes what the status means.
    pub has_critical_extension: bool,
}

impl<'a> Element<'a> for SingleResponse<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        let mut fields = reader.sequence()?;
        let mut id = fields.sequence()?;
        let hash = AlgorithmRef::read(&mut id)?;
        let (issuer_name_hash, issuer_key_hash) = (id.octet_string()?, id.octet_string()?);
        let serial = id.integer()?;
        id.finish()?;
        let status = read_status(fields.any()?)?;
        let this_update = fields.time()?.at;
        let next_update = match fields.optional_nested(tag::context_constructed(0))? {
            Some(mut explicit) => Some(explicit.time()?.at),
            None => None,
        };
        let has_critical_extension = match fields.optional_nested(tag::context_constructed(1))? {
            Some(mut explicit) => {
                let list =
                    List::<super::Extension<'a>>::from_contents(explicit.contents(tag::SEQUENCE)?)?;
                list.iter().any(|extension| extension.critical)
            }
            None => false,
        };
        fields.finish()?;
        Ok(Self {
            hash,
            issuer_name_hash,
            issuer_key_hash,
            serial,
            status,
            this_update,
            next_update,
            has_critical_extension,
        })
    }
}

fn read_status(tlv: Tlv<'_>) -> Result<CertStatus, DerError> {
    match (tlv.tag, tlv.contents) {
        (0x80, []) => Ok(CertStatus::Good),
        (0x82, []) => Ok(CertStatus::Unknown),
        (0x80 | 0x82, _) => Err(DerError::Null),
        (0xa1, contents) => {
            let mut fields = Reader::new(contents);
            let at = fields.time()?.at;
            let reason = match fields.optional_nested(tag::context_constructed(0))? {
                Some(mut explicit) => {
                    let code = explicit.enumerated()?;
                    Some(RevocationReason::from_code(code).ok_or(DerError::IntegerRange)?)
                }
                None => None,
            };
            fields.finish()?;
            Ok(CertStatus::Revoked { at, reason })
        }
        (found, _) => Err(DerError::Choice { found }),
    }
}
