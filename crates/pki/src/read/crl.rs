//! Certificate revocation lists (RFC 5280 5).

use super::{
    AlgorithmRef, AuthorityKeyIdentifier, DistributionPointName, Extension, Extensions,
    GeneralNames, InField, NameRef, ReadError, ReasonFlags,
};
use crate::der::{self, DerError, Element, Integer, List, Reader, Time, Tlv, tag};
use crate::oid::{self, Oid};
use crate::time::UnixTime;

/// A CRL. The entries are not read until [`CrlRef::entries`] is walked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CrlRef<'a> {
    /// The whole CRL.
    pub der: &'a [u8],
    /// The TBSCertList: the bytes that the signature is over.
    pub tbs: &'a [u8],
    /// Whether it is version 2, the one with extensions.
    pub is_v2: bool,
    /// The signature algorithm within the signed bytes.
    pub tbs_signature_algorithm: AlgorithmRef<'a>,
    /// Who signed.
    pub issuer: NameRef<'a>,
    /// When it was made.
    pub this_update: Time,
    /// By when the next will be made.
    pub next_update: Option<Time>,
    entries: &'a [u8],
    /// The fields of the TBSCertList before the entries and after them.
    around_entries: (&'a [u8], &'a [u8]),
    /// The extensions, as they are.
    pub extensions: Extensions<'a>,
    /// The extensions, read.
    pub known: CrlExtensions<'a>,
    /// The signature algorithm outside the signed bytes.
    pub signature_algorithm: AlgorithmRef<'a>,
    /// The signature.
    pub signature: &'a [u8],
}

impl<'a> CrlRef<'a> {
    /// Reads a CRL of any size; every byte must belong to it.
    pub fn read(der: &'a [u8]) -> Result<Self, ReadError> {
        let mut outer = Reader::new(der);
        let mut crl = outer.sequence().field("CertificateList")?;
        outer.finish().field("CertificateList")?;
        let tbs = crl.element(tag::SEQUENCE).field("tbsCertList")?;
        let signature_algorithm = AlgorithmRef::read(&mut crl).field("signatureAlgorithm")?;
        let signature = crl.bit_string().and_then(|bits| bits.octets()).field("signatureValue")?;
        crl.finish().field("CertificateList")?;
        read_tbs(der, tbs, signature_algorithm, signature)
    }

    /// The list again without its entries, so that the header of a large list can be kept alone. Its
    /// signature does not verify any more.
    pub fn without_entries(&self) -> Vec<u8> {
        let (before, after) = self.around_entries;
        let tbs = der::constructed(tag::SEQUENCE, &[before, after]);
        let signature = der::constructed(tag::BIT_STRING, &[&[0], self.signature]);
        der::constructed(tag::SEQUENCE, &[&tbs, self.signature_algorithm.der, &signature])
    }

    /// The revoked certificates, each read as it is reached.
    pub const fn entries(&self) -> CrlEntries<'a> {
        CrlEntries { reader: Reader::new(self.entries), is_v2: self.is_v2 }
    }
}

fn read_tbs<'a>(
    der: &'a [u8],
    tbs: Tlv<'a>,
    signature_algorithm: AlgorithmRef<'a>,
    signature: &'a [u8],
) -> Result<CrlRef<'a>, ReadError> {
    let mut fields = Reader::new(tbs.contents);
    let is_v2 = read_version(&mut fields)?;
    let tbs_signature_algorithm = AlgorithmRef::read(&mut fields).field("signature")?;
    let issuer = NameRef::read(&mut fields).field("issuer")?;
    let this_update = fields.time().field("thisUpdate")?;
    let next_update = match fields.peek() {
        Some(tag::UTC_TIME | tag::GENERALIZED_TIME) => Some(fields.time().field("nextUpdate")?),
        _ => None,
    };
    let before = &tbs.contents[..tbs.contents.len() - fields.rest().len()];
    let entries = fields.optional(tag::SEQUENCE).field("revokedCertificates")?.unwrap_or(&[]);
    let around_entries = (before, fields.rest());
    // Only version 2 has extensions (RFC 5280 5.1.2.1): in another they are bytes too many.
    let extensions = if is_v2 { read_extensions(&mut fields)? } else { Extensions::none() };
    fields.finish().field("tbsCertList")?;
    Ok(CrlRef {
        der,
        tbs: tbs.whole,
        is_v2,
        tbs_signature_algorithm,
        issuer,
        this_update,
        next_update,
        entries,
        around_entries,
        extensions,
        known: CrlExtensions::read(&extensions)?,
        signature_algorithm,
        signature,
    })
}

/// Version is not tagged here: 1 means v2, absence v1 (RFC 5280 5.1.2.1).
fn read_version(fields: &mut Reader<'_>) -> Result<bool, ReadError> {
    if fields.peek() != Some(tag::INTEGER) {
        return Ok(false);
    }
    match fields.integer().field("version")?.to_u64() {
        Some(1) => Ok(true),
        other => Err(ReadError::Version { found: other.unwrap_or(u64::MAX) }),
    }
}

fn read_extensions<'a>(fields: &mut Reader<'a>) -> Result<Extensions<'a>, ReadError> {
    let explicit = fields.optional_nested(tag::context_constructed(0)).field("crlExtensions")?;
    let Some(mut explicit) = explicit else { return Ok(Extensions::none()) };
    let extensions = explicit.contents(tag::SEQUENCE).field("crlExtensions")?;
    explicit.finish().field("crlExtensions")?;
    Extensions::from_contents(extensions)
}

/// The extensions of a CRL (RFC 5280 5.2).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CrlExtensions<'a> {
    /// authorityKeyIdentifier.
    pub authority_key_id: Option<AuthorityKeyIdentifier<'a>>,
    /// cRLNumber, and whether it is critical (it must not be).
    pub number: Option<(Integer<'a>, bool)>,
    /// deltaCRLIndicator: the number of the base.
    pub delta_base: Option<Integer<'a>>,
    /// issuingDistributionPoint.
    pub distribution_point: Option<IssuingDistributionPoint<'a>>,
    /// Whether there is a freshestCRL.
    pub has_freshest: bool,
    /// The first critical extension that is none of these.
    pub unknown_critical: Option<Oid<'a>>,
}

impl<'a> CrlExtensions<'a> {
    fn read(extensions: &Extensions<'a>) -> Result<Self, ReadError> {
        let mut known = Self::default();
        for e in extensions.iter() {
            known.take(e)?;
        }
        Ok(known)
    }

    fn take(&mut self, e: Extension<'a>) -> Result<(), ReadError> {
        match e.oid.as_bytes() {
            oid::AUTHORITY_KEY_IDENTIFIER => {
                self.authority_key_id =
                    Some(one(e, AuthorityKeyIdentifier::read).field("authorityKeyIdentifier")?);
            }
            oid::CRL_NUMBER => {
                let number = one(e, |reader| reader.integer()).field("cRLNumber")?;
                self.number = Some((number, e.critical));
            }
            oid::DELTA_CRL_INDICATOR => {
                let base = one(e, |reader| reader.integer()).field("deltaCRLIndicator")?;
                self.delta_base = Some(base);
            }
            oid::ISSUING_DISTRIBUTION_POINT => {
                let point = one(e, IssuingDistributionPoint::read);
                self.distribution_point = Some(point.field("issuingDistributionPoint")?);
            }
            oid::FRESHEST_CRL => self.has_freshest = true,
            oid::ISSUER_ALT_NAME | oid::AUTHORITY_INFO_ACCESS => {}
            _ if e.critical && self.unknown_critical.is_none() => {
                self.unknown_critical = Some(e.oid);
            }
            _ => {}
        }
        Ok(())
    }
}

fn one<'a, T>(
    extension: Extension<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, DerError>,
) -> Result<T, DerError> {
    let mut reader = Reader::new(extension.value);
    let value = read(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

/// issuingDistributionPoint (RFC 5280 5.2.5): what a CRL covers.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct IssuingDistributionPoint<'a> {
    /// Where the CRL is.
    pub name: Option<DistributionPointName<'a>>,
    /// Whether it covers end entities only.
    pub only_user_certs: bool,
    /// Whether it covers CAs only.
    pub only_ca_certs: bool,
    /// The reasons that it covers; absent means all.
    pub only_some_reasons: Option<ReasonFlags>,
    /// Whether it covers certificates of other issuers.
    pub indirect: bool,
    /// Whether it covers attribute certificates only.
    pub only_attribute_certs: bool,
}

impl<'a> Element<'a> for IssuingDistributionPoint<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        let mut fields = reader.sequence()?;
        let name = fields.optional(tag::context_constructed(0))?;
        let flag = |fields: &mut Reader<'a>, number| {
            fields.optional(tag::context(number))?.map_or(Ok(false), der::boolean)
        };
        let only_user_certs = flag(&mut fields, 1)?;
        let only_ca_certs = flag(&mut fields, 2)?;
        let reasons = fields.optional(tag::context(3))?;
        let indirect = flag(&mut fields, 4)?;
        let only_attribute_certs = flag(&mut fields, 5)?;
        fields.finish()?;
        Ok(Self {
            name: name.map(DistributionPointName::from_contents).transpose()?,
            only_user_certs,
            only_ca_certs,
            only_some_reasons: reasons.map(ReasonFlags::from_contents).transpose()?,
            indirect,
            only_attribute_certs,
        })
    }
}

/// Why a certificate was revoked (RFC 5280 5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RevocationReason {
    /// No reason is given; a CRL leaves the extension out.
    Unspecified = 0,
    /// The subject's key is known to another.
    KeyCompromise = 1,
    /// The CA's key is known to another.
    CaCompromise = 2,
    /// Name or attributes have changed.
    AffiliationChanged = 3,
    /// Another certificate took its place.
    Superseded = 4,
    /// It is not needed any more.
    CessationOfOperation = 5,
    /// It is suspended.
    CertificateHold = 6,
    /// A delta CRL releases it from hold.
    RemoveFromCrl = 8,
    /// A privilege was withdrawn.
    PrivilegeWithdrawn = 9,
    /// The attribute authority's key is known to another.
    AaCompromise = 10,
}

impl RevocationReason {
    /// The reason with this code; 7 and what is above 10 are none.
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Unspecified,
            1 => Self::KeyCompromise,
            2 => Self::CaCompromise,
            3 => Self::AffiliationChanged,
            4 => Self::Superseded,
            5 => Self::CessationOfOperation,
            6 => Self::CertificateHold,
            8 => Self::RemoveFromCrl,
            9 => Self::PrivilegeWithdrawn,
            10 => Self::AaCompromise,
            _ => return None,
        })
    }

    /// The code of the ENUMERATED.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The name in RFC 5280.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::CaCompromise => "cACompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::CertificateHold => "certificateHold",
            Self::RemoveFromCrl => "removeFromCRL",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
            Self::AaCompromise => "aACompromise",
        }
    }
}

/// One revoked certificate.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CrlEntry<'a> {
    /// Its serial number.
    pub serial: Integer<'a>,
    /// When it was revoked.
    pub revoked_at: UnixTime,
    /// Why.
    pub reason: Option<RevocationReason>,
    /// Whether the reason is critical (it must not be).
    pub has_critical_reason: bool,
    /// When it became invalid, if that is known.
    pub invalidity_date: Option<UnixTime>,
    /// Who issued it and all that follow, in an indirect CRL; as encoded GeneralNames.
    pub certificate_issuer: Option<GeneralNames<'a>>,
    /// The first critical extension that is none of these.
    pub unknown_critical: Option<Oid<'a>>,
}

/// The entries of a CRL. After an error the iterator ends.
#[derive(Clone, Debug)]
pub struct CrlEntries<'a> {
    reader: Reader<'a>,
    is_v2: bool,
}

impl<'a> Iterator for CrlEntries<'a> {
    type Item = Result<CrlEntry<'a>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        let entry = read_entry(&mut self.reader, self.is_v2);
        if entry.is_err() {
            self.reader = Reader::new(&[]);
        }
        Some(entry)
    }
}

fn read_entry<'a>(reader: &mut Reader<'a>, is_v2: bool) -> Result<CrlEntry<'a>, ReadError> {
    let mut fields = reader.sequence().field("revokedCertificates")?;
    let mut entry = CrlEntry {
        serial: fields.integer().field("userCertificate")?,
        revoked_at: fields.time().field("revocationDate")?.at,
        reason: None,
        has_critical_reason: false,
        invalidity_date: None,
        certificate_issuer: None,
        unknown_critical: None,
    };
    // As for the list, in version 2 only (RFC 5280 5.1.2.6).
    let extensions =
        if is_v2 { fields.optional(tag::SEQUENCE).field("crlEntryExtensions")? } else { None };
    fields.finish().field("revokedCertificates")?;
    if let Some(contents) = extensions {
        for extension in Extensions::from_contents(contents)?.iter() {
            entry.take(extension)?;
        }
    }
    Ok(entry)
}

impl<'a> CrlEntry<'a> {
    fn take(&mut self, e: Extension<'a>) -> Result<(), ReadError> {
        match e.oid.as_bytes() {
            oid::REASON_CODE => {
                let code = one(e, |reader| reader.enumerated()).field("reasonCode")?;
                let reason = RevocationReason::from_code(code).ok_or(DerError::IntegerRange);
                self.reason = Some(reason.field("reasonCode")?);
                self.has_critical_reason = e.critical;
            }
            oid::INVALIDITY_DATE => {
                let date = one(e, |reader| reader.time()).field("invalidityDate")?;
                self.invalidity_date = Some(date.at);
            }
            oid::CERTIFICATE_ISSUER => {
                let names = one(e, |reader| List::from_contents(reader.contents(tag::SEQUENCE)?));
                self.certificate_issuer = Some(names.field("certificateIssuer")?);
            }
            _ if e.critical && self.unknown_critical.is_none() => {
                self.unknown_critical = Some(e.oid);
            }
            _ => {}
        }
        Ok(())
    }
}
