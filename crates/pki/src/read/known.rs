//! The extensions of a certificate, read into their types.

use super::extensions::inhibit_any_policy;
use super::{
    AccessDescription, AuthorityKeyIdentifier, BasicConstraints, DirectoryAttribute,
    DistributionPoint, Extension, Extensions, GeneralNames, InField, KeyUsage, NameConstraints,
    PolicyConstraints, PolicyInformation, PolicyMapping, ROLE_URN_PREFIX, ReadError, role_names,
};
use crate::der::{DerError, Element, List, Reader, tag};
use crate::oid::{self, Oid};

/// The value of an extension and whether the extension is critical.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Known<T> {
    /// Whether the extension is critical.
    pub critical: bool,
    /// What it holds.
    pub value: T,
}

/// The extensions that this crate knows, each read into its type.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct KnownExtensions<'a> {
    /// authorityKeyIdentifier.
    pub authority_key_id: Option<Known<AuthorityKeyIdentifier<'a>>>,
    /// subjectKeyIdentifier.
    pub subject_key_id: Option<Known<&'a [u8]>>,
    /// keyUsage.
    pub key_usage: Option<Known<KeyUsage>>,
    /// certificatePolicies.
    pub policies: Option<Known<List<'a, PolicyInformation<'a>>>>,
    /// policyMappings.
    pub policy_mappings: Option<Known<List<'a, PolicyMapping<'a>>>>,
    /// subjectAltName.
    pub subject_alt_name: Option<Known<GeneralNames<'a>>>,
    /// issuerAltName.
    pub issuer_alt_name: Option<Known<GeneralNames<'a>>>,
    /// subjectDirectoryAttributes.
    pub directory_attributes: Option<Known<List<'a, DirectoryAttribute<'a>>>>,
    /// basicConstraints.
    pub basic_constraints: Option<Known<BasicConstraints>>,
    /// nameConstraints.
    pub name_constraints: Option<Known<NameConstraints<'a>>>,
    /// policyConstraints.
    pub policy_constraints: Option<Known<PolicyConstraints>>,
    /// extKeyUsage: the purposes.
    pub extended_key_usage: Option<Known<List<'a, Oid<'a>>>>,
    /// cRLDistributionPoints.
    pub crl_distribution_points: Option<Known<List<'a, DistributionPoint<'a>>>>,
    /// inhibitAnyPolicy: after how many certificates.
    pub inhibit_any_policy: Option<Known<u32>>,
    /// freshestCRL.
    pub freshest_crl: Option<Known<List<'a, DistributionPoint<'a>>>>,
    /// authorityInfoAccess.
    pub authority_info_access: Option<Known<List<'a, AccessDescription<'a>>>>,
    /// subjectInfoAccess.
    pub subject_info_access: Option<Known<List<'a, AccessDescription<'a>>>>,
    /// id-pkix-ocsp-nocheck.
    pub ocsp_no_check: Option<Known<()>>,
    /// The first critical extension that is none of these.
    pub unknown_critical: Option<Oid<'a>>,
}

impl<'a> KnownExtensions<'a> {
    pub(super) fn from_extensions(extensions: &Extensions<'a>) -> Result<Self, ReadError> {
        let mut known = Self::default();
        for extension in extensions.iter() {
            known.take(extension)?;
        }
        Ok(known)
    }

    fn take(&mut self, e: Extension<'a>) -> Result<(), ReadError> {
        match e.oid.as_bytes() {
            oid::AUTHORITY_KEY_IDENTIFIER => {
                self.authority_key_id = value(e, "authorityKeyIdentifier")?;
            }
            oid::SUBJECT_KEY_IDENTIFIER => {
                self.subject_key_id =
                    value_by(e, "subjectKeyIdentifier", |reader| reader.octet_string())?;
            }
            oid::KEY_USAGE => self.key_usage = value(e, "keyUsage")?,
            oid::CERTIFICATE_POLICIES => self.policies = list(e, "certificatePolicies")?,
            oid::POLICY_MAPPINGS => self.policy_mappings = list(e, "policyMappings")?,
            oid::SUBJECT_ALT_NAME => self.subject_alt_name = list(e, "subjectAltName")?,
            oid::ISSUER_ALT_NAME => self.issuer_alt_name = list(e, "issuerAltName")?,
            oid::SUBJECT_DIRECTORY_ATTRIBUTES => {
                self.directory_attributes = list(e, "subjectDirectoryAttributes")?;
            }
            oid::BASIC_CONSTRAINTS => self.basic_constraints = value(e, "basicConstraints")?,
            oid::NAME_CONSTRAINTS => self.name_constraints = value(e, "nameConstraints")?,
            oid::POLICY_CONSTRAINTS => self.policy_constraints = value(e, "policyConstraints")?,
            oid::EXTENDED_KEY_USAGE => self.extended_key_usage = list(e, "extKeyUsage")?,
            _ => return self.take_rarer(e),
        }
        Ok(())
    }

    fn take_rarer(&mut self, e: Extension<'a>) -> Result<(), ReadError> {
        match e.oid.as_bytes() {
            oid::CRL_DISTRIBUTION_POINTS => {
                self.crl_distribution_points = list(e, "cRLDistributionPoints")?;
            }
            oid::INHIBIT_ANY_POLICY => {
                self.inhibit_any_policy = value_by(e, "inhibitAnyPolicy", inhibit_any_policy)?;
            }
            oid::FRESHEST_CRL => self.freshest_crl = list(e, "freshestCRL")?,
            oid::AUTHORITY_INFO_ACCESS => {
                self.authority_info_access = list(e, "authorityInfoAccess")?;
            }
            oid::SUBJECT_INFO_ACCESS => self.subject_info_access = list(e, "subjectInfoAccess")?,
            oid::OCSP_NO_CHECK => {
                self.ocsp_no_check = value_by(e, "id-pkix-ocsp-nocheck", |reader| reader.null())?;
            }
            _ if e.critical && self.unknown_critical.is_none() => {
                self.unknown_critical = Some(e.oid);
            }
            _ => {}
        }
        Ok(())
    }

    /// The names of subjectAltName; none without the extension.
    pub fn alt_names(&self) -> GeneralNames<'a> {
        self.subject_alt_name.map_or(List::empty(), |names| names.value)
    }

    /// Whether basicConstraints says that the subject is a CA.
    pub fn is_ca(&self) -> bool {
        self.basic_constraints.is_some_and(|constraints| constraints.value.ca)
    }

    /// The roles that subjectDirectoryAttributes names by a URI `urn:rustmq:role:<role>`. Other
    /// role names are left out; a malformed attribute `role` is an error.
    pub fn roles(&self) -> Result<Vec<&'a str>, ReadError> {
        let Some(attributes) = self.directory_attributes else { return Ok(Vec::new()) };
        let names = role_names(attributes.value).field("subjectDirectoryAttributes.role")?;
        let role = |name: super::GeneralName<'a>| match name {
            super::GeneralName::Uri(uri) => {
                std::str::from_utf8(uri).ok()?.strip_prefix(ROLE_URN_PREFIX)
            }
            _ => None,
        };
        Ok(names.into_iter().filter_map(role).collect())
    }
}

fn value_by<'a, T>(
    extension: Extension<'a>,
    field: &'static str,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, DerError>,
) -> Result<Option<Known<T>>, ReadError> {
    let mut reader = Reader::new(extension.value);
    let value = read(&mut reader).field(field)?;
    reader.finish().field(field)?;
    Ok(Some(Known { critical: extension.critical, value }))
}

fn value<'a, T: Element<'a>>(
    extension: Extension<'a>,
    field: &'static str,
) -> Result<Option<Known<T>>, ReadError> {
    value_by(extension, field, T::read)
}

fn list<'a, T: Element<'a>>(
    extension: Extension<'a>,
    field: &'static str,
) -> Result<Option<Known<List<'a, T>>>, ReadError> {
    value_by(extension, field, |reader| List::from_contents(reader.contents(tag::SEQUENCE)?))
}
