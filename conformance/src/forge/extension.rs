//! Extensions of certificates and revocation lists.

use rustmq_pki::der::tag;
use rustmq_pki::encode::Encoder;
use rustmq_pki::oid;

use super::{GeneralName, Name, Subtree, der};

/// An extension as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// The contents of its object identifier.
    pub oid: Vec<u8>,
    /// Whether it is critical.
    pub critical: bool,
    /// The octets inside the OCTET STRING.
    pub value: Vec<u8>,
}

/// Bits of keyUsage for [`Extension::key_usage`].
pub mod usage {
    /// digitalSignature.
    pub const DIGITAL_SIGNATURE: u16 = 1;
    /// keyCertSign.
    pub const KEY_CERT_SIGN: u16 = 1 << 5;
    /// cRLSign.
    pub const CRL_SIGN: u16 = 1 << 6;
}

/// What an authorityKeyIdentifier says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aki {
    /// keyIdentifier.
    pub key_id: Option<Vec<u8>>,
    /// authorityCertIssuer and authorityCertSerialNumber.
    pub issuer: Option<(Name, Vec<u8>)>,
}

impl Extension {
    /// An extension with this content, not critical.
    pub fn new(oid: &[u8], value: Vec<u8>) -> Self {
        Self { oid: oid.to_vec(), critical: false, value }
    }

    /// The same extension, critical.
    #[must_use]
    pub fn critical(self) -> Self {
        self.critical_if(true)
    }

    /// The same extension, critical or not.
    #[must_use]
    pub fn critical_if(mut self, critical: bool) -> Self {
        self.critical = critical;
        self
    }

    fn of(oid: &[u8], write: impl FnOnce(&mut Encoder)) -> Self {
        Self::new(oid, der(write))
    }

    fn sequence(oid: &[u8], write: impl FnOnce(&mut Encoder)) -> Self {
        Self::of(oid, |out| _ = out.nested(tag::SEQUENCE, write))
    }

    /// basicConstraints, critical.
    pub fn basic_constraints(ca: bool, path_len: Option<u8>) -> Self {
        Self::sequence(oid::BASIC_CONSTRAINTS, |content| {
            if ca {
                content.boolean(true);
            }
            if let Some(length) = path_len {
                content.unsigned(&[length]);
            }
        })
        .critical()
    }

    /// keyUsage from the bits of [`usage`], critical.
    pub fn key_usage(bits: u16) -> Self {
        Self::of(oid::KEY_USAGE, |out| _ = out.named_bits(bits)).critical()
    }

    /// extendedKeyUsage.
    pub fn extended_key_usage(purposes: &[&[u8]]) -> Self {
        Self::sequence(oid::EXTENDED_KEY_USAGE, |list| {
            for purpose in purposes {
                list.oid(purpose);
            }
        })
    }

    /// subjectKeyIdentifier.
    pub fn subject_key_id(id: &[u8]) -> Self {
        Self::of(oid::SUBJECT_KEY_IDENTIFIER, |out| _ = out.value(tag::OCTET_STRING, id))
    }

    /// authorityKeyIdentifier.
    pub fn authority_key_id(aki: &Aki) -> Self {
        Self::sequence(oid::AUTHORITY_KEY_IDENTIFIER, |content| {
            if let Some(id) = &aki.key_id {
                content.value(tag::context(0), id);
            }
            if let Some((issuer, serial)) = &aki.issuer {
                content.nested(tag::context_constructed(1), |names| {
                    GeneralName::Directory(issuer.clone()).write(names);
                });
                content.value(tag::context(2), serial);
            }
        })
    }

    /// subjectAltName.
    pub fn subject_alt_name(names: &[GeneralName]) -> Self {
        Self::sequence(oid::SUBJECT_ALT_NAME, |list| {
            for name in names {
                name.write(list);
            }
        })
    }

    /// nameConstraints, critical; an empty list is left out.
    pub fn name_constraints(permitted: &[Subtree], excluded: &[Subtree]) -> Self {
        Self::sequence(oid::NAME_CONSTRAINTS, |content| {
            for (number, subtrees) in [(0, permitted), (1, excluded)] {
                if !subtrees.is_empty() {
                    content.nested(tag::context_constructed(number), |list| {
                        subtrees.iter().for_each(|subtree| subtree.write(list));
                    });
                }
            }
        })
        .critical()
    }

    /// certificatePolicies from the contents of their identifiers.
    pub fn policies(policies: &[Vec<u8>]) -> Self {
        Self::sequence(oid::CERTIFICATE_POLICIES, |list| {
            for policy in policies {
                list.nested(tag::SEQUENCE, |information| _ = information.oid(policy));
            }
        })
    }

    /// policyMappings, critical: issuerDomainPolicy and subjectDomainPolicy.
    pub fn policy_mappings(mappings: &[(Vec<u8>, Vec<u8>)]) -> Self {
        Self::sequence(oid::POLICY_MAPPINGS, |list| {
            for (issuer, subject) in mappings {
                list.nested(tag::SEQUENCE, |mapping| _ = mapping.oid(issuer).oid(subject));
            }
        })
        .critical()
    }

    /// policyConstraints, critical.
    pub fn policy_constraints(require_explicit: Option<u8>, inhibit_mapping: Option<u8>) -> Self {
        Self::sequence(oid::POLICY_CONSTRAINTS, |content| {
            for (number, skip) in [(0, require_explicit), (1, inhibit_mapping)] {
                if let Some(skip) = skip {
                    content.unsigned_tagged(tag::context(number), &[skip]);
                }
            }
        })
        .critical()
    }

    /// inhibitAnyPolicy, critical.
    pub fn inhibit_any_policy(skip: u8) -> Self {
        Self::of(oid::INHIBIT_ANY_POLICY, |out| _ = out.unsigned(&[skip])).critical()
    }

    /// cRLNumber.
    pub fn crl_number(number: u64) -> Self {
        Self::of(oid::CRL_NUMBER, |out| _ = out.unsigned(&number.to_be_bytes()))
    }

    /// An extension that nobody knows (1.3.6.1.4.1.99999.2), critical.
    pub fn unknown() -> Self {
        Self::new(b"\x2b\x06\x01\x04\x01\x86\x8d\x1f\x02", vec![5, 0]).critical()
    }

    /// Writes the extension.
    pub fn write(&self, out: &mut Encoder) {
        out.nested(tag::SEQUENCE, |extension| {
            extension.oid(&self.oid);
            if self.critical {
                extension.boolean(true);
            }
            extension.value(tag::OCTET_STRING, &self.value);
        });
    }
}
