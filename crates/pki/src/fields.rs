//! The final fields of a certificate, and the TBSCertificate that they make (RFC 5280 4.1).

use std::borrow::Cow;
use std::sync::Arc;

use crate::constraints::NameConstraints;
use crate::der::tag;
use crate::encode::Encoder;
use crate::key::{KeyType, PublicKey};
use crate::name::{DistinguishedName, SubjectAltName};
use crate::oid;
use crate::read::NameRef;
use crate::role::Role;
use crate::serial::SerialNumber;
use crate::time::UnixTime;

/// Everything that a certificate will hold but its serial number. Its values come from the gate
/// alone, and what is encoded is exactly this.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    pub(crate) issuer: Arc<IssuerFields>,
    pub(crate) subject: DistinguishedName,
    pub(crate) public_key: PublicKey,
    pub(crate) not_before: UnixTime,
    pub(crate) not_after: UnixTime,
    pub(crate) kind: Kind,
    /// Bit `n` of the ASN.1 definition is bit `n` here.
    pub(crate) key_usage: u16,
    pub(crate) extended_key_usage: Vec<Purpose>,
    pub(crate) sans: Vec<SubjectAltName>,
    /// OID contents.
    pub(crate) policies: Vec<Vec<u8>>,
    pub(crate) crl_distribution_point: Option<String>,
    pub(crate) authority_info_access: Option<AccessAddresses>,
    pub(crate) ocsp_no_check: bool,
}

/// What of the issuer stands in the certificates that it signs.
#[derive(Clone, Debug)]
pub(crate) struct IssuerFields {
    /// DER of its subject.
    pub(crate) name: Vec<u8>,
    pub(crate) key_id: Vec<u8>,
    pub(crate) key_type: KeyType,
    pub(crate) not_before: UnixTime,
    /// The end of the issuer, or of a CA above it that ends earlier.
    pub(crate) not_after: UnixTime,
    /// How many CA certificates may still follow; `None` for any number.
    pub(crate) path_len: Option<u8>,
    /// Its subject as comparison of names sees it; empty where the subject is the issuer itself.
    pub(crate) match_key: String,
    /// The constraints of every certificate from the issuer up.
    pub(crate) constraints: Vec<NameConstraints>,
}

impl IssuerFields {
    /// The issuer's common name; nothing where it has none.
    pub(crate) fn shown(&self) -> String {
        let name = NameRef::from_der(&self.name).ok();
        let text = name.and_then(|name| {
            let common_name = name.values_of(oid::COMMON_NAME).next()?;
            common_name.text().map(Cow::into_owned)
        });
        text.unwrap_or_default()
    }
}

/// An end entity, or a CA with what only CAs have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    EndEntity { role: Option<Role> },
    Ca { path_len: Option<u8>, constraints: NameConstraints },
}

/// Where a certificate's issuer and status are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessAddresses {
    pub(crate) ocsp: String,
    pub(crate) ca_issuers: String,
}

/// An extended key usage that profiles may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Purpose {
    /// TLS server authentication.
    ServerAuth,
    /// TLS client authentication.
    ClientAuth,
    /// Signing OCSP responses for the issuing CA.
    #[serde(rename = "OCSPSigning")]
    OcspSigning,
}

impl Purpose {
    pub(crate) const ALL: [Self; 3] = [Self::ServerAuth, Self::ClientAuth, Self::OcspSigning];

    /// Content octets of the purpose's OID.
    pub const fn oid(self) -> &'static [u8] {
        match self {
            Self::ServerAuth => oid::SERVER_AUTH,
            Self::ClientAuth => oid::CLIENT_AUTH,
            Self::OcspSigning => oid::OCSP_SIGNING,
        }
    }

    /// The name in RFC 5280 4.2.1.12.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServerAuth => "serverAuth",
            Self::ClientAuth => "clientAuth",
            Self::OcspSigning => "OCSPSigning",
        }
    }
}

impl Fields {
    pub(crate) fn is_ca(&self) -> bool {
        matches!(self.kind, Kind::Ca { .. })
    }

    /// The DER of the TBSCertificate.
    pub(crate) fn to_be_signed(&self, serial: &SerialNumber) -> Vec<u8> {
        // Past the key, a certificate of ours takes 400 to 600 octets.
        let mut encoder = Encoder::with_capacity(640 + self.public_key.spki().len());
        encoder.nested(tag::SEQUENCE, |tbs| {
            tbs.raw(b"\xa0\x03\x02\x01\x02"); // [0] version v3
            tbs.unsigned(serial.as_bytes());
            tbs.raw(self.issuer.key_type.signature_algorithm());
            tbs.raw(&self.issuer.name);
            tbs.nested(tag::SEQUENCE, |validity| {
                validity.time(self.not_before).time(self.not_after);
            });
            self.subject.encode(tbs);
            tbs.raw(self.public_key.spki());
            tbs.nested(tag::context_constructed(3), |explicit| {
                explicit.nested(tag::SEQUENCE, |extensions| self.encode_extensions(extensions));
            });
        });
        encoder.into_bytes()
    }

    fn encode_extensions(&self, list: &mut Encoder) {
        extension(list, oid::AUTHORITY_KEY_IDENTIFIER, Criticality::Not, |value| {
            value.nested(tag::SEQUENCE, |aki| {
                aki.value(tag::context(0), &self.issuer.key_id);
            });
        });
        extension(list, oid::SUBJECT_KEY_IDENTIFIER, Criticality::Not, |value| {
            value.value(tag::OCTET_STRING, &self.public_key.key_id());
        });
        extension(list, oid::KEY_USAGE, Criticality::Critical, |value| {
            value.named_bits(self.key_usage);
        });
        self.encode_kind(list);
        if !self.extended_key_usage.is_empty() {
            extension(list, oid::EXTENDED_KEY_USAGE, Criticality::Not, |value| {
                value.nested(tag::SEQUENCE, |purposes| {
                    self.extended_key_usage.iter().for_each(|p| _ = purposes.oid(p.oid()));
                });
            });
        }
        if !self.sans.is_empty() {
            // RFC 5280 4.2.1.6: critical if and only if the subject is empty.
            let criticality = match self.subject.is_empty() {
                true => Criticality::Critical,
                false => Criticality::Not,
            };
            extension(list, oid::SUBJECT_ALT_NAME, criticality, |value| {
                value.nested(tag::SEQUENCE, |names| {
                    self.sans.iter().for_each(|san| san.encode(names));
                });
            });
        }
        self.encode_policies(list);
        self.encode_addresses(list);
        if self.ocsp_no_check {
            extension(list, oid::OCSP_NO_CHECK, Criticality::Not, |value| {
                value.value(tag::NULL, &[]);
            });
        }
    }

    fn encode_kind(&self, list: &mut Encoder) {
        match &self.kind {
            Kind::EndEntity { role: None } => {}
            Kind::EndEntity { role: Some(role) } => {
                extension(list, oid::SUBJECT_DIRECTORY_ATTRIBUTES, Criticality::Not, |value| {
                    encode_role(value, *role);
                });
            }
            Kind::Ca { path_len, constraints } => {
                extension(list, oid::BASIC_CONSTRAINTS, Criticality::Critical, |value| {
                    value.nested(tag::SEQUENCE, |basic| {
                        basic.boolean(true);
                        path_len.iter().for_each(|length| _ = basic.unsigned(&[*length]));
                    });
                });
                if !constraints.is_empty() {
                    extension(list, oid::NAME_CONSTRAINTS, Criticality::Critical, |value| {
                        constraints.encode(value);
                    });
                }
            }
        }
    }

    fn encode_policies(&self, list: &mut Encoder) {
        if self.policies.is_empty() {
            return;
        }
        // Never critical: stock TLS stacks refuse policies that they do not process.
        extension(list, oid::CERTIFICATE_POLICIES, Criticality::Not, |value| {
            value.nested(tag::SEQUENCE, |policies| {
                for policy in &self.policies {
                    policies.nested(tag::SEQUENCE, |information| _ = information.oid(policy));
                }
            });
        });
    }

    fn encode_addresses(&self, list: &mut Encoder) {
        if let Some(address) = &self.crl_distribution_point {
            extension(list, oid::CRL_DISTRIBUTION_POINTS, Criticality::Not, |value| {
                value.nested(tag::SEQUENCE, |points| {
                    points.nested(tag::SEQUENCE, |point| {
                        point.nested(tag::context_constructed(0), |name| {
                            name.nested(tag::context_constructed(0), |full_name| {
                                full_name.value(tag::context(6), address.as_bytes());
                            });
                        });
                    });
                });
            });
        }
        if let Some(addresses) = &self.authority_info_access {
            extension(list, oid::AUTHORITY_INFO_ACCESS, Criticality::Not, |value| {
                value.nested(tag::SEQUENCE, |descriptions| {
                    for (method, address) in [
                        (oid::AD_OCSP, &addresses.ocsp),
                        (oid::AD_CA_ISSUERS, &addresses.ca_issuers),
                    ] {
                        descriptions.nested(tag::SEQUENCE, |description| {
                            description.oid(method).value(tag::context(6), address.as_bytes());
                        });
                    }
                });
            });
        }
    }
}

/// SubjectDirectoryAttributes with the attribute `role`, whose RoleSyntax (RFC 5755 4.4.5) names the
/// role by a URI: `roleName [1]` is explicitly tagged, as GeneralName is a CHOICE.
fn encode_role(value: &mut Encoder, role: Role) {
    value.nested(tag::SEQUENCE, |attributes| {
        attributes.nested(tag::SEQUENCE, |attribute| {
            attribute.oid(oid::ROLE).nested(tag::SET, |values| {
                values.nested(tag::SEQUENCE, |role_syntax| {
                    role_syntax.nested(tag::context_constructed(1), |role_name| {
                        role_name.value(tag::context(6), role.uri().as_bytes());
                    });
                });
            });
        });
    });
}

/// Whether a relying party that does not know an extension must refuse the certificate.
#[derive(Clone, Copy)]
pub(crate) enum Criticality {
    Critical,
    Not,
}

/// Writes one Extension.
pub(crate) fn extension(
    list: &mut Encoder,
    oid: &[u8],
    criticality: Criticality,
    value: impl FnOnce(&mut Encoder),
) {
    list.nested(tag::SEQUENCE, |extension| {
        extension.oid(oid);
        if matches!(criticality, Criticality::Critical) {
            extension.boolean(true);
        }
        extension.nested(tag::OCTET_STRING, value);
    });
}
