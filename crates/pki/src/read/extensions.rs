//! Extensions (RFC 5280 4.2) and the values that they hold.

use super::{GeneralName, GeneralNames, InField, KnownExtensions, MAX_EXTENSIONS, ReadError};
use crate::der::{self, BitString, DerError, Element, Integer, List, Reader, tag};
use crate::oid::{self, Oid};

/// One extension, its value not yet read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extension<'a> {
    /// Which extension it is.
    pub oid: Oid<'a>,
    /// Whether who does not know it must refuse.
    pub critical: bool,
    /// The contents of extnValue.
    pub value: &'a [u8],
}

impl<'a> Element<'a> for Extension<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        let mut fields = reader.sequence()?;
        let oid = fields.oid()?;
        let critical = fields.boolean_or_false()?;
        let value = fields.octet_string()?;
        fields.finish()?;
        Ok(Self { oid, critical, value })
    }

    fn read_again(reader: &mut Reader<'a>) -> Option<Self> {
        let mut fields = Reader::new(reader.any().ok()?.contents);
        let oid = Oid::assume_checked(fields.any().ok()?.contents);
        let critical = fields.boolean_or_false().ok()?;
        Some(Self { oid, critical, value: fields.any().ok()?.contents })
    }
}

/// The extensions of a certificate, a CRL, a CRL entry or a request; none occurs twice.
#[derive(Clone, Copy, Debug)]
pub struct Extensions<'a>(List<'a, Extension<'a>>);

impl<'a> Extensions<'a> {
    /// No extensions.
    pub const fn none() -> Self {
        Self(List::empty())
    }

    /// Checks the contents of `Extensions`: at least one, at most [`MAX_EXTENSIONS`], no two alike.
    pub fn from_contents(contents: &'a [u8]) -> Result<Self, ReadError> {
        if contents.is_empty() {
            return Err(DerError::Empty).field("extensions");
        }
        let mut reader = Reader::new(contents);
        let mut seen: [&[u8]; MAX_EXTENSIONS] = [&[]; MAX_EXTENSIONS];
        let mut count = 0;
        while !reader.is_empty() {
            let extension = Extension::read(&mut reader).field("extensions")?;
            let oid = extension.oid.as_bytes();
            if seen[..count].contains(&oid) {
                return Err(ReadError::DuplicateExtension { oid: extension.oid.to_string() });
            }
            *seen.get_mut(count).ok_or(ReadError::TooManyExtensions)? = oid;
            count += 1;
        }
        Ok(Self(List::assume_checked(contents)))
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The extensions in their order.
    pub fn iter(&self) -> impl Iterator<Item = Extension<'a>> + use<'a> {
        self.0.iter()
    }

    /// The extension with this identifier.
    pub fn find(&self, oid: &[u8]) -> Option<Extension<'a>> {
        self.iter().find(|extension| extension.oid == *oid)
    }

    /// Reads the values of all extensions that this crate knows.
    pub fn known(&self) -> Result<KnownExtensions<'a>, ReadError> {
        KnownExtensions::from_extensions(self)
    }
}

/// basicConstraints (RFC 5280 4.2.1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BasicConstraints {
    /// Whether the subject is a CA.
    pub ca: bool,
    /// How many intermediates that are not self-issued may follow; above 2^32 - 1 is no limit.
    pub path_len: Option<u32>,
}

impl<'a> Element<'a> for BasicConstraints {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        let mut fields = reader.sequence()?;
        let ca = fields.boolean_or_false()?;
        let path_len = fields.optional(tag::INTEGER)?.map(skip_certs).transpose()?;
        fields.finish()?;
        Ok(Self { ca, path_len })
    }
}

/// INTEGER (0..MAX); what does not fit is the largest that does, which no path reaches.
fn skip_certs(contents: &[u8]) -> Result<u32, DerError> {
    let value = Integer::from_contents(contents)?;
    if value.is_negative() {
        return Err(DerError::IntegerRange);
    }
    Ok(value.to_u64().and_then(|value| u32::try_from(value).ok()).unwrap_or(u32::MAX))
}

/// keyUsage (RFC 5280 4.2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUsage(u16);

impl KeyUsage {
    /// digitalSignature.
    pub const DIGITAL_SIGNATURE: Self = Self(1);
    /// nonRepudiation, also called contentCommitment.
    pub const NON_REPUDIATION: Self = Self(1 << 1);
    /// keyEncipherment.
    pub const KEY_ENCIPHERMENT: Self = Self(1 << 2);
    /// dataEncipherment.
    pub const DATA_ENCIPHERMENT: Self = Self(1 << 3);
    /// keyAgreement.
    pub const KEY_AGREEMENT: Self = Self(1 << 4);
    /// keyCertSign.
    pub const KEY_CERT_SIGN: Self = Self(1 << 5);
    /// cRLSign.
    pub const CRL_SIGN: Self = Self(1 << 6);
    /// encipherOnly.
    pub const ENCIPHER_ONLY: Self = Self(1 << 7);
    /// decipherOnly.
    pub const DECIPHER_ONLY: Self = Self(1 << 8);

    /// Whether all of `bits` are set.
    pub const fn contains(self, bits: Self) -> bool {
        self.0 & bits.0 == bits.0
    }

    /// The bits: bit `n` of the ASN.1 definition is bit `n` here.
    pub const fn bits(self) -> u16 {
        self.0
    }
}

impl<'a> Element<'a> for KeyUsage {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        reader.bit_string().map(|bits| Self(bits.named_bits()))
    }
}

/// authorityKeyIdentifier (RFC 5280 4.2.1.1).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AuthorityKeyIdentifier<'a> {
    /// The issuer's subjectKeyIdentifier.
    pub key_id: Option<&'a [u8]>,
    /// Names of the issuer's issuer.
    pub cert_issuer: Option<GeneralNames<'a>>,
    /// The serial number of the issuer's certificate.
    pub cert_serial: Option<Integer<'a>>,
}

impl<'a> Element<'a> for AuthorityKeyIdentifier<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        let mut fields = reader.sequence()?;
        let key_id = fields.optional(tag::context(0))?;
        let issuer = fields.optional(tag::context_constructed(1))?;
        let serial = fields.optional(tag::context(2))?;
        fields.finish()?;
        Ok(Self {
            key_id,
            cert_issuer: issuer.map(List::from_contents).transpose()?,
            cert_serial: serial.map(Integer::from_contents).transpose()?,
        })
    }
}

/// nameConstraints (RFC 5280 4.2.1.10).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NameConstraints<'a> {
    /// Every name of a form that occurs here must be within one of its subtrees.
    pub permitted: Option<List<'a, GeneralSubtree<'a>>>,
    /// No name may be within one of these.
    pub excluded: Option<List<'a, GeneralSubtree<'a>>>,
}

impl<'a> Element<'a> for NameConstraints<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        let mut fields = reader.sequence()?;
        let permitted = fields.optional(tag::context_constructed(0))?;
        let excluded = fields.optional(tag::context_constructed(1))?;
        fields.finish()?;
        Ok(Self {
            permitted: permitted.map(List::from_contents).transpose()?,
            excluded: excluded.map(List::from_contents).transpose()?,
        })
    }
}

/// A subtree of a name space.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct GeneralSubtree<'a> {
    /// The top of the subtree.
    pub base: GeneralName<'a>,
    /// Whether minimum is not 0 or maximum is present, which RFC 5280 does not use.
    pub has_distance: bool,
}

impl<'a> Element<'a> for GeneralSubtree<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        let mut fields = reader.sequence()?;
        let base = GeneralName::read(&mut fields)?;
        let minimum = fields.optional(tag::context(0))?.map(skip_certs).transpose()?;
        let maximum = fields.optional(tag::context(1))?.map(skip_certs).transpose()?;
        fields.finish()?;
        Ok(Self { base, has_distance: minimum.unwrap_or(0) != 0 || maximum.is_some() })
    }
}

/// One policy of certificatePolicies (RFC 5280 4.2.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyInformation<'a> {
    /// The policy.
    pub policy: Oid<'a>,
    /// The encoded qualifiers.
    pub qualifiers: Option<&'a [u8]>,
}

impl<'a> PolicyInformation<'a> {
    /// What kinds of qualifiers there are; one that is not of the form of a qualifier ends the list with
    /// an empty identifier, which is none that is known.
    pub fn qualifier_types(&self) -> impl Iterator<Item = Oid<'a>> + use<'a> {
        let mut reader = Reader::new(self.qualifiers.unwrap_or(&[]));
        std::iter::from_fn(move || {
            if reader.is_empty() {
                return None;
            }
            let kind = reader.sequence().and_then(|mut qualifier| qualifier.oid());
            Some(kind.unwrap_or_else(|_| {
                reader = Reader::new(&[]);
                Oid::assume_checked(&[])
            }))
        })
    }
}

impl<'a> Element<'a> for PolicyInformation<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        let mut fields = reader.sequence()?;
        let policy = fields.oid()?;
        let qualifiers = fields.optional(tag::SEQUENCE)?;
        fields.finish()?;
        Ok(Self { policy, qualifiers })
    }
}

/// One pair of policyMappings (RFC 5280 4.2.1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyMapping<'a> {
    /// The policy in the issuer's domain.
    pub issuer: Oid<'a>,
    /// The policy in the subject's domain that counts as the same.
    pub subject: Oid<'a>,
}

impl<'a> Element<'a> for PolicyMapping<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        let mut fields = reader.sequence()?;
        let mapping = Self { issuer: fields.oid()?, subject: fields.oid()? };
        fields.finish()?;
        Ok(mapping)
    }
}

/// policyConstraints (RFC 5280 4.2.1.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyConstraints {
    /// After how many certificates an explicit policy is required.
    pub require_explicit_policy: Option<u32>,
    /// After how many certificates mappings are inhibited.
    pub inhibit_policy_mapping: Option<u32>,
}

impl<'a> Element<'a> for PolicyConstraints {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        let mut fields = reader.sequence()?;
        let require = fields.optional(tag::context(0))?.map(skip_certs).transpose()?;
        let inhibit = fields.optional(tag::context(1))?.map(skip_certs).transpose()?;
        fields.finish()?;
        Ok(Self { require_explicit_policy: require, inhibit_policy_mapping: inhibit })
    }
}

/// The value of inhibitAnyPolicy (RFC 5280 4.2.1.14).
pub(super) fn inhibit_any_policy(reader: &mut Reader<'_>) -> Result<u32, DerError> {
    skip_certs(reader.contents(tag::INTEGER)?)
}

/// The name of a distribution point (RFC 5280 4.2.1.13).
#[derive(Clone, Copy, Debug)]
pub enum DistributionPointName<'a> {
    /// Full names; any of them leads to the same CRL.
    Full(GeneralNames<'a>),
    /// A relative distinguished name below the CRL issuer's: the contents of the SET.
    Relative(List<'a, super::Attribute<'a>>),
}

impl<'a> DistributionPointName<'a> {
    pub(super) fn from_contents(contents: &'a [u8]) -> Result<Self, DerError> {
        let mut reader = Reader::new(contents);
        let tlv = reader.any()?;
        reader.finish()?;
        match tlv.tag {
            0xa0 => List::from_contents(tlv.contents).map(Self::Full),
            0xa1 => List::from_contents(tlv.contents).map(Self::Relative),
            found => Err(DerError::Choice { found }),
        }
    }
}

/// Reasons for revocation, as a set (ReasonFlags, RFC 5280 4.2.1.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasonFlags(u16);

impl ReasonFlags {
    /// Every reason that has a bit: keyCompromise (1) to aACompromise (8). Bit 0 is unused.
    pub const ALL: Self = Self(0x1fe);
    /// No reason.
    pub const NONE: Self = Self(0);

    pub(super) fn from_contents(contents: &[u8]) -> Result<Self, DerError> {
        Ok(Self(BitString::from_contents(contents)?.named_bits() & Self::ALL.0))
    }

    /// The reasons in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The reasons in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every reason of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits: bit `n` of the ASN.1 definition is bit `n` here.
    pub const fn bits(self) -> u16 {
        self.0
    }
}

/// A distribution point of CRLs (RFC 5280 4.2.1.13).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DistributionPoint<'a> {
    /// Where the CRL is.
    pub name: Option<DistributionPointName<'a>>,
    /// For which reasons it speaks; absent means all.
    pub reasons: Option<ReasonFlags>,
    /// Who signs it, if not the certificate's issuer.
    pub crl_issuer: Option<GeneralNames<'a>>,
}

impl<'a> Element<'a> for DistributionPoint<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        let mut fields = reader.sequence()?;
        let name = fields.optional(tag::context_constructed(0))?;
        let reasons = fields.optional(tag::context(1))?;
        let crl_issuer = fields.optional(tag::context_constructed(2))?;
        fields.finish()?;
        Ok(Self {
            name: name.map(DistributionPointName::from_contents).transpose()?,
            reasons: reasons.map(ReasonFlags::from_contents).transpose()?,
            crl_issuer: crl_issuer.map(List::from_contents).transpose()?,
        })
    }
}

/// One entry of authorityInfoAccess or subjectInfoAccess (RFC 5280 4.2.2.1).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AccessDescription<'a> {
    /// What is to be had, such as [`oid::AD_OCSP`].
    pub method: Oid<'a>,
    /// Where it is.
    pub location: GeneralName<'a>,
}

impl<'a> Element<'a> for AccessDescription<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        let mut fields = reader.sequence()?;
        let access = Self { method: fields.oid()?, location: GeneralName::read(&mut fields)? };
        fields.finish()?;
        Ok(access)
    }
}

/// One attribute of subjectDirectoryAttributes (RFC 5280 4.2.1.8).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DirectoryAttribute<'a> {
    /// The type.
    pub oid: Oid<'a>,
    /// The values.
    pub values: List<'a, der::Tlv<'a>>,
}

impl<'a> Element<'a> for DirectoryAttribute<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        let mut fields = reader.sequence()?;
        let oid = fields.oid()?;
        let values = List::from_contents(fields.contents(tag::SET)?)?;
        fields.finish()?;
        Ok(Self { oid, values })
    }
}

/// What a role's URI begins with; the role's own name follows.
pub const ROLE_URN_PREFIX: &str = "urn:rustmq:role:";

/// The roleNames of every attribute `role` (RFC 5755 4.4.5), in their order.
///
/// RoleSyntax is `SEQUENCE { roleAuthority [0] GeneralNames OPTIONAL, roleName [1] GeneralName }`;
/// the tag of roleName is explicit, because GeneralName is a CHOICE.
pub fn role_names<'a>(
    attributes: List<'a, DirectoryAttribute<'a>>,
) -> Result<Vec<GeneralName<'a>>, DerError> {
    let mut names = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.oid == oid::ROLE) {
        for value in attribute.values {
            names.push(role_name(value)?);
        }
    }
    Ok(names)
}

fn role_name(value: der::Tlv<'_>) -> Result<GeneralName<'_>, DerError> {
    let mut reader = Reader::new(value.whole);
    let mut syntax = reader.sequence()?;
    syntax.optional(tag::context_constructed(0))?;
    let mut explicit = syntax.nested(tag::context_constructed(1))?;
    syntax.finish()?;
    let name = GeneralName::read(&mut explicit)?;
    explicit.finish()?;
    Ok(name)
}
