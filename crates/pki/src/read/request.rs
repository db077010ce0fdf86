//! Certification requests (PKCS#10, RFC 2986).

use super::{
    AlgorithmRef, Extensions, InField, MAX_CERTIFICATE_SIZE, NameRef, ReadError, SpkiRef, within,
};
use crate::der::{DerError, Element, List, Reader, Tlv, tag};
use crate::oid::{self, Oid};

/// One attribute of a request.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestAttribute<'a> {
    /// The type.
    pub oid: Oid<'a>,
    /// The values.
    pub values: List<'a, Tlv<'a>>,
}

impl<'a> Element<'a> for RequestAttribute<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        let mut fields = reader.sequence()?;
        let oid = fields.oid()?;
        let values = List::from_contents(fields.contents(tag::SET)?)?;
        fields.finish()?;
        Ok(Self { oid, values })
    }
}

/// A certification request. That the sender holds the private key is not checked here.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestRef<'a> {
    /// The whole request.
    pub der: &'a [u8],
    /// The CertificationRequestInfo: the bytes that the signature is over.
    pub info: &'a [u8],
    /// Whose certificate it shall be.
    pub subject: NameRef<'a>,
    /// The key that shall be certified.
    pub spki: SpkiRef<'a>,
    /// The attributes.
    pub attributes: List<'a, RequestAttribute<'a>>,
    /// The extensions asked for by the attribute extensionRequest; empty without it.
    pub extensions: Extensions<'a>,
    /// The signature algorithm.
    pub signature_algorithm: AlgorithmRef<'a>,
    /// The signature.
    pub signature: &'a [u8],
}

impl<'a> RequestRef<'a> {
    /// Reads a request of at most [`MAX_CERTIFICATE_SIZE`] bytes; every byte must belong to it.
    pub fn read(der: &'a [u8]) -> Result<Self, ReadError> {
        within(der, MAX_CERTIFICATE_SIZE)?;
        let mut outer = Reader::new(der);
        let mut request = outer.sequence().field("CertificationRequest")?;
        outer.finish().field("CertificationRequest")?;
        let info = request.element(tag::SEQUENCE).field("certificationRequestInfo")?;
        let signature_algorithm = AlgorithmRef::read(&mut request).field("signatureAlgorithm")?;
        let signature = request.bit_string().and_then(|bits| bits.octets()).field("signature")?;
        request.finish().field("CertificationRequest")?;
        let mut fields = Reader::new(info.contents);
        read_version(&mut fields)?;
        let subject = NameRef::read(&mut fields).field("subject")?;
        let spki = SpkiRef::read(&mut fields).field("subjectPKInfo")?;
        let attributes = read_attributes(&mut fields)?;
        fields.finish().field("certificationRequestInfo")?;
        Ok(Self {
            der,
            info: info.whole,
            subject,
            spki,
            attributes,
            extensions: requested_extensions(attributes)?,
            signature_algorithm,
            signature,
        })
    }
}

fn read_version(fields: &mut Reader<'_>) -> Result<(), ReadError> {
    match fields.integer().field("version")?.to_u64() {
        Some(0) => Ok(()),
        other => Err(ReadError::Version { found: other.unwrap_or(u64::MAX) }),
    }
}

/// The attributes are not optional in RFC 2986, but some clients leave an empty set out.
fn read_attributes<'a>(
    fields: &mut Reader<'a>,
) -> Result<List<'a, RequestAttribute<'a>>, ReadError> {
    let contents = fields.optional(tag::context_constructed(0)).field("attributes")?;
    List::from_contents_or_empty(contents.unwrap_or(&[])).field("attributes")
}

/// extensionRequest (RFC 2985 5.4.2): one attribute with one value.
fn requested_extensions<'a>(
    attributes: List<'a, RequestAttribute<'a>>,
) -> Result<Extensions<'a>, ReadError> {
    let mut requests =
        attributes.iter().filter(|attribute| attribute.oid == oid::EXTENSION_REQUEST);
    let Some(request) = requests.next() else { return Ok(Extensions::none()) };
    let mut values = request.values.iter();
    let (value, more) = (values.next(), values.next().is_some() || requests.next().is_some());
    if more {
        return Err(DerError::TrailingData { count: 1 }).field("extensionRequest");
    }
    let whole = value.map_or(&[][..], |value| value.whole);
    let contents = Reader::new(whole).contents(tag::SEQUENCE).field("extensionRequest")?;
    // A client that asks for nothing may send an empty list.
    if contents.is_empty() { Ok(Extensions::none()) } else { Extensions::from_contents(contents) }
}
