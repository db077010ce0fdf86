//! The profiles that are always there.

use std::collections::BTreeMap;

use super::{Profile, ProfileKind};
use crate::constraints::NameConstraints;
use crate::fields::Purpose;
use crate::key::KeyType;
use crate::name::SanKind;
use crate::read::KeyUsage;
use crate::role::Role;

impl Profile {
    /// The built-in profiles, by name.
    pub const BUILTIN: [&'static str; 7] =
        ["root-ca", "intermediate-ca", "broker", "controller", "client", "admin", "ocsp-signer"];

    /// The built-in profile of this name.
    pub fn builtin(name: &str) -> Option<Self> {
        const SERVER: &[Purpose] = &[Purpose::ServerAuth, Purpose::ClientAuth];
        const CLIENT: &[Purpose] = &[Purpose::ClientAuth];
        const HOSTS: &[SanKind] = &[SanKind::Dns, SanKind::Ip];
        const PEOPLE: &[SanKind] = &[SanKind::Dns, SanKind::Ip, SanKind::Email];
        let end_entity = |role, purposes: &[Purpose], san: &[SanKind], days| Self {
            extended_key_usage: purposes.to_vec(),
            san: san.to_vec(),
            validity_days: days,
            ..Self::plain(name, ProfileKind::EndEntity(role))
        };
        let ca = |kind, days| Self {
            key_usage: KeyUsage::KEY_CERT_SIGN.bits() | KeyUsage::CRL_SIGN.bits(),
            validity_days: days,
            ..Self::plain(name, kind)
        };
        Some(match name {
            "root-ca" => ca(ProfileKind::RootCa { path_len: None }, 3650),
            "intermediate-ca" => {
                let constraints = NameConstraints::default();
                ca(ProfileKind::IntermediateCa { path_len: Some(0), constraints }, 1825)
            }
            "broker" => end_entity(Role::Broker, SERVER, HOSTS, 365),
            "controller" => end_entity(Role::Controller, SERVER, HOSTS, 365),
            "client" => end_entity(Role::Client, CLIENT, PEOPLE, 90),
            "admin" => end_entity(Role::Admin, CLIENT, PEOPLE, 30),
            "ocsp-signer" => Self {
                extended_key_usage: vec![Purpose::OcspSigning],
                validity_days: 30,
                ocsp_no_check: true,
                ..Self::plain(name, ProfileKind::OcspResponder)
            },
            _ => return None,
        })
    }

    fn plain(name: &str, kind: ProfileKind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            key_usage: KeyUsage::DIGITAL_SIGNATURE.bits(),
            extended_key_usage: Vec::new(),
            validity_days: 0,
            max_validity_days: None,
            keys: KeyType::ALL.to_vec(),
            san: Vec::new(),
            principal_patterns: Vec::new(),
            san_patterns: BTreeMap::new(),
            crl_distribution_points: true,
            authority_info_access: true,
            policies: Vec::new(),
            ocsp_no_check: false,
        }
    }
}
